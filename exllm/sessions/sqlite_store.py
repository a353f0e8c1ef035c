"""Sessions in a SQLite file: a row per session and a row per message."""

from __future__ import annotations

import builtins
import os
import sqlite3
from typing import Any

import msgspec

from exllm.sessions.known_history import KnownHistories
from exllm.sessions.session import Session
from exllm.sessions.stores import SessionInfo, conflict, info_from, info_of, not_found, with_new_revision
from exllm.sessions.versions import join, message_row, split
from exllm.sqlite_file import SQLiteFile

_SCHEMA = """
CREATE TABLE IF NOT EXISTS exllm_sessions (
    id TEXT PRIMARY KEY, revision TEXT NOT NULL, updated_at REAL NOT NULL, info BLOB NOT NULL, head BLOB NOT NULL
);
CREATE INDEX IF NOT EXISTS exllm_sessions_by_time ON exllm_sessions (updated_at);
CREATE TABLE IF NOT EXISTS exllm_session_messages (
    session_id TEXT NOT NULL, position INTEGER NOT NULL, message BLOB NOT NULL, PRIMARY KEY (session_id, position)
) WITHOUT ROWID;
"""


class SQLiteStore:
    """See `SessionStore`. Many tasks and processes may write one file; saving a long session costs what is new in it.

    Args:
        path: of the file; made when it is not there, readable by its owner alone.

    Raises: ConfigurationError, from every call, for a file that cannot be used.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._file = SQLiteFile(path, _SCHEMA)
        self._known = KnownHistories()

    async def save(self, session: Session) -> Session:
        """See `SessionStore.save`."""
        saved = with_new_revision(session)
        kept = self._known.unchanged(session)
        head, history = split(saved)
        info = msgspec.json.encode(info_of(saved))
        rows = [(saved.id, place, message_row(history[place])) for place in range(kept, len(history))]

        def write(database: sqlite3.Connection) -> None:
            found = database.execute("SELECT revision FROM exllm_sessions WHERE id = ?", (session.id,)).fetchone()
            if (found[0] if found else "") != session.revision:
                raise conflict(session, found[0] if found else None)
            database.execute(
                "INSERT OR REPLACE INTO exllm_sessions VALUES (?, ?, ?, ?, ?)",
                (saved.id, saved.revision, saved.updated_at, info, head),
            )
            database.execute(
                "DELETE FROM exllm_session_messages WHERE session_id = ? AND position >= ?", (saved.id, kept)
            )
            database.executemany("INSERT INTO exllm_session_messages VALUES (?, ?, ?)", rows)

        await self._file.write(write)
        self._known.remember(saved)
        return saved

    async def load(self, id: str) -> Session:
        """See `SessionStore.load`."""

        def read(database: sqlite3.Connection) -> Session:
            found = database.execute("SELECT head FROM exllm_sessions WHERE id = ?", (id,)).fetchone()
            if found is None:
                raise not_found(id)
            rows = database.execute(
                "SELECT message FROM exllm_session_messages WHERE session_id = ? ORDER BY position", (id,)
            )
            return join(found[0], (message for (message,) in rows))

        session = await self._file.read(read)
        self._known.remember(session)
        return session

    async def list(self) -> builtins.list[SessionInfo]:
        """See `SessionStore.list`."""
        rows = await self._file.read(
            lambda database: database.execute("SELECT info FROM exllm_sessions ORDER BY updated_at DESC").fetchall()
        )
        return [info_from(info) for (info,) in rows]

    async def delete(self, id: str) -> None:
        """See `SessionStore.delete`."""

        def write(database: sqlite3.Connection) -> None:
            database.execute("DELETE FROM exllm_sessions WHERE id = ?", (id,))
            database.execute("DELETE FROM exllm_session_messages WHERE session_id = ?", (id,))

        await self._file.write(write)

    async def exists(self, id: str) -> bool:
        """See `SessionStore.exists`."""
        found = await self._file.read(
            lambda database: database.execute("SELECT 1 FROM exllm_sessions WHERE id = ?", (id,)).fetchone()
        )
        return found is not None

    def __reduce__(self) -> tuple[Any, ...]:
        return SQLiteStore, (self._file.path,)
