"""A call to the body of a Responses request.

Sources: https://developers.openai.com/api/reference/resources/responses/methods/create,
https://developers.openai.com/api/docs/guides/structured-outputs. What other services call or shape differently is in
`openai_responses_quirks.QUIRKS`. What has no option of ours goes through `extra`: `previous_response_id`,
`conversation`, `background`, `instructions`, `truncation`, `prompt`, `max_tool_calls`, `prompt_cache_key`, ...
"""

from __future__ import annotations

import re
from typing import Any

import msgspec

from exllm.errors import InvalidRequest
from exllm.providers.openai_responses_input import InputWriter
from exllm.providers.openai_responses_models import model_facts
from exllm.providers.openai_responses_tools import tool_fields
from exllm.providers.spec import ProviderSpec, check_limits, check_parameters
from exllm.providers.wire import HttpRequest
from exllm.types.options import Options
from exllm.types.parts import CacheControl
from exllm.types.request import Request
from exllm.types.tool import Tool

# Options whose name and value are the same on the wire.
_SAME = (
    "temperature",
    "top_p",
    "top_k",
    "frequency_penalty",
    "presence_penalty",
    "top_logprobs",
    "parallel_tool_calls",
    "service_tier",
    "store",
    "metadata",
)

OPTIONS = frozenset(
    {
        *_SAME,
        "max_tokens",
        "logprobs",
        "user",
        "tools",
        "tool_choice",
        "response_format",
        "verbosity",
        "reasoning_effort",
        "thinking",
        "web_search",
        "cache_control",
    }
)
"""The options that the Responses API or one of its dialects can express."""

# The body's fields of OpenAI's own reference, so that none of them is taken for a misspelt parameter of a service.
FIELDS = frozenset(
    {
        *_SAME, "model", "input", "instructions", "stream", "stream_options", "max_output_tokens", "max_tool_calls",
        "tools", "tool_choice", "text", "reasoning", "include", "user", "safety_identifier", "previous_response_id",
        "conversation", "background", "background_options", "truncation", "prompt", "prompt_cache_key",
        "prompt_cache_options", "prompt_cache_retention", "context_management", "moderation", "access_programs",
        "image",
    }
)  # fmt: skip

ENCRYPTED_REASONING = "reasoning.encrypted_content"
_LOGPROBS = "message.output_text.logprobs"
_WIRE_FORMATS = frozenset({"text", "json_object", "json_schema", "grammar", "python"})
_NOT_IN_NAMES = re.compile(r"[^a-zA-Z0-9_-]+")
_LONGEST_NAME = 64


def build_request(request: Request, spec: ProviderSpec) -> HttpRequest:
    """The HTTP request. `request.extra` replaces our fields of the same name, as the vendor's SDK does it.

    Raises: UnsupportedOption, InvalidRequest.
    """
    options, quirks = request.options, spec.quirks
    check_limits(spec, request.messages)
    facts = model_facts(request.model)
    writer = InputWriter(spec, cache_breakpoints=facts.cache_breakpoints)
    body: dict[str, Any] = {"model": request.model, "input": writer.write(request.messages)}
    body.update({name: value for name in _SAME if (value := getattr(options, name)) is not None})
    if options.max_tokens is not None:
        body["max_output_tokens"] = options.max_tokens
    if options.user is not None:
        body["user" if "user_field" in quirks else "safety_identifier"] = options.user
    body |= tool_fields(options, quirks)
    if text := _text(options):
        if "response_format_field" in quirks and (form := text.pop("format", None)):
            body["response_format"] = _as_chat_completions(form)
        if text:
            body["text"] = text
    if reasoning := _reasoning(options, spec):
        body["reasoning"] = reasoning
    if include := included(options, quirks, request.model):
        body["include"] = include
    if _wants_logprobs(options) and "logprobs_switch" in quirks:
        body["logprobs"] = True
    if options.cache_control is not None:
        _mark_end(body["input"], options.cache_control, writer)
    if any(isinstance(tool, Tool) and tool.cache_control is not None for tool in options.tools or ()):
        writer.warnings.append("cache_control of a tool has no place in the Responses API; it was not sent")
    if request.stream:
        body["stream"] = True
    body |= request.extra
    warnings = (*writer.warnings, *(check_parameters(spec, body, FIELDS) if spec.parameters else ()))
    try:
        content = msgspec.json.encode(body)
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidRequest(f"the request cannot be written as JSON: {error}", provider=spec.name) from error
    return HttpRequest(path_of(request, spec), content, warnings=warnings)


def path_of(request: Request, spec: ProviderSpec) -> str:
    """Where the responses of this model are, below the base URL."""
    prefix = "/openai" if "openai_prefix" in spec.quirks and model_facts(request.model).reasons else ""
    return prefix + spec.paths.chat


def included(options: Options, quirks: frozenset[str], model: str) -> list[str]:
    """The `include` list: what an answer holds only on request.

    A model that reasons is asked for its reasoning in encrypted form, which goes back in the next turn. Without it the
    next turn is a worse one, or needs what is stored with the provider. Models that do not reason refuse to be asked;
    of a model with an unknown name it is asked where nothing is stored.
    """
    include: list[str] = []
    reasons = model_facts(model).reasons
    if "no_encrypted_reasoning" not in quirks and (reasons or (reasons is None and options.store is False)):
        include.append(ENCRYPTED_REASONING)
    if _wants_logprobs(options) and "logprobs_switch" not in quirks:
        include.append(_LOGPROBS)
    return include


def _wants_logprobs(options: Options) -> bool:
    return bool(options.logprobs or options.top_logprobs)


def _text(options: Options) -> dict[str, Any]:
    text: dict[str, Any] = {}
    if options.response_format is not None:
        text["format"] = _format(options.response_format)
    if options.verbosity is not None:
        text["verbosity"] = options.verbosity
    return text


def _format(wanted: str | dict[str, Any]) -> dict[str, Any]:
    if isinstance(wanted, str):
        return {"type": "json_object" if wanted == "json" else wanted}
    inner = wanted.get("json_schema")
    if wanted.get("type") == "json_schema" and isinstance(inner, dict):  # as Chat Completions has it
        named: dict[str, Any] = inner
    elif wanted.get("type") in _WIRE_FORMATS:
        return wanted
    else:
        is_named = isinstance(wanted.get("schema"), dict)
        named = wanted if is_named else {"schema": wanted, "name": wanted.get("title")}
    name = _NOT_IN_NAMES.sub("_", str(named.get("name") or ""))[:_LONGEST_NAME]
    return {"type": "json_schema", **named, "name": name or "answer"}


def _as_chat_completions(form: dict[str, Any]) -> dict[str, Any]:
    if form["type"] != "json_schema":
        return form
    return {"type": "json_schema", "json_schema": {name: value for name, value in form.items() if name != "type"}}


def _reasoning(options: Options, spec: ProviderSpec) -> dict[str, Any]:
    """The `reasoning` object. `thinking=True` shows what the model thinks, as far as it may be shown."""
    reasoning: dict[str, Any] = {}
    thinking = options.thinking
    if isinstance(thinking, dict):
        reasoning.update(thinking)
    elif thinking is True:
        reasoning["summary"] = "auto"
    elif thinking is False:
        reasoning["effort"] = "none"
    elif thinking is not None:
        if "reasoning_budget" not in spec.quirks:
            raise InvalidRequest(
                f"{spec.label} takes no number of tokens to think; use reasoning_effort, and max_tokens for the whole",
                provider=spec.name,
            )
        reasoning["max_tokens"] = thinking
    if options.reasoning_effort is not None:
        reasoning["effort"] = options.reasoning_effort
    return reasoning


def _mark_end(items: list[dict[str, Any]], control: CacheControl, writer: InputWriter) -> None:
    """Put the breakpoint on the last content of a user that can carry one."""
    for item in reversed(items):
        content = item.get("content")
        if item.get("role") in (None, "assistant") or not content:
            continue
        parts = [{"type": "input_text", "text": content}] if isinstance(content, str) else content
        marked = writer.cached(parts[-1], control)
        if marked is not parts[-1]:
            item["content"] = [*parts[:-1], marked]
        return
