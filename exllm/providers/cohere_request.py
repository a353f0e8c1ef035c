"""A call to the body of Cohere's `/v2/chat`.

Sources: https://docs.cohere.com/reference/chat, https://docs.cohere.com/docs/reasoning,
https://docs.cohere.com/docs/structured-outputs, https://docs.cohere.com/docs/tool-use-parameter-types
"""

from __future__ import annotations

from typing import Any

import msgspec

from exllm.errors import InvalidRequest
from exllm.providers.cohere_messages import MessageWriter
from exllm.providers.spec import ProviderSpec, check_limits, check_parameters
from exllm.providers.wire import HttpRequest
from exllm.types.options import Options
from exllm.types.request import Request
from exllm.types.tool import ServerTool, Tool

# Ours -> the wire's name, where the value is the same.
SAME = {
    "temperature": "temperature",
    "max_tokens": "max_tokens",
    "top_p": "p",
    "top_k": "k",
    "stop": "stop_sequences",
    "seed": "seed",
    "frequency_penalty": "frequency_penalty",
    "presence_penalty": "presence_penalty",
    "logprobs": "logprobs",
}

OPTIONS = frozenset({*SAME, "tools", "tool_choice", "response_format", "reasoning_effort", "thinking"})

# The body's fields of the reference, so that none of them is taken for a misspelt one.
FIELDS = frozenset(
    {
        *SAME.values(), "model", "messages", "stream", "tools", "strict_tools", "documents", "citation_options",
        "response_format", "safety_mode", "tool_choice", "thinking", "priority",
    }
)  # fmt: skip

# Effort is a hint, and Cohere's models take a budget: round figures; more than that is as much as they like.
_BUDGET_OF_EFFORT = {"minimal": 512, "low": 2_048, "medium": 8_192}

_encode = msgspec.json.Encoder().encode


def build(request: Request, spec: ProviderSpec) -> HttpRequest:
    """See `Wire.build`. ``request.extra`` is merged last and shallowly: each of its fields replaces ours whole."""
    options = request.options
    check_limits(spec, request.messages)
    writer = MessageWriter(spec)
    body: dict[str, Any] = {
        "model": request.model,
        "messages": writer.write(request.messages),
        "stream": request.stream,
    }
    if writer.documents:
        body["documents"] = writer.documents
    body |= {name: value for ours, name in SAME.items() if (value := getattr(options, ours)) is not None}
    body |= _tool_fields(options, spec, writer)
    wanted = response_format(options.response_format)
    if wanted is not None:
        body["response_format"] = wanted
    thinking = _thinking(options, spec, writer)
    if thinking is not None:
        body["thinking"] = thinking
    return written(body, request, spec, writer, FIELDS)


def written(
    body: dict[str, Any], request: Request, spec: ProviderSpec, writer: MessageWriter, fields: frozenset[str]
) -> HttpRequest:
    """The request of `body` and ``request.extra``; `fields` are those of the endpoint's reference."""
    body |= request.extra
    strange = check_parameters(spec, body, fields)
    try:
        content = _encode(body)
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidRequest(f"the request cannot be written as JSON: {error}", provider=spec.name) from error
    return HttpRequest(spec.paths.chat, content, warnings=(*writer.warnings, *strange))


def _tool_fields(options: Options, spec: ProviderSpec, writer: MessageWriter) -> dict[str, Any]:
    """`tools`, `strict_tools` and `tool_choice`, where there is something to say.

    Strictness is asked of all tools or of none, and a choice is to call some tool or none: to call a certain one is to
    be given no other.
    """
    tools = options.tools or ()
    fields: dict[str, Any] = {}
    choice = options.tool_choice
    match choice:
        case None | "auto":
            pass
        case "none":
            fields["tool_choice"] = "NONE"
        case "required" | "any":
            fields["tool_choice"] = "REQUIRED"
        case str(name) | {"type": "function", "function": {"name": str(name)}}:
            chosen = tuple(tool for tool in tools if isinstance(tool, Tool) and tool.name == name)
            if not chosen:
                raise InvalidRequest(f"tool_choice names {name!r}, which is none of the tools", provider=spec.name)
            if len(tools) > 1:
                writer.warn(f"cannot be told which tool to call; {name!r} was sent as the only one")
            tools = chosen
            fields["tool_choice"] = "REQUIRED"
        case _:
            raise InvalidRequest(
                f"{spec.label} takes 'auto', 'required', 'none' or the name of a tool as tool_choice, got {choice!r}",
                provider=spec.name,
            )
    if tools:
        fields["tools"] = [_tool(tool, writer) for tool in tools]
    strictness = {tool.strict for tool in tools if isinstance(tool, Tool)}
    if True in strictness:
        fields["strict_tools"] = True
        if len(strictness) > 1:
            writer.warn("is strict with all tools or with none; it was asked to be with all")
    elif False in strictness:
        fields["strict_tools"] = False
    return fields


def _tool(tool: Tool | ServerTool, writer: MessageWriter) -> dict[str, Any]:
    if isinstance(tool, ServerTool):
        return tool.definition
    if tool.cache_control is not None:
        writer.warn("takes no cache_control; the breakpoints were not sent")
    function: dict[str, Any] = {"name": tool.name, "parameters": tool.schema}
    if tool.description:
        function["description"] = tool.description
    return {"type": "function", "function": function}


def response_format(wanted: str | dict[str, Any] | None, schema_field: str = "json_schema") -> dict[str, Any] | None:
    """Cohere's object; `schema_field` is where a schema goes in it."""
    match wanted:
        case None:
            return None
        case str():
            return {"type": "json_object" if wanted == "json" else wanted}
        case {"type": "json_object" | "text"}:
            return wanted  # Cohere's own object
        case {"type": "json_schema", "json_schema": {"schema": dict(schema)}}:  # OpenAI's shape
            pass
        case {"type": "json_schema", "schema": dict(schema)} | {"name": str(), "schema": dict(schema)}:
            pass
        case _:
            schema = wanted
    return {"type": "json_object", schema_field: schema}


def _thinking(options: Options, spec: ProviderSpec, writer: MessageWriter) -> dict[str, Any] | None:
    """A switch, perhaps with a budget. Efforts are not known here."""
    asked, effort = options.thinking, options.reasoning_effort
    if isinstance(asked, dict):
        thinking: dict[str, Any] | None = asked
    elif asked is None:
        thinking = None
    elif asked is True:
        thinking = {"type": "enabled"}
    elif asked < 0:
        raise InvalidRequest(
            f"thinking must be True, False, a number of tokens or a dict, got {asked}", provider=spec.name
        )
    else:
        thinking = {"type": "enabled", "token_budget": asked} if asked else {"type": "disabled"}
    if effort is None:
        return thinking
    if effort == "none":
        if thinking is not None and thinking.get("type") != "disabled":
            writer.warn("was told to think, and with no effort; thinking was switched off")
        return {"type": "disabled"}
    if thinking not in (None, {"type": "enabled"}):
        writer.warn(f"knows no effort, and was told how to think; {effort!r} was not sent")
        return thinking
    budget = _BUDGET_OF_EFFORT.get(effort)
    if budget is None:
        writer.warn(f"knows no effort; for {effort!r} thinking was switched on without a budget")
        return {"type": "enabled"}
    writer.warn(f"knows no effort; {effort!r} was sent as a thinking budget of {budget} tokens")
    return {"type": "enabled", "token_budget": budget}
