"""The connections of a session, one at a time: made, set up, read from, left."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable

from exllm.errors import ConnectionFailed, ExLLMError, FirstChunkTimeout
from exllm.live.call import LiveCall
from exllm.live.outbox import Outbox
from exllm.providers.live_wire import LiveProtocol
from exllm.streaming.interrupt import TimeLimit
from exllm.transport.websocket import WebSocket, WebSocketCall, WebSocketEnded, open_websocket
from exllm.types.live_events import LiveEvent


class Link:
    """Between the service and the session.

    Args:
        call: where the service is, and what it is asked for.
        outbox: writes to each connection, in a task that lives as long as the connection does.
        writing_failed: told what that task failed with.

    Attributes:
        protocol: of the session; there after `prepare`.
        connections, messages_in: how many there were so far.
    """

    def __init__(self, call: LiveCall, outbox: Outbox, writing_failed: Callable[[Exception], None]) -> None:
        self.protocol: LiveProtocol
        self.connections = 0
        self.messages_in = 0
        self._call = call
        self._outbox = outbox
        self._writing_failed = writing_failed
        self._bytes_in = 0  # of connections that were left
        self._socket: WebSocket | None = None
        self.writer: asyncio.Task[None] | None = None

    @property
    def is_lost(self) -> bool:
        """There was a connection, and there is none that can be used."""
        return self.connections > 0 and not self.protocol.ready

    @property
    def bytes_in(self) -> int:
        """Over all connections."""
        return self._bytes_in + (self._socket.bytes_received if self._socket is not None else 0)

    async def prepare(self) -> None:
        """Find out what only the credentials know: the project that a model's full name begins with."""
        call, values = self._call, {}
        if call.unfilled:
            signer = call.way.signer
            assert signer is not None
            for name in call.unfilled:
                url, _ = await signer.sign("GET", f"https://{{{name}}}", {}, b"")
                values[name] = url.removeprefix("https://")
        self.protocol = call.protocol(values)

    async def connect(self, events: list[LiveEvent]) -> None:
        """One try: connect, and wait until the service has taken the settings; `events` gets what it said meanwhile.

        Raises what `open_websocket` raises, FirstChunkTimeout, and what a close means.
        """
        protocol, limit_s = self.protocol, self._call.timeouts.first_chunk or math.inf
        loop = asyncio.get_running_loop()
        try:
            socket = self._socket = await open_websocket(self._websocket_call())
            self.connections += 1
            self._outbox.attach(socket, protocol)
            self.writer = loop.create_task(self._write(), name="exllm-live-writer")
            self._outbox.post(protocol.connect() + protocol.replies())
            try:
                with TimeLimit(loop.time() + limit_s):
                    while not protocol.ready:
                        events += await self.receive()
            except TimeoutError as error:
                if isinstance(error, ExLLMError):
                    raise
                raise FirstChunkTimeout(
                    f"{self._call.spec.label} did not answer the session's settings within {limit_s:g} s"
                ) from None
        except WebSocketEnded as ended:
            await self.leave()
            end = protocol.closed(ended.code, ended.reason)
            raise (end.error or ConnectionFailed(f"{self._call.spec.label} closed the connection at once")) from None
        except BaseException:
            await self.leave()
            raise

    async def receive(self) -> list[LiveEvent]:
        """The events of the next message. Raises WebSocketEnded, and what `LiveProtocol.receive` raises."""
        socket = self._socket
        assert socket is not None, "there is a connection"
        frame = await socket.receive()
        self.messages_in += 1
        events = self.protocol.receive(frame)
        self._outbox.post(self.protocol.replies())
        return events

    async def leave(self) -> None:
        """Close the connection, and end the task that writes to it. Idempotent."""
        socket, writer = self._socket, self.writer
        self._outbox.pause()
        if writer is not None:
            writer.cancel()
        if socket is not None:
            self.protocol.ready = False
            try:
                await socket.aclose()
            finally:
                self._bytes_in += socket.bytes_received
                self._socket = None
        if writer is not None:
            await asyncio.wait([writer])
            self.writer = None

    def abort(self) -> None:
        """Close the socket now, without a goodbye."""
        if self._socket is not None:
            self._socket.abort()

    async def say_goodbye(self) -> None:
        """Close the socket; the task that owns the connection does the rest."""
        if self._socket is not None:
            await self._socket.aclose()

    async def _write(self) -> None:
        try:
            await self._outbox.work()
        except Exception as error:  # noqa: BLE001 - handed on
            self._writing_failed(error)

    def _websocket_call(self) -> WebSocketCall:
        call, address = self._call, self.protocol.address()
        live, secret, connect_s = call.spec.live, call.way.secret, call.timeouts.connect
        headers = {**call.way.headers, **address.headers}
        key_parameter = ""
        if secret is not None and live.token_parameter and live.is_token(secret):
            key_parameter = live.token_parameter
            headers.pop(call.spec.auth.header, None)
        return WebSocketCall(
            call.url + address.path,
            headers,
            call.provider,
            call.settings.model,
            address.subprotocols,
            key_parameter,
            secret,
            call.way.signer,
            None if connect_s == math.inf else connect_s,
            call.max_message_bytes,
            call.proxy,
            call.ssl_context,
        )
