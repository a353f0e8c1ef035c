"""`floor`: an `asyncio.Protocol` of one's own, below aiohttp's reader: about as low as Python goes.

It knows just enough HTTP for the fake server (one status, chunked or sized bodies) and takes each read whole.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections import deque
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

from benchmarks.clients.adapter import Adapter, Consumed
from benchmarks.clients.raw import decode_openai, decode_openai_body, request_for

_LENGTH = re.compile(rb"\r\ncontent-length: (\d+)", re.IGNORECASE)


class _Connection(asyncio.Protocol):
    """Reads one answer at a time; `answered` resolves when it is whole."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport
        self.answered: asyncio.Future[None]
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def connection_lost(self, error: Exception | None) -> None:
        if hasattr(self, "answered") and not self.answered.done():
            self.answered.set_exception(error or ConnectionError("closed in the middle of an answer"))

    def request(self, head_and_body: bytes) -> asyncio.Future[None]:
        self.answered = asyncio.get_running_loop().create_future()
        self._received = b""
        self._in_body = False
        self._body_bytes: int | None = None
        self._sse_tail = b""
        self.pieces = self.chars = 0
        self.first_at = 0.0
        self.texts: list[str] | None = None
        self.finish_reason: str | None = None
        self.body = b""
        self.transport.write(head_and_body)
        return self.answered

    def data_received(self, data: bytes) -> None:
        if self._received:
            data = self._received + data
            self._received = b""
        if not self._in_body:
            head_end = data.find(b"\r\n\r\n")
            if head_end < 0:
                self._received = data
                return
            length = _LENGTH.search(data, 0, head_end)
            self._body_bytes = int(length[1]) if length else None
            self._in_body = True
            data = data[head_end + 4 :]
        if self._body_bytes is not None:
            self._sized(data)
        else:
            self._chunked(data)

    def _sized(self, data: bytes) -> None:
        assert self._body_bytes is not None
        if len(data) < self._body_bytes:
            self._received = data
            return
        self.body = data
        self.answered.set_result(None)

    def _chunked(self, data: bytes) -> None:
        """Undo the chunked coding of all that is there, then split and decode it at once."""
        position, end = 0, len(data)
        payloads = [self._sse_tail] if self._sse_tail else []
        last = False
        while position < end:
            line_end = data.find(b"\r\n", position)
            if line_end < 0:
                break
            size = int(data[position:line_end], 16)
            next_position = line_end + 2 + size + 2
            if next_position > end:
                break
            if size == 0:
                last = True
                break
            payloads.append(data[line_end + 2 : next_position - 2])
            position = next_position
        self._received = data[position:]
        events = b"".join(payloads).split(b"\n\n")
        self._sse_tail = events.pop()
        for event in events:
            if event == b"data: [DONE]":
                break
            chunk = decode_openai(event[6:])
            if chunk.choices:
                choice = chunk.choices[0]
                text = choice.delta.content
                if text:
                    if not self.pieces:
                        self.first_at = time.perf_counter()
                    self.pieces += 1
                    self.chars += len(text)
                    if self.texts is not None:
                        self.texts.append(text)
                if choice.finish_reason is not None:
                    self.finish_reason = choice.finish_reason
        if last:
            self._received = b""
            self.answered.set_result(None)


class Client(Adapter):
    def __init__(self, dialect: str, server_url: str, timeout_s: float | None = None) -> None:
        super().__init__(dialect, server_url, timeout_s)
        address = urlsplit(server_url)
        self._host, self._port = address.hostname, address.port
        self._idle: deque[_Connection] = deque()

    async def _connection(self) -> _Connection:
        if self._idle:
            return self._idle.pop()
        _, protocol = await asyncio.get_running_loop().create_connection(_Connection, self._host, self._port)
        return protocol

    def _request(self, model: str, stream: bool) -> bytes:
        path, headers, body = request_for(self.dialect, model, stream)
        lines = [f"POST {path} HTTP/1.1", f"Host: {self._host}:{self._port}", f"Content-Length: {len(body)}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        return "\r\n".join(lines).encode() + b"\r\n\r\n" + body

    async def consume(self, model: str) -> Consumed:
        connection = await self._connection()
        await connection.request(self._request(model, stream=True))
        assert connection.finish_reason == "stop"
        self._idle.append(connection)
        return Consumed(connection.pieces, connection.chars, connection.first_at)

    async def chat(self, model: str) -> str:
        connection = await self._connection()
        await connection.request(self._request(model, stream=False))
        self._idle.append(connection)
        return decode_openai_body(connection.body).choices[0].message.content or ""

    async def start(self, model: str) -> AsyncIterator[str]:
        return self._texts(model)

    async def _texts(self, model: str) -> AsyncIterator[str]:
        connection = await self._connection()
        answered = connection.request(self._request(model, stream=True))
        connection.texts = []
        await answered
        for text in connection.texts:
            yield text

    @staticmethod
    def text(chunk: str) -> str:
        return chunk

    async def aclose(self) -> None:
        for connection in self._idle:
            connection.transport.close()
