"""Cursors in a SQLite file, which several tasks and processes may use at once."""

from __future__ import annotations

import builtins
import os
import sqlite3
import time
from pathlib import Path
from typing import Any

import msgspec

from exllm.recovery.stores import DEFAULT_KEEP_S, check_keep
from exllm.sqlite_file import SQLiteFile
from exllm.types.cursor import Cursor

_SCHEMA = """
CREATE TABLE IF NOT EXISTS exllm_cursors (id TEXT PRIMARY KEY, updated_at REAL NOT NULL, cursor BLOB NOT NULL);
CREATE INDEX IF NOT EXISTS exllm_cursors_by_time ON exllm_cursors (updated_at);
"""
_ENCODER = msgspec.json.Encoder()
_DECODER = msgspec.json.Decoder(Cursor)


class SQLiteStore:
    """See `RecoveryStore`. What is saved is on the disk when `save` returns, and survives a killed process.

    `get` reads at once, the rest in a thread: it is one row by its key.

    Args:
        path: of the file; made when it is not there, readable by its owner alone, since answers may be private.
        keep_s: seconds after its last change until a cursor expires.

    Raises: ConfigurationError, from every call, for a file that cannot be used.
    """

    def __init__(self, path: str | os.PathLike[str], *, keep_s: float = DEFAULT_KEEP_S) -> None:
        self._file = SQLiteFile(path, _SCHEMA)
        self._keep_s = check_keep(keep_s)

    async def save(self, cursor: Cursor) -> None:
        """See `RecoveryStore.save`."""
        data = _ENCODER.encode(cursor)

        def write(database: sqlite3.Connection) -> None:
            database.execute("DELETE FROM exllm_cursors WHERE updated_at < ?", (self._oldest(),))
            database.execute(
                "INSERT OR REPLACE INTO exllm_cursors VALUES (?, ?, ?)", (cursor.id, cursor.updated_at, data)
            )

        await self._file.write(write)

    def get(self, id: str) -> Cursor | None:
        """See `RecoveryStore.get`."""
        with self._file.open() as database:
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

        return await self._file.read(read)

    async def delete(self, id: str) -> None:
        """See `RecoveryStore.delete`."""
        await self._file.write(lambda database: database.execute("DELETE FROM exllm_cursors WHERE id = ?", (id,)))

    async def clear(self) -> int:
        """See `RecoveryStore.clear`."""
        return await self._file.write(lambda database: database.execute("DELETE FROM exllm_cursors").rowcount)

    def _oldest(self) -> float:
        return time.time() - self._keep_s

    def __reduce__(self) -> tuple[Any, ...]:
        return _remade, (self._file.path, self._keep_s)


def _remade(path: Path, keep_s: float) -> SQLiteStore:
    return SQLiteStore(path, keep_s=keep_s)
