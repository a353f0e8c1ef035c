"""aiohttp sessions: one per client and event loop, pooled, closed by their owner or with their loop."""

from __future__ import annotations

import asyncio
import ssl
import urllib.request
import weakref
from collections.abc import AsyncGenerator, Mapping
from typing import NamedTuple
from urllib.parse import urlsplit

import aiohttp
import msgspec

from exllm.transport.exchange import READ_BUFFER_BYTES, Exchanges


class TransportSettings(msgspec.Struct, frozen=True):
    """How sockets are made.

    Attributes:
        max_connections: most sockets open at once per event loop; further calls wait for a free one. 0: no limit.
        keepalive_s: how long an idle connection is kept for the next call.
        proxy: ``http://user:password@host:port``; None takes ``HTTPS_PROXY``, ``HTTP_PROXY``, ``NO_PROXY`` from the
            environment unless `trust_env` is False.
        ssl_context: an `ssl.SSLContext` of your own (a private CA, client certificates). The default one honours
            ``SSL_CERT_FILE`` and ``SSL_CERT_DIR``.
    """

    max_connections: int = 1000
    keepalive_s: float = 30.0
    proxy: str | None = None
    trust_env: bool = True
    ssl_context: ssl.SSLContext | None = None


class SessionPool:
    """The sessions of one client.

    A session is made at the first request on an event loop, and closes with the pool, or with its loop if that ends
    first: `asyncio.run` finalises asynchronous generators, so each session is guarded by one. Hence one client may
    serve several `asyncio.run` in a row, or the loops of several threads, and leaves no socket behind. One whose loop
    was closed without that is dropped when the next is made.
    """

    def __init__(self, settings: TransportSettings) -> None:
        self._settings = settings
        # No weak keys: a session holds its loop anyway, and a client that the garbage collector finds in a cycle could
        # not look into a weak dictionary any more to see what it had left open.
        self._sessions: dict[asyncio.AbstractEventLoop, Connections] = {}
        self._proxies: Mapping[str, str] | None = None

    def opened(self) -> Connections | None:
        """The running loop's, if there are any yet."""
        found = self._sessions.get(asyncio.get_running_loop())
        return None if found is None or found.session.closed else found

    async def connections(self) -> Connections:
        """The running loop's, made where there are none."""
        loop = asyncio.get_running_loop()
        guarded = self._sessions.get(loop)
        if guarded is None or guarded.session.closed:
            self._forget_closed_loops()
            session = _new_session(self._settings)
            guard = _close_at_end(session, weakref.ref(self))
            # Entered before it is awaited, so that two first calls at once share one session.
            guarded = self._sessions[loop] = Connections(session, Exchanges(session), guard)
            await anext(guard)
        return guarded

    def _forget_closed_loops(self) -> None:
        """Let go of sessions whose loop was closed without finalising its generators; aiohttp complains of them."""
        for loop in tuple(self._sessions):  # a copy: other threads may add theirs meanwhile
            if loop.is_closed():
                self._sessions.pop(loop, None)

    def proxy_for(self, url: str) -> str | None:
        """The proxy for `url`, from the settings or the environment."""
        settings = self._settings
        if settings.proxy is not None or not settings.trust_env:
            return settings.proxy
        if self._proxies is None:
            self._proxies = urllib.request.getproxies()
        if not self._proxies:
            return None
        parts = urlsplit(url)
        if urllib.request.proxy_bypass(parts.hostname or ""):
            return None
        return self._proxies.get(parts.scheme) or self._proxies.get("all")

    @property
    def open_sessions(self) -> int:
        """How many loops have a session that nobody closed."""
        return sum(not guarded.session.closed for guarded in tuple(self._sessions.values()))

    async def aclose(self) -> None:
        """Close the running loop's session; those of other loops close as soon as their loop runs. Idempotent."""
        guarded = self._sessions.pop(asyncio.get_running_loop(), None)
        self._sessions.clear()  # dropping a guard makes its loop finalise it
        if guarded is not None:
            await guarded.guard.aclose()

    def forget(self, session: aiohttp.ClientSession) -> None:
        """`session` of the running loop was closed; it knows its loop and would keep it alive."""
        loop = asyncio.get_running_loop()
        guarded = self._sessions.get(loop)
        if guarded is not None and guarded.session is session:
            del self._sessions[loop]


class Connections(NamedTuple):
    """The pooled connections of one event loop, by way of aiohttp's session and past it."""

    session: aiohttp.ClientSession
    exchanges: Exchanges
    guard: AsyncGenerator[None, None]


def _new_session(settings: TransportSettings) -> aiohttp.ClientSession:
    connector = aiohttp.TCPConnector(
        limit=settings.max_connections,
        keepalive_timeout=settings.keepalive_s,
        ssl=settings.ssl_context if settings.ssl_context is not None else True,
    )
    return aiohttp.ClientSession(
        connector=connector,
        cookie_jar=aiohttp.DummyCookieJar(),
        read_bufsize=READ_BUFFER_BYTES,
        timeout=aiohttp.ClientTimeout(total=None),
    )


async def _close_at_end(session: aiohttp.ClientSession, pool: weakref.ref[SessionPool]) -> AsyncGenerator[None, None]:
    """Stand still until the pool, or `loop.shutdown_asyncgens`, closes this generator; then close the session."""
    try:
        yield
    finally:
        await session.close()
        owner = pool()
        if owner is not None:
            owner.forget(session)
