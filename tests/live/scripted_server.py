"""A WebSocket server that does what it is told, message by message.

A test gives it behaviours: one coroutine function per connection, called with a `Peer`. With one behaviour it is used
for every connection; with several they are used in turn, the last one again and again. A behaviour that returns leaves
the connection open until the client closes it.
"""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Any, NamedTuple, Self

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

GRACE_S = 3.0


class Refusal(NamedTuple):
    """What a handshake is answered with instead of being accepted."""

    status: int
    body: str = ""
    headers: tuple[tuple[str, str], ...] = ()


class Peer:
    """The server's side of one connection."""

    def __init__(self, connection: ServerConnection) -> None:
        self.connection = connection
        self.request: Request = connection.request  # type: ignore[assignment]
        self.received: list[Any] = []  # messages, decoded
        self.left_at: float | None = None  # loop time at which the connection was over

    async def receive(self) -> Any:
        """The next message, decoded from JSON."""
        message = json.loads(await self.connection.recv())
        self.received.append(message)
        return message

    async def receive_until(self, field: str) -> Any:
        """Messages up to the first that has `field`; returns that."""
        while field not in (message := await self.receive()):
            pass
        return message

    async def keep_receiving(self) -> None:
        """All messages until the end of the connection."""
        while True:
            await self.receive()

    async def send(self, *messages: Any, binary: bool = False) -> None:
        """Send each as JSON."""
        for message in messages:
            text = json.dumps(message)
            await self.connection.send(text.encode() if binary else text)

    async def send_raw(self, message: str | bytes) -> None:
        await self.connection.send(message)

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """A closing handshake."""
        await self.connection.close(code, reason)

    def drop(self) -> None:
        """Close the socket, with no word."""
        self.connection.transport.abort()

    async def left(self) -> None:
        """Return when the client has gone."""
        await asyncio.wait_for(self.connection.wait_closed(), GRACE_S)

    @property
    def close_code(self) -> int | None:
        return self.connection.close_code


Behaviour = Callable[[Peer], Awaitable[None]]


class ScriptedServer:
    """See the module.

    Args:
        behaviours: a `Refusal` refuses the handshake.
        read_ahead: how many messages the server takes from its socket before a behaviour asks for them.
    """

    def __init__(
        self, *behaviours: Behaviour | Refusal, tls: ssl.SSLContext | None = None, read_ahead: int | None = None
    ) -> None:
        self._behaviours = list(behaviours)
        self._tls = tls
        self._read_ahead = read_ahead
        self._server: Server
        self._attempts = 0
        self.requests: list[Request] = []
        self.peers: list[Peer] = []
        self.failures: list[BaseException] = []

    @property
    def url(self) -> str:
        port = self._server.sockets[0].getsockname()[1]
        return f"{'wss' if self._tls else 'ws'}://127.0.0.1:{port}"

    async def __aenter__(self) -> Self:
        self._server = await serve(
            self._handle,
            "127.0.0.1",
            0,
            ssl=self._tls,
            process_request=self._answer,
            compression=None,
            max_size=64 * 1024 * 1024,
            max_queue=self._read_ahead or 16,
            ping_interval=None,
            close_timeout=0.2,
        )
        return self

    async def __aexit__(
        self, _type: type[BaseException] | None, value: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        self._server.close(close_connections=True)
        await self._server.wait_closed()
        if self.failures and value is None:
            raise self.failures[0]

    async def all_left(self) -> None:
        """Return when no client is connected."""
        for peer in self.peers:
            await peer.left()

    def _answer(self, connection: ServerConnection, request: Request) -> Response | None:
        self.requests.append(request)
        behaviour = self._behaviour(self._attempts)
        self._attempts += 1
        if isinstance(behaviour, Refusal):
            body = behaviour.body.encode()
            headers = Headers([("Content-Length", str(len(body))), *behaviour.headers])
            return Response(behaviour.status, "Refused", headers, body)
        return None

    def _behaviour(self, number: int) -> Behaviour | Refusal:
        return self._behaviours[min(number, len(self._behaviours) - 1)]

    async def _handle(self, connection: ServerConnection) -> None:
        peer = Peer(connection)
        self.peers.append(peer)
        behaviour = self._behaviour(self._attempts - 1)
        assert not isinstance(behaviour, Refusal)
        try:
            await behaviour(peer)
            while True:  # a socket that nobody reads does not tell that the client has gone
                await connection.recv()
        except ConnectionClosed:
            pass
        except (AssertionError, KeyError, IndexError, TypeError) as error:  # a test's own expectation
            self.failures.append(error)
        finally:
            peer.left_at = asyncio.get_running_loop().time()
