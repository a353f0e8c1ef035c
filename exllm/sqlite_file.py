"""A SQLite file that several tasks and processes may use at once."""

from __future__ import annotations

import asyncio
import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from exllm.errors import ConfigurationError

T = TypeVar("T")

BUSY_S = 30.0
"""How long to wait for another process that writes."""


class SQLiteFile:
    """Every use opens the file anew, so that there is nothing to close and nothing to share between threads.

    What was written survives a killed process when a call returns. Readers and the writer do not
    wait for each other (WAL).

    Args:
        path: of the file; made when it is not there, readable by its owner alone.
        schema: statements that make its tables where they are missing.

    Raises: ConfigurationError, from every call, for a file that cannot be used.
    """

    def __init__(self, path: str | os.PathLike[str], schema: str) -> None:
        self.path = Path(path).expanduser()
        self._schema = schema
        self._is_ready = False

    async def read(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """What `work` returns, in a thread, of one state of the file."""
        return await asyncio.to_thread(self._do, work, "BEGIN")

    async def write(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """What `work` returns, in a thread, as one transaction: all of it, or nothing where it raises.

        A cancelled wait does not end the thread.
        """
        return await asyncio.to_thread(self._do, work, "BEGIN IMMEDIATE")

    def _do(self, work: Callable[[sqlite3.Connection], T], begin: str) -> T:
        with self.open() as database:
            database.execute(begin)  # a write takes its lock here, where it can wait for it
            try:
                result = work(database)
            except BaseException:
                if database.in_transaction:  # SQLite itself ends one on a full disk
                    database.execute("ROLLBACK")
                raise
            database.execute("COMMIT")
            return result

    @contextmanager
    def open(self) -> Iterator[sqlite3.Connection]:
        """A connection, outside of any transaction."""
        try:
            self._is_ready = self._is_ready and self.path.exists()  # somebody may have deleted it
            if not self._is_ready:
                self.path.touch(mode=0o600, exist_ok=True)
            database = sqlite3.connect(self.path, timeout=BUSY_S, isolation_level=None)
        except (OSError, sqlite3.Error) as error:
            raise ConfigurationError(f"cannot open {self.path}: {error}") from error
        try:
            if not self._is_ready:
                database.execute("PRAGMA journal_mode=WAL")
                database.executescript(self._schema)
                self._is_ready = True
            database.execute("PRAGMA synchronous=NORMAL")  # a power cut may cost the newest second, no more
            yield database
        except sqlite3.Error as error:
            raise ConfigurationError(f"{self.path} cannot be used: {error}") from error
        finally:
            database.close()
