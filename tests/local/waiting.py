"""Wait for what a thread does, which no event announces."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable


async def until(condition: Callable[[], object], most_s: float = 10.0) -> None:
    """Return when `condition` holds; fails when it does not within `most_s` seconds."""
    async with asyncio.timeout(most_s):
        while not condition():  # noqa: ASYNC110 - threads set no event
            await asyncio.sleep(0.001)


async def still(number: Callable[[], int], for_s: float = 0.15, most_s: float = 20.0) -> int:
    """The number, once it has stayed the same for `for_s` seconds; fails when it never does."""
    async with asyncio.timeout(most_s):
        while True:
            before = number()
            await asyncio.sleep(for_s)
            if number() == before:
                return before


def local_threads() -> list[str]:
    """The names of the local provider's threads that are alive."""
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("exllm")]
