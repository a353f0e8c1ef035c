"""What is leased is fetched once for all who ask, renewed ahead, and held by nobody who left."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import Future

import pytest

from exllm.credentials import lease as module
from exllm.credentials.lease import PAUSE_S, RENEW_AHEAD_S, REREAD_S, SAFE_S, Granted, Lease
from exllm.errors import AuthenticationError
from tests.credentials.threads import WITHIN_S, fetching, until


class Desk:
    """Gives out 1, 2, 3 ..., each for `lifetime_s`, when `gate` is open; fails while there is an `error`."""

    def __init__(self, lifetime_s: float | None = 3600.0) -> None:
        self.now = 1_000_000.0
        self.lifetime_s = lifetime_s
        self.error: Exception | None = None
        self.gate = threading.Event()
        self.gate.set()
        self.entered = threading.Semaphore(0)
        self.count = 0
        self.at_once = 0
        self.most_at_once = 0
        self.threads: set[int] = set()

    def fetch(self) -> Granted[int]:
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        self.threads.add(threading.get_ident())
        self.entered.release()
        try:
            assert self.gate.wait(WITHIN_S)
            self.count += 1
            if self.error is not None:
                raise self.error
            return Granted(self.count, None if self.lifetime_s is None else self.now + self.lifetime_s)
        finally:
            self.at_once -= 1


@pytest.fixture
def desk(monkeypatch: pytest.MonkeyPatch) -> Desk:
    desk = Desk()
    monkeypatch.setattr(module, "unix_time", lambda: desk.now)
    return desk


async def idle(lease: Lease[int]) -> None:
    await until(lambda: lease._worker is None)


async def test_those_who_ask_at_once_share_one_fetch_in_another_thread(desk: Desk) -> None:
    lease = Lease(desk.fetch)
    assert await asyncio.gather(*[lease.get() for _ in range(50)]) == [1] * 50
    assert (desk.count, desk.most_at_once) == (1, 1)
    assert threading.get_ident() not in desk.threads


async def test_the_loop_is_free_while_it_is_fetched(desk: Desk) -> None:
    lease = Lease(desk.fetch)
    desk.gate.clear()
    waiting = asyncio.create_task(lease.get())
    for _ in range(20):
        await asyncio.sleep(0)
    assert not waiting.done()
    desk.gate.set()
    assert await waiting == 1


async def test_it_is_kept_until_shortly_before_its_end_then_renewed_behind_the_callers_back(desk: Desk) -> None:
    lease = Lease(desk.fetch)
    assert await lease.get() == 1
    desk.now += 3600 - RENEW_AHEAD_S - 1
    assert await lease.get() == 1
    await idle(lease)
    assert desk.count == 1
    desk.now += 2
    desk.gate.clear()
    assert [await lease.get() for _ in range(5)] == [1] * 5  # nobody waits for the new one
    desk.gate.set()
    await idle(lease)
    assert await lease.get() == 2
    assert desk.count == 2


async def test_what_is_about_to_expire_is_waited_for(desk: Desk) -> None:
    lease = Lease(desk.fetch)
    await lease.get()
    desk.now += 3600 - SAFE_S
    assert await lease.get() == 2


async def test_a_renewal_that_fails_is_tried_again_later_and_told_only_when_there_is_nothing_left(desk: Desk) -> None:
    lease = Lease(desk.fetch)
    await lease.get()
    desk.error = AuthenticationError("no")
    desk.now += 3600 - RENEW_AHEAD_S + 1
    assert await lease.get() == 1
    await idle(lease)
    assert await lease.get() == 1
    await idle(lease)
    assert desk.count == 2  # the pause holds
    desk.now += PAUSE_S + 1
    assert await lease.get() == 1
    await idle(lease)
    assert desk.count == 3
    desk.now += RENEW_AHEAD_S
    with pytest.raises(AuthenticationError):
        await lease.get()
    desk.error = None
    assert await lease.get() == 5


async def test_a_failure_is_raised_to_all_who_waited_and_not_kept(desk: Desk) -> None:
    lease = Lease(desk.fetch)
    desk.error = AuthenticationError("no")
    desk.gate.clear()
    waiting = [asyncio.create_task(lease.get()) for _ in range(3)]
    await asyncio.sleep(0)
    desk.gate.set()
    results = await asyncio.gather(*waiting, return_exceptions=True)
    assert [type(result) for result in results] == [AuthenticationError] * 3
    assert len({id(result) for result in results}) == 3  # each call notes its own facts on its error
    assert desk.count == 1
    desk.error = None
    assert await lease.get() == 2


async def test_what_names_no_end_is_read_again_now_and_then(desk: Desk) -> None:
    desk.lifetime_s = None
    lease = Lease(desk.fetch)
    assert await lease.get() == 1
    desk.now += REREAD_S - 1
    assert await lease.get() == 1
    desk.now += 2
    assert await lease.get() == 1
    await idle(lease)
    assert await lease.get() == 2


async def test_what_lives_shorter_than_the_renewal_leads_is_not_fetched_for_every_call(desk: Desk) -> None:
    desk.lifetime_s = 60.0
    lease = Lease(desk.fetch)
    for _ in range(5):
        assert await lease.get() == 1
    await idle(lease)
    assert desk.count == 1


async def test_who_is_cancelled_leaves_the_fetch_to_the_others(desk: Desk) -> None:
    lease = Lease(desk.fetch)
    desk.gate.clear()
    first, second = asyncio.create_task(lease.get()), asyncio.create_task(lease.get())
    await until(lambda: desk.entered.acquire(blocking=False))
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    desk.gate.set()
    assert await second == 1
    assert desk.count == 1


async def test_when_all_are_cancelled_the_thread_ends_and_what_it_fetched_serves_the_next(desk: Desk) -> None:
    lease = Lease(desk.fetch)
    desk.gate.clear()
    only = asyncio.create_task(lease.get())
    await until(lambda: desk.entered.acquire(blocking=False))
    only.cancel()
    with pytest.raises(asyncio.CancelledError):
        await only
    desk.gate.set()
    await until(lambda: not fetching())
    assert await lease.get() == 1


def test_a_loop_that_ends_while_it_is_fetched_leaves_nothing_and_the_next_loop_gets_it(desk: Desk) -> None:
    lease = Lease(desk.fetch)
    desk.gate.clear()

    async def leave() -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.02):
                await lease.get()

    asyncio.run(leave(), debug=True)  # returns although the thread still waits
    desk.gate.set()
    assert asyncio.run(lease.get()) == 1
    assert desk.count == 1


def test_loops_of_several_threads_share_one_fetch(desk: Desk) -> None:
    lease = Lease(desk.fetch)
    desk.gate.clear()
    results: list[int] = []
    threads = [threading.Thread(target=lambda: results.append(asyncio.run(lease.get()))) for _ in range(4)]
    for thread in threads:
        thread.start()
    assert desk.entered.acquire(timeout=WITHIN_S)
    desk.gate.set()
    for thread in threads:
        thread.join(WITHIN_S)
    assert results == [1] * 4
    assert desk.most_at_once == 1


async def test_a_worker_lost_in_a_fork_is_replaced(desk: Desk) -> None:
    lease = Lease(desk.fetch)
    dead = threading.Thread(target=lambda: None)
    dead.start()
    dead.join()
    lease._worker = dead, Future()  # what a child process sees of its parent's thread
    async with asyncio.timeout(WITHIN_S):
        assert await lease.get() == 1
