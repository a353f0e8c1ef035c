from __future__ import annotations

import asyncio
import gc
import random
import time
from collections.abc import AsyncIterator, Iterable

import pytest

import exllm
from exllm.errors import StreamClosed, StreamInterrupted
from exllm.streaming.batcher import ChunkBatcher
from exllm.streaming.ring import RingBuffer, RingClosed
from exllm.testing import MockProvider
from tests.streaming.turns import CANCELLED, cancelled_after, turns
from tests.streaming.virtual_time import in_virtual_time

LONG_S = 30.0
"""A delay that no test waits for: what goes out before it did not go out because of the time."""


async def numbers(
    upto: int, pauses_s: dict[int, float] | None = None, error: Exception | None = None
) -> AsyncIterator[int]:
    """0 to `upto` - 1, sleeping before those in `pauses_s`, then `error` if there is one."""
    for number in range(upto):
        if pauses_s and number in pauses_s:
            await asyncio.sleep(pauses_s[number])
        yield number
    if error is not None:
        raise error


def joined(batches: Iterable[list[int]]) -> list[int]:
    return [number for batch in batches for number in batch]


# -- size, time, the end


async def test_chunks_that_are_there_come_in_full_batches_and_the_rest_at_the_end() -> None:
    async with ChunkBatcher(numbers(45), max_size=20, max_delay=LONG_S) as batcher:
        batches = [batch async for batch in batcher]
    assert batches == [list(range(20)), list(range(20, 40)), list(range(40, 45))]
    statistics = batcher.statistics()
    assert (statistics.batches, statistics.chunks, statistics.largest, statistics.pending) == (3, 45, 20, 0)
    assert (statistics.full, statistics.timed_out, statistics.early, statistics.last) == (2, 0, 0, 1)


@in_virtual_time
async def test_batch_goes_out_when_its_time_is_up_and_loses_nothing() -> None:
    source = numbers(6, pauses_s={2: 0.01, 3: 0.5})
    async with ChunkBatcher(source, max_delay=0.025) as batcher:
        started = time.monotonic()
        assert await anext(batcher) == [0, 1, 2]
        assert time.monotonic() - started == pytest.approx(0.025)
        assert batcher.statistics().timed_out == 1
        assert await anext(batcher) == [3, 4, 5]
        assert time.monotonic() - started == pytest.approx(0.51)


async def test_batch_goes_out_at_the_end_without_waiting_for_the_time() -> None:
    async with ChunkBatcher(numbers(3, pauses_s={2: 0.001}), max_delay=LONG_S) as batcher:
        assert [batch async for batch in batcher] == [[0, 1, 2]]


async def test_source_without_chunks_gives_no_batch() -> None:
    async with ChunkBatcher(numbers(0)) as batcher:
        assert [batch async for batch in batcher] == []
        assert [batch async for batch in batcher] == []
    assert batcher.statistics().batches == 0


async def test_delay_of_zero_gives_what_is_there_and_never_waits() -> None:
    batcher: ChunkBatcher[int] = ChunkBatcher(max_delay=0)
    for number in range(3):
        batcher.push_nowait(number)
    assert await anext(batcher) == [0, 1, 2]
    batcher.push_nowait(3)
    assert await anext(batcher) == [3]


async def test_chunks_before_an_error_go_out_before_it_is_raised() -> None:
    error = StreamInterrupted("cut")
    async with ChunkBatcher(numbers(25, error=error), max_size=20, max_delay=LONG_S) as batcher:
        assert await anext(batcher) == list(range(20))
        assert await anext(batcher) == list(range(20, 25))
        for _ in range(2):
            with pytest.raises(StreamInterrupted, match="cut"):
                await anext(batcher)
    assert batcher.statistics().chunks == 25


@pytest.mark.parametrize("seed", range(10))
async def test_any_sizes_and_pauses_give_all_chunks_in_order(seed: int) -> None:
    rng = random.Random(seed)
    pauses_s = {number: rng.choice([0.0, 0.0, 0.002, 0.008]) for number in range(100) if rng.random() < 0.3}
    max_size = rng.randint(1, 12)
    min_size = rng.randint(1, max_size)
    async with ChunkBatcher(
        numbers(100, pauses_s), max_size=max_size, min_size=min_size, max_delay=rng.choice([0, 0.003, 0.01])
    ) as batcher:
        batches = []
        async for batch in batcher:
            batches.append(batch)
            if rng.random() < 0.2:
                await asyncio.sleep(0.004)
    assert joined(batches) == list(range(100))
    assert all(1 <= len(batch) <= max_size for batch in batches)
    statistics = batcher.statistics()
    assert statistics.batches == len(batches)
    assert statistics.batches == statistics.full + statistics.timed_out + statistics.early + statistics.last
    assert statistics.chunks == 100
    assert statistics.largest == max(len(batch) for batch in batches)


@pytest.mark.parametrize(
    "arguments",
    [{"max_size": 0}, {"min_size": 0}, {"min_size": 21}, {"max_delay": -1.0}, {"max_delay": float("nan")}],
    ids=str,
)
def test_arguments_that_make_no_sense_are_refused(arguments: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=r"max_size|max_delay"):
        ChunkBatcher(**arguments)  # type: ignore[arg-type]


# -- adapting


async def arrivals(batcher: ChunkBatcher[int]) -> list[tuple[float, list[int]]]:
    """The batches, each with the milliseconds since the beginning."""
    started = time.monotonic()
    return [(round(1000 * (time.monotonic() - started), 3), batch) async for batch in batcher]


@in_virtual_time
async def test_slow_consumer_gets_all_that_came_meanwhile_without_waiting() -> None:
    async with ChunkBatcher(numbers(100, dict.fromkeys(range(100), 0.01)), max_delay=0.025) as batcher:
        assert await anext(batcher) == [0, 1, 2]
        for expected in ([3, 4, 5, 6, 7, 8, 9, 10, 11, 12], [13, 14, 15, 16, 17, 18, 19, 20, 21, 22]):
            await asyncio.sleep(0.1)
            before = time.monotonic()
            assert await anext(batcher) == expected
            assert time.monotonic() == before
        await asyncio.sleep(5)
        assert await anext(batcher) == list(range(23, 43))  # never more than max_size


@in_virtual_time
async def test_time_that_a_chunk_waited_before_the_consumer_came_counts() -> None:
    batcher: ChunkBatcher[int] = ChunkBatcher(max_delay=0.025)
    batcher.push_nowait(0)
    await asyncio.sleep(0.02)
    before = time.monotonic()
    assert await anext(batcher) == [0]
    assert time.monotonic() - before == pytest.approx(0.005)


@in_virtual_time
async def test_chunks_that_come_often_are_collected_for_the_whole_delay() -> None:
    async with ChunkBatcher(numbers(13, dict.fromkeys(range(13), 0.01)), max_delay=0.025) as batcher:
        assert await arrivals(batcher) == [
            (35, [0, 1, 2]),
            (65, [3, 4, 5]),
            (95, [6, 7, 8]),
            (125, [9, 10, 11]),
            (130, [12]),
        ]


@in_virtual_time
async def test_rare_chunks_go_out_at_once_after_two_long_gaps_in_a_row() -> None:
    async with ChunkBatcher(numbers(5, dict.fromkeys(range(5), 0.1)), max_delay=0.025) as batcher:
        assert await arrivals(batcher) == [(125, [0]), (225, [1]), (300, [2]), (400, [3]), (500, [4])]
        statistics = batcher.statistics()
    assert (statistics.timed_out, statistics.early, statistics.last) == (2, 2, 1)
    assert statistics.is_rare


@in_virtual_time
async def test_bursts_that_come_rarely_go_out_whole_and_at_once() -> None:
    async with ChunkBatcher(numbers(12, dict.fromkeys(range(0, 12, 3), 0.1)), max_delay=0.025) as batcher:
        assert await arrivals(batcher) == [
            (125, [0, 1, 2]),
            (225, [3, 4, 5]),
            (300, [6, 7, 8]),
            (400, [9, 10, 11]),
        ]


@in_virtual_time
async def test_one_long_pause_changes_nothing() -> None:
    pauses_s = dict.fromkeys(range(40), 0.004) | {20: 3.0}
    async with ChunkBatcher(numbers(40, pauses_s), max_delay=0.025) as batcher:
        batches = [batch for _, batch in await arrivals(batcher)]
    assert joined(batches) == list(range(40))
    assert [len(batch) for batch in batches] == [7, 7, 6, 7, 7, 6]


@in_virtual_time
async def test_rare_chunks_are_collected_again_as_soon_as_one_comes_sooner() -> None:
    pauses_s = dict.fromkeys(range(5), 0.1) | dict.fromkeys(range(5, 20), 0.004)
    async with ChunkBatcher(numbers(20, pauses_s), max_delay=0.025) as batcher:
        batches = [batch for _, batch in await arrivals(batcher)]
        assert not batcher.statistics().is_rare
    assert joined(batches) == list(range(20))
    assert [len(batch) for batch in batches] == [1, 1, 1, 1, 1, 7, 7, 1]


@in_virtual_time
async def test_rare_chunks_wait_all_the_same_when_it_is_not_to_adapt() -> None:
    async with ChunkBatcher(numbers(3, dict.fromkeys(range(3), 0.1)), max_delay=0.025, adaptive=False) as batcher:
        assert await arrivals(batcher) == [(125, [0]), (225, [1]), (300, [2])]
    assert (batcher.statistics().early, batcher.statistics().timed_out) == (0, 2)


@in_virtual_time
async def test_batch_below_the_least_size_waits_however_rare_chunks_are() -> None:
    pauses_s = dict.fromkeys(range(8), 0.1) | {5: 0.01, 6: 0.0}
    async with ChunkBatcher(numbers(8, pauses_s), max_delay=0.025, min_size=3) as batcher:
        assert await arrivals(batcher) == [
            (125, [0]),
            (225, [1]),
            (325, [2]),
            (425, [3]),
            (510, [4, 5, 6]),  # the least size is reached: no more waiting
            (610, [7]),
        ]
    assert (batcher.statistics().early, batcher.statistics().timed_out) == (1, 4)


# -- pushes, rings, flush


async def test_pushed_chunks_come_out_in_batches() -> None:
    batcher: ChunkBatcher[int] = ChunkBatcher(max_size=3, max_delay=LONG_S)

    async def produce() -> None:
        for number in range(20):
            await batcher.push(number)
        batcher.close()

    producer = asyncio.create_task(produce())
    batches = [batch async for batch in batcher]
    await producer
    assert joined(batches) == list(range(20))
    assert {len(batch) for batch in batches[:-1]} == {3}


async def test_producer_is_held_back_by_a_consumer_that_does_not_take() -> None:
    batcher: ChunkBatcher[int] = ChunkBatcher(max_size=3)
    pushed = 0
    while batcher.push_nowait(pushed):
        pushed += 1
    assert pushed == batcher.statistics().pending == 6
    waiting = asyncio.create_task(batcher.push(pushed))
    await turns()
    assert not waiting.done()
    assert await anext(batcher) == [0, 1, 2]
    await waiting
    batcher.fail(OSError("gone"))
    with pytest.raises(RingClosed):
        batcher.push_nowait(9)
    assert await anext(batcher) == [3, 4, 5]
    assert await anext(batcher) == [6]
    with pytest.raises(OSError, match="gone"):
        await anext(batcher)


async def test_source_is_read_ahead_by_two_batches_and_no_more() -> None:
    given = 0

    async def source() -> AsyncIterator[int]:
        nonlocal given
        while True:
            given += 1
            yield given

    async with ChunkBatcher(source(), max_size=5) as batcher:
        assert await anext(batcher) == [1, 2, 3, 4, 5]
        await turns(10)
        assert given <= 15
    assert batcher.statistics().pending == 0


async def test_ring_is_batched_without_a_task() -> None:
    ring: RingBuffer[int] = RingBuffer(8)
    for number in range(8):
        ring.push_nowait(number)
    ring.close()
    tasks = len(asyncio.all_tasks())
    batcher = ChunkBatcher(ring, max_size=5, max_delay=LONG_S)
    assert await anext(batcher) == [0, 1, 2, 3, 4]
    assert len(asyncio.all_tasks()) == tasks
    assert [batch async for batch in batcher] == [[5, 6, 7]]


async def test_stream_is_batched_from_its_own_ring() -> None:
    words = [f"{number} " for number in range(50)]
    with MockProvider(words, name="batched"):
        async with exllm.Client() as client, client.stream("batched/any", "count") as stream:
            await anext(stream)
            tasks = len(asyncio.all_tasks())
            batcher = ChunkBatcher(stream, max_size=7, max_delay=LONG_S)
            first = await anext(batcher)
            assert len(asyncio.all_tasks()) <= tasks
            batches = [first, *[batch async for batch in batcher]]
    assert "".join(chunk.text for batch in batches for chunk in batch) == "".join(words)
    assert {len(batch) for batch in batches[:-1]} == {7}


async def test_batches_of_a_failing_stream_hold_all_that_had_arrived() -> None:
    with MockProvider(["one ", "two ", "three", exllm.StreamInterrupted("cut")], name="batched"):
        async with exllm.Client() as client, client.stream("batched/any", "count") as stream:
            batcher = stream.batches(max_delay=LONG_S)
            text = "".join(chunk.text for chunk in await anext(batcher))
            with pytest.raises(exllm.StreamInterrupted) as raised:
                await anext(batcher)
    assert text == "one two three"
    assert raised.value.partial is not None
    assert raised.value.partial.text == text


async def test_two_consumers_of_one_ring_share_its_chunks() -> None:
    ring: RingBuffer[int] = RingBuffer(8)
    batcher = ChunkBatcher(ring, max_size=2, max_delay=LONG_S)
    waiting = asyncio.create_task(anext(batcher))
    await turns()
    ring.push_many_nowait([0, 1])
    assert ring.pop_many() == [0, 1]  # before the batcher could look
    await turns()
    assert not waiting.done()
    ring.push_many_nowait([2, 3])
    assert await waiting == [2, 3]


async def test_ring_smaller_than_a_batch_gives_what_it_holds() -> None:
    ring: RingBuffer[int] = RingBuffer(4)
    for number in range(4):
        ring.push_nowait(number)
    batcher = ChunkBatcher(ring, max_size=20, max_delay=LONG_S)
    assert await anext(batcher) == [0, 1, 2, 3]
    assert batcher.statistics().full == 1


async def test_flush_gives_what_waits_at_once() -> None:
    batcher: ChunkBatcher[int] = ChunkBatcher(max_size=2, max_delay=LONG_S)
    assert batcher.flush() == []
    for number in range(3):
        batcher.push_nowait(number)
    assert batcher.flush() == [0, 1, 2]
    assert (batcher.statistics().batches, batcher.statistics().last) == (1, 1)


async def test_batcher_with_a_source_cannot_be_pushed_into() -> None:
    async with ChunkBatcher(numbers(1)) as batcher:
        with pytest.raises(TypeError, match="has a source"):
            batcher.push_nowait(1)
        with pytest.raises(TypeError, match="has a source"):
            batcher.close()


# -- cancellation, the end of its life


@pytest.mark.parametrize("after", range(12))
async def test_cancelled_step_leaves_its_chunks_for_the_next_one(after: int) -> None:
    async def source() -> AsyncIterator[int]:
        for number in range(7):
            await turns(1)
            yield number

    async with ChunkBatcher(source(), max_size=5, max_delay=LONG_S) as batcher:
        outcome = await cancelled_after(after, anext(batcher))
        batches = [] if outcome is CANCELLED else [outcome]
        batches += [batch async for batch in batcher]
    assert batches == [[0, 1, 2, 3, 4], [5, 6]]


async def test_steps_cancelled_again_and_again_lose_nothing() -> None:
    batches = []
    async with ChunkBatcher(numbers(50, dict.fromkeys(range(0, 50, 3), 0.001)), max_size=7, max_delay=0.01) as batcher:
        rng = random.Random(3)
        while True:
            try:
                outcome = await cancelled_after(rng.randrange(5), anext(batcher))
            except StopAsyncIteration:
                break
            if outcome is not CANCELLED:
                batches.append(outcome)
    assert joined(batches) == list(range(50))  # type: ignore[arg-type]


async def test_time_limit_around_a_step_loses_nothing_and_flush_has_the_rest() -> None:
    async with ChunkBatcher(numbers(4, {3: LONG_S}), max_delay=LONG_S) as batcher:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.02):
                await anext(batcher)
        assert batcher.flush() == [0, 1, 2]


async def test_aclose_ends_the_source_and_its_task_before_it_returns() -> None:
    ended = []

    async def source() -> AsyncIterator[int]:
        try:
            yield 1
            await asyncio.sleep(LONG_S)
        finally:
            ended.append(True)

    tasks = len(asyncio.all_tasks())
    batcher = ChunkBatcher(source(), max_delay=0.001)
    assert await anext(batcher) == [1]
    await batcher.aclose()
    assert ended == [True]
    assert len(asyncio.all_tasks()) == tasks
    await batcher.aclose()
    with pytest.raises(RingClosed):
        await anext(batcher)


async def test_aclose_before_the_first_step_closes_a_source_that_never_ran() -> None:
    source = numbers(3)
    await ChunkBatcher(source).aclose()
    assert [number async for number in source] == []


async def test_aclose_from_another_task_ends_a_step_that_waits() -> None:
    batcher: ChunkBatcher[int] = ChunkBatcher()
    waiting = asyncio.create_task(anext(batcher))
    await turns()
    await batcher.aclose()
    with pytest.raises(RingClosed):
        await waiting


async def test_error_of_a_source_that_is_being_closed_is_raised_by_aclose() -> None:
    async def source() -> AsyncIterator[int]:
        try:
            yield 1
            await asyncio.sleep(LONG_S)
        finally:
            raise OSError("cannot close")

    batcher = ChunkBatcher(source(), max_delay=0.001)
    assert await anext(batcher) == [1]
    with pytest.raises(OSError, match="cannot close"):
        await batcher.aclose()


async def test_source_that_goes_on_after_its_cancellation_is_ended_all_the_same() -> None:
    async def stubborn() -> AsyncIterator[int]:
        while True:
            try:
                await asyncio.sleep(LONG_S)
            except asyncio.CancelledError:
                yield 1

    batcher = ChunkBatcher(stubborn())
    assert await cancelled_after(3, anext(batcher)) is CANCELLED
    await batcher.aclose()


async def test_abandoned_batcher_ends_its_task_and_warns() -> None:
    tasks = len(asyncio.all_tasks())
    with pytest.warns(ResourceWarning, match="abandoned"):  # noqa: PT031 - the loop is what abandons it
        async for batch in ChunkBatcher(numbers(30, {25: LONG_S})):
            assert batch == list(range(20))
            break
    await turns()
    gc.collect()
    assert len(asyncio.all_tasks()) == tasks


async def test_cancelled_source_task_is_an_error_and_not_an_end() -> None:
    async def source() -> AsyncIterator[int]:
        yield 1
        raise asyncio.CancelledError

    async with ChunkBatcher(source(), max_delay=LONG_S) as batcher:
        assert await anext(batcher) == [1]
        with pytest.raises(StreamClosed, match="cancelled"):
            await anext(batcher)
