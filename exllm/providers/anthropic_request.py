"""Requests to the Anthropic Messages API: options and messages to headers and body.

Source: https://platform.claude.com/docs/en/api/messages
"""

from __future__ import annotations

import re
from typing import Any

import msgspec

from exllm.errors import InvalidRequest, UnsupportedOption
from exllm.providers.anthropic_content import cache_marker
from exllm.providers.anthropic_models import model_facts
from exllm.providers.anthropic_thinking import Thinking
from exllm.providers.anthropic_tools import tool_fields
from exllm.providers.anthropic_turns import Turns
from exllm.providers.anthropic_vertex import to_vertex
from exllm.providers.spec import ProviderSpec, check_limits, check_parameters
from exllm.providers.wire import HttpRequest
from exllm.types.options import Options
from exllm.types.request import Request

OPTIONS = frozenset(
    {
        "temperature",
        "max_tokens",
        "top_p",
        "top_k",
        "stop",
        "user",
        "metadata",
        "tools",
        "tool_choice",
        "parallel_tool_calls",
        "response_format",
        "reasoning_effort",
        "thinking",
        "web_search",
        "service_tier",
        "cache_control",
        "betas",
    }
)

# The body's fields of the reference, beta features included, so that none of them is taken for a misspelt one.
FIELDS = frozenset(
    {
        "anthropic_version", "billing_policy", "cache_control", "compaction", "container", "context_management",
        "diagnostics",
        "fallback_credit_token", "fallbacks", "inference_geo", "max_tokens", "mcp_servers", "messages", "metadata",
        "model", "output_config", "service_tier", "speed", "stop_sequences", "stream", "system", "temperature",
        "thinking", "thread", "tool_choice", "tools", "top_k", "top_p", "user_profile_id", "workspace_id",
    }
)  # fmt: skip

VERSION_HEADER = "anthropic-version"
API_VERSION = "2026-10-21"
SAMPLING_API_VERSION = "2023-06-01"
"""The last version that takes `temperature`, `top_p` and `top_k`, and then only of models before Claude Opus 4.7.
Nothing else that this wire sends differs between the two: https://platform.claude.com/docs/en/api/migration-2026-10-21"""
_SAMPLING = frozenset({"temperature", "top_p", "top_k"})

_BETA = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]*")

_encode = msgspec.json.Encoder().encode


def build(request: Request, spec: ProviderSpec) -> HttpRequest:
    """See `Wire.build`."""
    options = request.options
    facts = model_facts(request.model)
    thinking = Thinking(options, facts, request.model)
    body: dict[str, Any] = {"model": request.model, "max_tokens": thinking.max_tokens}
    check_limits(spec, request.messages)
    turns = Turns(spec.name, system_turns=facts.system_turns)
    turns.add(request.messages)
    body["messages"] = turns.messages
    if turns.system is not None:
        body["system"] = turns.system
    if request.stream:
        body["stream"] = True
    body |= _plain_fields(options, spec)
    body |= tool_fields(options)
    if thinking.thinking is not None:
        body["thinking"] = thinking.thinking
    output: dict[str, Any] = {}
    if thinking.effort is not None:
        output["effort"] = thinking.effort
    if (wanted := _output_format(options, spec)) is not None:
        output["format"] = wanted
    if output:
        body["output_config"] = output
    body |= request.extra
    strange = check_parameters(spec, body, FIELDS)
    headers, path = _headers(options, body, spec), spec.paths.chat
    if "vertex" in spec.quirks:
        path, body = to_vertex(body, spec)
    try:
        content = _encode(body)
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidRequest(f"the request cannot be written as JSON: {error}", provider=spec.name) from error
    warnings = (*turns.warnings, *thinking.warnings, *strange)
    return HttpRequest(path, content, headers, warnings=warnings)


def max_tokens_of(request: Request) -> int:
    """The `max_tokens` that `build` sends."""
    given = request.extra.get("max_tokens") or request.options.max_tokens
    if isinstance(given, int):
        return given
    return Thinking(request.options, model_facts(request.model), request.model).max_tokens


def _plain_fields(options: Options, spec: ProviderSpec) -> dict[str, Any]:
    temperature = options.temperature
    if temperature is not None and temperature > 1:
        raise InvalidRequest(f"{spec.label} takes a temperature from 0 to 1, got {temperature:g}", provider=spec.name)
    fields = {
        "temperature": temperature,
        "top_p": options.top_p,
        "top_k": options.top_k,
        "stop_sequences": options.stop,
        "service_tier": options.service_tier,
        "metadata": options.metadata,
        "cache_control": None if options.cache_control is None else cache_marker(options.cache_control),
    }
    if options.user is not None:
        fields["metadata"] = {"user_id": options.user, **(options.metadata or {})}
    return {name: value for name, value in fields.items() if value is not None}


def _output_format(options: Options, spec: ProviderSpec) -> dict[str, Any] | None:
    """https://platform.claude.com/docs/en/build-with-claude/structured-outputs"""
    wanted = options.response_format
    if wanted is None or wanted == "text":
        return None
    if wanted == "json":
        raise UnsupportedOption(
            f"{spec.label} has no JSON mode; pass a JSON Schema as response_format", provider=spec.name
        )
    assert isinstance(wanted, dict)
    match wanted:
        case {"type": "json_schema", "json_schema": dict(inner)}:  # OpenAI's shape
            schema = inner.get("schema")
        case {"type": "json_schema", "schema": schema}:  # Anthropic's own
            pass
        case {"name": str(), "schema": schema}:
            pass
        case {"type": "json_object"}:
            raise UnsupportedOption(
                f"{spec.label} has no JSON mode; pass a JSON Schema as response_format", provider=spec.name
            )
        case _:
            schema = wanted
    return {"type": "json_schema", "schema": schema}


def _headers(options: Options, body: dict[str, Any], spec: ProviderSpec) -> dict[str, str]:
    headers: dict[str, str] = {}
    if not options.betas and spec.headers.get(VERSION_HEADER) == API_VERSION and _SAMPLING.isdisjoint(body):
        return headers
    given = {name.lower(): value for name, value in spec.headers.items()}
    version = given.get(VERSION_HEADER, API_VERSION)
    if version == API_VERSION and _SAMPLING & body.keys():
        version = SAMPLING_API_VERSION
    if version != given.get(VERSION_HEADER) and "vertex" not in spec.quirks:
        headers[VERSION_HEADER] = version
    if options.betas:
        for beta in options.betas:
            if not _BETA.fullmatch(beta):
                raise InvalidRequest(f"a beta is named like 'context-1m-2025-08-07', got {beta!r}", provider=spec.name)
        already = [name.strip() for name in given.get("anthropic-beta", "").split(",") if name.strip()]
        headers["anthropic-beta"] = ",".join(dict.fromkeys([*already, *options.betas]))
    return headers
