"""Lists of chunks by size or time: fewer, larger steps for consumers that pay for each one."""

from __future__ import annotations

import math
import time
from collections.abc import AsyncIterable
from typing import Generic, Protocol, Self, TypeVar, runtime_checkable

import msgspec

from exllm.streaming.feeder import Feeder
from exllm.streaming.ring import RingBuffer

__all__ = ["BatchSource", "BatcherStatistics", "ChunkBatcher"]

T = TypeVar("T")


@runtime_checkable
class BatchSource(Protocol[T]):
    """An iterator that already keeps its items in a ring, so that batches need no task of their own."""

    @property
    def ring(self) -> RingBuffer[T]:
        """Where the items wait."""

    async def wait(self, at_least: int = 1, timeout_s: float | None = None) -> None:
        """As `RingBuffer.wait_readable`, but raises StopAsyncIteration at the end."""

    async def aclose(self) -> None:
        """Let go of the source."""


class BatcherStatistics(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What a batcher handed out. ``batches`` is the sum of the four reasons."""

    batches: int  # batches handed out
    chunks: int  # chunks in them
    largest: int  # chunks in the largest of them
    full: int  # batches that had reached max_size
    timed_out: int  # batches that went out because max_delay was over
    early: int  # batches that went out at once, because no other chunk was to be expected in time
    last: int  # batches that went out because nothing more comes, or by `flush`
    pending: int  # chunks that wait for the next batch
    is_rare: bool  # chunks come so rarely that they go out at once


class ChunkBatcher(Generic[T]):
    """Collect chunks into lists of up to `max_size`, none held back longer than `max_delay` seconds.

    It batches any async iterator, or what is pushed into it::

        async with ChunkBatcher(source) as batcher:          batcher = ChunkBatcher()
            async for batch in batcher:                      await batcher.push(chunk); ...; batcher.close()
                ...                                          async for batch in batcher: ...

    A batch goes out when it is full, when its oldest chunk has waited for `max_delay`, or at the end. The time that the
    consumer was away counts: a slow consumer finds all that has come meanwhile, in batches up to `max_size`, and does
    not wait. It **adapts** to rare chunks: after two gaps in a row that were longer than `max_delay`, nothing else is
    to be expected in time, and what comes goes out at once, until a chunk comes sooner.

    Nothing is lost: chunks that came before an error go out before it is raised; a cancelled step leaves its chunks for
    the next one, or for `flush`. Its ring is bounded, so a consumer that stops taking stops the source.

    Args:
        source: what to batch; read by a task, at most ``2 * max_size`` chunks ahead, and closed with the batcher.
            A `RingBuffer`, or an iterator that is a `BatchSource` too, is read without a task. Without one, `push`.
        max_size: most chunks in a batch.
        max_delay: most seconds that a chunk is held back while the consumer waits.
        min_size: a batch smaller than this waits for `max_delay`, however rare chunks are.
        adaptive: False for size and time alone.

    Raises ValueError for sizes or times that make no sense.
    """

    def __init__(
        self,
        source: AsyncIterable[T] | None = None,
        *,
        max_size: int = 20,
        max_delay: float = 0.025,
        min_size: int = 1,
        adaptive: bool = True,
    ) -> None:
        if not 1 <= min_size <= max_size:
            raise ValueError(f"1 <= min_size <= max_size does not hold: min_size={min_size}, max_size={max_size}")
        if not max_delay >= 0:
            raise ValueError(f"max_delay is {max_delay}; it is a number of seconds, 0 or more")
        self.max_size = max_size
        self.max_delay = max_delay
        self.min_size = min_size
        self.adaptive = adaptive
        self._own: RingBuffer[T] | None = None  # the ring of `push`
        self._source: BatchSource[T]
        chunks = aiter(source) if source is not None else None
        if chunks is None:
            self._own = RingBuffer(2 * max_size)
            self._source = _RingSource(self._own, None)
        elif isinstance(chunks, RingBuffer):
            self._source = _RingSource(chunks, None)
        elif isinstance(chunks, BatchSource):
            self._source = chunks
        else:
            ring: RingBuffer[T] = RingBuffer(2 * max_size)
            self._source = _RingSource(ring, Feeder(chunks, ring))
        self._ring = self._source.ring
        self._arrived_at = math.inf  # when a chunk was last seen to arrive
        self._long_gaps = 0  # how many in a row were longer than max_delay
        self._batches = 0
        self._chunks = 0
        self._largest = 0
        self._full = 0
        self._timed_out = 0
        self._early = 0
        self._last = 0

    # -- in, without a source

    async def push(self, chunk: T) -> None:
        """Add a chunk, after waiting for room if need be. Raises RingClosed after the end."""
        await self._pushed_into().push(chunk)

    def push_nowait(self, chunk: T) -> bool:
        """Add a chunk; False when there is no room, and it is still the caller's. Raises RingClosed after the end."""
        return self._pushed_into().push_nowait(chunk)

    def close(self) -> None:
        """Nothing more is pushed: what is there goes out as the last batch."""
        self._pushed_into().close()

    def fail(self, error: BaseException) -> None:
        """Nothing more is pushed: what is there goes out as the last batch, then `error` is raised."""
        self._pushed_into().fail(error)

    def _pushed_into(self) -> RingBuffer[T]:
        if self._own is None:
            raise TypeError("this batcher has a source; only one without can be pushed into")
        return self._own

    # -- out

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> list[T]:
        """The next batch, never empty. Raises what the source raised, once all before it was handed out."""
        ring, items = self._ring, self._ring.items
        while True:
            if items:
                self._arrived_at = time.monotonic()  # or earlier: it came while nobody looked
            else:
                await self._source.wait()
                is_long = ring.readable_since - self._arrived_at > self.max_delay
                self._long_gaps = self._long_gaps + 1 if is_long else 0
                self._arrived_at = ring.readable_since
            wanted = self._wanted()
            if len(items) < wanted and not ring.is_ended:
                remaining_s = ring.readable_since + self.max_delay - time.monotonic()
                if remaining_s > 0:
                    await self._wait_for_company(wanted, remaining_s)
            if items:
                break
            # Somebody else took them. Once the ring has ended, the wait at the top raises how.
        if len(items) >= min(self.max_size, ring.capacity):
            self._full += 1
        elif ring.is_ended:
            self._last += 1
        elif len(items) >= wanted:
            self._early += 1
        else:
            self._timed_out += 1
        return self._take(self.max_size)

    def flush(self) -> list[T]:
        """Take what waits for the next batch, all of it, without waiting; ``[]`` when nothing does."""
        batch = self._take(len(self._ring.items))
        self._last += bool(batch)
        return batch

    def _take(self, most: int) -> list[T]:
        batch = self._ring.pop_many(most)
        self._batches += bool(batch)
        self._chunks += len(batch)
        self._largest = max(self._largest, len(batch))
        return batch

    @property
    def is_rare(self) -> bool:
        """Chunks come so rarely that they go out at once; always False where it is not to adapt."""
        return self.adaptive and self._long_gaps >= 2

    def _wanted(self) -> int:
        """How many chunks a batch must have to go out at once."""
        if self.max_delay == 0:
            return 1
        return min(self.min_size if self.is_rare else self.max_size, self._ring.capacity)

    async def _wait_for_company(self, wanted: int, remaining_s: float) -> None:
        items = self._ring.items
        there = len(items)
        await self._source.wait(wanted, remaining_s)
        if len(items) > there:
            self._arrived_at = time.monotonic()
            self._long_gaps = 0

    # -- life

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_exc: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Let go of the source and of what waits for the next batch. Idempotent; `flush` before, to keep that."""
        await self._source.aclose()

    def statistics(self) -> BatcherStatistics:
        """The figures so far."""
        return BatcherStatistics(
            batches=self._batches,
            chunks=self._chunks,
            largest=self._largest,
            full=self._full,
            timed_out=self._timed_out,
            early=self._early,
            last=self._last,
            pending=len(self._ring),
            is_rare=self.is_rare,
        )


class _RingSource(Generic[T]):
    """A ring, and the task that fills it if there is one, as a `BatchSource`."""

    __slots__ = ("_feeder", "ring")

    def __init__(self, ring: RingBuffer[T], feeder: Feeder[T] | None) -> None:
        self.ring = ring
        self._feeder = feeder

    async def wait(self, at_least: int = 1, timeout_s: float | None = None) -> None:
        if self._feeder is not None:
            self._feeder.start()
        if not await self.ring.wait_readable(at_least, timeout_s) and self.ring.is_ended:
            raise StopAsyncIteration

    async def aclose(self) -> None:
        if self._feeder is not None:
            await self._feeder.aclose()
        else:
            self.ring.abort()
