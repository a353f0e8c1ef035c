"""Messages as Gemini's generateContent has them: ``{"role": "model", "parts": [...]}``, the SDK's dumps included.

Names may be spelt as the API spells them (``functionCall``) or as Google's SDK does (``function_call``). Calls without
an id are matched to their results by the order in which they stand, as Gemini does it. Parts that have no common form
(code that ran, video with its settings, ...) go back to Gemini as they came.
Sources: https://ai.google.dev/api/caching#Content, https://ai.google.dev/gemini-api/docs/thought-signatures
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping, Sequence
from enum import Enum
from typing import Any

from exllm.errors import InvalidRequest
from exllm.types.block_fields import Block, to_json
from exllm.types.media import decode_base64
from exllm.types.message import Message
from exllm.types.parts import Audio, Document, Image, Part, ProviderPart, Reasoning, Text, ToolCall, ToolResult

_ROLES = {None: "user", "model": "assistant", "function": "tool"}
# The `id` of reasoning that Gemini signed, see `exllm.providers.gemini_signatures`: of that part, or of the next one.
_OWN, _NEXT = "gemini", "gemini:next"


def message(fields: dict[str, Any], where: str) -> Message:
    """The message that a dict with ``parts`` means. Raises `InvalidRequest` that names the place."""
    role = fields.pop("role", None)
    given = fields.pop("parts")
    fields.pop("id", None)  # of an answer
    if fields:
        raise InvalidRequest(f"{where}: the field {next(iter(fields))!r} means nothing here")
    if isinstance(given, str | Mapping) or not isinstance(given, Sequence):
        raise InvalidRequest(f"{where}.parts must be a list of parts, got {type(given).__name__}")
    parts: list[Part] = []
    counts = {"functionCall": 0, "functionResponse": 0}
    for index, part in enumerate(given):
        place = f"{where}.parts[{index}]"
        if isinstance(part, Mapping) and "type" in part:  # a content block: the caller knows those
            parts.append(part)  # type: ignore[arg-type]
            continue
        try:
            parts += _parts(_plain(part), counts, place)
        except KeyError as error:
            raise InvalidRequest(f"{place}: the part needs {error.args[0]!r}") from None
        except (AttributeError, TypeError, ValueError) as error:
            raise InvalidRequest(f"{place}: a part of the wrong shape: {error}") from None
    return Message(_ROLES.get(role, role), tuple(parts))


def _parts(part: Any, counts: dict[str, int], where: str) -> list[Part]:
    if isinstance(part, str):
        return [Text(part)]
    signature = part.get("thoughtSignature")
    said = {name: value for name, value in part.items() if name not in ("thoughtSignature", "thought")}
    match said:
        case {"text": str(text)} if len(said) == 1:
            if part.get("thought") or (signature and not text):
                return [Reasoning(text, signature, id=_OWN)]
            return [*_carried(signature), Text(text)]
        case {"functionCall": call} if len(said) == 1 and call.keys() <= {"id", "name", "args"}:
            id_ = call.get("id") or f"call_0_{counts['functionCall']}"  # as an answer's calls without one are called
            counts["functionCall"] += 1
            return [ToolCall(id_, call["name"], to_json(call.get("args") or {}, where), signature=signature)]
        case {"functionResponse": result} if len(said) == 1 and result.keys() <= {"id", "name", "response", "parts"}:
            id_ = result.get("id") or f"call_0_{counts['functionResponse']}"
            counts["functionResponse"] += 1
            return [_result(id_, result, where)]
        case {"inlineData": blob} if len(said) == 1:
            data = decode_base64(blob["data"].replace("-", "+").replace("_", "/"), where)
            return [*_carried(signature), _media(blob["mimeType"], {"data": data, "media_type": blob["mimeType"]})]
        case {"fileData": file} if len(said) == 1:
            kind = file.get("mimeType")
            return [*_carried(signature), _media(kind or "", {"url": file["fileUri"], "media_type": kind})]
    return [ProviderPart("gemini", part)]


def _carried(signature: str | None) -> list[Part]:
    return [Reasoning("", signature, id=_NEXT)] if signature else []


def _media(media_type: str, place: dict[str, Any]) -> Image | Audio | Document:
    kinds: dict[str, type[Image | Audio]] = {"image": Image, "audio": Audio}
    return kinds.get(media_type.partition("/")[0], Document)(**place)


def _result(id_: str, result: Block, where: str) -> ToolResult:
    """What a function gave is an object; one with nothing but `output` or `error` is made of text."""
    response = result.get("response") or {}
    match dict(response):
        case {"output": str(text), **rest} if not rest:
            is_error = False
        case {"error": str(text), **rest} if not rest:
            is_error = True
        case _:
            text, is_error = to_json(response, where), False
    media = [
        part for given in result.get("parts") or () for part in _parts(given, {}, where)
    ]  # of images and documents
    content: Any = (Text(text), *media) if media else text
    return ToolResult(id_, content, result.get("name"), is_error)


def _plain(value: Any) -> Any:
    """`value` as the API has it: the SDK's names, objects, enumerations and bytes turned into JSON's."""
    if dump := getattr(value, "model_dump", None):
        value = dump()
    if isinstance(value, Mapping):
        return {
            _camel(name): inner if name in _FREE else _plain(inner)
            for name, inner in value.items()
            if inner is not None
        }
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, Enum):
        return value.value
    return [_plain(inner) for inner in value] if isinstance(value, list | tuple) else value


_FREE = frozenset({"args", "response"})
"""Fields whose names are the caller's own."""


def _camel(name: Any) -> Any:
    return re.sub(r"_([a-z])", lambda found: found[1].upper(), name) if isinstance(name, str) else name
