"""Steps of the event loop, counted, so that tests of waiting and cancelling need no clock."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")

CANCELLED = object()
"""What `cancelled_after` returns for a coroutine that was cancelled before its end."""


async def turns(count: int = 3) -> None:
    """Let everybody else run `count` times; three are enough for whoever was woken to run and to wake another."""
    for _ in range(count):
        await asyncio.sleep(0)


async def cancelled_after(count: int, coroutine: Coroutine[Any, Any, T]) -> T | object:
    """Run `coroutine` for `count` turns of the loop, then cancel it; return its result, or `CANCELLED`."""
    task = asyncio.create_task(coroutine)
    await turns(count)
    task.cancel()
    try:
        return await task
    except asyncio.CancelledError:
        return CANCELLED
