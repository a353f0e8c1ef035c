from __future__ import annotations

import asyncio
import random

import pytest

from exllm.errors import StreamClosed, StreamInterrupted
from exllm.streaming.ring import Overflow
from exllm.streaming.tee import TeeBranch, tee
from tests.streaming.turns import CANCELLED, cancelled_after, turns


class Numbers:
    """A feed of 0 to `upto` - 1, a few at a time, then the end or `error`."""

    def __init__(self, upto: int, at_once: int = 3, error: Exception | None = None) -> None:
        self.left = list(range(upto))
        self.error = error
        self.is_aborted = False
        self.is_closed = False
        self._at_once = at_once
        self._there = 0

    async def wait(self) -> None:
        await turns(1)
        if not self.left:
            raise self.error or StopAsyncIteration
        self._there = self._there or min(self._at_once, len(self.left))

    def take(self, most: int) -> list[int]:
        count = min(most, self._there)
        taken, self.left = self.left[:count], self.left[count:]
        self._there -= count
        return taken

    def abort(self) -> None:
        self.is_aborted = True

    async def aclose(self) -> None:
        self.is_closed = True


async def collect(branch: TeeBranch[int], pause_turns: int = 0) -> list[int]:
    found = []
    async for number in branch:
        found.append(number)
        await turns(pause_turns)
    return found


@pytest.mark.parametrize("capacity", [1, 2, 100])
@pytest.mark.parametrize("branches", [1, 2, 5])
async def test_every_branch_gets_everything_in_order(branches: int, capacity: int) -> None:
    found = await asyncio.gather(
        *(
            collect(branch, pause_turns=number)
            for number, branch in enumerate(tee(Numbers(50), ["block"] * branches, capacity=capacity))
        )
    )
    assert found == [list(range(50))] * branches


async def test_slow_branch_that_blocks_slows_all() -> None:
    fast, slow = tee(Numbers(50), ["block", "block"], capacity=4)
    reading = asyncio.create_task(collect(fast))
    await turns(100)
    assert not reading.done()
    assert fast.statistics().popped <= 8
    assert await collect(slow) == list(range(50))
    assert await reading == list(range(50))


@pytest.mark.parametrize(("overflow", "kept"), [("overwrite", [46, 47, 48, 49]), ("drop", [0, 1, 2, 3])])
async def test_slow_branch_that_may_lose_slows_nobody_and_counts(overflow: Overflow, kept: list[int]) -> None:
    fast, slow = tee(Numbers(50), ["block", overflow], capacity=4)
    assert await collect(fast) == list(range(50))
    assert await collect(slow) == kept
    statistics = slow.statistics()
    assert statistics.dropped + statistics.overwritten == 46
    assert fast.statistics().popped == 50


async def test_error_comes_to_every_branch_after_what_it_still_holds() -> None:
    branches = tee(Numbers(5, error=StreamInterrupted("cut")), ["block", "block"], capacity=10)
    for branch in branches:
        assert [await anext(branch) for _ in range(5)] == [0, 1, 2, 3, 4]
        with pytest.raises(StreamInterrupted, match="cut"):
            await anext(branch)


async def test_branch_that_leaves_while_its_ring_is_full_lets_the_others_go_on() -> None:
    first, second = tee(Numbers(20), ["block", "block"], capacity=2)
    reading = asyncio.create_task(collect(second))
    await turns(30)
    assert not reading.done()
    await first.aclose()
    assert await reading == list(range(20))


async def test_dropped_branch_lets_the_others_go_on() -> None:
    first, second = tee(Numbers(20), ["block", "block"], capacity=2)
    reading = asyncio.create_task(collect(second))
    await turns(30)
    del first
    assert await reading == list(range(20))


async def test_last_branch_to_leave_closes_the_feed() -> None:
    feed = Numbers(20)
    first, second = tee(feed, ["block", "block"], capacity=2)
    await first.aclose()
    assert not feed.is_aborted
    async with second:
        assert await anext(second) == 0
    assert feed.is_aborted
    assert feed.is_closed
    await second.aclose()
    with pytest.raises(StreamClosed):
        await anext(second)


async def test_all_branches_closed_while_one_fetches_end_it_without_another_error() -> None:
    first, second = tee(Numbers(20), ["block", "block"], capacity=2)
    reading = asyncio.create_task(collect(second))
    await turns(30)
    await second.aclose()
    await first.aclose()
    with pytest.raises(StreamClosed):
        await reading


@pytest.mark.parametrize("seed", range(10))
async def test_branches_cancelled_at_any_turn_lose_and_double_nothing(seed: int) -> None:
    async def read(branch: TeeBranch[int], name: int) -> list[int]:
        pick = random.Random(f"{seed} {name}")
        found: list[int] = []
        while True:
            try:
                outcome = await cancelled_after(pick.randrange(8), anext(branch))
            except StopAsyncIteration:
                return found
            if outcome is not CANCELLED:
                found.append(outcome)  # type: ignore[arg-type]

    branches = tee(Numbers(40), ["block"] * 3, capacity=random.Random(seed).randint(1, 5))
    found = await asyncio.gather(*(read(branch, name) for name, branch in enumerate(branches)))
    assert found == [list(range(40))] * 3
