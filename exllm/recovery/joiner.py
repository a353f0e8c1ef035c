"""The chunks of a continuation as chunks of the answer that it continues."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from exllm.recovery.seam import Seam
from exllm.types.chunks import Chunk, CitationDelta, ReasoningDelta, StreamStart, TextDelta


class Joiner:
    """Renames parts, and leaves out what the answer has already.

    Args:
        seam: of the first text.
        part: of the answer, the text that goes on.
        free_part: the first that the answer has not used.
        separator: stands before the first text.
    """

    def __init__(self, seam: Seam, part: int, free_part: int, separator: str = "") -> None:
        self._seam: Seam | None = seam
        self._text_part = part
        self._free_part = free_part
        self._separator = separator
        self._parts: dict[tuple[bool, int], int] = {}
        self._first: int | None = None  # the continuation's own number of its first text

    def join(self, chunks: Iterable[Chunk]) -> list[Chunk]:
        """The chunks to hand out; text may be held back."""
        joined: list[Chunk] = []
        for chunk in chunks:
            if isinstance(chunk, StreamStart):
                continue  # the answer has begun already
            if isinstance(chunk, TextDelta):
                if self._first is None:
                    self._first = chunk.part
                if chunk.part == self._first:
                    self._add_text(chunk, joined)
                    continue
            joined += self.close()
            if isinstance(chunk, TextDelta | CitationDelta | ReasoningDelta):
                joined.append(msgspec.structs.replace(chunk, part=self._part_of(chunk)))
            else:
                joined.append(chunk)
        return joined

    def close(self) -> list[Chunk]:
        """The text that was held back, when something else follows it, or nothing."""
        if self._seam is None or self._first is None:
            return []
        rest, self._seam = self._seam.close(), None
        return self._text(rest)

    def _add_text(self, chunk: TextDelta, joined: list[Chunk]) -> None:
        if self._seam is None:
            joined.append(msgspec.structs.replace(chunk, part=self._text_part))
        else:
            joined += self._text(self._seam.feed(chunk.text))

    def _text(self, text: str) -> list[Chunk]:
        if not text:
            return []
        text, self._separator = self._separator + text, ""
        return [TextDelta(text, part=self._text_part)]

    def _part_of(self, chunk: TextDelta | CitationDelta | ReasoningDelta) -> int:
        if chunk.part == self._first and not isinstance(chunk, ReasoningDelta):
            return self._text_part
        key = (isinstance(chunk, ReasoningDelta), chunk.part)
        if key not in self._parts:
            self._parts[key] = self._free_part
            self._free_part += 1
        return self._parts[key]
