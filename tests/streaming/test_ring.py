from __future__ import annotations

import asyncio
import random
from collections import deque
from contextlib import aclosing

import pytest

from exllm.errors import StreamClosed
from exllm.streaming.ring import Overflow, RingBuffer, RingClosed, RingEmpty
from tests.streaming.turns import CANCELLED, cancelled_after, turns

POLICIES: list[Overflow] = ["block", "drop", "overwrite"]


def filled(count: int, capacity: int = 4, overflow: Overflow = "block") -> RingBuffer[int]:
    ring: RingBuffer[int] = RingBuffer(capacity, overflow)
    for number in range(count):
        ring.push_nowait(number)
    return ring


# -- without waiting


@pytest.mark.parametrize("overflow", POLICIES)
def test_items_come_out_in_the_order_in_which_they_went_in(overflow: Overflow) -> None:
    ring = filled(3, overflow=overflow)
    assert [ring.pop_nowait() for _ in range(3)] == [0, 1, 2]
    with pytest.raises(RingEmpty):
        ring.pop_nowait()


def test_full_ring_that_blocks_leaves_the_item_with_the_caller() -> None:
    ring = filled(4)
    assert ring.push_nowait(4) is False
    assert ring.push_many_nowait([4, 5]) == 0
    assert ring.pop_nowait() == 0
    assert ring.push_many_nowait([4, 5]) == 1
    assert ring.pop_many() == [1, 2, 3, 4]
    assert (ring.statistics().dropped, ring.statistics().overwritten) == (0, 0)


def test_full_ring_that_drops_keeps_the_old_and_counts_the_new() -> None:
    ring = filled(3, overflow="drop")
    assert ring.push_many_nowait([3, 4, 5]) == 3
    assert ring.push_nowait(6) is True
    assert ring.pop_many() == [0, 1, 2, 3]
    assert ring.statistics().dropped == 3
    assert ring.statistics().pushed == 4


def test_full_ring_that_overwrites_keeps_the_new_and_counts_the_old() -> None:
    ring = filled(3, overflow="overwrite")
    assert ring.push_many_nowait([3, 4, 5]) == 3
    assert ring.push_nowait(6) is True
    assert ring.pop_many() == [3, 4, 5, 6]
    assert ring.statistics().overwritten == 3
    assert ring.push_many_nowait(range(10, 20)) == 10
    assert ring.pop_many() == [16, 17, 18, 19]
    assert ring.statistics().overwritten == 9


def test_pop_many_takes_what_is_there_and_no_more_than_asked_for() -> None:
    ring = filled(4)
    assert ring.pop_many(0) == []
    assert ring.pop_many(3) == [0, 1, 2]
    assert ring.pop_many(3) == [3]
    assert ring.pop_many() == []


def test_statistics_tell_fill_and_high_water() -> None:
    ring = filled(3)
    ring.pop_many(2)
    statistics = ring.statistics()
    assert (statistics.size, statistics.capacity, statistics.fill_percent, statistics.high_water) == (1, 4, 25.0, 3)
    assert (statistics.pushed, statistics.popped) == (3, 2)
    assert (len(ring), bool(ring), bool(filled(0))) == (1, True, True)
    assert repr(ring) == "<RingBuffer 1/4 block open>"


@pytest.mark.parametrize(("capacity", "overflow"), [(0, "block"), (-1, "drop"), (4, "lose")])
def test_capacity_and_overflow_that_make_no_sense_are_refused(capacity: int, overflow: Overflow) -> None:
    with pytest.raises(ValueError, match=r"capacity|overflow"):
        RingBuffer(capacity, overflow)


@pytest.mark.parametrize("overflow", POLICIES)
@pytest.mark.parametrize("seed", range(20))
def test_any_sequence_of_steps_does_what_a_plain_list_with_counters_would(overflow: Overflow, seed: int) -> None:
    rng = random.Random(seed)
    capacity = rng.randint(1, 6)
    ring: RingBuffer[int] = RingBuffer(capacity, overflow)
    model: deque[int] = deque()
    pushed = popped = dropped = overwritten = high_water = 0
    new = 0
    for _ in range(400):
        step = rng.choice(["push", "push", "push_many", "pop", "pop_many"])
        if step in ("push", "push_many"):
            items = list(range(new, new + (1 if step == "push" else rng.randint(0, 2 * capacity))))
            new += len(items)
            accepted = 0
            for item in items:
                if len(model) == capacity:
                    if overflow == "block":
                        break
                    if overflow == "drop":
                        dropped += 1
                        accepted += 1
                        continue
                    model.popleft()
                    overwritten += 1
                model.append(item)
                pushed += 1
                accepted += 1
            high_water = max(high_water, len(model))
            if step == "push":
                assert ring.push_nowait(items[0]) is (accepted == 1)
            else:
                assert ring.push_many_nowait(items) == accepted
        elif step == "pop":
            if model:
                assert ring.pop_nowait() == model.popleft()
                popped += 1
            else:
                with pytest.raises(RingEmpty):
                    ring.pop_nowait()
        else:
            most = rng.choice([None, rng.randint(0, 7)])
            count = len(model) if most is None else min(most, len(model))
            assert ring.pop_many(most) == [model.popleft() for _ in range(count)]
            popped += count
        assert list(ring.items) == list(model)
        statistics = ring.statistics()
        assert (statistics.pushed, statistics.popped) == (pushed, popped)
        assert (statistics.dropped, statistics.overwritten) == (dropped, overwritten)
        assert statistics.high_water == high_water
        assert pushed == popped + overwritten + statistics.discarded + statistics.size


# -- waiting


async def test_pop_waits_for_an_item() -> None:
    ring = filled(0)
    task = asyncio.create_task(ring.pop())
    await turns()
    assert not task.done()
    assert ring.consumer_is_waiting
    ring.push_nowait(7)
    assert await task == 7
    assert not ring.consumer_is_waiting


async def test_push_waits_for_room_until_half_of_the_ring_is_free() -> None:
    ring = filled(4)
    task = asyncio.create_task(ring.push(4))
    await turns()
    assert ring.producer_is_waiting
    assert ring.pop_nowait() == 0
    await turns()
    assert not task.done()  # one free place is not worth a task switch
    assert ring.pop_nowait() == 1
    await task
    assert ring.pop_many() == [2, 3, 4]
    assert ring.statistics().pauses == 1


async def test_push_many_waits_as_often_as_it_must_and_loses_nothing() -> None:
    ring = filled(0)
    new = list(range(50))
    task = asyncio.create_task(ring.push_many(new))
    got = [await ring.pop() for _ in range(50)]
    await task
    assert got == list(range(50))
    assert new == []


@pytest.mark.parametrize("overflow", ["drop", "overwrite"])
async def test_push_never_waits_where_items_may_be_lost(overflow: Overflow) -> None:
    ring = filled(4, overflow=overflow)
    await ring.push(4)
    await ring.push_many([5, 6])
    await ring.wait_writable(4)
    statistics = ring.statistics()
    assert (statistics.dropped + statistics.overwritten, statistics.pauses, statistics.paused_s) == (3, 0, 0.0)


async def test_consumers_are_served_in_the_order_in_which_they_came() -> None:
    ring = filled(0)
    tasks = [asyncio.create_task(ring.pop()) for _ in range(3)]
    await turns()
    for number in range(3):
        ring.push_nowait(number)
    assert await asyncio.gather(*tasks) == [0, 1, 2]


async def test_consumer_that_comes_later_does_not_overtake_one_that_was_woken() -> None:
    ring = filled(0)
    first = asyncio.create_task(ring.pop())
    await turns()
    ring.push_nowait(0)
    ring.push_nowait(1)
    assert await ring.pop() == 1
    assert await first == 0


async def test_producers_are_served_in_the_order_in_which_they_came() -> None:
    ring = filled(1, capacity=1)
    tasks = [asyncio.create_task(ring.push(number)) for number in (1, 2, 3)]
    assert [await ring.pop() for _ in range(4)] == [0, 1, 2, 3]
    await asyncio.gather(*tasks)


async def test_several_producers_and_consumers_share_one_burst_of_room() -> None:
    ring = filled(4)
    pushes = [asyncio.create_task(ring.push(number)) for number in range(4, 8)]
    await turns()
    assert ring.pop_many() == [0, 1, 2, 3]
    await asyncio.gather(*pushes)  # one wake-up serves all four, each wakes the next
    assert ring.pop_many() == [4, 5, 6, 7]


async def test_async_for_ends_after_close() -> None:
    ring = filled(3)
    ring.close()
    assert [item async for item in ring] == [0, 1, 2]
    assert [item async for item in ring] == []


async def test_wait_readable_waits_for_as_many_as_asked_for() -> None:
    ring = filled(1)
    task = asyncio.create_task(ring.wait_readable(3))
    await turns()
    ring.push_nowait(1)
    await turns()
    assert not task.done()
    ring.push_nowait(2)
    assert await task is True
    assert len(ring) == 3


async def test_wait_readable_for_more_than_the_ring_holds_waits_for_a_full_one() -> None:
    ring = filled(3)
    task = asyncio.create_task(ring.wait_readable(100))
    await turns()
    ring.push_nowait(3)
    assert await task is True


async def test_wait_readable_tells_whether_anything_came_in_time() -> None:
    assert await filled(0).wait_readable(timeout_s=0.001) is False
    assert await filled(1).wait_readable(2, timeout_s=0.001) is True
    assert await filled(2).wait_readable(2, timeout_s=0) is True


async def test_wait_readable_wakes_a_producer_that_waits_for_half_of_the_ring() -> None:
    ring = filled(4)
    push = asyncio.create_task(ring.push(4))
    await turns()
    assert ring.pop_nowait() == 0
    assert await ring.wait_readable(4) is True  # each would wait for the other for ever
    await push
    assert ring.pop_many() == [1, 2, 3, 4]


async def test_wait_writable_waits_for_as_much_room_as_asked_for() -> None:
    ring = filled(3)
    await ring.wait_writable()
    task = asyncio.create_task(ring.wait_writable(3))
    await turns()
    ring.pop_nowait()
    await turns()
    assert not task.done()
    ring.pop_nowait()
    await task
    assert len(ring) == 1


async def test_items_taken_by_hand_wake_a_producer_at_release() -> None:
    ring = filled(4)
    push = asyncio.create_task(ring.push(4))
    await turns()
    for _ in range(3):
        ring.popleft()
    await turns()
    assert not push.done()
    ring.release()
    await push
    assert ring.pop_many() == [3, 4]


async def test_waits_are_timed_while_they_last() -> None:
    ring = filled(0, capacity=1)
    pop = asyncio.create_task(ring.pop())
    await asyncio.sleep(0.01)
    waited_s = ring.statistics().waited_s
    assert waited_s > 0
    ring.push_nowait(0)
    await pop
    ring.push_nowait(1)
    push = asyncio.create_task(ring.push(2))
    await asyncio.sleep(0.01)
    assert ring.statistics().paused_s > 0
    assert ring.pop_nowait() == 1
    await push
    assert ring.statistics().waited_s >= waited_s


# -- the end


async def test_close_lets_out_what_is_in_and_nothing_in() -> None:
    ring = filled(2)
    ring.close()
    assert ring.is_ended
    assert not ring.is_exhausted
    with pytest.raises(RingClosed):
        ring.push_nowait(9)
    with pytest.raises(RingClosed):
        ring.push_many_nowait([9])
    with pytest.raises(RingClosed):
        await ring.push(9)
    with pytest.raises(RingClosed):
        await ring.wait_writable()
    assert await ring.wait_readable() is True
    assert [await ring.pop(), ring.pop_nowait()] == [0, 1]
    assert ring.is_exhausted
    assert await ring.wait_readable() is False
    for _ in range(2):
        with pytest.raises(RingClosed):
            await ring.pop()
        with pytest.raises(RingClosed):
            ring.pop_nowait()
    assert ring.statistics().pushed == 2


async def test_close_and_fail_wake_everybody_who_waits() -> None:
    for end in (lambda ring: ring.close(), lambda ring: ring.fail(OSError("gone")), lambda ring: ring.abort()):
        empty, full = filled(0), filled(4)
        consumers = [asyncio.create_task(empty.pop()) for _ in range(3)]
        producers = [asyncio.create_task(full.push(9)) for _ in range(3)]
        await turns()
        end(empty)
        end(full)
        results = await asyncio.gather(*consumers, return_exceptions=True)
        assert all(isinstance(result, RingClosed | OSError) for result in results)
        results = await asyncio.gather(*producers, return_exceptions=True)
        assert all(isinstance(result, RingClosed) for result in results)


async def test_failure_comes_after_what_is_in_the_ring_and_again_and_again() -> None:
    ring = filled(2)
    failure = OSError("reset")
    ring.fail(failure)
    assert repr(ring) == "<RingBuffer 2/4 block failed>"
    assert await ring.wait_readable() is True
    assert [await anext(ring), await anext(ring)] == [0, 1]
    with pytest.raises(OSError, match="reset"):
        await anext(ring)
    for wait in (ring.pop, ring.wait_readable):
        with pytest.raises(OSError, match="reset"):
            await wait()
    with pytest.raises(OSError, match="reset"):
        ring.pop_nowait()


async def test_first_end_counts() -> None:
    ring = filled(0)
    ring.close()
    ring.fail(OSError("late"))
    assert await ring.wait_readable() is False
    failed = filled(0)
    failed.fail(OSError("first"))
    failed.close()
    failed.abort(ValueError("late"))
    with pytest.raises(OSError, match="first"):
        await failed.pop()


async def test_abort_throws_the_items_away_and_counts_them() -> None:
    ring = filled(3)
    ring.abort()
    assert ring.statistics().discarded == 3
    assert len(ring) == 0
    with pytest.raises(StreamClosed):
        await ring.pop()
    with pytest.raises(StreamClosed):
        await anext(ring)
    ring.abort()
    assert ring.statistics().discarded == 3


async def test_abort_after_a_close_whose_items_were_not_taken_is_not_a_good_end() -> None:
    ring = filled(2)
    ring.close()
    ring.abort()
    with pytest.raises(RingClosed):
        await anext(ring)
    taken = filled(0)
    taken.close()
    taken.abort()
    assert [item async for item in taken] == []


async def test_aclosing_aborts() -> None:
    ring = filled(2)
    async with aclosing(ring):
        pass
    assert ring.statistics().discarded == 2


# -- cancellation


@pytest.mark.parametrize("after", range(6))
@pytest.mark.parametrize("arrives", range(5))
async def test_cancelled_pop_takes_nothing_and_the_next_in_line_gets_the_item(after: int, arrives: int) -> None:
    ring = filled(0)

    async def produce() -> None:
        await turns(arrives)
        ring.push_nowait(1)

    producer = asyncio.create_task(produce())
    first = asyncio.create_task(cancelled_after(after, ring.pop()))
    await turns(1)
    second = asyncio.create_task(ring.pop())
    outcome = await first
    await producer
    if outcome is CANCELLED:
        assert await second == 1
    else:
        assert outcome == 1
        ring.push_nowait(2)
        assert await second == 2
    assert len(ring) == 0


@pytest.mark.parametrize("after", range(6))
@pytest.mark.parametrize("room_at", range(5))
async def test_cancelled_push_gives_nothing_and_the_next_in_line_gets_the_room(after: int, room_at: int) -> None:
    ring = filled(1, capacity=1)

    async def consume() -> int:
        await turns(room_at)
        return await ring.pop()

    consumer = asyncio.create_task(consume())
    first = asyncio.create_task(cancelled_after(after, ring.push(1)))
    await turns(1)
    second = asyncio.create_task(ring.push(2))
    outcome = await first
    assert await consumer == 0
    expected = [2] if outcome is CANCELLED else [1, 2]
    assert [await ring.pop() for _ in expected] == expected
    await second
    assert len(ring) == 0


@pytest.mark.parametrize("after", range(12))
async def test_cancelled_push_many_keeps_exactly_what_did_not_go_in(after: int) -> None:
    ring = filled(0)
    new = list(range(20))
    task = asyncio.create_task(cancelled_after(after, ring.push_many(new)))
    got = []
    while not task.done():
        got += ring.pop_many(3)
        await turns(1)
    got += ring.pop_many()
    assert got + new == list(range(20))


@pytest.mark.parametrize("after", range(5))
async def test_cancelled_wait_hands_its_wake_up_on(after: int) -> None:
    ring = filled(0)
    first = asyncio.create_task(cancelled_after(after, ring.wait_readable(2)))
    await turns(1)
    second = asyncio.create_task(ring.wait_readable(1))
    await turns(2)
    ring.push_many_nowait([1, 2])
    await first
    assert await second is True
    assert ring.pop_many() == [1, 2]


@pytest.mark.parametrize("overflow", POLICIES)
@pytest.mark.parametrize("seed", range(10))
async def test_many_producers_and_consumers_that_are_cancelled_at_any_turn_lose_and_double_nothing(
    overflow: Overflow, seed: int
) -> None:
    rng = random.Random(seed)
    ring: RingBuffer[tuple[int, int]] = RingBuffer(rng.randint(1, 5), overflow)
    got: list[tuple[int, int]] = []

    async def produce(name: int) -> None:
        pick = random.Random(f"{seed} {name}")
        number = 0
        while number < 60:
            match pick.randrange(3):
                case 0:
                    if await cancelled_after(pick.randrange(4), ring.push((name, number))) is not CANCELLED:
                        number += 1
                case 1:
                    batch = [(name, n) for n in range(number, min(60, number + pick.randint(1, 7)))]
                    before = len(batch)
                    await cancelled_after(pick.randrange(6), ring.push_many(batch))
                    number += before - len(batch)
                case 2:
                    number += ring.push_nowait((name, number))
                    await turns(1)

    async def consume(name: int) -> None:
        pick = random.Random(f"{seed} consumer {name}")
        while not ring.is_exhausted:
            match pick.randrange(4):
                case 0:
                    try:
                        item = await cancelled_after(pick.randrange(4), ring.pop())
                    except RingClosed:
                        return
                    if item is not CANCELLED:
                        got.append(item)  # type: ignore[arg-type]
                case 1:
                    await cancelled_after(pick.randrange(4), ring.wait_readable(pick.randint(1, 4)))
                    got.extend(ring.pop_many(pick.randint(1, 4)))
                case 2:
                    got.extend(ring.pop_many())
                    await turns(1)
                case 3:
                    await ring.wait_readable(2, timeout_s=0.001)

    producers = [asyncio.create_task(produce(name)) for name in range(3)]
    consumers = [asyncio.create_task(consume(name)) for name in range(3)]
    await asyncio.gather(*producers)
    ring.close()
    await asyncio.gather(*consumers)
    statistics = ring.statistics()
    assert statistics.pushed == statistics.popped + statistics.overwritten
    assert len(got) == len(set(got)) == statistics.popped
    assert statistics.pushed + statistics.dropped == 180
    if overflow == "block":
        assert sorted(got) == [(name, number) for name in range(3) for number in range(60)]
    assert not ring.consumer_is_waiting
    assert not ring.producer_is_waiting
