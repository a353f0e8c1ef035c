"""Who reads the source and when, what ends it, and what a source that misbehaves can do."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import math
import threading
import warnings
import weakref
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any

import pytest

import exllm
from exllm.cost.running import RunningCost
from exllm.policies.retry import RetryPolicy, RetrySchedule
from exllm.streaming.accumulator import Accumulator
from exllm.streaming.pump import Pump
from exllm.streaming.source import ChunkSource, IteratorSource
from exllm.streaming.stream import Stream
from exllm.types.chunks import Chunk
from exllm.types.options import Timeouts

ENDLESS = Timeouts(math.inf, math.inf, math.inf, math.inf)
Step = list[Chunk] | float | Exception


class Source:
    """A source that does as it is told: chunks, seconds to wait, or an exception; notes who reads it."""

    def __init__(self, *steps: Step, is_shared: bool = True, opening: Sequence[float | Exception] = ()) -> None:
        self.request_id: str | None = None
        self.warnings: tuple[str, ...] = ()
        self.bytes_read = 0
        self.is_shared = is_shared
        self.reads = 0
        self.readers: set[str] = set()
        self.is_aborted = asyncio.Event()
        self.closings = 0
        self._opening = list(opening)
        self._steps = list(steps)

    def raw(self) -> Any:
        return None

    async def open(self) -> None:
        for step in self._opening:
            await self._do(step)
        self.request_id = "req"

    async def read(self) -> list[Chunk] | None:
        self.reads += 1
        task = asyncio.current_task()
        assert task is not None
        self.readers.add(task.get_name())
        while self._steps and not self.is_aborted.is_set():
            step = self._steps.pop(0)
            if isinstance(step, list):
                return list(step)  # whoever gets it may empty it
            await self._do(step)
        if self.is_aborted.is_set():
            raise exllm.StreamInterrupted("aborted")
        return None

    async def _do(self, step: float | Exception) -> None:
        if isinstance(step, Exception):
            raise step
        waiting = asyncio.ensure_future(self.is_aborted.wait())
        try:
            await asyncio.wait([waiting], timeout=step)
        finally:
            waiting.cancel()

    def abort(self) -> None:
        self.is_aborted.set()

    async def aclose(self) -> None:
        self.abort()
        self.closings += 1


def stream_of(
    *sources: ChunkSource, timeouts: Timeouts = ENDLESS, capacity: int = 4, policy: RetryPolicy | None = None
) -> Stream:
    left = list(sources)

    async def connect() -> ChunkSource:
        return left.pop(0)

    return Stream(
        Pump(
            connect,
            schedule=RetrySchedule(policy or RetryPolicy(attempts=3, base_s=0.0)),
            timeouts=timeouts,
            accumulator=Accumulator("p", "m"),
            capacity=capacity,
            complete=lambda response: response,
            provider="p",
            model="m",
        ),
        lambda: RunningCost("p", "m", 0),
    )


def words(text: str) -> list[Chunk]:
    return [exllm.TextDelta(word) for word in text.split()]


START, END = [exllm.StreamStart("id")], [exllm.Finish("stop")]


# -- who reads


async def test_a_consumer_who_waits_reads_a_shared_source_itself() -> None:
    source = Source(START, words("a"), 0.01, words("b"), 0.01, words("c"))
    async with stream_of(source) as stream:
        assert [text async for text in stream.text()] == ["a", "b", "c"]
    me = asyncio.current_task()
    assert me is not None
    assert me.get_name() in source.readers


async def test_a_source_that_is_not_shared_is_read_by_one_task_only() -> None:
    source = Source(START, words("a"), 0.01, words("b"), 0.01, words("c"), is_shared=False)
    async with stream_of(source) as stream:
        assert [text async for text in stream.text()] == ["a", "b", "c"]
    assert source.readers == {"exllm-pump"}


async def test_it_reads_ahead_for_a_consumer_who_is_away_until_the_ring_is_full() -> None:
    source = Source(START, *(words(str(number)) for number in range(100)))
    async with stream_of(source, capacity=8) as stream:
        await anext(stream)
        await asyncio.sleep(0.3)
        assert source.reads < 20
        assert stream.stats.ring_high_water == 8
        assert stream.stats.paused_s > 0.1
        assert len([text async for text in stream.text()]) == 100


async def test_a_read_larger_than_the_ring_comes_through_whole() -> None:
    many = [exllm.TextDelta(f"{number} ") for number in range(1000)]
    for is_shared in (True, False):
        source = Source(START, many[:1], 0.01, many[1:], END, is_shared=is_shared)
        async with stream_of(source, capacity=3) as stream:
            assert [text async for text in stream.text()] == [chunk.text for chunk in many]
        assert stream.stats.ring_high_water <= 3


async def test_two_readers_of_one_stream_share_its_chunks() -> None:
    source = Source(START, *(step for number in range(50) for step in (0.0005, words(str(number)))))
    async with stream_of(source) as stream:

        async def read() -> list[str]:
            return [text async for text in stream.text()]

        first, second = await asyncio.gather(read(), read())
    assert sorted(map(int, first + second)) == list(range(50))


async def test_two_readers_wait_for_the_network_no_longer_than_the_stream_lasts() -> None:
    async with stream_of(Source(START, words("a"), 0.2, END)) as stream:
        assert (await anext(stream)).text == ""  # the start
        await asyncio.gather(stream.collect(), stream.collect())
    stats = stream.stats
    assert stats.duration_s is not None
    assert 0.15 < stats.waiting_for_network_s <= stats.duration_s
    assert stats.waiting_for_consumer_s == stats.duration_s - stats.waiting_for_network_s


# -- what ends it


@pytest.mark.parametrize("steps", [[words("a"), END], [words("a"), exllm.ServerError("broke")]], ids=["end", "error"])
async def test_the_source_is_let_go_at_the_end(steps: list[Step]) -> None:
    source = Source(START, *steps)
    stream = stream_of(source)
    try:
        await stream.collect()
    except exllm.ServerError:
        assert stream.error is not None
    assert source.is_aborted.is_set()


async def test_attempts_that_failed_are_let_go_before_the_next_one() -> None:
    failing = [Source(opening=[exllm.Overloaded("busy")]), Source(START, exllm.StreamInterrupted("cut"))]
    whole = Source(START, words("a"), END)
    async with stream_of(*failing, whole) as stream:
        assert (await stream.collect()).text == "a"
    assert [source.closings > 0 for source in failing] == [True, True]
    assert stream.stats.attempts == 3


async def test_the_head_of_the_last_attempt_is_kept_for_the_error() -> None:
    """Usage that came before a silence is in the partial response."""
    usage = exllm.UsageUpdate(exllm.Usage(input_tokens=7, provenance="reported"))
    for last in (exllm.InvalidRequest("no"), 10.0):
        source = Source([exllm.StreamStart("id-1"), usage], last)
        with pytest.raises(exllm.ExLLMError) as caught:
            await stream_of(source, timeouts=Timeouts(math.inf, 0.1, 0.1, math.inf)).collect()
        assert caught.value.partial is not None
        assert caught.value.partial.id == "id-1"
        assert caught.value.partial.usage.input_tokens == 7
        assert caught.value.partial.usage.provenance == "partial"


@pytest.mark.parametrize("limits", [Timeouts(9, 9, 9, 0.1), Timeouts(9, 0.1, 9, 9)], ids=["total", "first chunk"])
async def test_a_limit_holds_while_the_request_is_sent_and_while_a_retry_waits(limits: Timeouts) -> None:
    with pytest.raises(exllm.RequestTimeout):
        async with stream_of(Source(opening=[10.0]), timeouts=limits):
            pass
    busy = exllm.Overloaded("busy", retry_after_s=0.3)
    stream = stream_of(Source(opening=[busy]), Source(START, words("a"), END), timeouts=limits)
    if limits.total == 0.1:
        with pytest.raises(exllm.Overloaded):
            await stream.collect()
    else:
        assert (await stream.collect()).text == "a"  # the wait that was asked for is not the provider's silence


async def test_a_limit_that_has_passed_at_once_ends_a_stream_that_has_not_begun() -> None:
    with pytest.raises(exllm.TotalTimeout):
        async with stream_of(Source(START, 10.0), timeouts=Timeouts(9, 9, 9, 1e-9)):
            pass


async def test_leaving_in_the_turn_of_entering_ends_it() -> None:
    source = Source(START, 10.0)
    stream = stream_of(source)
    stream._pump.start()
    await stream.aclose()
    assert stream.error is not None
    with pytest.raises(exllm.StreamClosed):
        await anext(stream)


async def test_idle_trips_on_time_though_the_first_chunk_had_longer() -> None:
    source = Source(START, words("a"), 10.0)
    stream = stream_of(source, timeouts=Timeouts(9, 9, 0.1, 9))
    started = asyncio.get_running_loop().time()
    with pytest.raises(exllm.IdleTimeout):
        await stream.collect()
    assert asyncio.get_running_loop().time() - started < 2


# -- foreign sources that misbehave

Generator = Callable[[], AsyncIterator[Chunk]]


def foreign(make: Generator) -> Stream:
    return stream_of(IteratorSource(make()))


async def test_an_iterator_that_fails_while_it_is_closed_does_not_hang() -> None:
    async def chunks() -> AsyncIterator[Chunk]:
        try:
            yield exllm.TextDelta("a")
            await asyncio.sleep(10)
        finally:
            raise ValueError("clean-up failed")

    async with asyncio.timeout(2):
        async with foreign(chunks) as stream:
            assert (await anext(stream)).text == "a"


async def test_an_iterator_that_ignores_its_cancellation_once_is_ended_all_the_same() -> None:
    async def chunks() -> AsyncIterator[Chunk]:
        yield exllm.TextDelta("a")
        try:
            await asyncio.sleep(10)
        except asyncio.CancelledError:
            yield exllm.TextDelta("late")

    async with asyncio.timeout(2):
        async with foreign(chunks) as stream:
            assert (await anext(stream)).text == "a"
    assert stream.response.text == "a"


async def test_an_iterator_that_yields_nothing_is_an_empty_answer() -> None:
    async def chunks() -> AsyncIterator[Chunk]:
        return
        yield

    assert (await foreign(chunks).collect()).text == ""


@pytest.mark.parametrize("error", [ValueError("x"), KeyError("x"), TimeoutError(), OSError("x"), RecursionError()])
async def test_whatever_an_iterator_raises_leaves_as_one_of_ours(error: Exception) -> None:
    async def chunks() -> AsyncIterator[Chunk]:
        yield exllm.TextDelta("a")
        raise error

    with pytest.raises(exllm.ProtocolError) as caught:
        await foreign(chunks).collect()
    assert caught.value.__cause__ is error
    assert caught.value.partial is not None
    assert caught.value.partial.text == "a"
    assert caught.value.provider == "p"


async def test_an_iterator_bound_to_its_task_by_a_timeout_works() -> None:
    async def chunks() -> AsyncIterator[Chunk]:
        async with asyncio.timeout(5), asyncio.TaskGroup():
            for letter in "abc":
                await asyncio.sleep(0.002)
                yield exllm.TextDelta(letter)

    assert (await foreign(chunks).collect()).text == "abc"
    async with foreign(chunks) as stream:
        await anext(stream)


async def test_connecting_that_fails_in_any_way_leaves_as_one_of_ours() -> None:
    def make(error: Exception) -> Callable[[], Awaitable[ChunkSource]]:
        async def connect() -> ChunkSource:
            raise error

        return connect

    for error in (FileNotFoundError("no image"), exllm.ConfigurationError("no key")):
        pump = Pump(
            make(error), schedule=RetrySchedule(RetryPolicy()), timeouts=ENDLESS, accumulator=Accumulator("p", "m"),
            capacity=1, complete=lambda response: response, provider="p", model="m",
        )  # fmt: skip
        with pytest.raises(exllm.ExLLMError) as caught:
            async with Stream(pump, lambda: RunningCost("p", "m", 0)):
                pass
        assert caught.value is error or caught.value.__cause__ is error


async def test_whatever_a_read_by_the_consumer_raises_leaves_as_one_of_ours() -> None:
    source = Source(START, words("a"), 0.01, words("b"), 0.01, KeyError("a bug in a wire"))
    async with stream_of(source) as stream:
        with pytest.raises(exllm.ProtocolError, match="KeyError") as caught:
            _ = [chunk async for chunk in stream]
        assert asyncio.current_task().get_name() in source.readers  # type: ignore[union-attr]
        assert stream.error is caught.value
        assert isinstance(caught.value.__cause__, KeyError)
    assert source.closings


# -- silence, and what it is counted as


async def test_idle_trips_though_the_consumer_asks_again_and_again() -> None:
    source = Source(START, words("a"), 0.01, words("b"), 0.01, words("c"), *[0.02] * 1000)
    limits = Timeouts(math.inf, math.inf, 0.2, math.inf)
    async with stream_of(source, timeouts=limits) as stream:
        assert [(await anext(stream)).text for _ in range(4)] == ["", "a", "b", "c"]

        async def ask_again_and_again() -> None:
            while True:
                step = asyncio.ensure_future(anext(stream))
                await asyncio.wait([step], timeout=0.05)
                if step.done():
                    await step
                step.cancel()
                await asyncio.wait([step])

        with pytest.raises(exllm.IdleTimeout):
            await ask_again_and_again()


async def test_a_silence_while_the_consumer_is_away_is_not_the_providers() -> None:
    source = Source(START, words("a"), 0.01, words("b"), 0.01, *(words(str(number)) for number in range(6)))
    limits = Timeouts(math.inf, math.inf, 0.15, math.inf)
    async with stream_of(source, timeouts=limits, capacity=1) as stream:
        taken = []
        async for text in stream.text():
            taken.append(text)
            await asyncio.sleep(0.2)
    assert taken == ["a", "b", *"012345"]


async def test_waiting_for_the_end_or_a_failure_is_waiting_for_the_network() -> None:
    limits = Timeouts(math.inf, math.inf, 0.3, math.inf)
    for steps in ([0.3], [1.0]):
        source = Source(START, words("a"), 0.01, words("b"), 0.01, words("c"), *steps)
        async with stream_of(source, timeouts=limits) as stream:
            with contextlib.suppress(exllm.IdleTimeout):
                await stream.collect()
        figures = stream.response.stats if stream.error is None else stream.error.partial.stats  # type: ignore[union-attr]
        assert figures is not None
        assert figures.waiting_for_network_s > 0.25
        assert figures.waiting_for_consumer_s < 0.1


async def test_all_that_had_arrived_comes_before_the_limit_that_a_slow_consumer_broke() -> None:
    numbers = "0 1 2 3 4 5 6 7 8 9"
    for is_batched in (False, True):
        source = Source(START, words(numbers), 30.0)
        limits = Timeouts(math.inf, math.inf, math.inf, 0.1)
        taken: list[str] = []
        async with stream_of(source, timeouts=limits, capacity=4) as stream:
            await anext(stream)
            await asyncio.sleep(0.2)
            with contextlib.suppress(exllm.TotalTimeout):
                if is_batched:
                    async for batch in stream.batches(max_size=3):
                        taken += [chunk.text for chunk in batch]
                async for text in stream.text():
                    taken.append(text)
        assert taken == numbers.split()
        assert isinstance(stream.error, exllm.TotalTimeout)
        assert stream.error.partial is not None
        assert stream.error.partial.text == "".join(taken)


async def test_an_attempt_that_fails_does_not_go_by_the_request_id_of_the_one_before() -> None:
    first = Source(START, exllm.ConnectionFailed("cut"))
    second = Source(opening=[exllm.ConnectionFailed("refused", retryable=False)])
    with pytest.raises(exllm.ConnectionFailed, match="refused") as caught:
        await stream_of(first, second).collect()
    assert caught.value.request_id is None


# -- forgotten


@pytest.mark.parametrize("is_shared_out", [False, True], ids=["stream", "tee"])
async def test_a_stream_that_the_collector_finds_in_another_thread_is_closed_by_its_loop(is_shared_out: bool) -> None:
    source = Source(START, words("a"), 30.0)
    stream = stream_of(source)
    await anext(stream)
    closed_in: list[str] = []

    def abort() -> None:
        closed_in.append(threading.current_thread().name)
        source.is_aborted.set()

    source.abort = abort  # type: ignore[method-assign]
    cycle: list[Any] = [stream.tee() if is_shared_out else stream]
    cycle.append(cycle)
    del stream, cycle
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        await asyncio.to_thread(gc.collect)
    async with asyncio.timeout(5):
        await source.is_aborted.wait()
    assert set(closed_in) == {threading.current_thread().name}


@pytest.mark.parametrize("is_shared", [True, False])
async def test_a_stream_that_is_over_leaves_nothing_to_the_garbage_collector(is_shared: bool) -> None:
    stream = stream_of(Source(START, words("a b"), END, is_shared=is_shared), timeouts=Timeouts(9, 9, 9, 9))
    pump = weakref.ref(stream._pump)
    gc.disable()
    try:
        async with stream:
            assert [text async for text in stream.text()] == ["a", "b"]
        del stream
        await asyncio.sleep(0)  # the loop lets go of the task
        assert pump() is None
    finally:
        gc.enable()


# -- entering


async def test_who_enters_sends_the_request_and_reads_the_head_without_another_task() -> None:
    source = Source(START, words("a b"), END)
    before = asyncio.all_tasks()
    async with stream_of(source) as stream:
        assert asyncio.all_tasks() == before
        assert [text async for text in stream.text()] == ["a", "b"]
        assert asyncio.all_tasks() == before
    me = asyncio.current_task()
    assert me is not None
    assert source.readers == {me.get_name()}


async def test_closing_from_another_task_ends_the_entering() -> None:
    source = Source(opening=[10.0])
    stream = stream_of(source)

    async def enter() -> None:
        async with stream:
            pytest.fail("entered")

    entering = asyncio.create_task(enter())
    await asyncio.sleep(0.01)
    await stream.aclose()
    with pytest.raises(exllm.StreamClosed):
        await entering
    assert source.is_aborted.is_set()
    assert entering.cancelling() == 0


async def test_entering_that_is_cancelled_closes_the_source_and_stays_cancelled() -> None:
    source = Source(opening=[10.0])
    stream = stream_of(source)

    async def enter() -> None:
        async with stream:
            pytest.fail("entered")

    entering = asyncio.create_task(enter())
    await asyncio.sleep(0.01)
    entering.cancel()
    with pytest.raises(asyncio.CancelledError):
        await entering
    assert source.is_aborted.is_set()
    assert source.closings >= 1
    with pytest.raises(exllm.StreamClosed):
        await anext(stream)


async def test_a_failure_after_the_head_and_before_the_answer_is_retried_for_who_reads() -> None:
    first = Source(START, exllm.Overloaded("busy"), is_shared=True)
    second = Source(START, words("a"), END)
    async with stream_of(first, second) as stream:
        assert (await stream.collect()).text == "a"
        assert stream.stats.attempts == 2
    assert first.closings >= 1


async def test_a_head_that_comes_alone_is_held_back_until_the_answer_begins() -> None:
    source = Source(START, 0.02, START, 0.02, words("a"), END)
    async with stream_of(source) as stream:
        kinds = [type(chunk).__name__ async for chunk in stream]
    assert kinds == ["StreamStart", "StreamStart", "TextDelta", "Finish"]
    assert stream.stats.first_chunk_s is not None
    assert stream.stats.first_chunk_s > 0.03


async def test_an_answer_that_ends_with_its_head_gives_the_head() -> None:
    async with stream_of(Source(START)) as stream:
        assert [type(chunk).__name__ async for chunk in stream] == ["StreamStart"]
    assert stream.response.id == "id"
