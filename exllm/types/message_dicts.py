"""Messages given as dicts: in our own shape, in OpenAI's (Chat Completions), or in Anthropic's (Messages).

The shapes are told apart block by block, by what only one of them has. None means absent, as in the SDKs' own dumps.
A field without a meaning here is refused, not dropped.

Sources: https://platform.openai.com/docs/api-reference/chat/create, https://platform.claude.com/docs/en/api/messages
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from exllm.errors import ConfigurationError, InvalidRequest
from exllm.types.media import decode_base64, read_data_url
from exllm.types.message import Message
from exllm.types.parts import (
    Audio,
    CacheControl,
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

Block = Mapping[str, Any]

# What answers carry besides the message; it says nothing to the model.
_ENVELOPE = frozenset(
    {"id", "type", "model", "stop_reason", "stop_sequence", "stop_details", "usage", "container", "index"}
)  # fmt: skip
_CUSTOM = "custom"  # the signature of calls of OpenAI's custom tools, see `exllm.providers.openai_chat_calls`
_AUDIO_TYPES = {"mp3": "audio/mpeg", "pcm16": "audio/pcm", "opus": "audio/ogg"}
_OWN = {
    "text": Text, "image": Image, "audio": Audio, "document": Document, "file_ref": FileRef, "tool_call": ToolCall,
    "tool_result": ToolResult, "reasoning": Reasoning, "refusal": Refusal, "provider": ProviderPart,
}  # fmt: skip


def message_from_dict(data: Block, where: str) -> Message:
    """The message that `data` means. The caller checks role and parts.

    Raises: InvalidRequest, TypeError; both name the field.
    """
    fields = {name: value for name, value in data.items() if value is not None}
    role = fields.pop("role", None)
    if role is None:
        raise InvalidRequest(f"{where} has no 'role'; a message is {{'role': 'user', 'content': ...}}")
    name = fields.pop("name", None)
    content = fields.pop("content", None)
    if role == "tool" and "tool_call_id" in fields:
        call_id = fields.pop("tool_call_id")
        _nothing_left(fields, where)
        return Message(role, (ToolResult(call_id, _result_content(content, where), name),))
    try:
        before, after = _openai_fields(fields, where) if role == "assistant" else ([], [])
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise InvalidRequest(f"{where}: an assistant message of the wrong shape: {error}") from None
    _nothing_left(fields, where)
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
        read = _anthropic_media
    elif kind == "tool_result" and "tool_use_id" in fields:
        read = _anthropic_result
    elif kind == "refusal" and "refusal" in fields:
        read = _refusal
    if read is not None:
        try:
            part = read(kind, fields, where)
        except KeyError as error:
            raise InvalidRequest(f"{where}: a block of type {kind!r} needs {error.args[0]!r}") from None
        except (AttributeError, TypeError, ValueError, ConfigurationError) as error:  # msgspec's are ValueErrors
            raise InvalidRequest(f"{where}: {kind!r} block of the wrong shape: {error}") from None
        if part is not None:
            _nothing_left(fields, where)
            return part
    if kind in _OWN:
        return _own(kind, data, where)
    if kind.endswith("_tool_result") or kind in _ANTHROPIC_ONLY:
        return ProviderPart("anthropic", {name: value for name, value in data.items() if value is not None})
    near = difflib.get_close_matches(kind, [*_OWN, *_FOREIGN], n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(sorted({*_OWN, *_FOREIGN}))}"
    raise InvalidRequest(f"{where}: unknown type of part {kind!r}; {hint}")


_ANTHROPIC_ONLY = frozenset({"search_result", "container_upload", "mcp_tool_use", "compaction", "fallback"})


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


def _nothing_left(fields: Block, where: str) -> None:
    for name, value in fields.items():
        if name in _ENVELOPE or value is None or value in ("", [], {}, ()):
            continue
        raise InvalidRequest(f"{where}: the field {name!r} means nothing here")


def _cache_control(fields: dict[str, Any]) -> CacheControl | None:
    given = fields.pop("cache_control", None)
    return given if given is None else msgspec.convert(given, CacheControl)


# -- OpenAI's shape


def _openai_fields(fields: dict[str, Any], where: str) -> tuple[list[Part], list[Part]]:
    """What an assistant's message has beside its content: parts that come before it, and after it."""
    before: list[Part] = []
    after: list[Part] = []
    details = fields.pop("reasoning_details", None)
    thought = [fields.pop(name, None) for name in ("reasoning_content", "reasoning")]
    if details:
        before += [_reasoning_detail(block, where) for block in details]
    elif text := thought[0] or thought[1]:
        if not isinstance(text, str):
            raise InvalidRequest(f"{where}: reasoning must be text, got {type(text).__name__}")
        before.append(Reasoning(text))
    if refusal := fields.pop("refusal", None):
        after.append(Refusal(refusal))
    if audio := fields.pop("audio", None):
        data = decode_base64(audio.get("data") or "", f"{where}.audio")
        after.append(Audio(data=data, media_type="audio/pcm", id=audio.get("id"), transcript=audio.get("transcript")))
    for index, call in enumerate(fields.pop("tool_calls", None) or ()):
        after.append(_openai_call(call, f"{where}.tool_calls[{index}]"))
    if fields.get("function_call"):
        raise InvalidRequest(f"{where}: function_call is obsolete; use tool_calls, and answer with role 'tool'")
    fields.pop("annotations", None)  # the citations of an answer; no provider reads them back
    return before, after


def _openai_call(call: Any, where: str) -> ToolCall:
    if dump := getattr(call, "model_dump", None):
        call = dump()
    function = call.get("function") if isinstance(call, Mapping) else None
    custom = call.get("custom") if isinstance(call, Mapping) else None
    if isinstance(custom, Mapping) and isinstance(custom.get("name"), str) and isinstance(custom.get("input"), str):
        return ToolCall(call.get("id") or "", custom["name"], custom["input"], signature=_CUSTOM)
    if not isinstance(function, Mapping) or not isinstance(function.get("name"), str):
        raise InvalidRequest(f"{where} must be {{'id':, 'type': 'function', 'function': {{'name':, 'arguments':}}}}")
    arguments = function.get("arguments")
    if not isinstance(arguments, str):
        arguments = "" if arguments is None else _json(arguments, where)
    google = (call.get("extra_content") or {}).get("google") or {}  # Gemini's signature of a call
    return ToolCall(call.get("id") or "", function["name"], arguments, signature=google.get("thought_signature"))


def _reasoning_detail(block: Block, where: str) -> Reasoning:
    """One of OpenRouter's blocks; the token is what its answers give, see `exllm.providers.openai_chat_reasoning`."""
    field = {"reasoning.text": "text", "reasoning.summary": "summary"}.get(str(block.get("type")))
    if field is None:
        return Reasoning(redacted=_json(block, where), id=block.get("id"))
    rest = {name: value for name, value in block.items() if name != field}
    return Reasoning(block.get(field) or "", _json(rest, where) + "\n", id=block.get("id"))


def _refusal(_kind: str, fields: dict[str, Any], where: str) -> Part:
    return Refusal(_string(fields, "refusal"))


def _image_url(_kind: str, fields: dict[str, Any], where: str) -> Part:
    place = fields.pop("image_url")
    url, detail = (place, None) if isinstance(place, str) else (place["url"], place.get("detail"))
    return msgspec.convert(
        {"type": "image", "url": url, "detail": detail, "cache_control": fields.pop("cache_control", None)}, Image
    )


def _input_audio(_kind: str, fields: dict[str, Any], where: str) -> Part:
    audio = fields.pop("input_audio")
    letters, form = (audio, "wav") if isinstance(audio, str) else (audio["data"], audio["format"])
    return Audio(data=decode_base64(letters, where), media_type=_AUDIO_TYPES.get(form, f"audio/{form}"))


def _file(_kind: str, fields: dict[str, Any], where: str) -> Part:
    file = fields.pop("file")
    if file.get("file_id"):
        return FileRef(file["file_id"], cache_control=_cache_control(fields))
    data, media_type = file["file_data"], "application/pdf"
    if data.startswith("data:"):
        content, media_type = read_data_url(data, where)
    elif data.startswith(("https://", "http://")):  # OpenRouter
        return Document(url=data, title=file.get("filename"), cache_control=_cache_control(fields))
    else:
        content = decode_base64(data, where)
    return Document(
        data=content, media_type=media_type, title=file.get("filename"), cache_control=_cache_control(fields)
    )


# -- Anthropic's shape


def _text(_kind: str, fields: dict[str, Any], where: str) -> Part:
    citations = tuple(_citation(given) for given in fields.pop("citations", None) or ())
    return Text(_string(fields, "text"), citations, _cache_control(fields))


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


def _anthropic_media(kind: str, fields: dict[str, Any], where: str) -> Part | None:
    source = fields["source"]
    is_custom = kind == "document" and source["type"] == "content"  # blocks of the document, cited one by one
    if is_custom or (source["type"] == "file" and not fields.keys() <= {"source", "cache_control"}):
        return ProviderPart("anthropic", {"type": kind, **_popped(fields)})
    del fields["source"]
    cache = _cache_control(fields)
    if source["type"] == "file":
        return FileRef(source["file_id"], cache_control=cache)
    place: dict[str, Any]
    match source["type"]:
        case "base64":
            place = {"data": decode_base64(source["data"], where), "media_type": source["media_type"]}
        case "url":
            place = {"url": source["url"]}
        case "text":
            place = {"data": source["data"].encode(), "media_type": "text/plain"}
        case other:
            raise InvalidRequest(f"{where}: unknown source {other!r}; known are base64, url, text, content and file")
    if kind == "image":
        return Image(**place, cache_control=cache)
    citations = fields.pop("citations", None) or {}
    return Document(
        **place,
        title=fields.pop("title", None),
        context=fields.pop("context", None),
        citations=citations.get("enabled"),
        cache_control=cache,
    )


def _thinking(_kind: str, fields: dict[str, Any], where: str) -> Part:
    return Reasoning(_string(fields, "thinking"), fields.pop("signature", None))


def _redacted_thinking(_kind: str, fields: dict[str, Any], where: str) -> Part:
    return Reasoning(redacted=_string(fields, "data"))


def _tool_use(kind: str, fields: dict[str, Any], where: str) -> Part:
    id_, name, given = _string(fields, "id"), _string(fields, "name"), fields.pop("input", None)
    cache = _cache_control(fields)
    rest = _popped(fields)  # what has no name here goes back as it came
    if rest.get("caller") == {"type": "direct"}:
        del rest["caller"]
    arguments = given if isinstance(given, str) else _json(given or {}, where)
    return ToolCall(id_, name, arguments, kind == "server_tool_use", _json(rest, where) if rest else None, cache)


def _anthropic_result(kind: str, fields: dict[str, Any], where: str) -> Part:
    content = fields.get("content")
    if isinstance(content, Sequence) and not isinstance(content, str):
        kinds = {block.get("type") for block in content if isinstance(block, Mapping)}
        if not kinds <= {"text", "image", "document"}:  # search results, tool references: Anthropic's alone
            return ProviderPart("anthropic", {"type": kind, **_popped(fields)})
    return ToolResult(
        fields.pop("tool_use_id"),
        _result_content(fields.pop("content", None), where),
        is_error=bool(fields.pop("is_error", False)),
        cache_control=_cache_control(fields),
    )


def _result_content(content: Any, where: str) -> Any:
    """The caller turns the blocks into parts and checks them."""
    if content is None:
        return ""
    if isinstance(content, Mapping):
        return (content,)
    return tuple(content) if isinstance(content, Sequence) and not isinstance(content, str | bytes) else content


def _string(fields: dict[str, Any], name: str) -> str:
    value = fields.pop(name)
    if not isinstance(value, str):
        raise TypeError(f"{name} must be text, got {type(value).__name__}")
    return value


def _popped(fields: dict[str, Any]) -> dict[str, Any]:
    rest = dict(fields)
    fields.clear()
    return rest


def _json(value: Any, where: str) -> str:
    try:
        return msgspec.json.encode(value).decode()
    except (TypeError, ValueError) as error:
        raise InvalidRequest(f"{where}: {error}") from None


_FOREIGN: dict[str, Callable[[str, dict[str, Any], str], Part | None]] = {
    "text": _text,
    "image_url": _image_url,
    "input_audio": _input_audio,
    "file": _file,
    "thinking": _thinking,
    "redacted_thinking": _redacted_thinking,
    "tool_use": _tool_use,
    "server_tool_use": _tool_use,
}
