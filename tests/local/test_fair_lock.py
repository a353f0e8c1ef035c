from __future__ import annotations

import asyncio
import contextlib
import random
import threading

from exllm.local.fair_lock import FairLock


async def _settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_it_is_given_in_the_order_of_asking() -> None:
    lock, order = FairLock(), []

    async def use(number: int) -> None:
        await lock.acquire()
        order.append(number)
        await asyncio.sleep(0)
        lock.release()

    await asyncio.gather(*(use(number) for number in range(20)))
    assert order == list(range(20))


async def test_a_cancelled_waiter_leaves_the_line() -> None:
    lock = FairLock()
    await lock.acquire()
    waiters = [asyncio.create_task(lock.acquire()) for _ in range(3)]
    await _settle()
    assert lock.waiting == 3
    waiters[0].cancel()
    await _settle()
    assert lock.waiting == 2
    lock.release()
    await waiters[1]
    assert not waiters[2].done()
    lock.release()
    await waiters[2]


async def test_a_waiter_cancelled_as_its_turn_comes_passes_it_on() -> None:
    lock = FairLock()
    await lock.acquire()
    first, second = asyncio.create_task(lock.acquire()), asyncio.create_task(lock.acquire())
    await _settle()
    lock.release()  # the turn is on its way to the first
    first.cancel()
    async with asyncio.timeout(1):
        await second
    assert first.cancelled()


async def test_it_is_free_again_after_any_mixture_of_cancellations() -> None:
    chance = random.Random(7)
    lock = FairLock()
    held = 0

    async def use() -> None:
        nonlocal held
        await lock.acquire()
        held += 1
        assert held == 1
        try:
            await asyncio.sleep(0)
        finally:
            held -= 1
            lock.release()

    for _ in range(50):
        tasks = [asyncio.create_task(use()) for _ in range(10)]
        for task in tasks:
            if chance.random() < 0.5:
                await asyncio.sleep(0)
                task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    assert lock.waiting == 0
    async with asyncio.timeout(1):
        await lock.acquire()


async def test_any_thread_may_release_it() -> None:
    lock = FairLock()
    await lock.acquire()
    waiter = asyncio.create_task(lock.acquire())
    await _settle()
    thread = threading.Thread(target=lock.release)
    thread.start()
    async with asyncio.timeout(1):
        await waiter
    thread.join()


def test_it_goes_on_past_an_event_loop_that_was_closed() -> None:
    lock = FairLock()
    asyncio.run(lock.acquire())
    gone = asyncio.new_event_loop()
    lost = gone.create_task(lock.acquire())
    gone.run_until_complete(asyncio.sleep(0))
    gone.close()  # with its task still in line

    async def last() -> None:
        waiter = asyncio.create_task(lock.acquire())
        await asyncio.sleep(0)
        lock.release()
        async with asyncio.timeout(1):
            await waiter

    asyncio.run(last())
    lost._log_destroy_pending = False  # type: ignore[attr-defined]
    with contextlib.suppress(RuntimeError):
        lost.get_coro().close()  # type: ignore[union-attr]
