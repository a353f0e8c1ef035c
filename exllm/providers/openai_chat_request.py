"""A call to the body of a Chat Completions request.

Source: platform.openai.com/docs/api-reference/chat/create. What other services call or shape differently is in
`openai_chat_quirks.QUIRKS`.
"""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import quote

import msgspec

from exllm.errors import InvalidRequest, UnsupportedOption
from exllm.providers.answered_media import fewer_images
from exllm.providers.openai_chat_messages import MessageWriter, cache_marker
from exllm.providers.openai_chat_reasoning import reasoning_fields
from exllm.providers.spec import ProviderSpec, check_limits, check_parameters
from exllm.providers.wire import HttpRequest
from exllm.types.options import NO_OPTIONS, Options
from exllm.types.request import Request
from exllm.types.tool import ServerTool, Tool

# Options whose name and value are the same on the wire.
_SAME = (
    "temperature",
    "top_p",
    "top_k",
    "min_p",
    "stop",
    "frequency_penalty",
    "presence_penalty",
    "logit_bias",
    "n",
    "logprobs",
    "top_logprobs",
    "user",
    "parallel_tool_calls",
    "modalities",
    "audio",
    "service_tier",
    "store",
    "metadata",
    "verbosity",
)

OPTIONS = frozenset(
    {
        *_SAME,
        "max_tokens",
        "seed",
        "tools",
        "tool_choice",
        "response_format",
        "reasoning_effort",
        "thinking",
        "prediction",
        "web_search",
        "cache_control",
    }
)
"""The options that Chat Completions or one of its dialects can express."""

# The body's fields of OpenAI's own reference, so that none of them is taken for a misspelt parameter of a service.
FIELDS = frozenset(
    {
        *_SAME, "messages", "model", "stream", "stream_options", "max_tokens", "max_completion_tokens", "seed", "tools",
        "tool_choice", "functions", "function_call", "response_format", "reasoning_effort", "prediction", "moderation",
        "web_search_options", "prompt_cache_key", "prompt_cache_options", "prompt_cache_retention", "safety_identifier",
    }
)  # fmt: skip

_WIRE_FORMATS = frozenset({"text", "json_object", "json_schema", "grammar", "regex"})
_NOT_IN_NAMES = re.compile(r"[^a-zA-Z0-9_-]+")
_LONGEST_NAME = 64


def build_request(request: Request, spec: ProviderSpec) -> HttpRequest:
    """The HTTP request. `request.extra` replaces our fields of the same name, as the vendor's SDK does it.

    Raises: UnsupportedOption, InvalidRequest; TypeError when `extra` holds what JSON cannot.
    """
    options = request.options
    messages, warnings = _write(request, spec)
    model = "" if "model_in_path" in spec.quirks else request.model
    body: dict[str, Any] = {"model": model, "messages": messages}
    if options is not NO_OPTIONS:
        _add_options(body, options, spec, warnings)
    if request.stream:
        body["stream"] = True
        if "no_stream_options" not in spec.quirks:
            body["stream_options"] = {"include_usage": True}
    body.update(request.extra)
    if spec.parameters:
        warnings += check_parameters(spec, body, FIELDS)
    path = spec.paths.chat
    if "{" in path:
        path = path.replace("{model}", quote(request.model, safe=""))
    return HttpRequest(path, encode_body(body, spec), warnings=tuple(warnings))


def _write(request: Request, spec: ProviderSpec) -> tuple[list[dict[str, Any]], list[str]]:
    """The messages, and what could not be sent of them."""
    writer = MessageWriter(spec, request.options.cache_control)
    messages = fewer_images(request.messages, spec.limits.images, writer.warn)
    check_limits(spec, messages)
    return writer.write(messages), writer.warnings


def _add_options(body: dict[str, Any], options: Options, spec: ProviderSpec, warnings: list[str]) -> None:
    body.update({name: value for name in _SAME if (value := getattr(options, name)) is not None})
    _add_renamed(body, options, spec.quirks)
    _add_tools(body, options, spec.quirks, warnings)
    if options.response_format is not None:
        body["response_format"] = _response_format(options.response_format, spec)
    body.update(reasoning_fields(options, spec))


def encode_body(body: dict[str, Any], spec: ProviderSpec) -> bytes:
    """The body as JSON. Raises `InvalidRequest` for text that is none; TypeError for what JSON cannot hold."""
    try:
        return msgspec.json.encode(body)
    except UnicodeEncodeError as error:
        raise InvalidRequest(f"the request holds half of a surrogate pair: {error}", provider=spec.name) from None


def _add_renamed(body: dict[str, Any], options: Options, quirks: frozenset[str]) -> None:
    if options.max_tokens is not None:
        body["max_tokens" if "max_tokens_field" in quirks else "max_completion_tokens"] = options.max_tokens
    if options.seed is not None:
        body["random_seed" if "random_seed" in quirks else "seed"] = options.seed
    if "logprobs_count" in quirks and (options.logprobs or options.top_logprobs is not None):
        body.pop("top_logprobs", None)
        body["logprobs"] = 1 if options.top_logprobs is None else options.top_logprobs
    if options.prediction is not None:
        prediction = options.prediction
        body["prediction"] = {"type": "content", "content": prediction} if isinstance(prediction, str) else prediction
    if options.web_search is not None and options.web_search is not False:
        settings = {} if options.web_search is True else options.web_search
        if "web_search_plugin" in quirks:
            body["plugins"] = [{"id": "web", **settings}]
        elif "enable_search" in quirks:
            body["enable_search"] = True
            if settings:
                body["search_options"] = settings
        else:
            body["web_search_options"] = settings


def _add_tools(body: dict[str, Any], options: Options, quirks: frozenset[str], warnings: list[str]) -> None:
    if options.tools is not None:
        body["tools"] = [_tool(tool, quirks) for tool in options.tools]
        marked = any(isinstance(tool, Tool) and tool.cache_control is not None for tool in options.tools)
        if marked and "tool_cache_control" not in quirks:
            warnings.append("cache_control of a tool has no place in Chat Completions; it was not sent")
    choice = options.tool_choice
    if isinstance(choice, str):
        if choice == "required" and "tool_choice_any" in quirks:
            choice = "any"
        elif choice not in ("auto", "none", "required"):
            choice = {"type": "function", "function": {"name": choice}}
    if choice is not None:
        body["tool_choice"] = choice


def _tool(tool: Tool | ServerTool, quirks: frozenset[str]) -> dict[str, Any]:
    if isinstance(tool, ServerTool):
        return tool.definition
    function: dict[str, Any] = {"name": tool.name, "parameters": tool.schema}
    if tool.description:
        function["description"] = tool.description
    if tool.strict is not None:
        function["strict"] = tool.strict
    written: dict[str, Any] = {"type": "function", "function": function}
    if tool.cache_control is not None and "tool_cache_control" in quirks:
        written["cache_control"] = cache_marker(tool.cache_control)
    return written


def _response_format(wanted: str | dict[str, Any], spec: ProviderSpec) -> dict[str, Any]:
    if isinstance(wanted, str):
        return {"type": "json_object" if wanted == "json" else wanted}
    if wanted.get("type") in _WIRE_FORMATS:
        return wanted  # the provider's own object
    is_named = isinstance(wanted.get("schema"), dict)
    named = wanted if is_named else {"schema": wanted, "name": wanted.get("title")}
    if "schema_in_json_object" in spec.quirks:
        return {"type": "json_object", "schema": named["schema"]}
    if "no_json_schema" in spec.quirks:
        raise UnsupportedOption(
            f"{spec.label} knows no JSON Schema in response_format; use response_format='json' and describe the form "
            f"in the prompt",
            provider=spec.name,
        )
    name = _NOT_IN_NAMES.sub("_", str(named.get("name") or ""))[:_LONGEST_NAME]
    return {"type": "json_schema", "json_schema": {**named, "name": name or "answer"}}
