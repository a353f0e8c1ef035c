"""An event loop whose clock jumps to the next timer: hours pass in no time, and every figure is exact."""

from __future__ import annotations

import asyncio
import functools
import selectors
from collections.abc import Callable, Coroutine
from typing import Any
from unittest import mock


class _Clock:
    now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


class _JumpingSelector(selectors.SelectSelector):
    def __init__(self, clock: _Clock) -> None:
        super().__init__()
        self._clock = clock

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if not ready:
            if timeout is None:
                raise RuntimeError("everybody waits and nothing can happen any more")
            self._clock.now_s += max(0.0, timeout)
        return ready


def in_virtual_time(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """Run an async test with `time.monotonic` and the loop's clock jumping; fails when tasks are left behind."""

    @functools.wraps(test)
    def run(*args: Any, **kwargs: Any) -> None:
        clock = _Clock()

        async def main() -> None:
            await test(*args, **kwargs)
            await asyncio.sleep(0)
            left = asyncio.all_tasks() - {asyncio.current_task()}
            assert not left, f"tasks were left behind: {left}"

        with (
            mock.patch("time.monotonic", clock),
            asyncio.Runner(
                debug=True, loop_factory=lambda: asyncio.SelectorEventLoop(_JumpingSelector(clock))
            ) as runner,
        ):
            # A slow callback is one whose clock jumped, which no callback does.
            runner.run(main())

    return run
