"""A lock that is given in the order of asking, to tasks of any event loop."""

from __future__ import annotations

import asyncio
import threading
from collections import deque


class FairLock:
    """First come, first served. `acquire` in a task, `release` in any thread.

    A waiter that is cancelled leaves the line; one that was cancelled just when its turn came passes it on.
    """

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._line: deque[_Waiter] = deque()
        self._is_held = False

    @property
    def waiting(self) -> int:
        """How many stand in line."""
        return len(self._line)

    async def acquire(self) -> None:
        """Return when it is the caller's turn; `release` must follow."""
        loop = asyncio.get_running_loop()
        with self._guard:
            if not self._is_held:
                self._is_held = True
                return
            waiter = _Waiter(loop)
            self._line.append(waiter)
        try:
            await waiter.turn
        except BaseException:
            with self._guard:
                try:
                    self._line.remove(waiter)
                    was_given = False
                except ValueError:
                    was_given = True
            if was_given:
                self.release()
            raise

    def release(self) -> None:
        """Hand the lock to the next in line."""
        while True:
            with self._guard:
                if not self._line:
                    self._is_held = False
                    return
                waiter = self._line.popleft()
            try:
                waiter.loop.call_soon_threadsafe(waiter.give)
                return
            except RuntimeError:
                continue  # its event loop was closed while it waited


class _Waiter:
    __slots__ = ("loop", "turn")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.turn: asyncio.Future[None] = loop.create_future()

    def give(self) -> None:
        if not self.turn.done():
            self.turn.set_result(None)
