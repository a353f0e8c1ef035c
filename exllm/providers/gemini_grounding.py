"""Gemini's sources in our words: grounding by search, maps and files, and recitations.

Gemini counts places in the answer's text in bytes; ours are characters. To turn one into the other the text must be
kept, which is done only where a tool of Gemini's own was asked for.
Sources: https://ai.google.dev/gemini-api/docs/google-search,
https://ai.google.dev/api/generate-content#GroundingMetadata
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from exllm.types.parts import Citation


class Place(NamedTuple):
    """Where in the answer something stands: the text part, and characters of the whole text where known."""

    part: int
    start: int | None = None
    end: int | None = None


class AnswerText:
    """The text of one choice as it grows, where it is kept at all.

    Attributes:
        part: number of its last part.
    """

    __slots__ = ("_parts", "_pieces", "part")

    def __init__(self) -> None:
        self.part = 0
        self._pieces: list[str] = []
        self._parts: list[tuple[int, int]] = []  # where each part begins, in characters, and its number

    def add(self, text: str, part: int) -> None:
        """Keep the next piece."""
        if not self._parts or self._parts[-1][1] != part:
            self._parts.append((sum(map(len, self._pieces)), part))
        self._pieces.append(text)

    def place(self, first_byte: Any, last_byte: Any, quote: str | None = None) -> Place:
        """The characters of a range in bytes. Where the range does not hold `quote`, the place of `quote` itself."""
        if not self._pieces or not isinstance(last_byte, int):
            return Place(self.part)
        text = "".join(self._pieces)
        data = text.encode("utf-8", "surrogatepass")
        start = len(data[: first_byte if isinstance(first_byte, int) else 0].decode("utf-8", "ignore"))
        end = len(data[:last_byte].decode("utf-8", "ignore"))
        if quote is not None and text[start:end] != quote:
            start = text.find(quote)
            if start < 0:
                return Place(self.part)
            end = start + len(quote)
        part = next((number for begins, number in reversed(self._parts) if begins <= start), self.part)
        return Place(part, start, end)


def grounded(metadata: dict[str, Any], text: AnswerText) -> Iterator[tuple[Citation, int]]:
    """The sources of a `groundingMetadata`, each with the text part it belongs to.

    First those that support a passage, in its order, then those that are only listed. Raises `AttributeError` or
    `TypeError` for metadata of another shape.
    """
    sources = metadata.get("groundingChunks") or []
    supporting: set[int] = set()
    for support in metadata.get("groundingSupports") or []:
        segment = support.get("segment") or {}
        place = text.place(segment.get("startIndex"), segment.get("endIndex"), segment.get("text"))
        for number in support.get("groundingChunkIndices") or []:
            if not isinstance(number, int) or not 0 <= number < len(sources):
                continue
            supporting.add(number)
            yield _citation(sources[number], place, {**sources[number], "groundingSupport": support}), place.part
    for number, source in enumerate(sources):
        if number not in supporting:
            place = text.place(None, None)
            yield _citation(source, Place(place.part), source), place.part


def recited(metadata: dict[str, Any], text: AnswerText) -> Iterator[tuple[Citation, int]]:
    """The sources of a `citationMetadata`: what the answer quotes at length. Vertex AI calls the list otherwise."""
    for source in metadata.get("citationSources") or metadata.get("citations") or []:
        place = text.place(source.get("startIndex"), source.get("endIndex"))
        yield (
            Citation(
                url=_text(source.get("uri")),
                title=_text(source.get("title")),
                start=place.start,
                end=place.end,
                source=source,
            ),
            place.part,
        )


def visited(metadata: dict[str, Any]) -> Iterator[Citation]:
    """The pages of a `urlContextMetadata`. Raises `AttributeError` or `TypeError` for metadata of another shape."""
    for page in metadata.get("urlMetadata") or []:
        yield Citation(url=_text(page.get("retrievedUrl")), source=page)


def _citation(chunk: dict[str, Any], place: Place, source: dict[str, Any]) -> Citation:
    """`chunk` holds one object under the name of its kind: ``web``, ``retrievedContext``, ``maps``, ``image``."""
    found: dict[str, Any] = next((value for value in chunk.values() if isinstance(value, dict)), {})
    return Citation(
        url=_text(found.get("uri")) or _text(found.get("sourceUri")),
        title=_text(found.get("title")),
        text=_text(found.get("text")),
        start=place.start,
        end=place.end,
        source=source,
    )


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None
