"""Time limits that are hardly ever reached, at next to no cost: all of an event loop behind one timer."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable

from exllm.streaming.loop_end import end_with_loop

SOON_S = 1.0
"""How far ahead an alarm gets a timer of its own."""


class Alarm:
    """Something to be called at a moment of its loop's clock. Made by `LoopAlarms.set`."""

    __slots__ = ("_far", "action", "at", "timer")

    def __init__(self, at: float, action: Callable[[], None], far: dict[Alarm, None]) -> None:
        self.at = at
        self.action = action
        self.timer: asyncio.TimerHandle | None = None
        self._far = far

    def cancel(self) -> None:
        """It is not to be called; fine where it was."""
        if self.timer is None:
            self._far.pop(self, None)
        else:
            self.timer.cancel()


class LoopAlarms:
    """The alarms of one event loop.

    `loop.call_at` and the cancelling of it cost several microseconds, and a cancelled timer stays in the loop's heap.
    Nearly every limit is cancelled long before its time. So those that are far ahead only stand in a dict; one timer
    looks through them, at most once in `SOON_S`, and gives a timer of its own to each that has come near.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._far: dict[Alarm, None] = {}
        self._look_at = math.inf
        self._looker: asyncio.TimerHandle | None = None

    def set(self, at: float, action: Callable[[], None]) -> Alarm:
        """Call `action` at `at`, never before and hardly after."""
        alarm = Alarm(at, action, self._far)
        look_at = at - SOON_S
        if look_at >= self._look_at:
            self._far[alarm] = None
        elif look_at <= self._loop.time():
            alarm.timer = self._loop.call_at(at, action)
        else:
            self._far[alarm] = None
            self._arm(look_at)
        return alarm

    def loop_ends(self) -> None:
        """See `EndsWithLoop`."""
        _alarms.pop(self._loop, None)
        if self._looker is not None:
            self._looker.cancel()

    def _arm(self, at: float) -> None:
        if self._looker is not None:
            self._looker.cancel()
        self._look_at = at
        self._looker = self._loop.call_at(at, self._look)

    def _look(self) -> None:
        self._looker, self._look_at = None, math.inf
        soon = self._loop.time() + 2 * SOON_S  # the next look is at least one `SOON_S` away
        for alarm in [alarm for alarm in self._far if alarm.at < soon]:
            del self._far[alarm]
            alarm.timer = self._loop.call_at(alarm.at, alarm.action)
        if self._far:
            self._arm(min(alarm.at for alarm in self._far) - SOON_S)


def alarms_of(loop: asyncio.AbstractEventLoop) -> LoopAlarms:
    """Those of `loop`, which is the running one."""
    found = _alarms.get(loop)
    if found is None:
        for other in list(_alarms):
            if other.is_closed():  # without a shutdown
                _alarms.pop(other, None)
        found = _alarms[loop] = LoopAlarms(loop)
        end_with_loop(found)
    return found


_alarms: dict[asyncio.AbstractEventLoop, LoopAlarms] = {}
