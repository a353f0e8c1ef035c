"""What moves chunks from a source into the ring: attempts, time limits, accumulation, figures."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import msgspec

from exllm.errors import ExLLMError, ProtocolError, StreamClosed
from exllm.policies.retry import RetrySchedule
from exllm.streaming.accumulator import Accumulator
from exllm.streaming.alarms import Alarm, alarms_of
from exllm.streaming.interrupt import Interruptible
from exllm.streaming.loop_end import end_with_loop
from exllm.streaming.ring import RingBuffer
from exllm.streaming.source import ChunkSource, has_content
from exllm.streaming.timing import Timing
from exllm.types.chunks import Chunk
from exllm.types.options import Timeouts
from exllm.types.response import Response
from exllm.types.stats import StreamStats
from exllm.types.usage import Cost

if TYPE_CHECKING:
    from exllm.cost.running import RunningCost
    from exllm.types.cursor import StreamHandle

READ_AHEAD_AFTER_S = 0.1
"""A consumer that stays away longer than this is read ahead for."""

CLEAN_UP_S = 1.0
"""How long a cancelled `aclose` waits for the stream's task, which was cancelled before it."""


class Pump:
    """Owns the source, the ring and the task of one stream.

    The task sends the request and reads until the answer has begun; a request that fails before is sent again as the
    schedule says, and until then nothing is handed out. From there on a consumer who waits reads the source itself
    (`fill`), which saves a task switch for every network read. While no consumer waits, a task reads ahead until the
    ring is full, and then stands still: nobody reads the socket any more, and TCP slows the provider. A source that is
    not `is_shared` is read by the task alone.

    At the end, a failure, or `aclose`, the source is closed and the task ends.

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
        self.request_id: str | None = None
        self.warnings: tuple[str, ...] = ()
        self.error: ExLLMError | None = None
        self.is_started = False
        self.is_done = False  # nothing will be read any more; chunks may still wait in the ring
        self._connect = connect
        self._schedule = schedule
        self._timing = Timing(timeouts)
        self._accumulator = accumulator
        self._complete = complete
        self._provider = provider
        self._model = model
        self._raw: Any = None
        self._source: ChunkSource | None = None
        self._is_open = False
        self._task: asyncio.Task[None] | None = None
        self._opened: asyncio.Future[None] | None = None
        self._opening: Interruptible | None = None  # a consumer sends the request
        self._limit: Alarm | None = None
        self._away_timer: asyncio.TimerHandle | None = None
        self._is_stopped = False  # the stream was ended from within, and its task cancelled
        self._clock: Callable[[], float] = _no_loop
        self._always_ahead = False  # the task reads, whoever waits
        self._consumer_reads_since: float | None = None
        self._consumer_waited_s = 0.0  # for the head of the answer, and while it was reading itself
        # The head of an answer whose body has not begun: it may yet be another attempt's. None from there on.
        self._held: list[Chunk] | None = []
        self._pending: list[Chunk] = []  # what a read by the consumer gave beyond the ring's room
        self._chunks = 0

    # -- life

    def start(self) -> None:
        """Begin, on the running loop, with the task. A second call does nothing."""
        if not self.is_started:
            self._begin()
            self._start_task(self._work)
            self._watch_limits()

    def _begin(self) -> None:
        loop = asyncio.get_running_loop()
        self.is_started = True
        self._clock = loop.time
        self._timing.started_at = self._timing.sent_at = loop.time()
        self._opened = loop.create_future()
        end_with_loop(self)

    def _start_task(self, work: Callable[[], Awaitable[None]]) -> None:
        self._task = asyncio.get_running_loop().create_task(self._run(work), name="exllm-pump")

    async def enter(self) -> None:
        """Return when the provider has begun to answer. Raises why it did not.

        Where any task may read, the caller's own sends the request, which saves two task switches. A call that is
        cancelled leaves the stream to be closed.
        """
        if not self.is_started:
            self._begin()
            await self._open_for_consumer()
        if self._opened is not None:  # it is None where the stream was closed before it began
            began_at = self._clock()
            if not self._opened.done():
                await asyncio.shield(self._opened)
            self._consumer_waited_s += self._clock() - began_at
        if self.error is not None and not self._chunks:
            raise self.error

    async def _open_for_consumer(self) -> None:
        """The first attempt, up to the head of the answer; leaves all that is not plain sailing to the task."""
        began_at = self._consumer_reads_since = self._clock()
        self._watch_limits()
        if self.is_done:
            return
        try:
            with Interruptible() as self._opening:
                source = self._source = await self._connect()
                if source.is_shared:
                    await self._open(source)
                else:
                    self._start_task(self._work)
        except Exception as error:  # noqa: BLE001 - it leaves as one of ours
            self._recover(error)
        finally:
            self._opening = None
            self._reading_stopped(began_at)

    async def aclose(self) -> None:
        """Close the source and end the task; returns when both is done. Idempotent.

        A task that waits for a chunk gets `StreamClosed`. Chunks that nobody took are discarded.
        """
        source, task = self._source, self._task
        self.abort()
        if task is not None and not task.done():
            try:
                await asyncio.wait([task])
            except asyncio.CancelledError:
                await asyncio.wait([task], timeout=CLEAN_UP_S)  # it was cancelled, too, and only has to clean up
                raise
        if source is not None:
            await source.aclose()

    def abort(self) -> None:
        """Close the source now, without waiting for the task to end."""
        closed = StreamClosed("the stream was closed", provider=self._provider, model=self._model)
        if not self.is_started:
            self.is_started = self.is_done = True
            self.error = closed
        self._stop(closed)
        self._pending.clear()
        self.ring.abort(self.error or closed)

    def abandon(self) -> None:
        """`abort` for the garbage collector, which runs in any thread. Raises RuntimeError when the loop is closed."""
        loop = None if self._opened is None else self._opened.get_loop()
        if loop is not None and loop.is_running() and loop is not _running_loop():
            loop.call_soon_threadsafe(self.abort)
        else:
            self.abort()

    def loop_ends(self) -> None:
        """See `EndsWithLoop`."""
        self._stop(StreamClosed("the event loop ended before the stream did"))

    def _stop(self, reason: ExLLMError) -> None:
        """End the stream from within the loop, as a failure for `reason`."""
        if self.is_done:
            return
        self._is_stopped = True
        self._fail(reason)  # not left to the task: one that is cancelled before its first step never runs
        if self._task is not None:
            self._task.cancel()
        if self._opening is not None:
            self._opening.interrupt()

    # -- for the consumer

    async def fill(self, at_least: int = 1, timeout_s: float | None = None) -> None:
        """Return when the ring holds a chunk. Raises StopAsyncIteration at the end, or why the stream failed.

        Args:
            at_least, timeout_s: see `RingBuffer.wait_readable`.
        """
        ring = self.ring
        if not self.is_started:
            self.start()
        if self.is_done:
            self._hand_out_rest()
        if at_least > 1 or timeout_s is not None:
            self._always_ahead = True  # who waits for several, or not for ever, cannot be the one who reads
            self._look_after_consumer()
            if not await ring.wait_readable(at_least, timeout_s) and ring.is_ended:
                raise StopAsyncIteration
            return
        while not ring.items:
            if self.is_done or self._task is not None:
                if not await ring.wait_readable():
                    raise StopAsyncIteration
            elif self._pending:
                del self._pending[: ring.push_many_nowait(self._pending)]
            elif self._consumer_reads_since is None:
                await self._read_for_consumer()
            elif not await ring.wait_readable():
                raise StopAsyncIteration

    async def _read_for_consumer(self) -> None:
        source, timing = self._source, self._timing
        assert source is not None, "the task has opened it"
        began_at = self._consumer_reads_since = self._clock()
        timing.reading_goes_on(began_at)
        try:
            chunks = await source.read()
        except asyncio.CancelledError:
            if self.ring.consumer_is_waiting:  # another one, for whom nobody reads now
                asyncio.get_running_loop().call_soon(self._look_after_consumer)
            raise
        except Exception as error:  # noqa: BLE001 - it leaves as one of ours
            self._recover(error)
            return
        finally:
            now = self._reading_stopped(began_at)
        if self.is_done:  # somebody ended it meanwhile; the ring says why
            return
        chunks = self._admit(chunks, now)
        if chunks is None:
            self._end()
            return
        room = self.ring.push_many_nowait(chunks)
        if room < len(chunks):
            self._pending = chunks[room:]

    def _reading_stopped(self, began_at: float) -> float:
        """The consumer waits for the provider no more; returns the time."""
        now = self._clock()
        self._timing.reading_stops(now)
        self._consumer_reads_since = None
        self._consumer_waited_s += now - began_at
        if self._away_timer is None and not self.is_done:
            self._away_timer = asyncio.get_running_loop().call_later(READ_AHEAD_AFTER_S, self._look_after_consumer)
        return now

    def _recover(self, error: Exception) -> None:
        """After a failure that the consumer met: leave another attempt to the task, if there may be one."""
        wait_s = self._wait_before_retry(error)
        if wait_s is None:
            self._fail_by(error)
        else:
            self._start_task(partial(self._retry, wait_s))

    def _look_after_consumer(self) -> None:
        """Read ahead if the consumer is not back yet; nobody looks again until it comes."""
        if self._away_timer is not None:
            self._away_timer.cancel()
            self._away_timer = None
        if self._task is None and self._consumer_reads_since is None and not self.is_done:
            self._timing.reading_goes_on(self._clock())
            self._start_task(self._work)

    # -- the task

    async def _run(self, work: Callable[[], Awaitable[None]]) -> None:
        try:
            await work()
        except asyncio.CancelledError:
            self._fail(StreamClosed("the event loop ended before the stream did"))
            if not self._is_stopped:
                raise
        except Exception as error:  # noqa: BLE001 - whatever a foreign backend raises leaves as one of ours
            self._fail_by(error)
        except BaseException:
            self._fail(StreamClosed("the program was interrupted"))
            raise
        finally:
            if not self.is_done:
                self._task = None  # the consumer reads on
                self._timing.reading_stops(self._clock())
            elif self._source is not None:
                await self._source.aclose()

    async def _work(self) -> None:
        """Open what is not open, and read ahead; again while the schedule says so."""
        while True:
            try:
                if self._source is None:
                    self._source = await self._connect()
                if not self._is_open:
                    await self._open(self._source)
                await self._read_ahead(self._source)
                return
            except ExLLMError as error:
                wait_s = self._wait_before_retry(error)
                if wait_s is None:
                    raise
                await self._clear_for_retry(wait_s)

    async def _retry(self, wait_s: float) -> None:
        await self._clear_for_retry(wait_s)
        await self._work()

    async def _clear_for_retry(self, wait_s: float) -> None:
        source, self._source, self._is_open = self._source, None, False
        self._held = []
        self.request_id = None
        if source is not None:
            source.abort()
            await source.aclose()
        self._timing.attempt_begins(self._clock() + wait_s)
        await asyncio.sleep(wait_s)

    def _wait_before_retry(self, error: Exception) -> float | None:
        """Seconds until the next attempt; None when there is none, since something of the answer was handed out."""
        if not isinstance(error, ExLLMError) or self._chunks or self.is_done:
            return None
        return self._schedule.wait_s(error, self._timing.time_left_s(self._clock()))

    async def _open(self, source: ChunkSource) -> None:
        await source.open()
        self._is_open = True
        self.request_id, self.warnings = source.request_id, source.warnings
        self._note_opened()

    async def _read_ahead(self, source: ChunkSource) -> None:
        """Read until the end, or until a consumer waits who can read for itself. Waits while the ring is full."""
        ring = self.ring
        while True:
            if self._pending:
                is_waited_for = ring.consumer_is_waiting
                await ring.push_many(self._pending)
                self._timing.last_at = self._clock()  # the silence was the consumer's
                if is_waited_for and source.is_shared and not self._always_ahead:
                    if self._away_timer is None:
                        loop = asyncio.get_running_loop()
                        self._away_timer = loop.call_later(READ_AHEAD_AFTER_S, self._look_after_consumer)
                    return
            chunks = await source.read()
            if self.is_done:
                return  # a source that outlived its cancellation
            chunks = self._admit(chunks, self._clock())
            if chunks is None:
                self._end()
                return
            self._pending = chunks

    def _admit(self, chunks: list[Chunk] | None, now: float) -> list[Chunk] | None:
        """What may be handed out of that which was read: the head of an answer is held back until its body begins."""
        held = self._held
        if held is not None:
            if chunks is not None:
                held += chunks
                if not has_content(held):
                    self._timing.last_at = now
                    return []
            self._held = None
            chunks = held or None
        if chunks is not None:
            self._take(chunks, now)
        return chunks

    def _take(self, chunks: list[Chunk], now: float) -> None:
        """Count and fold what came."""
        self._timing.arrived(now, len(chunks))
        self._chunks += len(chunks)
        self._accumulator.add(chunks)

    def _note_opened(self) -> None:
        if self._opened is not None and not self._opened.done():
            self._opened.set_result(None)

    # -- the end

    def _end(self) -> None:
        self._finish()
        self.ring.close()

    def _fail_by(self, error: Exception) -> None:
        """As `_fail`, for whatever a source, a wire or a foreign backend raises."""
        if isinstance(error, ExLLMError):
            self._fail(error)
            return
        wrapped = ProtocolError(f"{self._provider} failed in an unforeseen way: {type(error).__name__}: {error}")
        wrapped.__cause__ = error
        self._fail(wrapped)

    def _fail(self, error: ExLLMError) -> None:
        if self.is_done:
            return
        error.provider = error.provider or self._provider
        error.model = error.model or self._model
        error.request_id = error.request_id or self.request_id
        error.attempts = self._schedule.attempts
        self._finish()
        if self._held:
            self._accumulator.add(self._held)  # no other attempt follows: this head is the answer's
        if error.partial is None and (self._chunks or self._accumulator.usage.provenance != "unknown"):
            error.partial = self.response()
        self.error = error
        self._hand_out_rest()

    def _hand_out_rest(self) -> None:
        """After a failure: what had arrived and the ring has room for; behind the last of it the error."""
        if self._pending:
            del self._pending[: self.ring.push_many_nowait(self._pending)]
        if not self._pending and self.error is not None:
            self.ring.fail(self.error)

    def _finish(self) -> None:
        self.is_done = True
        self._note_opened()
        self._timing.ended_at = self._clock()
        if self._limit is not None:
            self._limit.cancel()
        if self._away_timer is not None:
            self._away_timer.cancel()
        if self._source is not None:
            self._raw, self.warnings = self._source.raw(), self._source.warnings
            self._source.abort()

    # -- time limits

    def _watch_limits(self) -> None:
        """One timer for all limits, armed for the earliest; reads only note the time, which costs next to nothing."""
        now, is_reading = self._clock(), self._is_reading()
        overdue = self._timing.overdue(now, is_reading=is_reading)
        if overdue is not None:
            self._stop(overdue)
            return
        deadline = self._timing.deadline(now, is_reading=is_reading)
        if deadline < math.inf:
            self._limit = alarms_of(asyncio.get_running_loop()).set(deadline, self._watch_limits)

    def _is_reading(self) -> bool:
        """Somebody waits for the provider, and not the provider for the consumer."""
        return self._consumer_reads_since is not None or (self._task is not None and not self.ring.producer_is_waiting)

    # -- results

    @property
    def handle(self) -> StreamHandle | None:
        """Where the provider keeps the stream, and the last of its events that arrived."""
        return getattr(self._source, "handle", None)

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

    def cost(self, running: RunningCost) -> Cost:
        """What the call has cost by now: nothing before it is sent, and when nothing came of it."""
        folded = self._accumulator
        if not self.is_started or (self.is_done and folded.is_empty):
            return Cost(total=0.0)
        return running.of(folded.usage, folded.characters, is_counted=folded.is_counted, model=folded.model)

    def statistics(self) -> StreamStats:
        """The figures so far."""
        ring, timing, now = self.ring.statistics(), self._timing, self._clock()
        duration_s = timing.duration_s(now)
        waiting_for_network_s = ring.waited_s + self._consumer_waited_s
        if self._consumer_reads_since is not None:
            waiting_for_network_s += now - self._consumer_reads_since
        if duration_s is not None:  # two readers of one stream wait twice
            waiting_for_network_s = min(waiting_for_network_s, duration_s)
        return StreamStats(
            first_chunk_s=timing.first_chunk_s,
            duration_s=duration_s,
            chunks=self._chunks,
            bytes=self._source.bytes_read if self._source is not None else 0,
            tokens_per_s=timing.tokens_per_s(self._accumulator.usage.output_tokens),
            inter_chunk_p50_s=timing.gaps.quantile_s(0.5),
            inter_chunk_p95_s=timing.gaps.quantile_s(0.95),
            waiting_for_network_s=waiting_for_network_s,
            waiting_for_consumer_s=max(0.0, (duration_s or 0.0) - waiting_for_network_s),
            ring_capacity=ring.capacity,
            ring_high_water=ring.high_water,
            paused_s=ring.paused_s,
            dropped=ring.dropped + ring.overwritten,
            attempts=self._schedule.attempts,
        )


def _no_loop() -> float:
    return math.nan


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None
