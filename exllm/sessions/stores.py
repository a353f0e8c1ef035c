"""Where sessions are kept: what every store does, and which one an address stands for."""

from __future__ import annotations

import builtins
import os
import secrets
from pathlib import Path
from typing import Protocol, runtime_checkable

import msgspec

from exllm.errors import ConfigurationError, NotFound, SessionConflict
from exllm.sessions.session import Session, SessionStatus


class SessionInfo(msgspec.Struct, frozen=True):
    """A session in a list: without what was said.

    Attributes:
        messages: how many.
        turns: how many.
        total_tokens, cost_usd: of all answers; None where that is not known.
        created_at, updated_at: Unix times in seconds.
    """

    id: str
    name: str | None
    model: str
    status: SessionStatus
    messages: int
    turns: int
    total_tokens: int | None
    cost_usd: float | None
    created_at: float
    updated_at: float


_INFO = msgspec.json.Decoder(SessionInfo)


@runtime_checkable
class SessionStore(Protocol):
    """Keeps sessions by their id. Several tasks and processes may use one at the same time."""

    async def save(self, session: Session) -> Session:
        """Keep `session`; returns it with its new `revision`, for the next save.

        Raises: SessionConflict where the store has another revision of it than the one that it was made from, or has it
            no longer; nothing is changed then.
        """

    async def load(self, id: str) -> Session:
        """The newest revision. Raises: NotFound."""

    async def list(self) -> builtins.list[SessionInfo]:
        """All that are kept, the last changed first."""

    async def delete(self, id: str) -> None:
        """Forget a session, if it is there."""

    async def exists(self, id: str) -> bool:
        """Whether it is kept."""


def store_of(store: SessionStore | str | os.PathLike[str] | None) -> SessionStore | None:
    """The store that an argument stands for.

    ``redis://...`` and its kind is a `RedisStore`; a folder, or a path that ends with ``/``, a `FileStore`; any other
    path a `SQLiteStore`.
    """
    if store is None or not isinstance(store, str | os.PathLike):
        if store is not None and not isinstance(store, SessionStore):
            raise TypeError(f"store must have save, load, list, delete and exists; {type(store).__name__} has not")
        return store
    address = os.fspath(store)
    if address.partition("://")[0] in ("redis", "rediss", "unix"):
        from exllm.sessions.redis_store import RedisStore

        return RedisStore(address)
    if address.endswith(("/", os.sep)) or Path(address).expanduser().is_dir():
        from exllm.sessions.file_store import FileStore

        return FileStore(address)
    from exllm.sessions.sqlite_store import SQLiteStore

    return SQLiteStore(address)


def info_of(session: Session) -> SessionInfo:
    """What a list says of `session`."""
    return SessionInfo(
        session.id, session.name, session.model, session.status, len(session.messages), len(session.turn_starts),
        session.usage.total_tokens, session.cost.total, session.created_at, session.updated_at,
    )  # fmt: skip


def info_from(data: bytes | str) -> SessionInfo:
    """What `info_of` said, from its JSON. Raises ConfigurationError."""
    try:
        return _INFO.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"a row of this store is no session of exllm: {error}") from error


def with_new_revision(session: Session) -> Session:
    """`session` as it will be stored. Its tag is random: a session that was deleted and made anew has another one."""
    return msgspec.structs.replace(session, revision=secrets.token_hex(8))


def conflict(session: Session, stored: str | None) -> SessionConflict:
    """The error for a save that came too late; `stored` is the revision that is there."""
    if stored is None:
        words = "it was deleted from its store, or has expired there, or is of another store"
    elif not session.revision:
        words = "there is one with this id already"
    else:
        words = "it was changed in its store since it was loaded"
    return SessionConflict(
        f"session {session.id!r} was not saved: {words}; load it again, or keep both with exllm.sessions.fork(session)"
    )


def not_found(id: str) -> NotFound:
    """The error for a session that is not there."""
    return NotFound(f"there is no session with the id {id!r}")
