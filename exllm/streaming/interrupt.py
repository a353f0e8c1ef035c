"""Blocks of a task that something else may end: another task, or the clock."""

from __future__ import annotations

import asyncio
import math
from types import TracebackType
from typing import Self

from exllm.streaming.alarms import Alarm, alarms_of


class Interruptible:
    """A ``with`` block of the running task; `interrupt` makes it raise TimeoutError where it waits.

    It uses `asyncio.Task.cancel` and tells its own cancellation from others' as `asyncio.timeout` does.
    """

    __slots__ = ("_cancelling", "_task", "was_interrupted")

    def __enter__(self) -> Self:
        task = asyncio.current_task()
        assert task is not None, "only a task can wait"
        self._task = task
        self._cancelling = task.cancelling()
        self.was_interrupted = False
        return self

    def interrupt(self) -> None:
        """End the block. A second call does nothing."""
        if not self.was_interrupted:
            self.was_interrupted = True
            self._task.cancel()

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        if (
            self.was_interrupted
            and self._task.uncancel() <= self._cancelling
            and kind is not None
            and issubclass(kind, asyncio.CancelledError)
        ):
            raise TimeoutError from value


class TimeLimit(Interruptible):
    """A block that may last until `at` on the loop's clock, `math.inf` for no limit. Raises TimeoutError then."""

    __slots__ = ("_alarm", "_at")

    def __init__(self, at: float) -> None:
        self._at = at
        self._alarm: Alarm | None = None

    def __enter__(self) -> Self:
        super().__enter__()
        if self._at < math.inf:
            self._alarm = alarms_of(self._task.get_loop()).set(self._at, self.interrupt)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
        super().__exit__(kind, value, traceback)


class MovingLimit(Interruptible):
    """As `TimeLimit`, for many short blocks of one task, one after another: ``with limit.until(at): ...``.

    Its alarm stays set between them and hardly ever goes off: a block costs next to nothing, and leaves nothing for
    the garbage collector to look at. Whoever has one calls `close` in the end.
    """

    __slots__ = ("_alarm", "_at")

    def __init__(self) -> None:
        self._at = math.inf
        self._alarm: Alarm | None = None

    def until(self, at: float) -> Self:
        """The next block may last until `at` on the loop's clock, `math.inf` for no limit."""
        self._at = at
        return self

    def __enter__(self) -> Self:
        super().__enter__()
        if self._at < math.inf and (self._alarm is None or self._at < self._alarm.at):
            self._set_alarm()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._at = math.inf
        super().__exit__(kind, value, traceback)

    def close(self) -> None:
        """Take back the alarm. Idempotent."""
        self._at = math.inf
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None

    def _set_alarm(self) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
        self._alarm = alarms_of(self._task.get_loop()).set(self._at, self._ring)

    def _ring(self) -> None:
        self._alarm = None
        if self._at == math.inf:  # between two blocks
            return
        if self._task.get_loop().time() >= self._at:
            self.interrupt()
        else:  # it was set for an earlier block
            self._set_alarm()
