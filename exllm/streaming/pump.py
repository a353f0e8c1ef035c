"""Who reads the source of a stream and when, and what ends it."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

import msgspec

from exllm.errors import ExLLMError, ProtocolError, StreamClosed
from exllm.policies.retry import RetrySchedule
from exllm.streaming.accumulator import Accumulator
from exllm.streaming.alarms import Alarm, alarms_of
from exllm.streaming.attempts import Attempts
from exllm.streaming.figures import stream_stats
from exllm.streaming.intake import Intake
from exllm.streaming.interrupt import Interruptible
from exllm.streaming.loop_end import end_with_loop
from exllm.streaming.ring import RingBuffer
from exllm.streaming.source import ChunkSource
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
    """Moves the chunks of one stream from its source into the ring, and owns both.

    Who reads the source, one at a time:

    ==========  =======================================================================================================
    a consumer  when it waits (`fill`), which saves a task switch for every network read. A second one that waits
                meanwhile waits at the ring.
    a task      when no consumer has come for a while, until the ring is full. Then it stands still: nobody reads the
                socket any more, and TCP slows the provider. It ends when a consumer waits again.
    nobody      just after a consumer has gone: the timer runs that will start the task.
    ==========  =======================================================================================================

    The task also sends the request where `enter` does not, and sends it again after a failure, as the schedule says,
    until something of the answer was handed out. A source that is not `is_shared` is read by the task alone, and so is
    one whose consumer waits for several chunks, or not for ever.

    At the end, a failure, or `aclose`, the source is closed and the task ends. Chunks that had arrived can be taken
    after the end and before the failure is raised; `aclose` discards them.

    Args:
        connect: makes the source of one attempt.
        schedule: when to try again.
        timeouts: all limits set, `math.inf` for none.
        accumulator: folds every chunk that arrived, taken by the consumer or not.
        capacity: of the ring, in chunks.
        complete: adds to a folded response what only the caller knows, such as the cost.
        provider, model: whose stream this is.
    """

    __slots__ = (
        "__weakref__", "_always_ahead", "_attempts", "_away_timer", "_clock", "_complete", "_consumer_reads_since",
        "_consumer_waited_s", "_intake", "_is_stopped", "_limit", "_model", "_opened", "_opening", "_pending",
        "_provider", "_task", "_timing", "error", "is_done", "is_started", "ring",
    )  # fmt: skip

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
        self.error: ExLLMError | None = None
        self.is_started = False
        self.is_done = False  # nothing will be read any more; chunks may still wait in the ring
        self._attempts = Attempts(connect, schedule)
        self._timing = Timing(timeouts)
        self._intake = Intake(accumulator, self._timing)
        self._complete = complete
        self._provider = provider
        self._model = model
        self._clock: Callable[[], float] = _no_loop
        self._opened: asyncio.Future[None] | None = None  # the answer has begun, or never will
        self._opening: Interruptible | None = None  # a consumer sends the request
        self._consumer_reads_since: float | None = None
        self._consumer_waited_s = 0.0  # for the head of the answer, and while it was reading itself
        self._away_timer: asyncio.TimerHandle | None = None  # started when a consumer goes
        self._task: asyncio.Task[None] | None = None
        self._always_ahead = False  # the task reads, whoever waits
        self._is_stopped = False  # the stream was ended from within, and its task cancelled
        self._limit: Alarm | None = None
        self._pending: list[Chunk] = []  # what was read beyond the ring's room

    # -- the beginning

    def start(self) -> None:
        """Begin, on the running loop, with the task. A second call does nothing."""
        if not self.is_started:
            self._begin()
            self._start_task()
            self._watch_limits()

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
        if self.error is not None and not self._intake.chunks:
            raise self.error

    def _begin(self) -> None:
        loop = asyncio.get_running_loop()
        self.is_started = True
        self._clock = loop.time
        self._timing.started_at = self._timing.sent_at = loop.time()
        self._opened = loop.create_future()
        end_with_loop(self)

    async def _open_for_consumer(self) -> None:
        """The first attempt, up to the head of the answer; leaves all that is not plain sailing to the task."""
        began_at = self._consumer_reads_since = self._clock()
        self._watch_limits()
        if self.is_done:
            return
        try:
            with Interruptible() as self._opening:
                source = await self._attempts.connect()
                if source.is_shared:
                    await self._attempts.open()
                    self._note_opened()
                else:
                    self._start_task()
        except Exception as error:  # noqa: BLE001 - it leaves as one of ours
            self._recover(error)
        finally:
            self._opening = None
            self._reading_stopped(began_at)

    def _note_opened(self) -> None:
        if self._opened is not None and not self._opened.done():
            self._opened.set_result(None)

    # -- the consumer reads

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
        source = self._attempts.source
        assert source is not None, "the task has opened it"
        began_at = self._consumer_reads_since = self._clock()
        self._timing.reading_goes_on(began_at)
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
        chunks = self._intake.take(chunks, now)
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
            self._expect_consumer()
        return now

    def _recover(self, error: Exception) -> None:
        """After a failure that the consumer met: leave another attempt to the task, if there may be one."""
        wait_s = self._wait_before_retry(error)
        if wait_s is None:
            self._fail_by(error)
        else:
            self._start_task(wait_s)

    def _expect_consumer(self) -> None:
        """It has gone to work on what it got, and will be back for more."""
        self._away_timer = asyncio.get_running_loop().call_later(READ_AHEAD_AFTER_S, self._look_after_consumer)

    def _look_after_consumer(self) -> None:
        """Read ahead if the consumer is not back yet; nobody looks again until it comes."""
        if self._away_timer is not None:
            self._away_timer.cancel()
            self._away_timer = None
        if self._task is None and self._consumer_reads_since is None and not self.is_done:
            self._timing.reading_goes_on(self._clock())
            self._start_task()

    # -- the task reads

    def _start_task(self, wait_s: float | None = None) -> None:
        """See `_work`."""
        self._task = asyncio.get_running_loop().create_task(self._run(wait_s), name="exllm-pump")

    async def _run(self, wait_s: float | None) -> None:
        try:
            await self._work(wait_s)
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
            elif (source := self._attempts.source) is not None:
                await source.aclose()

    async def _work(self, wait_s: float | None) -> None:
        """Open what is not open, and read ahead; after a failure again, while the schedule says so.

        Args:
            wait_s: until the next attempt, where one has failed before; None where none has.
        """
        while True:
            if wait_s is not None:
                await self._begin_again(wait_s)
            try:
                source = await self._attempts.open()
                self._note_opened()
                await self._read_ahead(source)
                return
            except ExLLMError as error:
                wait_s = self._wait_before_retry(error)
                if wait_s is None:
                    raise

    async def _begin_again(self, wait_s: float) -> None:
        """Clear away the attempt that failed, and wait until the next one is due."""
        self._intake.begin_again()
        await self._attempts.forget()
        self._timing.attempt_begins(self._clock() + wait_s)
        await asyncio.sleep(wait_s)

    def _wait_before_retry(self, error: Exception) -> float | None:
        """Seconds until the next attempt; None when there is none, since something of the answer was handed out."""
        if not isinstance(error, ExLLMError) or self._intake.chunks or self.is_done:
            return None
        return self._attempts.wait_s(error, self._timing.time_left_s(self._clock()))

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
                        self._expect_consumer()
                    return
            chunks = await source.read()
            if self.is_done:
                return  # a source that outlived its cancellation
            chunks = self._intake.take(chunks, self._clock())
            if chunks is None:
                self._end()
                return
            self._pending = chunks

    # -- the end

    async def aclose(self) -> None:
        """Close the source and end the task; returns when both is done. Idempotent.

        A task that waits for a chunk gets `StreamClosed`. Chunks that nobody took are discarded.
        """
        source, task = self._attempts.source, self._task
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
        error.request_id = error.request_id or self._attempts.request_id
        error.attempts = self._attempts.count
        self._finish()
        self._intake.keep_head()
        if error.partial is None and self._intake.is_telling:
            error.partial = self.response()
        self.error = error
        self._hand_out_rest()

    def _finish(self) -> None:
        self.is_done = True
        self._note_opened()
        self._timing.ended_at = self._clock()
        if self._limit is not None:
            self._limit.cancel()
            self._limit = None  # it holds the pump
        if self._away_timer is not None:
            self._away_timer.cancel()
        self._attempts.let_go()

    def _hand_out_rest(self) -> None:
        """After a failure: what had arrived and the ring has room for; behind the last of it the error."""
        if self._pending:
            del self._pending[: self.ring.push_many_nowait(self._pending)]
        if not self._pending and self.error is not None:
            self.ring.fail(self.error)

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
    def name(self) -> str:
        return f"{self._provider}/{self._model}"

    @property
    def handle(self) -> StreamHandle | None:
        """Where the provider keeps the stream, and the last of its events that arrived."""
        return self._attempts.handle

    def response(self) -> Response:
        """All that has arrived, folded."""
        return msgspec.structs.replace(
            self._complete(self._intake.accumulator.response()),
            request_id=self._attempts.request_id,
            warnings=self._attempts.warnings,
            stats=self.statistics(),
            raw=self._attempts.raw,
        )

    def cost(self, running: RunningCost) -> Cost:
        """What the call has cost by now: nothing before it is sent, and when nothing came of it."""
        folded = self._intake.accumulator
        if not self.is_started or (self.is_done and folded.is_empty):
            return Cost(total=0.0)
        return running.of(folded.usage, folded.characters, is_counted=folded.is_counted, model=folded.model)

    def statistics(self) -> StreamStats:
        """The figures so far."""
        now, waited_s = self._clock(), self._consumer_waited_s
        if self._consumer_reads_since is not None:
            waited_s += now - self._consumer_reads_since
        return stream_stats(now, waited_s, self._attempts, self._intake, self.ring.statistics(), self._timing)


def _no_loop() -> float:
    return math.nan


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None
