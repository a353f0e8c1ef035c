"""What a handler returned, in the form that a model reads."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import msgspec

from exllm.types.parts import Audio, Document, Image, Text, ToolResult
from exllm.types.plain import foreign

ResultPart = Text | Image | Document
ResultContent = str | tuple[ResultPart, ...]


class Encoder(Protocol):
    """Turns what a handler returned into text or parts; `encode_result` is the one used by default.

    What it raises is told to the model as the error of the call.
    """

    def __call__(self, value: Any, /) -> str | Sequence[str | ResultPart]: ...


def encode_result(value: Any) -> ResultContent:
    """Text as it is; `Text`, `Image` and `Document` parts, or a list with any of them, as parts; all else as JSON.

    JSON is made of what msgspec encodes (dicts, lists, numbers, dates, enums, Structs, dataclasses, ...), of pydantic's
    models, and of NumPy's numbers and arrays. None is ``null``, and so are NaN and the infinities, as JSON has neither.

    Raises: TypeError for what is none of these.
    """
    if isinstance(value, str):
        return encodable(value)
    if isinstance(value, ResultPart):
        return (value,)
    if isinstance(value, Audio | bytes | bytearray | memoryview):
        raise TypeError(f"a tool cannot answer with {type(value).__name__}; use exllm.Image or exllm.Document")
    if isinstance(value, list | tuple) and any(isinstance(item, ResultPart) for item in value):
        return content_of(value)
    return msgspec.json.encode(value, enc_hook=foreign).decode()


def content_of(encoded: str | Sequence[str | ResultPart]) -> ResultContent:
    """What an encoder gave, checked. Raises TypeError for what no result can hold."""
    if isinstance(encoded, str):
        return encodable(encoded)
    parts: list[ResultPart] = []
    for item in encoded:
        if isinstance(item, ResultPart):
            parts.append(item)
        elif isinstance(item, str):
            parts.append(Text(encodable(item)))
        else:
            raise TypeError(f"beside text, Image and Document a tool's result cannot hold a {type(item).__name__}")
    return tuple(parts)


def result_of(value: Any, call_id: str, name: str, encoder: Encoder) -> ToolResult:
    """The result of the call for what its handler returned; a handler may make the `ToolResult` itself."""
    if isinstance(value, ToolResult):
        content = value.content
        is_error = value.is_error
        cache_control = value.cache_control
        return ToolResult(call_id, content_of(content), name, is_error, cache_control)
    return ToolResult(call_id, content_of(encoder(value)), name)


def encodable(text: str) -> str:
    """`text`, with what is no character replaced: no request could carry it."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "replace").decode()
    return text
