"""What has arrived of one answer, handed out or not."""

from __future__ import annotations

from exllm.streaming.accumulator import Accumulator
from exllm.streaming.source import has_content
from exllm.streaming.timing import Timing
from exllm.types.chunks import Chunk


class Intake:
    """Counts, times and folds every chunk that comes. Without I/O.

    The head of an answer, all that comes before its body, is held back: until something was handed out, another attempt
    may take its place.

    Args:
        accumulator: folds every chunk, taken by the consumer or not.
        timing: notes when they came.

    Attributes:
        chunks: how many came, without a head that is held back.
    """

    __slots__ = ("_head", "_timing", "accumulator", "chunks")

    def __init__(self, accumulator: Accumulator, timing: Timing) -> None:
        self.accumulator = accumulator
        self.chunks = 0
        self._timing = timing
        self._head: list[Chunk] | None = []  # None from the first of the body on

    def take(self, chunks: list[Chunk] | None, now: float) -> list[Chunk] | None:
        """What may be handed out of that which a source's `read` gave at `now`; None at the end."""
        head = self._head
        if head is not None:
            if chunks is not None:
                head += chunks
                if not has_content(head):
                    self._timing.last_at = now
                    return []
            self._head = None
            chunks = head or None
        if chunks is not None:
            count = len(chunks)
            self.chunks += count
            self._timing.arrived(now, count)
            self.accumulator.add(chunks)
        return chunks

    def begin_again(self) -> None:
        """Another attempt follows: its head takes the place of this one's."""
        self._head = []

    def keep_head(self) -> None:
        """No other attempt follows: a head that is held back is the answer's, though it is not handed out."""
        if self._head:
            self.accumulator.add(self._head)

    @property
    def is_telling(self) -> bool:
        """There is a part of the answer, or what it has cost, to be told."""
        return self.chunks > 0 or self.accumulator.usage.provenance != "unknown"
