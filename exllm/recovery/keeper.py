"""Saves an unfinished answer now and then, and never stands in its way."""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import Awaitable, Callable
from functools import partial

from exllm.recovery.settings import Recovery
from exllm.types.cursor import Cursor

SAVE_S = 5.0
"""How long the end of an answer waits for the store."""

SAVE_WHILE_RUNNING_S = 1.0
"""How long a running answer does."""

PAUSE_S = 30.0
"""How long a store that failed is left alone while the answer runs."""

_LOGGER = logging.getLogger("exllm.recovery")


class Keeper:
    """Looks after the cursor of one answer in a store.

    An answer is worth more than its safety copy: a store that fails or hangs is logged, named in `warnings`, and
    disturbs nothing; the answer goes on, and a next save is tried.

    Args:
        recovery: with a store; None keeps nothing.

    Attributes:
        warnings: for the response: why the answer was not saved.
    """

    def __init__(self, recovery: Recovery | None) -> None:
        self.warnings: tuple[str, ...] = ()
        self._store = None if recovery is None else recovery.store
        self._save_every_s = math.inf if recovery is None else recovery.save_every_s
        self._next_at = -math.inf  # when a running answer is saved again
        self._kept_id: str | None = None  # something of it may be in the store

    async def save_now_and_then(self, cursor: Callable[[], Cursor]) -> None:
        """Save a running answer, where that was long enough ago."""
        if self._store is not None and time.monotonic() >= self._next_at:
            is_saved = await self._save(cursor(), SAVE_WHILE_RUNNING_S)
            self._next_at = time.monotonic() + (self._save_every_s if is_saved else max(PAUSE_S, self._save_every_s))

    async def save(self, cursor: Cursor) -> None:
        """Save an answer that stands still."""
        await self._save(cursor, SAVE_S)

    async def forget(self) -> None:
        """The answer is whole."""
        if self._store is not None and self._kept_id is not None:
            await _within(SAVE_S, partial(self._store.delete, self._kept_id), "deleted")

    async def _save(self, cursor: Cursor, limit_s: float) -> bool:
        """Whether it is kept, where anything is."""
        if self._store is None:
            return True
        self._kept_id = cursor.id
        why = await _within(limit_s, partial(self._store.save, cursor), "saved")
        if why is not None:
            self.warnings = (f"the recovery's store failed, and the unfinished answer was not saved: {why}",)
        return why is None


async def _within(limit_s: float, work: Callable[[], Awaitable[None]], done: str) -> str | None:
    """Do what a store does; why it did not, in words, which are logged."""
    try:
        async with asyncio.timeout(limit_s) as timer:
            await work()
    except Exception as error:  # noqa: BLE001 - whatever a store raises
        is_late = isinstance(error, TimeoutError) and timer.expired()
        why = f"it took longer than {limit_s:g} s" if is_late else f"{type(error).__name__}: {error}"
        _LOGGER.warning("an answer could not be %s: %s", done, why)
        return why
    return None
