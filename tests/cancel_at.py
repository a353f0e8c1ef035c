"""Cancel a coroutine at its k-th await, for every k: whatever it was waiting for, it must clean up."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Generator
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class CancelAt(Generic[T]):
    """Awaits `work`, and cancels the task that does so when `work` suspends for the `step`-th time.

    The cancellation comes `late` turns of the loop after that, when what was waited for may have happened already.
    """

    def __init__(self, work: Coroutine[Any, Any, T], step: int, late: int = 0) -> None:
        self._work = work
        self._step = step
        self._late = late
        self.steps = 0

    def __await__(self) -> Generator[Any, Any, T]:
        inner = self._work.__await__()
        resume: Any = inner.send
        given: Any = None
        while True:
            try:
                waited_for = resume(given)
            except StopIteration as end:
                result: T = end.value
                return result
            self.steps += 1
            if self.steps == self._step:
                task = asyncio.current_task()
                assert task is not None
                _cancel_later(task, self._late)
            try:
                given = yield waited_for
                resume = inner.send
            except BaseException as error:  # noqa: BLE001 - handed on to the work
                given, resume = error, inner.throw


def _cancel_later(task: asyncio.Task[Any], turns: int) -> None:
    loop = asyncio.get_running_loop()
    if turns:
        loop.call_soon(_cancel_later, task, turns - 1)
    else:
        loop.call_soon(task.cancel)
