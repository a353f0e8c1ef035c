"""Streams that a provider keeps, and gives again from their beginning."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from exllm.errors import StreamInterrupted
from exllm.providers.wire import StreamDecoder
from exllm.streaming.frame import Frame
from exllm.types.chunks import Chunk
from exllm.types.cursor import StreamHandle


class SkippingDecoder:
    """Decodes a stream from its beginning, and hands out what follows a certain event.

    Args:
        decoder: of the wire, fresh.
        after: the key of the last event that is not handed out.
        wire: says the key of an event, by ``event_key``.
        skipped: takes the chunks of what is not handed out.

    Raises (from `feed` and `close`): what the decoder raises; StreamInterrupted from `close` when the event never came.
    """

    def __init__(self, decoder: StreamDecoder, after: str, wire: Any, skipped: Callable[[list[Chunk]], None]) -> None:
        self._decoder = decoder
        self._after: str | None = after
        self._key_of: Callable[[Frame], str | None] = wire.event_key
        self._skipped = skipped

        self.finished = False

    @property
    def handle(self) -> StreamHandle | None:
        return getattr(self._decoder, "handle", None)

    def feed(self, frames: Sequence[Frame]) -> list[Chunk]:
        """See `StreamDecoder.feed`."""
        for place, frame in enumerate(frames):
            if self._after is None:
                chunks = self._decoder.feed(frames[place:])
                self.finished = self._decoder.finished
                return chunks
            self._skipped(self._decoder.feed([frame]))
            if self._key_of(frame) == self._after:
                self._after = None
        return []

    def take(self) -> list[Chunk]:
        """See `StreamDecoder.take`."""
        return self._decoder.take()

    def close(self) -> list[Chunk]:
        """See `StreamDecoder.close`."""
        if self._after is not None:
            raise StreamInterrupted("the provider's stream ended without the event that had arrived last")
        return self._decoder.close()
