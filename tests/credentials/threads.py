"""To wait for what happens in a thread."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable

WITHIN_S = 5.0


async def until(is_so: Callable[[], bool]) -> None:
    """Wait until `is_so`, looking again and again."""
    async with asyncio.timeout(WITHIN_S):
        while not is_so():  # noqa: ASYNC110 - there is no event: threads are watched
            await asyncio.sleep(0.001)


def fetching() -> bool:
    """Whether a thread is out for credentials."""
    return any(thread.name == "exllm-credentials" for thread in threading.enumerate())
