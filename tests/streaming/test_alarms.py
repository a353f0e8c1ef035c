"""Limits behind one timer of the loop, and the blocks that they end."""

from __future__ import annotations

import asyncio
import math
import random

import pytest

from exllm.streaming import alarms
from exllm.streaming.alarms import SOON_S, alarms_of
from exllm.streaming.interrupt import Interruptible, MovingLimit, TimeLimit
from tests.streaming.virtual_time import in_virtual_time


@in_virtual_time
async def test_each_alarm_rings_once_and_at_its_time_whatever_the_order() -> None:
    loop = asyncio.get_running_loop()
    begin = loop.time()
    rung: dict[float, float] = {}
    chosen = random.Random(7)
    # Each later than all that is waited for in this loop.
    moments = {chosen.choice((1.0, 1.3, 2.0, 2.7, 30.0, 600.0)) + chosen.random() for _ in range(300)}
    for moment in moments:

        def ring(moment: float = moment) -> None:
            assert moment not in rung
            rung[moment] = loop.time() - begin

        alarms_of(loop).set(begin + moment, ring)
        if chosen.random() < 0.1:
            await asyncio.sleep(0.01)
    await asyncio.sleep(1000)
    assert rung.keys() == moments
    assert all(moment - 1e-6 <= at <= moment + 0.02 for moment, at in rung.items())


@in_virtual_time
async def test_a_cancelled_alarm_never_rings_wherever_it_stands() -> None:
    loop = asyncio.get_running_loop()
    rung: list[float] = []
    for seconds in (0.1, SOON_S + 0.1, 50.0):
        alarm = alarms_of(loop).set(loop.time() + seconds, lambda seconds=seconds: rung.append(seconds))  # type: ignore[misc]
        alarm.cancel()
        alarm.cancel()
    late = alarms_of(loop).set(loop.time() + 50.0, lambda: rung.append(-1))
    await asyncio.sleep(50.0 - SOON_S / 2)  # it has a timer of its own by now
    late.cancel()
    await asyncio.sleep(100)
    assert rung == []


async def test_far_alarms_take_one_timer_of_the_loop() -> None:
    loop = asyncio.get_running_loop()
    before = len(loop._scheduled)  # type: ignore[attr-defined]
    made = [alarms_of(loop).set(loop.time() + 600 + number, lambda: None) for number in range(1000)]
    assert len(loop._scheduled) <= before + 1  # type: ignore[attr-defined]
    for alarm in made:
        alarm.cancel()
    assert not alarms_of(loop)._far


def test_the_alarms_of_a_loop_go_with_it() -> None:
    async def main() -> asyncio.AbstractEventLoop:
        loop = asyncio.get_running_loop()
        alarms_of(loop).set(loop.time() + 600, lambda: None)
        return loop

    assert asyncio.run(main()) not in alarms._alarms


# -- blocks


async def test_an_interrupted_block_raises_where_it_waits_and_the_task_goes_on() -> None:
    loop = asyncio.get_running_loop()
    block = Interruptible()
    loop.call_later(0.01, block.interrupt)
    with pytest.raises(TimeoutError), block:
        await asyncio.sleep(10)
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0
    await asyncio.sleep(0)


async def test_a_limit_ends_the_block_and_none_does_not() -> None:
    loop = asyncio.get_running_loop()
    with pytest.raises(TimeoutError), TimeLimit(loop.time() + 0.02):
        await asyncio.sleep(10)
    with TimeLimit(math.inf) as limit:
        await asyncio.sleep(0.01)
    assert not limit.was_interrupted


async def test_somebody_elses_cancellation_is_not_taken_for_the_limit() -> None:
    async def block(seconds: float) -> None:
        with TimeLimit(asyncio.get_running_loop().time() + seconds):
            await asyncio.sleep(10)

    task = asyncio.create_task(block(5))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_cancellation_at_the_moment_of_the_interruption_is_not_lost() -> None:
    made: list[Interruptible] = []

    async def block() -> None:
        with Interruptible() as one:
            made.append(one)
            await asyncio.sleep(10)

    task = asyncio.create_task(block())
    await asyncio.sleep(0)
    made[0].interrupt()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_an_error_of_the_block_itself_comes_out_as_it_is() -> None:
    with pytest.raises(ZeroDivisionError), TimeLimit(asyncio.get_running_loop().time() + 5):
        raise ZeroDivisionError


# -- one block after another


@in_virtual_time
async def test_a_moving_limit_ends_the_block_that_lasts_too_long_and_no_other() -> None:
    loop = asyncio.get_running_loop()
    limit = MovingLimit()
    for seconds, limit_s in [(1, 20), (15, 20), (19.9, 20), (3, 5), (100, math.inf), (0.4, 0.5), (19.9, 20)]:
        with limit.until(loop.time() + limit_s):
            await asyncio.sleep(seconds)
        await asyncio.sleep(30)  # what lies between two blocks does not count
    for limit_s in (20, 0.5, 7, 7):
        began_at = loop.time()
        with pytest.raises(TimeoutError), limit.until(loop.time() + limit_s):
            await asyncio.sleep(1000)
        assert loop.time() - began_at == pytest.approx(limit_s, abs=0.02)
    limit.close()
    await asyncio.sleep(1000)


@in_virtual_time
async def test_thousands_of_blocks_share_one_alarm_and_none_is_left_after_close() -> None:
    loop = asyncio.get_running_loop()
    limit = MovingLimit()
    for _ in range(2000):
        with limit.until(loop.time() + 20):
            await asyncio.sleep(0.001)
        assert len(alarms_of(loop)._far) == 1
    limit.close()
    limit.close()
    assert not alarms_of(loop)._far


@in_virtual_time
async def test_a_limit_that_moves_nearer_ends_its_block_in_time() -> None:
    loop = asyncio.get_running_loop()
    limit = MovingLimit()
    with limit.until(loop.time() + 600):
        await asyncio.sleep(1)
    began_at = loop.time()
    with pytest.raises(TimeoutError), limit.until(loop.time() + 2):
        await asyncio.sleep(50)
    assert loop.time() - began_at == pytest.approx(2, abs=0.02)
    limit.close()


async def test_a_cancellation_within_a_moving_limit_is_somebody_elses() -> None:
    async def block() -> None:
        limit = MovingLimit()
        try:
            with limit.until(asyncio.get_running_loop().time() + 5):
                await asyncio.sleep(10)
        finally:
            limit.close()

    task = asyncio.create_task(block())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
