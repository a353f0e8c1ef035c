"""Sessions in Redis: a hash per session and a list of its messages. Needs the extra ``redis``."""

from __future__ import annotations

import builtins
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import msgspec

from exllm.errors import ConfigurationError, MissingExtra
from exllm.sessions.known_history import KnownHistories
from exllm.sessions.session import Session
from exllm.sessions.stores import SessionInfo, conflict, info_from, info_of, not_found, with_new_revision
from exllm.sessions.versions import join, message_row, split

if TYPE_CHECKING:
    from redis.asyncio import Redis

# Checks and writes as one step. KEYS: hash, list. ARGV: the revision that is to be there, the new one, info, head, how
# many messages stay, milliseconds to live or 0, messages. Returns the revision that is there where it is another one.
_SAVE = """
local found = redis.call('HGET', KEYS[1], 'revision') or ''
if found ~= ARGV[1] then return {'no', found} end
redis.call('HSET', KEYS[1], 'revision', ARGV[2], 'info', ARGV[3], 'head', ARGV[4])
if tonumber(ARGV[5]) == 0 then redis.call('DEL', KEYS[2])
else redis.call('LTRIM', KEYS[2], 0, tonumber(ARGV[5]) - 1) end
for place = 7, #ARGV do redis.call('RPUSH', KEYS[2], ARGV[place]) end
if tonumber(ARGV[6]) > 0 then
    redis.call('PEXPIRE', KEYS[1], ARGV[6])
    redis.call('PEXPIRE', KEYS[2], ARGV[6])
else
    redis.call('PERSIST', KEYS[1])
    redis.call('PERSIST', KEYS[2])
end
return {'ok', ARGV[2]}
"""
_LOAD = "return {redis.call('HGET', KEYS[1], 'head') or '', redis.call('LRANGE', KEYS[2], 0, -1)}"


class RedisStore:
    """See `SessionStore`. Saving a long session sends what is new in it. ``async with`` closes its connections.

    Args:
        url: such as ``redis://localhost:6379/0``; or a `redis.asyncio.Redis` of yours, which stays open.
        ttl_s: seconds after its last save until a session is forgotten; None keeps it.
        prefix: of all keys.

    Raises: MissingExtra; ConfigurationError, from every call, when the server cannot be reached or refuses.
    """

    def __init__(self, url: str | Redis, *, ttl_s: float | None = None, prefix: str = "exllm:session:") -> None:
        try:
            from redis.asyncio import Redis
            from redis.exceptions import RedisError
        except ModuleNotFoundError as error:
            raise MissingExtra('RedisStore needs the package redis: pip install "exllm[redis]"') from error
        if ttl_s is not None and not ttl_s > 0:
            raise ValueError(f"ttl_s must be above 0 seconds, got {ttl_s!r}")
        self._failure = RedisError
        self._owns = isinstance(url, str)
        self._redis: Any = Redis.from_url(url) if isinstance(url, str) else url
        self._ttl_ms = 0 if ttl_s is None else max(1, round(ttl_s * 1000))
        self._prefix = prefix
        self._known = KnownHistories()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, _type: type[BaseException] | None, _value: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the connections that the store opened. Idempotent; the store may be used again."""
        if self._owns:
            await self._redis.aclose()

    async def save(self, session: Session) -> Session:
        """See `SessionStore.save`."""
        saved = with_new_revision(session)
        kept = self._known.unchanged(session)
        head, history = split(saved)
        rows = [message_row(message) for message in history[kept:]]
        info = msgspec.json.encode(info_of(saved))
        verdict, revision = await self._ask(
            "eval", _SAVE, 2, *self._keys(session.id),
            session.revision, saved.revision, info, head, kept, self._ttl_ms, *rows,
        )  # fmt: skip
        if _text(verdict) != "ok":
            raise conflict(session, _text(revision) or None)
        self._known.remember(saved)
        return saved

    async def load(self, id: str) -> Session:
        """See `SessionStore.load`."""
        head, rows = await self._ask("eval", _LOAD, 2, *self._keys(id))
        if not head:
            raise not_found(id)
        session = join(head, rows)
        self._known.remember(session)
        return session

    async def list(self) -> builtins.list[SessionInfo]:
        """See `SessionStore.list`. Looks through the keys of the database."""
        found = []
        pattern = "".join(f"[{letter}]" if letter in "*?[" else letter for letter in self._prefix) + "{*}"
        cursor: Any = 0
        keys: set[Any] = set()
        while True:
            cursor, page = await self._ask("scan", cursor, pattern, 500)
            keys.update(page)
            if int(cursor) == 0:
                break
        for key in keys:
            info = await self._ask("hget", key, "info")
            if info is not None:  # expired meanwhile
                found.append(info_from(info))
        return sorted(found, key=lambda info: -info.updated_at)

    async def delete(self, id: str) -> None:
        """See `SessionStore.delete`."""
        await self._ask("delete", *self._keys(id))

    async def exists(self, id: str) -> bool:
        """See `SessionStore.exists`."""
        return bool(await self._ask("exists", self._keys(id)[0]))

    def _keys(self, id: str) -> tuple[str, str]:
        key = f"{self._prefix}{{{id}}}"  # in braces, so that a cluster keeps both in one place
        return key, f"{key}:messages"

    async def _ask(self, command: str, *arguments: Any) -> Any:
        try:
            return await getattr(self._redis, command)(*arguments)
        except (self._failure, OSError) as error:
            raise ConfigurationError(f"Redis: {type(error).__name__}: {error}") from error


def _text(value: bytes | str) -> str:
    return value.decode() if isinstance(value, bytes) else value
