"""Requests to Converse and ConverseStream: options and messages to path and body.

Source: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html
"""

from __future__ import annotations

from typing import Any

import msgspec

from exllm.errors import InvalidRequest, UnsupportedOption
from exllm.providers.bedrock_converse_fields import OPTIONS as FAMILY_OPTIONS
from exllm.providers.bedrock_converse_fields import REASONING, SAMPLING, FamilyFields
from exllm.providers.bedrock_converse_tools import SEARCHING, tool_config
from exllm.providers.bedrock_converse_turns import Turns
from exllm.providers.bedrock_models import family_of, path_of, resolve
from exllm.providers.spec import ProviderSpec, check_limits, check_parameters
from exllm.providers.wire import HttpRequest
from exllm.types.options import Options
from exllm.types.request import Request

OPTIONS = FAMILY_OPTIONS | {
    "temperature",
    "max_tokens",
    "top_p",
    "stop",
    "metadata",
    "tools",
    "tool_choice",
    "response_format",
    "reasoning_effort",
    "thinking",
    "web_search",
    "service_tier",
    "cache_control",
}

# The body's fields of the reference, so that none of them is taken for a misspelt one.
FIELDS = frozenset(
    {
        "messages", "system", "inferenceConfig", "toolConfig", "guardrailConfig", "additionalModelRequestFields",
        "promptVariables", "additionalModelResponseFieldPaths", "requestMetadata", "performanceConfig", "serviceTier",
        "outputConfig",
    }
)  # fmt: skip

_BY_FAMILY = FAMILY_OPTIONS | {"thinking", "reasoning_effort", "web_search"}

STREAM_TYPE = "application/vnd.amazon.eventstream"
_MERGED = ("inferenceConfig", "additionalModelRequestFields", "outputConfig")
"""Objects that `extra` adds to, field by field."""

_encode = msgspec.json.Encoder().encode


def options_of(model: str, spec: ProviderSpec) -> frozenset[str]:
    """The options that Converse can express for one model."""
    family = family_of(resolve(model, spec.base_url)) or ""
    own = {*SAMPLING.get(family, {}), *REASONING.get(family, ())}
    if family in SEARCHING:
        own.add("web_search")
    return (OPTIONS - _BY_FAMILY) | own


def build(request: Request, spec: ProviderSpec) -> HttpRequest:
    """See `Wire.build`."""
    body, warnings = converse_body(request, spec)
    try:
        content = _encode(body)
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidRequest(f"the request cannot be written as JSON: {error}", provider=spec.name) from error
    path = path_of(spec.paths.chat, resolve(request.model, spec.base_url))
    if not request.stream:
        return HttpRequest(path, content, warnings=warnings)
    return HttpRequest(f"{path}-stream", content, {"accept": STREAM_TYPE}, warnings=warnings)


def converse_body(request: Request, spec: ProviderSpec) -> tuple[dict[str, Any], tuple[str, ...]]:
    """The body, and what could not be said as it was asked for."""
    options = request.options
    check_limits(spec, request.messages)
    family = family_of(resolve(request.model, spec.base_url))
    turns = Turns(spec.name, family)
    turns.add(request.messages, options.cache_control)
    fields = FamilyFields(request, family, spec)
    body: dict[str, Any] = {"messages": turns.messages}
    if turns.system:
        body["system"] = turns.system
    if inference := _inference_config(options, spec):
        body["inferenceConfig"] = inference
    if (tools := tool_config(options, turns, family, spec)) is not None:
        body["toolConfig"] = tools
    if fields.additional:
        body["additionalModelRequestFields"] = fields.additional
    if options.metadata:
        body["requestMetadata"] = options.metadata
    if options.service_tier is not None:
        body["serviceTier"] = {"type": options.service_tier}
    output: dict[str, Any] = {}
    if (wanted := _text_format(options, spec)) is not None:
        output["textFormat"] = wanted
    if fields.effort is not None:
        output["effort"] = fields.effort
    if output:
        body["outputConfig"] = output
    _merge(body, request.extra)
    warnings = [*turns.content.warnings, *fields.warnings]
    guardrail = body.get("guardrailConfig")
    if not request.stream and isinstance(guardrail, dict) and "streamProcessingMode" in guardrail:
        body["guardrailConfig"] = {name: value for name, value in guardrail.items() if name != "streamProcessingMode"}
        warnings.append("a guardrail's streamProcessingMode is for streams alone; it was left out")
    return body, (*warnings, *check_parameters(spec, body, FIELDS))


def _inference_config(options: Options, spec: ProviderSpec) -> dict[str, Any]:
    temperature = options.temperature
    if temperature is not None and temperature > 1:
        raise InvalidRequest(f"{spec.label} takes a temperature from 0 to 1, got {temperature:g}", provider=spec.name)
    fields = {
        "maxTokens": options.max_tokens,
        "temperature": temperature,
        "topP": options.top_p,
        "stopSequences": options.stop,
    }
    return {name: value for name, value in fields.items() if value is not None}


def _text_format(options: Options, spec: ProviderSpec) -> dict[str, Any] | None:
    """https://docs.aws.amazon.com/bedrock/latest/userguide/structured-output.html"""
    wanted = options.response_format
    if wanted is None or wanted == "text":
        return None
    if wanted == "json" or (isinstance(wanted, dict) and wanted.get("type") == "json_object"):
        raise UnsupportedOption(
            f"{spec.label} has no JSON mode; pass a JSON Schema as response_format", provider=spec.name
        )
    name: Any = None
    description: Any = None
    match wanted:
        case {"type": "json_schema", "json_schema": {"schema": schema, **rest}}:  # OpenAI's shape
            name, description = rest.get("name"), rest.get("description")
        case {"type": "json_schema", "schema": schema}:  # Anthropic's
            pass
        case {"name": str(name), "schema": schema, **rest}:
            description = rest.get("description")
        case _:
            schema = wanted
    definition = {"schema": _encode(schema).decode(), "name": name, "description": description}
    return {
        "type": "json_schema",
        "structure": {"jsonSchema": {key: value for key, value in definition.items() if value is not None}},
    }


def _merge(body: dict[str, Any], extra: dict[str, Any]) -> None:
    for name, value in extra.items():
        if name in _MERGED and isinstance(value, dict) and isinstance(body.get(name), dict):
            body[name] = body[name] | value
        else:
            body[name] = value
