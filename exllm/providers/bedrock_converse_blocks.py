"""Content blocks of Converse that arrive in pieces and are handed on whole, and its citations.

Source: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ContentBlockStart.html
"""

from __future__ import annotations

import base64
from typing import Any

from exllm.providers.bedrock_converse_events import ImagePiece
from exllm.types.chunks import Chunk, ImageDelta, ProviderEvent
from exllm.types.parts import Citation

BEDROCKS = "bedrock"
"""The `id` of thoughts that another model than Claude signed, for itself alone. Claude's signatures are right wherever
Claude is: https://platform.claude.com/docs/en/build-with-claude/extended-thinking#thinking-encryption"""


def claudes_redacted(encoded: str) -> str | None:
    """Redacted thoughts of Claude as its own API has them, which is text; None where the bytes are none."""
    try:
        return base64.b64decode(encoded, validate=True).decode("ascii")
    except ValueError:
        return None


class OpenResult:
    """The result of a tool that the service ran itself; it goes back as it came."""

    __slots__ = ("_fields", "_pieces")

    def __init__(self, fields: dict[str, Any]) -> None:
        self._fields = fields
        self._pieces: list[Any] = []

    def add(self, pieces: list[Any]) -> None:
        self._pieces += pieces

    def build(self, provider: str) -> Chunk:
        block = {"toolResult": {**self._fields, "content": self._pieces}}
        return ProviderEvent("toolResult", block, provider, True)


class OpenImage:
    """A generated image."""

    __slots__ = ("_error", "_format", "_pieces")

    def __init__(self, image_format: str) -> None:
        self._format = image_format
        self._pieces: list[bytes] = []
        self._error: dict[str, Any] | None = None

    def add(self, piece: ImagePiece) -> None:
        if piece.source is not None and piece.source.bytes:
            self._pieces.append(base64.b64decode(piece.source.bytes, validate=True))
        self._error = piece.error or self._error

    def build(self, provider: str) -> Chunk:
        if self._error is not None:
            return ProviderEvent("image", {"error": self._error}, provider)
        return ImageDelta(data=b"".join(self._pieces), media_type=f"image/{self._format}")


def to_citation(source: dict[str, Any]) -> Citation:
    """A citation of a web page or of a passage in a document; the object itself stays in `source`."""
    location = source.get("location") or {}
    web = location.get("web") or {}
    inner = next((value for value in location.values() if isinstance(value, dict)), {})
    document = inner.get("documentIndex")
    passages = [each.get("text") or "" for each in source.get("sourceContent") or ()]
    return Citation(
        url=_text(web.get("url")) or _url(source.get("source")),
        title=_text(source.get("title")) or _text(web.get("domain")),
        text="".join(passages) or None,
        document=document if isinstance(document, int) else None,
        source=source,
    )


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None


def _url(value: Any) -> str | None:
    """The source of a search result: an address, or whatever its owner calls it."""
    return value if isinstance(value, str) and value.startswith(("https://", "http://")) else None
