"""Tells streams that nobody closed when their event loop ends, while their connections can still be closed."""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import AsyncGenerator
from typing import NamedTuple, Protocol


class EndsWithLoop(Protocol):
    """Something that must not outlive its loop."""

    def loop_ends(self) -> None:
        """The loop is about to close; it still runs."""


def end_with_loop(one: EndsWithLoop) -> None:
    """Call ``one.loop_ends()`` when the running loop shuts down, unless `one` is gone by then.

    `asyncio.run` closes every asynchronous generator before it closes the loop; one such generator per loop stands
    guard for all. `one` is held weakly.
    """
    loop = asyncio.get_running_loop()
    guarded = _guards.get(loop)
    if guarded is None:
        for other in list(_guards):
            if other.is_closed():  # without a shutdown; its guard would keep it in memory
                _guards.pop(other, None)
        alive: weakref.WeakSet[EndsWithLoop] = weakref.WeakSet()
        guarded = _guards[loop] = _Guarded(_stand_guard(loop, alive), alive)
        try:
            guarded.guard.__anext__().send(None)  # up to its yield, where nothing is awaited
        except StopIteration:
            pass
    guarded.alive.add(one)


def loop_is_ending() -> bool:
    """The running loop shuts down: what is begun now will not be ended."""
    return asyncio.get_running_loop() in _ending


class _Guarded(NamedTuple):
    guard: AsyncGenerator[None, None]
    alive: weakref.WeakSet[EndsWithLoop]


async def _stand_guard(
    loop: asyncio.AbstractEventLoop, alive: weakref.WeakSet[EndsWithLoop]
) -> AsyncGenerator[None, None]:
    try:
        yield
    finally:
        _guards.pop(loop, None)
        _ending.add(loop)
        for one in list(alive):
            one.loop_ends()


_ending: weakref.WeakSet[asyncio.AbstractEventLoop] = weakref.WeakSet()
_guards: dict[asyncio.AbstractEventLoop, _Guarded] = {}
