from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest

from exllm.errors import StreamInterrupted
from exllm.streaming.batcher import ChunkBatcher
from exllm.streaming.flow import FlowController, FlowStatistics
from exllm.streaming.ring import Overflow, RingClosed
from tests.streaming.turns import CANCELLED, cancelled_after, turns
from tests.streaming.virtual_time import in_virtual_time


async def numbers(upto: int, pause_s: float | None = None, error: Exception | None = None) -> AsyncIterator[int]:
    """0 to `upto` - 1, each after `pause_s`, then `error` if there is one."""
    for number in range(upto):
        if pause_s is not None:
            await asyncio.sleep(pause_s)
        yield number
    if error is not None:
        raise error


def assert_adds_up(statistics: FlowStatistics) -> None:
    s = statistics
    assert s.received == s.delivered + s.filtered + s.invalid + s.failed + s.lost + s.discarded + s.pending


async def taken(flow: FlowController[Any]) -> list[Any]:
    """All chunks to the end, going on after errors; those are in the list as they come."""
    found: list[Any] = []
    while True:
        try:
            found.append(await flow.pop())
        except RingClosed:
            return found
        except Exception as error:  # noqa: BLE001 - what is raised is what the tests look at
            found.append(error)
            if len(found) > 100:
                return found


# -- without callbacks


async def test_chunks_of_a_source_come_in_order_and_the_figures_add_up() -> None:
    async with FlowController(numbers(1000), capacity=16) as flow:
        assert [chunk async for chunk in flow] == list(range(1000))
        assert [chunk async for chunk in flow] == []
        with pytest.raises(RingClosed):
            await flow.pop()
    statistics = flow.statistics()
    assert (statistics.received, statistics.delivered, statistics.pending) == (1000, 1000, 0)
    assert statistics.high_water <= 13  # threshold 0.8 of 16
    assert_adds_up(statistics)


async def test_pushed_chunks_come_out_in_order() -> None:
    flow: FlowController[int] = FlowController(capacity=4)

    async def produce() -> None:
        for number in range(100):
            await flow.push(number)
        flow.close()

    producer = asyncio.create_task(produce())
    assert [chunk async for chunk in flow] == list(range(100))
    await producer
    with pytest.raises(RingClosed):
        await flow.push(1)


async def test_failure_comes_after_the_chunks_before_it_and_every_time() -> None:
    async with FlowController(numbers(3, error=StreamInterrupted("cut"))) as flow:
        assert [await flow.pop() for _ in range(3)] == [0, 1, 2]
        for _ in range(2):
            with pytest.raises(StreamInterrupted):
                await flow.pop()
        with pytest.raises(StreamInterrupted):
            await anext(flow)
    pushed: FlowController[int] = FlowController()
    await pushed.push(1)
    pushed.fail(OSError("gone"))
    assert await pushed.pop() == 1
    with pytest.raises(OSError, match="gone"):
        await pushed.pop()


async def test_run_gives_every_chunk_to_the_consumer_and_closes() -> None:
    got: list[int] = []

    async def consumer(chunk: int) -> None:
        await turns(1)
        got.append(chunk)

    flow = FlowController(numbers(20))
    statistics = await flow.run(consumer)
    assert got == list(range(20))
    assert statistics.delivered == 20
    with_function: list[int] = []
    await FlowController(numbers(3)).run(with_function.append)
    assert with_function == [0, 1, 2]


async def test_error_of_the_consumer_ends_a_run_and_leaves_no_task() -> None:
    def consumer(chunk: int) -> None:
        if chunk == 2:
            raise LookupError("no place")

    tasks = len(asyncio.all_tasks())
    with pytest.raises(LookupError, match="no place"):
        await FlowController(numbers(10)).run(consumer)
    assert len(asyncio.all_tasks()) == tasks


async def test_controller_can_be_batched() -> None:
    async with ChunkBatcher(FlowController(numbers(5), transform_chunk=lambda n: n * n), max_delay=9) as batcher:
        assert [batch async for batch in batcher] == [[0, 1, 4, 9, 16]]


@pytest.mark.parametrize(
    "arguments",
    [{"threshold": 0}, {"threshold": 1.1}, {"min_gap_s": -1}, {"min_gap_s": float("nan")}, {"metrics_interval_s": 0},
     {"capacity": 0}, {"overflow": "lose"}],
    ids=str,
)  # fmt: skip
def test_arguments_that_make_no_sense_are_refused(arguments: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(arguments))):
        FlowController(**arguments)


# -- pressure


async def test_push_waits_from_the_threshold_on_until_half_is_free() -> None:
    flow: FlowController[int] = FlowController(capacity=10, threshold=0.8)
    for number in range(8):
        assert not flow.is_pressed
        await flow.push(number)
    assert flow.is_pressed
    waiting = asyncio.create_task(flow.push(8))
    await turns()
    assert await flow.pop() == 0
    assert await flow.pop() == 1
    await turns()
    assert not waiting.done()
    assert flow.is_pressed
    assert await flow.pop() == 2
    await waiting
    assert not flow.is_pressed
    assert flow.statistics().pauses == 1


async def test_push_nowait_may_use_what_is_above_the_threshold_and_loses_nothing() -> None:
    flow: FlowController[int] = FlowController(capacity=4, threshold=0.5)
    assert [flow.push_nowait(number) for number in range(5)] == [True] * 4 + [False]
    statistics = flow.statistics()
    assert (statistics.received, statistics.lost, statistics.fill_percent, statistics.is_pressed) == (4, 0, 100.0, True)
    flow.close()
    assert [chunk async for chunk in flow] == [0, 1, 2, 3]


@pytest.mark.parametrize(("threshold", "ahead"), [(1.0, 10), (0.5, 5), (0.01, 1)])
async def test_source_is_not_read_while_there_is_pressure(threshold: float, ahead: int) -> None:
    given = 0

    async def source() -> AsyncIterator[int]:
        nonlocal given
        while True:
            given += 1
            yield given

    async with FlowController(source(), capacity=10, threshold=threshold) as flow:
        assert await flow.pop() == 1
        await turns(20)
        assert ahead <= given <= ahead + 1


@pytest.mark.parametrize(("overflow", "kept"), [("drop", [0, 1, 2]), ("overwrite", [7, 8, 9])])
async def test_policies_that_lose_hold_nobody_back_and_count(overflow: Overflow, kept: list[int]) -> None:
    flow: FlowController[int] = FlowController(capacity=3, threshold=0.5, overflow=overflow)
    for number in range(10):
        await flow.push(number)
    assert not flow.is_pressed
    flow.close()
    assert [chunk async for chunk in flow] == kept
    statistics = flow.statistics()
    assert (statistics.received, statistics.delivered, statistics.lost, statistics.pauses) == (10, 3, 7, 0)
    assert_adds_up(statistics)


async def test_source_that_never_suspends_leaves_others_their_turn_where_chunks_may_be_lost() -> None:
    async def endless() -> AsyncIterator[int]:
        number = 0
        while True:
            yield number
            number += 1

    async with FlowController(endless(), capacity=8, overflow="overwrite") as flow:
        got = [await flow.pop() for _ in range(5)]
    assert got == sorted(got)


# -- pace


@in_virtual_time
async def test_chunks_that_are_there_are_handed_out_with_the_gap_between_them() -> None:
    async with FlowController(numbers(5), min_gap_s=0.05) as flow:
        started = time.monotonic()
        times_ms = [round(1000 * (time.monotonic() - started)) async for _ in flow]
    assert times_ms == [0, 50, 100, 150, 200]
    assert flow.statistics().paced_s == pytest.approx(0.2)


@in_virtual_time
async def test_gap_is_a_least_one_and_does_not_add_to_the_time_of_source_or_consumer() -> None:
    async with FlowController(numbers(3, pause_s=0.08), min_gap_s=0.05) as flow:
        started = time.monotonic()
        assert [round(1000 * (time.monotonic() - started)) async for _ in flow] == [80, 160, 240]
        assert flow.statistics().paced_s == 0
    async with FlowController(numbers(3), min_gap_s=0.05) as flow:
        started = time.monotonic()
        times_ms = []
        async for _ in flow:
            times_ms.append(round(1000 * (time.monotonic() - started)))
            await asyncio.sleep(0.04)
    assert times_ms == [0, 50, 100]


@in_virtual_time
async def test_chunks_that_are_dropped_take_no_time() -> None:
    async with FlowController(numbers(6), min_gap_s=0.05, validate_chunk=lambda n: n % 2 == 0) as flow:
        started = time.monotonic()
        assert [(n, round(1000 * (time.monotonic() - started))) async for n in flow] == [(0, 0), (2, 50), (4, 100)]


# -- callbacks


@pytest.mark.parametrize("is_async", [False, True])
async def test_callbacks_change_drop_and_see_chunks_in_the_order_told(is_async: bool) -> None:
    seen: list[tuple[str, int]] = []

    def transform(chunk: int) -> int | None:
        seen.append(("transform", chunk))
        return None if chunk == 1 else chunk * 10

    def validate(chunk: int) -> bool:
        seen.append(("validate", chunk))
        return chunk != 20

    def on_chunk(chunk: int) -> None:
        seen.append(("on_chunk", chunk))

    def maybe_async(function: Any) -> Any:
        async def later(*args: Any) -> Any:
            await turns(1)
            return function(*args)

        return later if is_async else function

    async with FlowController(
        numbers(4),
        transform_chunk=maybe_async(transform),
        validate_chunk=maybe_async(validate),
        on_chunk=maybe_async(on_chunk),
    ) as flow:
        assert [chunk async for chunk in flow] == [0, 30]
    assert seen == [
        ("transform", 0), ("validate", 0), ("on_chunk", 0),
        ("transform", 1),
        ("transform", 2), ("validate", 20),
        ("transform", 3), ("validate", 30), ("on_chunk", 30),
    ]  # fmt: skip
    statistics = flow.statistics()
    assert (statistics.delivered, statistics.filtered, statistics.invalid, statistics.failed) == (2, 1, 1, 0)
    assert_adds_up(statistics)


def failing(at: int) -> Any:
    def callback(chunk: int) -> int:
        if chunk == at:
            raise LookupError(f"chunk {chunk}")
        return chunk + 1  # for transform_chunk; for the others it is only true

    return callback


@pytest.mark.parametrize("which", ["transform_chunk", "validate_chunk", "on_chunk"])
async def test_exception_of_a_callback_is_raised_as_it_is_and_the_next_chunk_follows(which: str) -> None:
    async with FlowController(numbers(4), **{which: failing(at=2)}) as flow:
        found = await taken(flow)
    plus = 1 if which == "transform_chunk" else 0
    assert [chunk for chunk in found if isinstance(chunk, int)] == [0 + plus, 1 + plus, 3 + plus]
    assert isinstance(found[2], LookupError)
    statistics = flow.statistics()
    assert (statistics.delivered, statistics.failed, statistics.errors) == (3, 1, 1)
    assert_adds_up(statistics)


@pytest.mark.parametrize("answer", [True, False, None, "yes"])
async def test_on_error_is_told_and_only_true_skips_the_chunk(answer: object) -> None:
    told: list[tuple[str, int | None]] = []

    async def on_error(error: Exception, chunk: int | None) -> Any:
        told.append((str(error), chunk))
        return answer

    async with FlowController(numbers(4), on_chunk=failing(at=2), on_error=on_error) as flow:
        found = await taken(flow)
    assert told == [("chunk 2", 2)]
    assert [chunk for chunk in found if isinstance(chunk, int)] == [0, 1, 3]
    assert any(isinstance(chunk, LookupError) for chunk in found) is (answer is not True)
    assert flow.statistics().failed == 1


async def test_error_of_the_source_is_told_once_and_raised_whatever_on_error_says() -> None:
    told: list[tuple[str, int | None]] = []

    def on_error(error: Exception, chunk: int | None) -> bool:
        told.append((type(error).__name__, chunk))
        return True

    async with FlowController(numbers(2, error=StreamInterrupted("cut")), on_error=on_error) as flow:
        assert [await flow.pop(), await flow.pop()] == [0, 1]
        for _ in range(2):
            with pytest.raises(StreamInterrupted):
                await flow.pop()
    assert told == [("StreamInterrupted", None)]
    assert flow.statistics().errors == 1


async def test_what_on_error_raises_is_raised_with_the_first_error_as_context() -> None:
    def on_error(error: Exception, chunk: int | None) -> bool:
        raise OSError("log is full")

    async with FlowController(numbers(3), on_chunk=failing(at=0), on_error=on_error) as flow:
        with pytest.raises(OSError, match="log is full") as raised:
            await flow.pop()
        assert isinstance(raised.value.__context__, LookupError)
        assert [chunk async for chunk in flow] == [1, 2]


async def test_ring_closed_raised_by_a_callback_is_not_taken_for_the_end() -> None:
    def on_chunk(chunk: int) -> None:
        raise RingClosed("of somebody else")

    async with FlowController(numbers(1), on_chunk=on_chunk) as flow:
        with pytest.raises(RingClosed, match="somebody else"):
            await anext(flow)
        assert [chunk async for chunk in flow] == []


# -- metrics


@in_virtual_time
async def test_metrics_come_at_their_interval_while_chunks_flow_and_at_the_end() -> None:
    told: list[tuple[int, int]] = []
    started = time.monotonic()

    def on_metrics(statistics: FlowStatistics) -> None:
        told.append((round(1000 * (time.monotonic() - started)), statistics.delivered))

    async with FlowController(numbers(10, pause_s=0.03), on_metrics=on_metrics, metrics_interval_s=0.11) as flow:
        assert [chunk async for chunk in flow] == list(range(10))
        assert [chunk async for chunk in flow] == []
    assert told == [(110, 3), (220, 7), (300, 10)]


@in_virtual_time
async def test_metrics_come_while_the_source_is_silent() -> None:
    told: list[int] = []
    async with FlowController(
        numbers(1, pause_s=1), on_metrics=lambda statistics: told.append(statistics.delivered), metrics_interval_s=0.3
    ) as flow:
        assert [chunk async for chunk in flow] == [0]
        statistics = flow.statistics()
    assert told == [0, 0, 0, 1]
    assert statistics.waited_s == pytest.approx(1)
    assert statistics.duration_s == pytest.approx(1)
    assert statistics.chunks_per_s == pytest.approx(1)


@in_virtual_time
async def test_exception_of_the_metrics_callback_goes_the_way_of_the_others_and_costs_no_chunk() -> None:
    def on_metrics(statistics: FlowStatistics) -> None:
        raise LookupError("no metrics server")

    async with FlowController(numbers(3, pause_s=1), on_metrics=on_metrics, metrics_interval_s=1.5) as flow:
        found = await taken(flow)
    assert [type(chunk) for chunk in found] == [int, LookupError, int, LookupError, int, LookupError]
    told: list[int | None] = []

    def on_error(error: Exception, chunk: int | None) -> bool:
        told.append(chunk)
        return True

    async with FlowController(
        numbers(3, pause_s=1), on_metrics=on_metrics, metrics_interval_s=1.5, on_error=on_error
    ) as flow:
        assert await taken(flow) == [0, 1, 2]
    assert told == [None] * 3


# -- cancellation, the end of its life


@pytest.mark.parametrize("after", range(16))
@pytest.mark.parametrize("min_gap_s", [0.0, 0.001])
async def test_step_cancelled_at_any_turn_loses_and_doubles_no_chunk(after: int, min_gap_s: float) -> None:
    calls: list[str] = []

    async def transform(chunk: int) -> int:
        calls.append(f"transform {chunk}")
        await turns(2)
        return chunk + 100

    async def slow_yes(chunk: int) -> bool:
        await turns(2)
        return True

    async with FlowController(
        numbers(4), transform_chunk=transform, validate_chunk=slow_yes, on_chunk=slow_yes, min_gap_s=min_gap_s
    ) as flow:
        outcome = await cancelled_after(after, flow.pop())
        found = [] if outcome is CANCELLED else [outcome]
        assert_adds_up(flow.statistics())
        found += [chunk async for chunk in flow]
    assert found == [100, 101, 102, 103]
    assert_adds_up(flow.statistics())
    assert len(calls) <= 5  # a transformation that was finished is not done again


@pytest.mark.parametrize("seed", range(8))
async def test_producers_and_consumers_cancelled_at_random_lose_and_double_nothing(seed: int) -> None:
    rng = random.Random(seed)
    in_order: list[tuple[int, int]] = []
    flow: FlowController[tuple[int, int]] = FlowController(
        capacity=rng.randint(1, 6), threshold=rng.choice([0.3, 1]), on_chunk=in_order.append
    )
    got: list[Any] = []

    async def produce(name: int) -> None:
        pick, number = random.Random(f"{seed} {name}"), 0
        while number < 40:
            if await cancelled_after(pick.randrange(4), flow.push((name, number))) is not CANCELLED:
                number += 1

    async def consume(name: int) -> None:
        pick = random.Random(f"{seed} consumer {name}")
        while True:
            try:
                chunk = await cancelled_after(pick.randrange(5), flow.pop())
            except RingClosed:
                return
            if chunk is not CANCELLED:
                got.append(chunk)

    producers = [asyncio.create_task(produce(name)) for name in range(2)]
    consumers = [asyncio.create_task(consume(name)) for name in range(2)]
    await asyncio.gather(*producers)
    flow.close()
    await asyncio.gather(*consumers)
    assert sorted(got) == [(name, number) for name in range(2) for number in range(40)]
    for name in range(2):
        assert [number for who, number in in_order if who == name] == list(range(40))
    assert_adds_up(flow.statistics())


async def test_aclose_discards_and_counts_what_was_not_taken_and_ends_who_waits() -> None:
    flow: FlowController[int] = FlowController(on_chunk=lambda _: asyncio.sleep(60))
    for number in range(3):
        await flow.push(number)
    assert await cancelled_after(3, flow.pop()) is CANCELLED
    assert flow.statistics().pending == 3
    await flow.aclose()
    statistics = flow.statistics()
    assert (statistics.discarded, statistics.pending) == (3, 0)
    assert_adds_up(statistics)
    with pytest.raises(RingClosed):
        await flow.pop()
    with pytest.raises(RingClosed):
        await anext(flow)
    await flow.aclose()
    empty: FlowController[int] = FlowController()
    waiting = asyncio.create_task(empty.pop())
    await turns()
    await empty.aclose()
    with pytest.raises(RingClosed):
        await waiting


async def test_aclose_during_a_callback_lets_that_chunk_through() -> None:
    async def slow(chunk: int) -> None:
        await turns(5)

    flow: FlowController[int] = FlowController(on_chunk=slow)
    await flow.push(1)
    await flow.push(2)
    waiting = asyncio.create_task(flow.pop())
    await turns()
    await flow.aclose()
    assert await waiting == 1
    statistics = flow.statistics()
    assert (statistics.delivered, statistics.discarded) == (1, 1)
    assert_adds_up(statistics)


async def test_aclose_ends_the_source_before_it_returns() -> None:
    ended = []

    async def source() -> AsyncIterator[int]:
        try:
            yield 1
            await asyncio.sleep(60)
        finally:
            ended.append(True)

    async with FlowController(source()) as flow:
        assert await flow.pop() == 1
        await turns()
    assert ended == [True]


async def test_controller_with_a_source_cannot_be_pushed_into() -> None:
    async with FlowController(numbers(1)) as flow:
        for push in (flow.push_nowait, lambda _: flow.close(), flow.fail):
            with pytest.raises(TypeError, match="has a source"):
                push(1)  # type: ignore[arg-type]


# -- defects of the ancestor


async def test_ancestor_defect_chunk_pushed_under_pressure_is_not_lost() -> None:
    flow: FlowController[int] = FlowController(capacity=2, threshold=0.5)
    producer = asyncio.create_task(push_all(flow, 50))
    assert [chunk async for chunk in flow] == list(range(50))
    await producer


async def push_all(flow: FlowController[int], count: int) -> None:
    for number in range(count):
        await flow.push(number)
    flow.close()


async def test_ancestor_defect_chunks_buffered_at_the_end_are_handed_out() -> None:
    flow: FlowController[int] = FlowController()
    for number in range(3):
        await flow.push(number)
    flow.close()
    async with ChunkBatcher(flow, max_size=2) as batcher:
        assert [batch async for batch in batcher] == [[0, 1], [2]]
