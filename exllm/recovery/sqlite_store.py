"""Cursors in a SQLite file, which several tasks and processes may use at once."""

from __future__ import annotations

import asyncio
import builtins
import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from exllm.errors import ConfigurationError
from exllm.recovery.stores import DEFAULT_KEEP_S, check_keep
from exllm.types.cursor import Cursor

T = TypeVar("T")

BUSY_S = 10.0
"""How long to wait for another process that writes."""

_SCHEMA = """
CREATE TABLE IF NOT EXISTS exllm_cursors (id TEXT PRIMARY KEY, updated_at REAL NOT NULL, cursor BLOB NOT NULL);
CREATE INDEX IF NOT EXISTS exllm_cursors_by_time ON exllm_cursors (updated_at);
"""
_ENCODER = msgspec.json.Encoder()
_DECODER = msgspec.json.Decoder(Cursor)


class SQLiteStore:
    """See `RecoveryStore`. What is saved is on the disk when `save` returns, and survives a killed process.

    Every call opens the file anew, in a thread, so that there is nothing to close. `get` alone reads at once: one row
    by its key.

    Args:
        path: of the file; made when it is not there, readable by its owner alone, since answers may be private.
        keep_s: seconds after its last change until a cursor expires.

    Raises: ConfigurationError, from every call, for a file that cannot be used.
    """

    def __init__(self, path: str | os.PathLike[str], *, keep_s: float = DEFAULT_KEEP_S) -> None:
        self._path = Path(path).expanduser()
        self._keep_s = check_keep(keep_s)
        self._is_ready = False

    async def save(self, cursor: Cursor) -> None:
        """See `RecoveryStore.save`."""
        data = _ENCODER.encode(cursor)

        def write(database: sqlite3.Connection) -> None:
            database.execute("DELETE FROM exllm_cursors WHERE updated_at < ?", (self._oldest(),))
            database.execute(
                "INSERT OR REPLACE INTO exllm_cursors VALUES (?, ?, ?)", (cursor.id, cursor.updated_at, data)
            )

        await self._in_thread(write)

    def get(self, id: str) -> Cursor | None:
        """See `RecoveryStore.get`."""
        with self._open() as database:
            row = database.execute(
                "SELECT cursor FROM exllm_cursors WHERE id = ? AND updated_at >= ?", (id, self._oldest())
            ).fetchone()
        return None if row is None else _DECODER.decode(row[0])

    async def list(self) -> builtins.list[Cursor]:
        """See `RecoveryStore.list`."""

        def read(database: sqlite3.Connection) -> builtins.list[Cursor]:
            rows = database.execute(
                "SELECT cursor FROM exllm_cursors WHERE updated_at >= ? ORDER BY updated_at DESC", (self._oldest(),)
            )
            return [_DECODER.decode(data) for (data,) in rows]

        return await self._in_thread(read)

    async def delete(self, id: str) -> None:
        """See `RecoveryStore.delete`."""
        await self._in_thread(lambda database: database.execute("DELETE FROM exllm_cursors WHERE id = ?", (id,)))

    async def clear(self) -> int:
        """See `RecoveryStore.clear`."""
        return await self._in_thread(lambda database: database.execute("DELETE FROM exllm_cursors").rowcount)

    async def _in_thread(self, work: Callable[[sqlite3.Connection], T]) -> T:
        def run() -> T:
            with self._open() as database, database:  # the second: commits, or rolls back
                return work(database)

        return await asyncio.to_thread(run)

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        try:
            if not self._is_ready:
                self._path.touch(mode=0o600, exist_ok=True)
            database = sqlite3.connect(self._path, timeout=BUSY_S)
        except (OSError, sqlite3.Error) as error:
            raise ConfigurationError(f"cannot open {self._path}: {error}") from error
        try:
            if not self._is_ready:
                # Readers and the writer do not wait for each other; a power cut may cost the newest second, no more.
                database.execute("PRAGMA journal_mode=WAL")
                database.executescript(_SCHEMA)
                self._is_ready = True
            database.execute("PRAGMA synchronous=NORMAL")
            yield database
        except sqlite3.Error as error:
            raise ConfigurationError(f"{self._path} cannot be used: {error}") from error
        finally:
            database.close()

    def _oldest(self) -> float:
        return time.time() - self._keep_s

    def __reduce__(self) -> tuple[Any, ...]:
        return _remade, (self._path, self._keep_s)


def _remade(path: Path, keep_s: float) -> SQLiteStore:
    return SQLiteStore(path, keep_s=keep_s)
