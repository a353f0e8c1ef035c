"""The task that moves chunks from a source into the ring: attempts, time limits, accumulation, figures."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from exllm.errors import (
    ExLLMError,
    FirstChunkTimeout,
    IdleTimeout,
    ProtocolError,
    RequestTimeout,
    StreamClosed,
    TotalTimeout,
)
from exllm.policies.retry import RetrySchedule
from exllm.streaming.accumulator import Accumulator
from exllm.streaming.gaps import GapHistogram
from exllm.streaming.ring import RingBuffer
from exllm.streaming.source import ChunkSource, has_content
from exllm.types.chunks import Chunk
from exllm.types.options import Timeouts
from exllm.types.response import Response
from exllm.types.stats import StreamStats


class Pump:
    """Owns the source, the ring and the task of one stream.

    The task reads the source while the ring has room, and stands still while it is full: then nobody reads the socket,
    and TCP slows the provider. A request that fails before the answer has begun is sent again as the schedule says;
    until then nothing is handed out. At the end, a failure, or `aclose`, the source is closed and the task ends.

    Args:
        connect: makes the source of one attempt.
        schedule: when to try again.
        timeouts: all limits set, `math.inf` for none.
        accumulator: folds every chunk that arrived, taken by the consumer or not.
        capacity: of the ring, in chunks.
        complete: adds to a folded response what only the caller knows, such as the cost.
        provider, model: whose stream this is.
    """

    def __init__(
        self,
        connect: Callable[[], Awaitable[ChunkSource]],
        *,
        schedule: RetrySchedule,
        timeouts: Timeouts,
        accumulator: Accumulator,
        capacity: int,
        complete: Callable[[Response], Response],
        provider: str,
        model: str,
    ) -> None:
        self.ring: RingBuffer[Chunk] = RingBuffer(capacity)
        self._accumulator = accumulator
        self.request_id: str | None = None
        self.warnings: tuple[str, ...] = ()
        self.error: ExLLMError | None = None
        self._connect = connect
        self._schedule = schedule
        self._timeouts = timeouts
        self._complete = complete
        self._provider = provider
        self._model = model
        self._raw: Any = None
        self._source: ChunkSource | None = None
        self._task: asyncio.Task[None] | None = None
        self._opened: asyncio.Future[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._interrupt: ExLLMError | None = None  # why the task was cancelled from within the stream
        self._clock: Callable[[], float] = _no_loop
        self._chunks = 0
        self._bytes_read = 0
        self._gaps = GapHistogram()
        self._started_at = math.nan  # loop times; nan: has not happened
        self._sent_at = math.nan  # the current attempt
        self._first_at = math.nan
        self._last_at = math.nan
        self._ended_at = math.nan

    # -- life

    @property
    def is_started(self) -> bool:
        return self._task is not None

    @property
    def is_done(self) -> bool:
        """Nothing will be read any more; chunks may still wait in the ring."""
        return self._task is not None and self._task.done()

    def start(self) -> None:
        """Begin, on the running loop. A second call does nothing."""
        if self._task is None:
            loop = asyncio.get_running_loop()
            self._clock = loop.time
            self._started_at = self._sent_at = loop.time()
            self._opened = loop.create_future()
            self._task = loop.create_task(self._run(), name="exllm-pump")
            self._watch()

    async def opened(self) -> None:
        """Wait until the provider has begun to answer. Raises why it did not."""
        assert self._opened is not None, "start() comes first"
        await asyncio.shield(self._opened)
        if self.error is not None and not self._chunks:
            raise self.error

    async def aclose(self) -> None:
        """Close the source and end the task; returns when both is done. Idempotent.

        A task that waits for a chunk gets `StreamClosed`. Chunks that nobody took are discarded.
        """
        self.abort()
        if self._task is not None and not self._task.done():
            await asyncio.wait([self._task])

    def abort(self) -> None:
        """Close the source now, without waiting for the task to end."""
        task = self._task
        if task is None:
            self.ring.abort(StreamClosed("the stream was closed before it began"))
            return
        if not task.done():
            self._stop(StreamClosed("the stream was closed"))
        self.ring.abort(self.error or self._interrupt or StreamClosed("the stream was closed"))

    def _stop(self, reason: ExLLMError) -> None:
        """End the task from within the loop, as a failure for `reason`."""
        self._interrupt = self._interrupt or reason
        if self._source is not None:
            self._source.abort()
        if self._task is not None:
            self._task.cancel()

    # -- the task

    async def _run(self) -> None:
        try:
            await self._attempt_until_answered()
        except asyncio.CancelledError:
            self._fail(self._interrupt or StreamClosed("the event loop ended before the stream did"))
            if self._interrupt is None:
                raise
        except ExLLMError as error:
            self._fail(self._interrupt or error)
        except Exception as error:  # noqa: BLE001 - whatever a foreign backend raises leaves as one of ours
            wrapped = ProtocolError(f"{self._provider} failed in an unforeseen way: {type(error).__name__}: {error}")
            wrapped.__cause__ = error
            self._fail(wrapped)
        else:
            self.ring.close()
        finally:
            self._ended_at = self._clock()
            if self._timer is not None:
                self._timer.cancel()
            source, self._source = self._source, None
            if self._opened is not None and not self._opened.done():
                self._opened.set_result(None)
            if source is not None:
                self._bytes_read, self._raw = source.bytes_read, source.raw()
                source.abort()
                await source.aclose()

    async def _attempt_until_answered(self) -> None:
        while True:
            held: list[Chunk] = []  # the head of an answer whose body has not begun: it may yet be another attempt's
            self._sent_at = self._clock()
            try:
                source = self._source = await self._connect()
                await source.open()
                self._note_opened(source)
                while (chunks := await source.read()) is not None:
                    if self._chunks:
                        await self._take(chunks)
                        continue
                    held += chunks
                    if has_content(held):
                        await self._take(held)
                    else:
                        self._last_at = self._clock()
                if held and not self._chunks:
                    await self._take(held)
                return
            except ExLLMError as error:
                if held and not self._chunks:
                    self._accumulator.add(held)
                if self._source is not None:
                    self._source.abort()
                    await self._source.aclose()
                wait_s = None if self._chunks or self._interrupt else self._schedule.wait_s(error)
                if wait_s is None:
                    raise
                self._last_at = math.nan
                self._sent_at = self._clock() + wait_s  # the wait does not count as the provider's silence
                await asyncio.sleep(wait_s)

    def _note_opened(self, source: ChunkSource) -> None:
        self.request_id = source.request_id
        self.warnings = source.warnings
        if self._opened is not None and not self._opened.done():
            self._opened.set_result(None)

    async def _take(self, chunks: list[Chunk]) -> None:
        """Count, fold and hand on; waits while the ring is full."""
        now = self._clock()
        if self._chunks:
            self._gaps.add(now - self._last_at, len(chunks))
        else:
            self._first_at = now
        self._last_at = now
        self._chunks += len(chunks)
        self._accumulator.add(chunks)
        taken = self.ring.push_many_nowait(chunks)
        if taken < len(chunks):
            await self.ring.push_many(chunks[taken:])
            self._last_at = self._clock()  # the silence was the consumer's

    def _fail(self, error: ExLLMError) -> None:
        error.provider = error.provider or self._provider
        error.model = error.model or self._model
        error.request_id = error.request_id or self.request_id
        error.attempts = self._schedule.attempts
        if error.partial is None and (self._chunks or self._accumulator.usage.provenance != "unknown"):
            error.partial = self.response()
        self.error = error
        self.ring.fail(error)

    # -- time limits

    def _watch(self) -> None:
        """One timer for all limits, armed for the earliest; reads only note the time, which costs next to nothing."""
        overdue = self._overdue()
        if overdue is not None:
            self._stop(overdue)
            return
        deadline = min(self._silence_deadline(), self._started_at + (self._timeouts.total or math.inf))
        if deadline < math.inf:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_at(deadline, self._watch)

    def _silence_deadline(self) -> float:
        limits = self._timeouts
        if self.ring.producer_is_waiting:
            return self._clock() + (limits.idle or math.inf)
        if math.isnan(self._last_at):
            return self._sent_at + (limits.first_chunk or math.inf)
        return self._last_at + (limits.idle or math.inf)

    def _overdue(self) -> RequestTimeout | None:
        now = self._clock()
        limits = self._timeouts
        if now >= self._started_at + (limits.total or math.inf):
            return TotalTimeout(f"the call took longer than {limits.total:g} s, the limit for the whole of it")
        if now < self._silence_deadline():
            return None
        if math.isnan(self._last_at):
            return FirstChunkTimeout(f"nothing of the answer arrived within {limits.first_chunk:g} s")
        return IdleTimeout(f"the stream was silent for {limits.idle:g} s")

    # -- results

    @property
    def name(self) -> str:
        return f"{self._provider}/{self._model}"

    def response(self) -> Response:
        """All that has arrived, folded."""
        return msgspec.structs.replace(
            self._complete(self._accumulator.response()),
            request_id=self.request_id,
            warnings=self.warnings,
            stats=self.statistics(),
            raw=self._raw,
        )

    def statistics(self) -> StreamStats:
        """The figures so far."""
        ring = self.ring.statistics()
        end = self._clock() if math.isnan(self._ended_at) and self._task is not None else self._ended_at
        duration_s = _seconds(end - self._started_at)
        first_chunk_s = _seconds(self._first_at - self._started_at)
        tokens_per_s = None
        output_tokens = self._accumulator.usage.output_tokens
        if output_tokens and first_chunk_s is not None and self._last_at > self._first_at:
            tokens_per_s = output_tokens / (self._last_at - self._first_at)
        return StreamStats(
            first_chunk_s=first_chunk_s,
            duration_s=duration_s,
            chunks=self._chunks,
            bytes=self._source.bytes_read if self._source is not None else self._bytes_read,
            tokens_per_s=tokens_per_s,
            inter_chunk_p50_s=self._gaps.quantile_s(0.5),
            inter_chunk_p95_s=self._gaps.quantile_s(0.95),
            waiting_for_network_s=ring.waited_s,
            waiting_for_consumer_s=max(0.0, (duration_s or 0.0) - ring.waited_s),
            ring_capacity=ring.capacity,
            ring_high_water=ring.high_water,
            paused_s=ring.paused_s,
            dropped=ring.dropped + ring.overwritten,
            attempts=self._schedule.attempts,
        )


def _seconds(span: float) -> float | None:
    return None if math.isnan(span) else span


def _no_loop() -> float:
    return math.nan
