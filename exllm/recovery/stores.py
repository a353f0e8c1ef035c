"""Where the cursors of unfinished answers are kept."""

from __future__ import annotations

import builtins
import time
from typing import Protocol, runtime_checkable

from exllm.types.cursor import Cursor

DEFAULT_KEEP_S = 24 * 3600.0


@runtime_checkable
class RecoveryStore(Protocol):
    """Keeps the newest cursor of each answer, by its id, for a while."""

    async def save(self, cursor: Cursor) -> None:
        """Keep `cursor` in place of an older one of the same answer."""

    def get(self, id: str) -> Cursor | None:
        """The cursor of an answer; None where there is none, or it has expired. Takes well below a millisecond."""

    async def list(self) -> builtins.list[Cursor]:
        """All that are kept and have not expired, the newest first."""

    async def delete(self, id: str) -> None:
        """Forget an answer, if it is there."""

    async def clear(self) -> int:
        """Forget all; returns how many there were, with those that had expired."""


class MemoryStore:
    """Cursors in this process.

    Args:
        keep_s: seconds after its last change until a cursor expires.
    """

    def __init__(self, *, keep_s: float = DEFAULT_KEEP_S) -> None:
        self._keep_s = check_keep(keep_s)
        self._cursors: dict[str, Cursor] = {}

    async def save(self, cursor: Cursor) -> None:
        """See `RecoveryStore.save`."""
        self._cursors[cursor.id] = cursor
        self._forget_expired()

    def get(self, id: str) -> Cursor | None:
        """See `RecoveryStore.get`."""
        self._forget_expired()
        return self._cursors.get(id)

    async def list(self) -> builtins.list[Cursor]:
        """See `RecoveryStore.list`."""
        self._forget_expired()
        return sorted(self._cursors.values(), key=lambda cursor: -cursor.updated_at)

    async def delete(self, id: str) -> None:
        """See `RecoveryStore.delete`."""
        self._cursors.pop(id, None)

    async def clear(self) -> int:
        """See `RecoveryStore.clear`."""
        count = len(self._cursors)
        self._cursors.clear()
        return count

    def _forget_expired(self) -> None:
        oldest = time.time() - self._keep_s
        for id_ in [id_ for id_, cursor in self._cursors.items() if cursor.updated_at < oldest]:
            del self._cursors[id_]


def check_keep(keep_s: float) -> float:
    """Refuse what is no time. Raises ValueError."""
    if not keep_s > 0:
        raise ValueError(f"keep_s must be above 0 seconds, got {keep_s!r}")
    return keep_s
