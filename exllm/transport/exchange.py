"""HTTP/1.1 exchanges over aiohttp's connections, past aiohttp's session.

Of what a small request costs through `ClientSession.request`, two thirds go into what we never use: cookies, redirects,
authentication, trace hooks, bodies of every kind. Here a request is one write, and a response is what aiohttp's parser
makes of the bytes. Connections come from aiohttp's connector, with its pool, name resolution and TLS.

It builds on names that aiohttp does not promise. Where one is missing, for what is not handled here (proxies, large
bodies), and where somebody watches or replaces the session's requests (trace hooks, aioresponses), the session is used.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from functools import lru_cache
from typing import Protocol

import aiohttp
from aiohttp import hdrs
from aiohttp.client_proto import ResponseHandler
from aiohttp.connector import Connection
from multidict import CIMultiDictProxy
from yarl import URL

from exllm.transport.exact_url import exact_url

READ_BUFFER_BYTES = 65_536
"""aiohttp stops reading the socket when twice this waits to be decoded."""

LARGE_BODY_BYTES = 65_536
"""Above this a body is left to the session, which writes it in pieces at the pace of the socket."""


class Response(Protocol):
    """The head of a response, and its body to be read: what `aiohttp.ClientResponse` and `Exchange` share."""

    status: int
    content: aiohttp.StreamReader

    @property
    def headers(self) -> CIMultiDictProxy[str]: ...

    @property
    def connection(self) -> Connection | None:
        """None when the response is over and the connection serves others, or is closed."""

    async def read(self) -> bytes:
        """The whole body. Raises what broke the connection before its end."""

    def close(self) -> None:
        """Close the connection, unless the body was read to its end. Idempotent."""


class Exchange:
    """A request that was answered. See `Response`."""

    __slots__ = ("connection", "content", "headers", "status")

    status: int
    content: aiohttp.StreamReader
    headers: CIMultiDictProxy[str]

    def __init__(self, connection: Connection) -> None:
        self.connection: Connection | None = connection

    async def begin(self, protocol: ResponseHandler, head_and_body: bytes) -> None:
        """Send the request, and wait for the head of the response."""
        protocol.set_response_params(read_until_eof=True, auto_decompress=True, read_bufsize=READ_BUFFER_BYTES)
        transport = protocol.transport
        if transport is None:
            raise aiohttp.ServerDisconnectedError
        transport.write(head_and_body)
        while True:
            message, body = await protocol.read()
            if message.code >= 200:
                break
        self.status, self.headers, self.content = message.code, message.headers, body
        body.on_eof(self._body_is_read)

    def _body_is_read(self) -> None:
        connection, self.connection = self.connection, None
        if connection is not None:
            connection.release()

    async def read(self) -> bytes:
        """See `Response.read`."""
        content = self.content
        return content.read_nowait() if content.is_eof() else await content.read()

    def close(self) -> None:
        """See `Response.close`."""
        connection, self.connection = self.connection, None
        if connection is not None:
            body: aiohttp.StreamReader | None = getattr(self, "content", None)
            if body is not None and body.exception() is None:
                body.set_exception(
                    aiohttp.ClientConnectionError("the response was closed")
                )  # who reads it must not hang
            connection.close()


class Exchanges:
    """Makes exchanges over the connections of one session."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._session = session
        self._origins: dict[URL, _Origin] = {}

    def can_send(self, body: bytes) -> bool:
        """Whether a request without a proxy can be sent from here; the session must send others."""
        return (
            IS_AVAILABLE
            and len(body) <= LARGE_BODY_BYTES
            and aiohttp.ClientSession._request is _SESSION_REQUEST
            and not self._session.trace_configs
        )

    async def send(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes, timeout: aiohttp.ClientTimeout
    ) -> Exchange:
        """Raises what `aiohttp.ClientSession.request` raises, and `HttpProcessingError` for what is not HTTP."""
        origin_url, target = _split(url)
        origin = self._origins.get(origin_url)
        if origin is None:
            origin = self._origins[origin_url] = _Origin(origin_url, self._session)
        connector = self._session.connector
        if connector is None:
            raise RuntimeError("Session is closed")
        connection = await connector.connect(origin.request, [], timeout)
        exchange = Exchange(connection)
        try:
            protocol = connection.protocol
            assert protocol is not None, "a new connection is open"
            await exchange.begin(protocol, _head(method, target, origin.headers, headers, len(body)) + body)
        except BaseException:
            exchange.close()
            raise
        return exchange


class _Origin:
    """What aiohttp's connector wants to know of a request, and the headers that only depend on the server."""

    def __init__(self, url: URL, session: aiohttp.ClientSession) -> None:
        self.request = aiohttp.ClientRequest(hdrs.METH_POST, url, loop=session._loop, session=session)
        made = self.request.headers
        self.headers = f"Host: {made[hdrs.HOST]}\r\nAccept-Encoding: {made[hdrs.ACCEPT_ENCODING]}\r\n"


@lru_cache(512)
def _split(url: str) -> tuple[URL, str]:
    """The origin of `url`, and what goes into the request line. Raises ValueError for what is no URL."""
    parsed = exact_url(url)
    if not parsed.host:
        raise aiohttp.InvalidURL(url)
    return parsed.origin(), parsed.raw_path_qs


def _head(method: str, target: str, origin_headers: str, headers: Mapping[str, str], body_bytes: int) -> bytes:
    lines = [f"{name}: {value}\r\n" for name, value in headers.items()]
    if body_bytes:
        lines.append(f"Content-Length: {body_bytes}\r\n")
    head = f"{method} {target} HTTP/1.1\r\n{origin_headers}{''.join(lines)}\r\n"
    line_ends = len(lines) + 4
    if head.count("\r") != line_ends or head.count("\n") != line_ends or "\0" in head:
        raise ValueError("a header holds a line end, which could smuggle in another")
    return head.encode()


_SESSION_REQUEST = aiohttp.ClientSession._request
IS_AVAILABLE = (
    {"read_until_eof", "auto_decompress", "read_bufsize"}
    <= inspect.signature(ResponseHandler.set_response_params).parameters.keys()
    and {"loop", "session"} <= inspect.signature(aiohttp.ClientRequest).parameters.keys()
    and list(inspect.signature(aiohttp.BaseConnector.connect).parameters) == ["self", "req", "traces", "timeout"]
)
