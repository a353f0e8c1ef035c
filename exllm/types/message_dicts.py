"""Messages given as dicts: in our own shape, in OpenAI's (Chat Completions, Responses), in Anthropic's (Messages), or
in Gemini's (generateContent).

The shapes are told apart block by block, by what only one of them has. None means absent, as in the SDKs' own dumps.
A field without a meaning here is refused, not dropped.

Sources: https://platform.openai.com/docs/api-reference/chat/create, https://platform.claude.com/docs/en/api/messages
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from exllm.errors import ConfigurationError, InvalidRequest
from exllm.types import anthropic_shape, gemini_shape, openai_shape, responses_shape
from exllm.types.block_fields import Block, pop_cache_control, pop_text, result_content
from exllm.types.message import Message
from exllm.types.parts import (
    Audio,
    Citation,
    Document,
    FileRef,
    Image,
    Part,
    ProviderPart,
    Reasoning,
    Refusal,
    Text,
    ToolCall,
    ToolResult,
)

# What answers carry besides the message; it says nothing to the model.
_ENVELOPE = frozenset(
    {"id", "type", "model", "stop_reason", "stop_sequence", "stop_details", "usage", "container", "index", "status"}
)  # fmt: skip
_OWN = {
    "text": Text, "image": Image, "audio": Audio, "document": Document, "file_ref": FileRef, "tool_call": ToolCall,
    "tool_result": ToolResult, "reasoning": Reasoning, "refusal": Refusal, "provider": ProviderPart,
}  # fmt: skip


def message_from_dict(data: Block, where: str) -> Message:
    """The message that `data` means. The caller checks role and parts.

    Raises: InvalidRequest, TypeError; both name the field.
    """
    fields = {name: value for name, value in data.items() if value is not None}
    if "parts" in fields and "content" not in fields:
        return gemini_shape.message(fields, where)
    if responses_shape.is_item(fields):
        return responses_shape.item(fields, where)
    role = fields.pop("role", None)
    if role is None:
        raise InvalidRequest(f"{where} has no 'role'; a message is {{'role': 'user', 'content': ...}}")
    name = fields.pop("name", None)
    content = fields.pop("content", None)
    if role == "tool" and "tool_call_id" in fields:
        call_id = fields.pop("tool_call_id")
        _nothing_left(fields, where, _ENVELOPE)
        return Message(role, (ToolResult(call_id, result_content(content, where), name),))
    try:
        before, after = openai_shape.assistant_fields(fields, where) if role == "assistant" else ([], [])
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise InvalidRequest(f"{where}: an assistant message of the wrong shape: {error}") from None
    _nothing_left(fields, where, _ENVELOPE)
    if content is None and role != "assistant":
        raise InvalidRequest(f"{where} has no 'content'")
    if not before and not after and isinstance(content, str):
        return Message(role, content, name)
    if isinstance(content, Mapping):
        content = (content,)
    if content is not None and not isinstance(content, str | Sequence):
        raise TypeError(f"{where}.content must be text or a list of parts, got {type(content).__name__}")
    own = (Text(content),) if isinstance(content, str) and content else tuple(content or ())
    return Message(role, (*before, *own, *after), name)  # the caller turns blocks that are dicts into parts


def part_from_dict(data: Block, where: str) -> Part:
    """The part that a content block means.

    Raises: InvalidRequest that says what is wrong with it.
    """
    kind = data.get("type")
    if not isinstance(kind, str):
        raise InvalidRequest(f"{where} has no 'type'; a part is e.g. {{'type': 'text', 'text': ...}}")
    fields = {name: value for name, value in data.items() if value is not None and name != "type"}
    read = _FOREIGN.get(kind)
    if kind in ("image", "document") and "source" in fields:
        read = anthropic_shape.media
    elif kind == "tool_result" and "tool_use_id" in fields:
        read = anthropic_shape.tool_result
    elif kind == "refusal" and "refusal" in fields:
        read = openai_shape.refusal
    if read is not None:
        try:
            part = read(kind, fields, where)
        except KeyError as error:
            raise InvalidRequest(f"{where}: a block of type {kind!r} needs {error.args[0]!r}") from None
        except (AttributeError, TypeError, ValueError, ConfigurationError) as error:  # msgspec's are ValueErrors
            raise InvalidRequest(f"{where}: {kind!r} block of the wrong shape: {error}") from None
        _nothing_left(fields, where)
        return part
    if kind in _OWN:
        return _own(kind, data, where)
    if kind.endswith("_tool_result") or kind in anthropic_shape.OPAQUE:
        return ProviderPart("anthropic", {name: value for name, value in data.items() if value is not None})
    near = difflib.get_close_matches(kind, [*_OWN, *_FOREIGN], n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(sorted({*_OWN, *_FOREIGN}))}"
    raise InvalidRequest(f"{where}: unknown type of part {kind!r}; {hint}")


def _own(kind: str, data: Block, where: str) -> Part:
    known = ("type", *_OWN[kind].__struct_fields__)
    for field in data:
        if field not in known:
            near = difflib.get_close_matches(str(field), known, n=1)
            raise InvalidRequest(
                f"{where}: a {kind!r} part has no field {field!r}" + (f"; did you mean {near[0]!r}?" if near else "")
            )
    try:
        own: Part = msgspec.convert(data, Part)
        return own
    except (TypeError, ValueError, ConfigurationError) as error:  # msgspec's are ValueErrors
        raise InvalidRequest(f"{where}: {error}") from None


def _nothing_left(fields: Block, where: str, ignored: frozenset[str] = frozenset()) -> None:
    for name, value in fields.items():
        if name in ignored or value in ("", [], {}, ()):
            continue
        raise InvalidRequest(f"{where}: the field {name!r} means nothing here")


def _text(_kind: str, fields: dict[str, Any], where: str) -> Part:
    citations = tuple(_citation(given) for given in fields.pop("citations", None) or ())
    return Text(pop_text(fields, "text"), citations, pop_cache_control(fields))


def _citation(given: Any) -> Citation:
    if isinstance(given, Citation):
        return given
    if "type" not in given:
        return msgspec.convert(given, Citation)
    return Citation(
        url=given.get("source") if given["type"] == "search_result_location" else given.get("url"),
        title=given.get("title") or given.get("document_title"),
        text=given.get("cited_text"),
        document=given.get("document_index"),
        source=dict(given),
    )


_FOREIGN = {"text": _text, **openai_shape.PARTS, **anthropic_shape.PARTS, **responses_shape.PARTS}
