from __future__ import annotations

import asyncio
import gc
import warnings
from collections.abc import AsyncIterator

import pytest

from exllm.streaming.feeder import Feeder
from exllm.streaming.ring import RingBuffer
from tests.streaming.turns import turns


class Numbers:
    """An async iterator that is no generator: it cannot be closed, and counts what was taken from it."""

    def __init__(self, upto: int) -> None:
        self.given = 0
        self._upto = upto

    def __aiter__(self) -> AsyncIterator[int]:
        return self

    async def __anext__(self) -> int:
        if self.given == self._upto:
            raise StopAsyncIteration
        self.given += 1
        return self.given


async def test_source_is_read_into_the_ring_to_its_end() -> None:
    ring: RingBuffer[int] = RingBuffer(3)
    feeder = Feeder(Numbers(10), ring)
    feeder.start()
    feeder.start()
    assert [number async for number in ring] == list(range(1, 11))
    await feeder.aclose()


@pytest.mark.parametrize(("room", "read"), [(1, 8), (5, 4), (8, 1)])
async def test_source_is_read_only_while_there_is_as_much_room_as_asked_for(room: int, read: int) -> None:
    source, ring = Numbers(100), RingBuffer[int](8)
    feeder = Feeder(source, ring, room)
    feeder.start()
    await turns(20)
    assert source.given == len(ring) == read
    await feeder.aclose()
    assert len(ring) == 0


async def test_nothing_is_read_before_the_start() -> None:
    source = Numbers(3)
    feeder = Feeder(source, RingBuffer[int](8))
    await turns()
    assert source.given == 0
    await feeder.aclose()


def test_source_that_is_not_an_async_iterator_is_refused() -> None:
    with pytest.raises(TypeError, match="async"):
        Feeder([1, 2], RingBuffer[int](8))  # type: ignore[arg-type]


def test_feeder_that_outlives_its_loop_is_dropped_without_a_warning() -> None:
    feeders = []

    async def main() -> None:
        feeder = Feeder(Numbers(100), RingBuffer[int](2))
        feeder.start()
        await turns()
        feeders.append(feeder)

    asyncio.run(main())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        feeders.clear()
        gc.collect()


def test_feeder_of_a_loop_that_was_closed_under_it_is_dropped_without_an_error() -> None:
    loop = asyncio.new_event_loop()
    loop.set_exception_handler(lambda *_: None)  # asyncio itself complains about the task
    ring: RingBuffer[int] = RingBuffer(2)
    feeders = [Feeder(Numbers(100), ring)]

    async def main() -> None:
        feeders[0].start()
        await turns()

    loop.run_until_complete(main())
    loop.close()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        feeders.clear()
        gc.collect()
    assert len(ring) == 2
