from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable

import pytest

from exllm.local.handoff import Handoff, HandoffClosed
from tests.local.waiting import until


def _thread(target: Callable[[], None]) -> threading.Thread:
    thread = threading.Thread(target=target)
    thread.start()
    return thread


async def _ended(thread: threading.Thread) -> None:
    await asyncio.to_thread(thread.join, 5)
    assert not thread.is_alive()


async def test_items_come_out_in_order_and_then_the_end() -> None:
    handoff: Handoff[int] = Handoff(4, asyncio.get_running_loop())

    def produce() -> None:
        for start in range(0, 1000, 3):
            handoff.put(range(start, min(start + 3, 1000)))
        handoff.finish()

    thread = _thread(produce)
    seen = []
    while True:
        try:
            seen.append(await handoff.get())
        except StopAsyncIteration:
            break
    assert seen == list(range(1000))
    await _ended(thread)


async def test_the_thread_sleeps_while_there_is_no_room() -> None:
    handoff: Handoff[int] = Handoff(4, asyncio.get_running_loop())
    put = 0

    def produce() -> None:
        nonlocal put
        for number in range(12):
            handoff.put([number])
            put += 1
        handoff.finish()

    thread = _thread(produce)
    await until(lambda: handoff.waited_for_room)
    assert put == 4
    assert [await handoff.get() for _ in range(12)] == list(range(12))
    await _ended(thread)
    assert handoff.waited_for_room >= 2


async def test_closing_wakes_a_thread_that_waits_for_room() -> None:
    handoff: Handoff[int] = Handoff(1, asyncio.get_running_loop())
    outcome: list[str] = []

    def produce() -> None:
        try:
            handoff.put([1, 2, 3])
        except HandoffClosed:
            outcome.append("closed")

    thread = _thread(produce)
    await until(lambda: handoff.waited_for_room)
    handoff.close()
    await _ended(thread)
    assert outcome == ["closed"]


async def test_an_error_comes_after_the_items() -> None:
    handoff: Handoff[int] = Handoff(8, asyncio.get_running_loop())
    handoff.put([1, 2])
    handoff.finish(ValueError("broken"))
    assert [await handoff.get(), await handoff.get()] == [1, 2]
    with pytest.raises(ValueError, match="broken"):
        await handoff.get()


async def test_a_cancelled_reader_loses_nothing() -> None:
    handoff: Handoff[int] = Handoff(8, asyncio.get_running_loop())
    reader = asyncio.create_task(handoff.get())
    await asyncio.sleep(0)
    handoff.put([7])
    reader.cancel()
    await asyncio.wait([reader])
    assert await handoff.get() == 7


def test_a_thread_whose_event_loop_is_gone_is_told_to_end() -> None:
    loop = asyncio.new_event_loop()
    handoff: Handoff[int] = Handoff(8, loop)
    reader = loop.create_task(handoff.get())
    loop.run_until_complete(asyncio.sleep(0))
    reader.cancel()
    loop.run_until_complete(asyncio.wait([reader]))
    waiting = loop.create_task(handoff.get())
    loop.run_until_complete(asyncio.sleep(0))
    waiting._log_destroy_pending = False  # type: ignore[attr-defined]
    loop.close()
    handoff.put([1])
    with pytest.raises(HandoffClosed):
        handoff.put([2])
    waiting.get_coro().close()  # type: ignore[union-attr]
