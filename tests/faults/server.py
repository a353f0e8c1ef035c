"""A server that misbehaves as it is told, at the level of bytes.

A test gives it behaviours: one coroutine function per connection-and-request, called with a `Peer`. With one behaviour
it is used for every request; with several they are used in turn, the last one again and again.
"""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
import struct
import time
from collections.abc import Awaitable, Callable, Iterable
from types import TracebackType
from typing import Any, NamedTuple, Self

GRACE_S = 2.0
REQUEST_ID = "req-7"


class Received(NamedTuple):
    """One request as it came."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    peer_port: int

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Peer:
    """The server's side of one request."""

    def __init__(
        self, server: FaultServer, request: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.server = server
        self.request = request
        self._reader = reader
        self.writer = writer
        self.keep_open = False

    async def send(self, data: bytes) -> None:
        """Send raw bytes, at the pace of the other side."""
        for start in range(0, len(data), 1 << 20):
            self.writer.write(data[start : start + (1 << 20)])
            await self.writer.drain()
            self.server.bytes_sent += len(data[start : start + (1 << 20)])

    async def head(self, status: str = "200 OK", headers: Iterable[tuple[str, str]] = ()) -> None:
        """Send a response head as given, nothing added."""
        lines = [f"HTTP/1.1 {status}", *(f"{name}: {value}" for name, value in headers)]
        await self.send(("\r\n".join(lines) + "\r\n\r\n").encode())

    async def begin_stream(self, content_type: str = "text/event-stream", *headers: tuple[str, str]) -> None:
        """The usual head of a streamed answer, in chunked encoding."""
        await self.head(
            headers=(
                ("content-type", content_type),
                ("transfer-encoding", "chunked"),
                ("x-request-id", REQUEST_ID),
                *headers,
            )
        )

    async def chunk(self, data: bytes) -> None:
        """One chunk of the chunked encoding."""
        await self.send(b"%x\r\n%b\r\n" % (len(data), data))

    async def end_stream(self) -> None:
        """The last chunk: the body is over and the connection may be used again."""
        self.keep_open = True
        await self.send(b"0\r\n\r\n")

    async def stream(self, frames: Iterable[bytes], content_type: str = "text/event-stream") -> None:
        """A whole streamed answer, one chunk per frame."""
        await self.begin_stream(content_type)
        for frame in frames:
            await self.chunk(frame)
        await self.end_stream()

    async def answer(
        self, body: bytes, status: str = "200 OK", content_type: str = "application/json", *headers: tuple[str, str]
    ) -> None:
        """A whole answer with its length."""
        self.keep_open = True
        usual = (("content-type", content_type), ("content-length", str(len(body))), ("x-request-id", REQUEST_ID))
        await self.head(status, (*usual, *headers))
        await self.send(body)

    async def redirect(self, location: str, status: str = "307 Temporary Redirect") -> None:
        """Send the other side elsewhere."""
        self.keep_open = True
        await self.head(status, (("location", location), ("content-length", "0")))

    def reset(self) -> None:
        """Close the connection with a TCP reset."""
        sock = self.writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()

    async def left(self) -> float:
        """Wait until the other side closes; returns when that was, in `time.monotonic` seconds."""
        try:
            while await self._reader.read(65536):
                pass
        except ConnectionError:
            pass
        return time.monotonic()


Behaviour = Callable[[Peer], Awaitable[None]]
Detour = Callable[[Received, str], bytes | None]


class FaultServer:
    """``async with FaultServer(behaviour) as server``: listens on the loopback interface, at `url`.

    Args:
        detour: called with each request and `url`; where it gives a body, that is the answer, and no behaviour sees the
            request: what some protocols ask for on the way to the answer proper. After a request without a body the
            connection is closed.

    Attributes:
        requests: all requests that came, but for those of the detour, which are `detoured`.
        bytes_sent: payload bytes that were handed to the operating system.
        connections: sockets that are open now.
        accepted: sockets that were ever open.
        left_at: when each connection was found closed by the other side, in `time.monotonic` seconds.
        failures: what went wrong in a behaviour itself; raised at the end of the block.
    """

    def __init__(
        self,
        *behaviours: Behaviour,
        send_buffer_bytes: int | None = None,
        tls: ssl.SSLContext | None = None,
        detour: Detour | None = None,
    ) -> None:
        self.requests: list[Received] = []
        self.detoured: list[Received] = []
        self.bytes_sent = 0
        self.connections = 0
        self.accepted = 0
        self.left_at: list[float] = []
        self.failures: list[BaseException] = []
        self._behaviours = list(behaviours)
        self._send_buffer_bytes = send_buffer_bytes
        self._tls = tls
        self._detour = detour or (lambda request, url: None)
        self.tasks: set[asyncio.Task[None]] = set()
        self._changed = asyncio.Event()

    @property
    def url(self) -> str:
        return f"{'http' if self._tls is None else 'https'}://127.0.0.1:{self.port}"

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0, backlog=1024, ssl=self._tls)
        self.port: int = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, _type: type[BaseException] | None, value: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        self._server.close()
        for task in self.tasks:
            task.cancel()
        if self.tasks:
            await asyncio.wait(self.tasks)
        await self._server.wait_closed()
        await asyncio.sleep(0)
        if value is None and self.failures:
            raise self.failures[0]

    async def all_left(self, within_s: float = GRACE_S) -> None:
        """Wait until no connection is open. Fails when one still is after `within_s` seconds."""
        async with asyncio.timeout(within_s):
            while self.connections:
                self._changed.clear()
                await self._changed.wait()

    # -- inside

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.get_running_loop().create_task(self._serve(reader, writer))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.accepted += 1
        if self._send_buffer_bytes is not None:
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, self._send_buffer_bytes)
            writer.transport.set_write_buffer_limits(high=self._send_buffer_bytes)
        try:
            while (request := await _read_request(reader, writer)) is not None:
                if (answer := self._detour(request, self.url)) is not None:
                    self.detoured.append(request)
                    peer = Peer(self, request, reader, writer)
                    if request.body:  # something follows on it
                        await peer.answer(answer)
                        continue
                    await peer.answer(answer, "200 OK", "application/json", ("connection", "close"))
                    break
                self.requests.append(request)
                index = min(len(self.requests), len(self._behaviours)) - 1
                peer = Peer(self, request, reader, writer)
                await self._behaviours[index](peer)
                if not peer.keep_open:
                    break
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        except Exception as error:  # noqa: BLE001 - the test's own mistake, raised at its end
            self.failures.append(error)
        finally:
            self.left_at.append(time.monotonic())
            self.connections -= 1
            self._changed.set()
            writer.close()
            try:
                await writer.wait_closed()
            except OSError:
                pass


async def _read_request(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Received | None:
    head = await reader.readuntil(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    method, path, _ = first.split(" ", 2)
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines if line)}
    body = await _read_body(reader, headers)
    return Received(method, path, headers, body, writer.get_extra_info("peername")[1])


async def _read_body(reader: asyncio.StreamReader, headers: dict[str, str]) -> bytes:
    if headers.get("transfer-encoding") != "chunked":
        return await reader.readexactly(int(headers.get("content-length", 0)))
    body = b""
    while size := int(await reader.readline(), 16):
        body += await reader.readexactly(size)
        await reader.readline()
    await reader.readline()
    return body
