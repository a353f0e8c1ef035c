"""A call to the body of Cohere's `/v1/chat`.

The messages are written as for version 2 and then put where version 1 has them: the first system message is the
`preamble`, the last user message the `message`, results of tools at the end are `tool_results`, and what was said
before is the `chat_history`. Tools have types of Python for JSON Schema, and calls no ids.
Source: https://docs.cohere.com/v1/reference/chat, https://docs.cohere.com/docs/migrating-v1-to-v2
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import msgspec

from exllm.providers.answered_media import words_for
from exllm.providers.anthropic_content import call_input
from exllm.providers.cohere_decode import PLAN_ID
from exllm.providers.cohere_messages import Block, MessageWriter
from exllm.providers.cohere_request import SAME, response_format, written
from exllm.providers.inline_definitions import inlined
from exllm.providers.spec import ProviderSpec, check_limits
from exllm.providers.wire import HttpRequest
from exllm.types.parts import Image, Text, ToolResult
from exllm.types.request import Request
from exllm.types.tool import ServerTool, Tool

FIELD_OF_OPTION = {option: field for option, field in SAME.items() if option != "logprobs"}
OPTIONS = frozenset({*FIELD_OF_OPTION, "tools", "response_format"})

# The body's fields of the reference, so that none of them is taken for a misspelt one.
FIELDS = frozenset(
    {
        *FIELD_OF_OPTION.values(), "model", "message", "stream", "preamble", "chat_history", "conversation_id",
        "prompt_truncation", "connectors", "search_queries_only", "documents", "citation_quality", "max_input_tokens",
        "raw_prompting", "tools", "tool_results", "force_single_step", "response_format", "safety_mode",
    }
)  # fmt: skip

_ROLES = {"user": "USER", "assistant": "CHATBOT", "system": "SYSTEM"}
_TYPES = {"string": "str", "integer": "int", "number": "float", "boolean": "bool", "array": "List", "object": "Dict"}
_SAID_OF_PARAMETER = frozenset({"type", "description", "title"})


def build(request: Request, spec: ProviderSpec) -> HttpRequest:
    """See `Wire.build`. ``request.extra`` is merged last and shallowly: each of its fields replaces ours whole.

    Raises: InvalidRequest for images, and for messages that leave nothing to answer.
    """
    options = request.options
    check_limits(spec, request.messages)
    writer = _Writer(spec)
    body: dict[str, Any] = {"model": request.model, "stream": request.stream}
    body |= _conversation(writer.write(request.messages), writer)
    if writer.documents:
        body["documents"] = [{"id": document["id"], **document["data"]} for document in writer.documents]
    body |= {
        field: value for option, field in FIELD_OF_OPTION.items() if (value := getattr(options, option)) is not None
    }
    if options.tools:
        if any(isinstance(tool, Tool) and tool.strict for tool in options.tools):
            writer.warn("cannot hold a model to the schema of a tool; strict was not sent")
        body["tools"] = [tool_definition(tool, writer.warn) for tool in options.tools]
    wanted = response_format(options.response_format, "schema")
    if wanted is not None:
        body["response_format"] = wanted
    return written(body, request, spec, writer, FIELDS)


class _Writer(MessageWriter):
    """Messages as for version 2, but without images."""

    def _image(self, image: Image) -> Block:
        raise self.refusal(f"{self._spec.label} takes no images; version 2 of the API ('cohere') does")

    def _result(self, result: ToolResult, shown: list[Block]) -> Block:
        content = result.content
        if not isinstance(content, str) and any(isinstance(part, Image) for part in content):
            self.warn("takes no images; words were sent in place of those that tools gave")
            told = tuple(Text(words_for(part)) if isinstance(part, Image) else part for part in content)
            result = msgspec.structs.replace(result, content=told)
        return super()._result(result, shown)


def _conversation(messages: Iterable[Block], writer: MessageWriter) -> dict[str, Any]:
    """The fields for the messages of version 2."""
    history: list[Block] = []
    calls: dict[str, Block] = {}
    for message in messages:
        if message["role"] == "tool":
            call = calls.get(message["tool_call_id"])
            if call is None:
                raise writer.refusal(f"the result of {message['tool_call_id']!r} answers no call before it")
            if not history or history[-1]["role"] != "TOOL":
                history.append({"role": "TOOL", "tool_results": []})
            history[-1]["tool_results"].append({"call": call, "outputs": _outputs(message["content"])})
            continue
        entry: Block = {"role": _ROLES[message["role"]], "message": _text(message, writer)}
        made = {
            call["id"]: {"name": call["function"]["name"], "parameters": call_input(call["function"]["arguments"])}
            for call in message.get("tool_calls", ())
        }
        if made:
            calls |= made
            entry["tool_calls"] = list(made.values())
        history.append(entry)
    last = history.pop() if history else {}
    match last.get("role"):
        case "USER":
            fields: dict[str, Any] = {"message": last["message"]}
        case "TOOL":
            fields = {"message": "", "tool_results": last["tool_results"]}
        case _:
            raise writer.refusal("the conversation must end with a message of the user, or with results of tools")
    if history and history[0]["role"] == "SYSTEM":
        fields["preamble"] = history.pop(0)["message"]
    if history:
        fields["chat_history"] = history
    return fields


def _text(message: Block, writer: MessageWriter) -> str:
    content = message.get("content", "")
    blocks = [{"type": "text", "text": content}] if isinstance(content, str) else content
    if any(block["type"] == "thinking" for block in blocks):
        writer.warn("takes no thoughts back; they were left out")
    if message.get("citations"):
        writer.warn("takes no citations back; they were left out")
    plan: str = message.get(PLAN_ID, "")
    return plan + "".join(block["text"] for block in blocks if block["type"] == "text")


def _outputs(content: str | list[Block]) -> list[Any]:
    """Results are objects: one that is written as JSON goes as it is, other text as the `text` of one."""
    if isinstance(content, str):
        try:
            found = msgspec.json.decode(content)
        except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
            found = None
        if isinstance(found, dict):
            return [found]
        if isinstance(found, list) and found and all(isinstance(each, dict) for each in found):
            return found
        return [{"text": content}]
    return [block["document"]["data"] if block["type"] == "document" else {"text": block["text"]} for block in content]


def tool_definition(tool: Tool | ServerTool, warn: Callable[[str], None]) -> dict[str, Any]:
    """A tool with the types that version 1 has; `warn` is told of what else its schema says."""
    if isinstance(tool, ServerTool):
        return tool.definition
    if tool.cache_control is not None:
        warn("takes no cache_control; the breakpoints were not sent")
    whole = inlined(tool.schema, tool.name, warn)
    required, properties = whole.get("required") or (), whole.get("properties") or {}
    return {
        "name": tool.name,
        "description": tool.description or "",
        "parameter_definitions": {
            name: {**_parameter(schema, f"{tool.name}'s {name}", warn), "required": name in required}
            for name, schema in properties.items()
        },
    }


def _parameter(schema: Any, whose: str, warn: Callable[[str], None]) -> dict[str, Any]:
    given: Mapping[str, Any] = schema if isinstance(schema, Mapping) else {}
    kind, inner = given.get("type"), given.get("items")
    is_known = isinstance(kind, str) and kind in _TYPES and given.keys() <= _SAID_OF_PARAMETER
    type_ = _TYPES.get(kind, "str") if isinstance(kind, str) else "str"
    if type_ == "List" and isinstance(inner, Mapping) and (item := _TYPES.get(str(inner.get("type")))) is not None:
        type_ = f"List[{item}]"
        is_known = inner.keys() == {"type"} and given.keys() <= {*_SAID_OF_PARAMETER, "items"}
    if not is_known:
        warn(f"knows only the type of {whose}, not the rest of its schema")
    found = {"type": type_}
    if given.get("description"):
        found["description"] = given["description"]
    return found
