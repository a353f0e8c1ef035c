"""Flow control between a source and a consumer: bounded, paced, checked, measured."""

from __future__ import annotations

import asyncio
import inspect
import math
import time
from collections.abc import AsyncIterable, Awaitable, Callable
from typing import Generic, Self, TypeAlias, TypeVar

import msgspec

from exllm.streaming.feeder import Feeder
from exllm.streaming.ring import Overflow, RingBuffer, RingClosed

__all__ = ["FlowController", "FlowStatistics"]

T = TypeVar("T")
R = TypeVar("R")
MaybeAwaitable: TypeAlias = R | Awaitable[R]


class _End(Exception):
    """The flow is over."""


class FlowStatistics(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What went through a flow controller.

    Always ``received == delivered + filtered + invalid + failed + lost + discarded + pending``.
    """

    received: int  # chunks that came in, those lost to "drop" included
    delivered: int  # chunks handed to the consumer
    filtered: int  # chunks for which transform_chunk returned None
    invalid: int  # chunks that validate_chunk refused
    failed: int  # chunks on which a callback raised
    lost: int  # chunks lost to the policies "drop" and "overwrite"
    discarded: int  # chunks that were there when the controller was closed
    pending: int  # chunks that wait, one whose callbacks still run included
    errors: int  # exceptions of callbacks and of the source
    capacity: int  # most chunks that can wait
    fill_percent: float  # chunks that wait, in percent of capacity
    high_water: int  # most chunks that waited at once
    is_pressed: bool  # the threshold is reached: producers wait
    pauses: int  # how often producers had to wait
    paused_s: float  # seconds during which a producer waited
    waited_s: float  # seconds during which the consumer waited for a chunk
    paced_s: float  # seconds during which a chunk waited for its gap
    duration_s: float  # seconds from when the consumer first asked to the end, or until now
    chunks_per_s: float | None  # delivered in that time; None before the first


class FlowController(Generic[T]):
    """Stand between a source of chunks and a consumer: hold the source back, pace, check, change and count.

    Over any async iterator, or between a producer and a consumer of your own::

        async with FlowController(source, min_gap_s=0.02) as flow:      flow = FlowController(threshold=0.5)
            async for chunk in flow:                                    await flow.push(chunk); ...; flow.close()
                ...                                                     chunk = await flow.pop()

    `pop` and ``async for`` take one chunk, `run` gives them all to a function, a `ChunkBatcher` over the controller
    makes lists of them.

    **Pressure.** Chunks wait in a bounded ring. From `threshold` of its capacity on, `push` waits and the source is
    not read, until no more than half of the ring is full. `push_nowait` may use the rest, for producers that cannot
    stop at once.

    **Callbacks** run when the consumer takes a chunk, in its task, one chunk at a time and in this order:
    `transform_chunk`, `validate_chunk`, the wait for `min_gap_s`, `on_chunk`. Each may be a function or a coroutine
    function. What one raises counts the chunk as failed and goes to `on_error`. If that returns True the chunk is
    skipped and the next one comes; else the exception is raised to the consumer as it is, and asking again gives the
    next chunk. An error of the source goes to `on_error` too, once and with None for the chunk, and is raised whatever
    that returns: a failed stream is not a short one. What `on_error` raises is raised.

    **Cancellation** loses nothing: the chunk whose callbacks were interrupted stays first in line, and they go on with
    the one that was interrupted, from its beginning.

    Args:
        source: read by a task of its own while there is no pressure; closed with the controller. Without one, `push`.
        capacity: most chunks that wait.
        threshold: share of `capacity`, above 0 and up to 1, at which producers are held back.
        overflow: ``"block"``, or what to lose when the ring is full and nobody is to be held back: see `RingBuffer`.
        min_gap_s: least seconds between two chunks handed out.
        transform_chunk: returns the chunk to hand out instead; None drops it.
        validate_chunk: returns False to drop the chunk.
        on_chunk: told each chunk just before it is handed out.
        on_error: told ``(error, chunk)``; returns True to skip the chunk.
        on_metrics: told the `FlowStatistics` every `metrics_interval_s` while the consumer takes or waits, and at the
            end. What it raises goes the way of the other callbacks, with None for the chunk.
        metrics_interval_s: least seconds between two calls of `on_metrics`.

    Raises ValueError for figures that make no sense.
    """

    def __init__(
        self,
        source: AsyncIterable[T] | None = None,
        *,
        capacity: int = 256,
        threshold: float = 0.8,
        overflow: Overflow = "block",
        min_gap_s: float = 0.0,
        transform_chunk: Callable[[T], MaybeAwaitable[T | None]] | None = None,
        validate_chunk: Callable[[T], MaybeAwaitable[bool]] | None = None,
        on_chunk: Callable[[T], MaybeAwaitable[object]] | None = None,
        on_error: Callable[[Exception, T | None], MaybeAwaitable[bool | None]] | None = None,
        on_metrics: Callable[[FlowStatistics], MaybeAwaitable[object]] | None = None,
        metrics_interval_s: float = 1.0,
    ) -> None:
        if not 0 < threshold <= 1:
            raise ValueError(f"threshold is {threshold}; it is a share of the capacity, above 0 and up to 1")
        if not min_gap_s >= 0 or not metrics_interval_s > 0:
            raise ValueError(
                f"min_gap_s ({min_gap_s}) is 0 or more, metrics_interval_s ({metrics_interval_s}) is above 0"
            )
        self._ring: RingBuffer[T] = RingBuffer(capacity, overflow)
        self._limit = max(1, math.ceil(capacity * threshold))
        self._room = capacity - self._limit + 1
        self._feeder = Feeder(source, self._ring, self._room) if source is not None else None
        self._min_gap_s = min_gap_s
        self._transform = transform_chunk
        self._validate = validate_chunk
        self._on_chunk = on_chunk
        self._on_error = on_error
        self._on_metrics = on_metrics
        self._interval_s = metrics_interval_s
        self._turn = asyncio.Lock()
        # The chunk whose callbacks run: out of the ring, not yet with the consumer. `_step` is the next one to run.
        self._held: list[T] = []
        self._step = 0
        self._due_at = -math.inf  # when the next chunk may be handed out
        self._started_at = math.nan
        self._ended_at = math.nan
        self._report_at = math.inf
        self._is_end_told = False
        self._delivered = 0
        self._filtered = 0
        self._invalid = 0
        self._failed = 0
        self._discarded = 0
        self._errors = 0
        self._paced_s = 0.0

    # -- in

    @property
    def is_pressed(self) -> bool:
        """The threshold is reached: `push` would wait. Always False where nobody is held back."""
        ring = self._ring
        return ring.overflow == "block" and (len(ring) >= self._limit or ring.producer_is_waiting)

    async def push(self, chunk: T) -> None:
        """Add a chunk, after waiting while there is pressure. Raises RingClosed after the end."""
        ring = self._pushed_into()
        if self.is_pressed:
            await ring.wait_writable(self._room)
        ring.push_nowait(chunk)

    def push_nowait(self, chunk: T) -> bool:
        """Add a chunk, pressure or not; False when the ring is full, and the chunk still the caller's.

        Raises RingClosed after the end.
        """
        return self._pushed_into().push_nowait(chunk)

    def close(self) -> None:
        """Nothing more is pushed. What is there can still be taken."""
        self._pushed_into().close()

    def fail(self, error: BaseException) -> None:
        """Nothing more is pushed. `error` is raised when all that is there has been taken."""
        self._pushed_into().fail(error)

    def _pushed_into(self) -> RingBuffer[T]:
        if self._feeder is not None:
            raise TypeError("this controller has a source; only one without can be pushed into")
        return self._ring

    # -- out

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> T:
        try:
            return await self._next()
        except _End:
            raise StopAsyncIteration from None

    async def pop(self) -> T:
        """The next chunk that the callbacks let pass. Callers are served in the order in which they came.

        Raises RingClosed at the end, the source's error, or what a callback raised.
        """
        try:
            return await self._next()
        except _End:
            raise RingClosed("the flow was closed, and all of it was taken") from None

    async def run(self, consumer: Callable[[T], MaybeAwaitable[object]]) -> FlowStatistics:
        """Give every chunk to `consumer`, a function or coroutine function, to the end; then close.

        Returns the figures. Raises what `pop` or the consumer raises.
        """
        async with self:
            async for chunk in self:
                await _call(consumer, chunk)
        return self.statistics()

    async def _next(self) -> T:
        async with self._turn:
            while True:
                if not self._held:
                    await self._take()
                try:
                    passes = await self._process()
                except Exception as error:
                    chunk = self._held.pop()
                    self._failed += 1
                    if not await self._tell(error, chunk):
                        raise
                    continue
                if passes:
                    self._delivered += 1
                    return self._held.pop()

    async def _take(self) -> None:
        """Wait for the next chunk and hold it. Raises `_End`, or what the source raised."""
        ring = self._ring
        if math.isnan(self._started_at):
            self._started_at = time.monotonic()
            if self._on_metrics is not None:
                self._report_at = self._started_at + self._interval_s
            if self._feeder is not None:
                self._feeder.start()
        while True:
            if self._on_metrics is not None and time.monotonic() >= self._report_at:
                self._report_at = time.monotonic() + self._interval_s
                await self._report()
            if ring.items:
                self._held.append(ring.pop_nowait())
                self._step = 0
                return
            try:
                await ring.wait_readable(timeout_s=self._until_report_s())
            except Exception as error:
                await self._note_end(error)
                raise
            if ring.is_exhausted:
                await self._note_end(None)
                raise _End

    def _until_report_s(self) -> float | None:
        return None if self._on_metrics is None else max(0.0, self._report_at - time.monotonic())

    async def _process(self) -> bool:
        """Run the callbacks for the held chunk, from where they were interrupted. True if it is to be handed out."""
        held = self._held
        if self._step == 0:
            if self._transform is not None:
                changed = await _call(self._transform, held[0])
                if changed is None:
                    self._filtered += 1
                    held.clear()
                    return False
                held[0] = changed
            self._step = 1
        if self._step == 1:
            if self._validate is not None and not await _call(self._validate, held[0]):
                self._invalid += 1
                held.clear()
                return False
            self._step = 2
        if self._min_gap_s:
            await self._pace()
        if self._on_chunk is not None:
            await _call(self._on_chunk, held[0])
        if self._min_gap_s:
            self._due_at = time.monotonic() + self._min_gap_s
        return True

    async def _pace(self) -> None:
        since = time.monotonic()
        if self._due_at > since:
            try:
                await asyncio.sleep(self._due_at - since)
            finally:
                self._paced_s += time.monotonic() - since

    # -- what is told

    async def _tell(self, error: Exception, chunk: T | None) -> bool:
        """Whether `on_error` says to go on."""
        self._errors += 1
        return self._on_error is not None and await _call(self._on_error, error, chunk) is True

    async def _report(self) -> None:
        if self._on_metrics is None:
            return
        try:
            await _call(self._on_metrics, self.statistics())
        except Exception as error:
            if not await self._tell(error, None):
                raise

    async def _note_end(self, error: Exception | None) -> None:
        """The source has ended, or failed: tell it, once."""
        if self._is_end_told:
            return
        self._is_end_told = True
        self._ended_at = time.monotonic()
        if error is not None and not isinstance(error, RingClosed):
            await self._tell(error, None)
        await self._report()

    def statistics(self) -> FlowStatistics:
        """The figures so far."""
        ring = self._ring.statistics()
        end = self._ended_at if not math.isnan(self._ended_at) else time.monotonic()
        duration_s = 0.0 if math.isnan(self._started_at) else end - self._started_at
        return FlowStatistics(
            received=ring.pushed + ring.dropped,
            delivered=self._delivered,
            filtered=self._filtered,
            invalid=self._invalid,
            failed=self._failed,
            lost=ring.dropped + ring.overwritten,
            discarded=ring.discarded + self._discarded,
            pending=ring.size + len(self._held),
            errors=self._errors,
            capacity=ring.capacity,
            fill_percent=ring.fill_percent,
            high_water=ring.high_water,
            is_pressed=self.is_pressed,
            pauses=ring.pauses,
            paused_s=ring.paused_s,
            waited_s=ring.waited_s,
            paced_s=self._paced_s,
            duration_s=duration_s,
            chunks_per_s=self._delivered / duration_s if self._delivered and duration_s > 0 else None,
        )

    # -- life

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_exc: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Let go of the source and of what was not taken. Who waits gets RingClosed. Idempotent."""
        if not self._turn.locked():  # else its chunk is being handed out
            self._discarded += len(self._held)
            self._held.clear()
        if math.isnan(self._ended_at):
            self._ended_at = time.monotonic()
        if self._feeder is not None:
            await self._feeder.aclose()
        else:
            self._ring.abort()


async def _call(function: Callable[..., MaybeAwaitable[R]], *args: object) -> R:
    """Call a function or a coroutine function."""
    result = function(*args)
    if inspect.isawaitable(result):
        return await result
    return result
