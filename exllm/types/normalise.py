"""Messages as users write them to the one form that everything below works with.

After this boundary: roles are known ones; content is text or a tuple of parts; tool results stand in ``tool`` messages
and nowhere else; calls, reasoning and refusals stand in ``assistant`` messages; media of ``data:`` URLs are bytes.
Nothing is added, nothing reordered, nothing left out.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from exllm.errors import InvalidRequest
from exllm.types.media import from_data_url, has_paths, load_media
from exllm.types.message import Message
from exllm.types.message_dicts import message_from_dict, part_from_dict
from exllm.types.parts import (
    Audio,
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
from exllm.types.responses_shape import is_item

__all__ = ["Messages", "has_paths", "load_media", "normalise_messages"]

Messages = str | Message | Mapping[str, Any] | Sequence[str | Message | Mapping[str, Any]]
"""What `chat` and `stream` take: a string (what the user says), a `Message`, a dict, or a list of these.

A dict is ``{"role": ..., "content": ...}`` with content in our shape, in OpenAI's (Chat Completions, Responses) or in
Anthropic's; an item of Responses; or ``{"role": ..., "parts": ...}``, as Gemini has it.
"""

_ROLES = frozenset({"system", "developer", "user", "assistant", "tool"})
_MISTAKEN_ROLES = {"model": "assistant", "ai": "assistant", "bot": "assistant", "human": "user", "function": "tool"}
_PARTS = frozenset(
    {Text, Image, Audio, Document, FileRef, ToolCall, ToolResult, Reasoning, Refusal, ProviderPart}
)  # fmt: skip
_MEDIA = frozenset({Image, Audio, Document})
_RESULT_PARTS = frozenset({Text, Image, Document})
_OF_ASSISTANT = frozenset({ToolCall, Reasoning, Refusal})


def normalise_messages(messages: Messages) -> tuple[Message, ...]:
    """The messages of one request, checked.

    Raises:
        TypeError: something that is no message.
        InvalidRequest: a message that makes no sense, or none at all; says which one (``messages[3]``) and why.
    """
    if type(messages) is str:
        if not messages:
            raise InvalidRequest("the message is empty; there is nothing to answer")
        return (Message("user", _encodable(messages, "messages")),)
    if isinstance(messages, str | Message | Mapping) or not isinstance(messages, Sequence) or _is_binary(messages):
        return tuple(_one(messages, "messages"))
    if not messages:
        raise InvalidRequest("the list of messages is empty; there is nothing to answer")
    normal: list[Message] = []
    after_item = False
    for index, message in enumerate(messages):
        found = _one(message, f"messages[{index}]")
        item = type(message) is not Message and _is_item(message)
        if (item or after_item) and normal and normal[-1].role == found[0].role != "user":  # of one turn
            found = (Message(found[0].role, (*normal.pop().parts, *found[0].parts)), *found[1:])
        after_item = item
        normal += found
    return tuple(normal)


def _is_item(given: object) -> bool:
    """Whether a message was written as an item of OpenAI's Responses API, of which a turn may have several."""
    if isinstance(given, Mapping):
        return is_item(given)
    return hasattr(given, "model_dump") and is_item(given.model_dump())


def _one(given: object, where: str) -> Sequence[Message]:
    if isinstance(given, str):
        return (Message("user", _encodable(str(given), where)),)
    if not isinstance(given, Message):
        if dump := getattr(given, "model_dump", None):  # a message object of a vendor's SDK
            given = dump()
        if not isinstance(given, Mapping):
            raise TypeError(f"{where}: {_advice(given)}")
        return _check(message_from_dict(given, where), where)
    return _check(given, where)


def _check(message: Message, where: str) -> Sequence[Message]:
    if not isinstance(message.role, str) or message.role not in _ROLES:
        raise InvalidRequest(f"{where}: {_unknown_role(message.role)}")
    if message.name is not None and not isinstance(message.name, str):
        raise TypeError(f"{where}.name must be text, got {type(message.name).__name__}")
    content: object = message.content
    if isinstance(content, str):
        if message.role == "tool":
            raise InvalidRequest(
                f"{where}: a tool message must say which call it answers: "
                f"Message('tool', [ToolResult(call_id, text)]), or tool_call_id in a dict"
            )
        _encodable(content, where)
        return (message,)
    if not isinstance(content, Sequence) or _is_binary(content):
        raise TypeError(f"{where}.content must be text or a list of parts, got {type(content).__name__}")
    if not content and message.role != "assistant":
        raise InvalidRequest(f"{where} has no content")
    parts = tuple(_part(part, message.role, f"{where}.content[{index}]") for index, part in enumerate(content))
    if message.role == "user" and any(type(part) is ToolResult for part in parts):  # Anthropic's way
        return _split(parts, message.name)
    changed = len(parts) != len(content) or any(new is not old for new, old in zip(parts, content, strict=True))
    return (Message(message.role, parts, message.name),) if changed or type(content) is not tuple else (message,)


def _part(given: object, role: str, where: str) -> Part:
    part = _to_part(given, where)
    kind = type(part)
    if kind is Text:
        _encodable(part.text, where)  # type: ignore[union-attr]
    elif kind in _MEDIA:
        part = from_data_url(part, where)  # type: ignore[type-var]
    elif kind is ToolResult:
        part = _result(part, where)  # type: ignore[arg-type]
    if kind in _OF_ASSISTANT and role != "assistant":
        raise InvalidRequest(f"{where}: a {kind.__name__} belongs in an assistant message, not in a {role} message")
    if kind is ToolResult and role not in ("tool", "user"):
        raise InvalidRequest(f"{where}: a ToolResult belongs in a tool message, not in a {role} message")
    if role == "tool" and kind not in (ToolResult, ProviderPart):
        raise InvalidRequest(f"{where}: a tool message holds ToolResult parts only, got {kind.__name__}")
    return part


def _to_part(given: object, where: str) -> Part:
    if type(given) in _PARTS:
        return given  # type: ignore[return-value]
    if isinstance(given, str):
        return Text(given)
    if dump := getattr(given, "model_dump", None):  # a content block of a vendor's SDK
        given = dump()
    if isinstance(given, Mapping):
        return part_from_dict(given, where)
    raise TypeError(f"{where} must be text or a part such as exllm.Text or exllm.Image, got {type(given).__name__}")


def _result(result: ToolResult, where: str) -> ToolResult:
    if not isinstance(result.call_id, str) or not result.call_id:
        raise InvalidRequest(f"{where}: a ToolResult needs the id of the call that it answers")
    content: object = result.content
    if isinstance(content, str):
        _encodable(content, where)
        return result
    if not isinstance(content, Sequence) or _is_binary(content):
        raise TypeError(
            f"{where}: the content of a ToolResult must be text or a list of parts, got {type(content).__name__}; "
            f"encode other data as JSON text"
        )
    parts: list[Any] = []
    for index, given in enumerate(content):
        part = _to_part(given, f"{where}.content[{index}]")
        if type(part) not in _RESULT_PARTS:
            raise InvalidRequest(f"{where}.content[{index}]: a tool may answer with text, images and documents only")
        parts.append(from_data_url(part, where) if type(part) in _MEDIA else part)  # type: ignore[type-var]
    if type(content) is tuple and all(new is old for new, old in zip(parts, content, strict=True)):
        return result
    return msgspec.structs.replace(result, content=tuple(parts))


def _split(parts: Sequence[Part], name: str | None) -> list[Message]:
    """A user message with tool results in it, as tool messages and user messages, in the same order."""
    runs: list[tuple[bool, list[Part]]] = []
    for part in parts:
        is_result = type(part) is ToolResult
        if not runs or runs[-1][0] is not is_result:
            runs.append((is_result, []))
        runs[-1][1].append(part)
    return [Message("tool", tuple(run)) if is_result else Message("user", tuple(run), name) for is_result, run in runs]


def _encodable(text: str, where: str) -> str:
    """Refuse lone surrogates here, where the message can be named: no JSON encoder takes them."""
    if not isinstance(text, str):
        raise TypeError(f"{where}: the text must be a string, got {type(text).__name__}")
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise InvalidRequest(
                f"{where}: the text holds half a surrogate pair at {error.start}, which is no character"
            ) from None
    return text


def _is_binary(value: object) -> bool:
    return isinstance(value, bytes | bytearray | memoryview)


def _unknown_role(role: object) -> str:
    meant = _MISTAKEN_ROLES.get(role) if isinstance(role, str) else None
    near = [meant] if meant else difflib.get_close_matches(str(role).lower(), sorted(_ROLES), n=1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    return f"the role must be one of system, developer, user, assistant, tool, got {role!r}{hint}"


def _advice(given: object) -> str:
    kind = type(given)
    if kind in _PARTS:
        return f"got the part {kind.__name__}; put parts into a message: Message('user', ['What is this?', Image(...)])"
    if hasattr(given, "message"):
        return f"got {kind.__name__}; use its .message"
    return f"expected a string, an exllm.Message, a dict, or a list of these, got {kind.__name__}"
