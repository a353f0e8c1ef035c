"""Tasks that wait for a level in a buffer, in the order in which they came."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable


class _Waiter:
    """Somebody in line. `level`: how many items there must be at least (consumer) or at most (producer)."""

    __slots__ = ("future", "is_late", "level")

    def __init__(self, level: int, future: asyncio.Future[None]) -> None:
        self.level = level
        self.future = future
        self.is_late = False

    def wake(self) -> None:
        if not self.future.done():
            self.future.set_result(None)

    def expire(self) -> None:
        self.is_late = True
        self.wake()


class WaitingLine:
    """Waiters in the order in which they came. Only the first is ever woken, and it stays first until it is served."""

    __slots__ = ("_since", "_total_s", "times", "waiters")

    def __init__(self) -> None:
        self.waiters: list[_Waiter] = []  # hardly ever more than one, and a deque takes 760 bytes
        self._since = 0.0
        self._total_s = 0.0
        self.times = 0  # how often somebody began to wait while nobody else did

    async def wait(self, level: int, is_served: Callable[[], bool], timeout_s: float | None = None) -> None:
        """Stand in line until first and served, or until the time is up; then leave it. The caller wakes the next."""
        if not self.waiters and is_served():
            return
        loop = asyncio.get_running_loop()
        if not self.waiters:
            self._since = time.monotonic()
            self.times += 1
        waiter = _Waiter(level, loop.create_future())
        timer = None if timeout_s is None else loop.call_later(timeout_s, waiter.expire)
        self.waiters.append(waiter)
        try:
            await waiter.future
            while not waiter.is_late and not is_served():
                # Somebody who does not stand in line was quicker.
                waiter.future = loop.create_future()
                await waiter.future
        finally:
            if timer is not None:
                timer.cancel()
            self.waiters.remove(waiter)
            if not self.waiters:
                self._total_s += time.monotonic() - self._since

    def wake(self) -> None:
        if self.waiters:
            self.waiters[0].wake()

    def wake_for(self, size: int) -> None:
        """Wake the first if it waits for `size` items or fewer."""
        if self.waiters and size >= self.waiters[0].level:
            self.waiters[0].wake()

    def wake_at(self, size: int) -> None:
        """Wake the first if it waits for no more than `size` items to be left."""
        if self.waiters and size <= self.waiters[0].level:
            self.waiters[0].wake()

    def waited_s(self) -> float:
        return self._total_s + (time.monotonic() - self._since if self.waiters else 0.0)
