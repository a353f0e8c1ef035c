"""The only place with WebSocket connections: messages out, frames in, every failure mapped to one of our errors."""

from __future__ import annotations

import asyncio
import logging
import platform
import ssl
from typing import Any
from urllib.parse import quote

import msgspec
from websockets import exceptions as ws
from websockets.asyncio.client import ClientConnection, connect
from websockets.protocol import State
from websockets.typing import Subprotocol
from websockets.version import version as WEBSOCKETS_VERSION

from exllm.credentials.signer import Signer
from exllm.errors import ConfigurationError, ConnectionFailed, ConnectTimeout, ExLLMError, FrameTooLarge, ProtocolError
from exllm.providers.error_mapping import error_for_body
from exllm.streaming.frame import Frame
from exllm.streaming.interrupt import MovingLimit, TimeLimit
from exllm.streaming.websocket import WebSocketDecoder
from exllm.transport.http import origin_of, scrub
from exllm.version import __version__

PING_S = 20.0
"""A connection that is silent for so long is pinged."""

PONG_S = 60.0
"""It is dead when nothing comes for so long after a ping. Gemini Live was seen to take up to 30 s for the answer:
https://github.com/aicc2025/sip-to-ai/pull/14."""

CLOSE_S = 0.04
"""How long the other side is given to answer our closing frame before the socket is closed all the same."""

WRITE_LIMIT_BYTES = 2**15
"""`WebSocket.send` waits while more than this waits to be sent."""

MAX_WAITING_FRAMES = 16
"""The socket is not read while more frames than this wait for `WebSocket.receive`."""

USER_AGENT = f"exllm/{__version__} Python/{platform.python_version()} websockets/{WEBSOCKETS_VERSION}"


class WebSocketCall(msgspec.Struct, frozen=True):
    """One connection to be made, with all that goes on the wire, credentials included. Never logged, never shown.

    `key_parameter` is the parameter of the query that `secret` travels in; without one it is in `headers` already.
    `signer` adds what no header can hold for long. `connect_s` limits everything up to the end of the handshake.
    """

    url: str
    headers: dict[str, str]
    provider: str
    model: str
    subprotocols: tuple[str, ...] = ()
    key_parameter: str = ""
    secret: str | None = None
    signer: Signer | None = None
    connect_s: float | None = None
    max_message_bytes: int = 16 * 1024 * 1024
    proxy: str | None = None
    ssl_context: ssl.SSLContext | None = None

    @property
    def secrets(self) -> tuple[str, ...]:
        """All that must not be seen in an error."""
        known = (self.secret,) if self.secret else ()
        return (
            *known,
            *(quote(secret, safe="") for secret in known),
            *(self.signer.secrets if self.signer is not None else ()),
        )

    def __repr__(self) -> str:
        return f"WebSocketCall({origin_of(self.url)})"


class WebSocketEnded(Exception):
    """The connection is over: the other side's close code, 1006 where it just broke."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(code, reason)
        self.code = code
        self.reason = reason


class WebSocket:
    """One open connection. One task receives, one at a time sends; any task of the loop may `abort` or `aclose` it."""

    def __init__(self, connection: ClientConnection, call: WebSocketCall) -> None:
        self._connection = connection
        self._call = call
        self._decoder = WebSocketDecoder(call.max_message_bytes)
        self._loop = asyncio.get_running_loop()
        self._limit = MovingLimit()
        self.bytes_received = 0
        self.bytes_sent = 0

    @property
    def buffered_bytes(self) -> int:
        """How much was handed to `send` and has not gone to the operating system."""
        if self._connection.state is State.CLOSED:  # a closed TLS transport cannot tell
            return 0
        return self._connection.transport.get_write_buffer_size()

    async def receive(self) -> Frame:
        """The next message. A cancelled call loses none.

        Raises: WebSocketEnded; FrameTooLarge, ProtocolError when the other side broke the rules.
        """
        pong: asyncio.Future[Any] | None = None
        while True:
            try:
                with self._limit.until(self._loop.time() + (PING_S if pong is None or pong.done() else PONG_S)):
                    data = await self._connection.recv()
            except TimeoutError:
                if pong is not None and not pong.done():
                    self.abort()
                    raise WebSocketEnded(1006, f"no answer to a ping within {PONG_S:g} s") from None
                pong = await self._ping()
                continue
            except ws.ConnectionClosed as error:
                raise self._ended(error) from None
            if frames := self._decoder.feed(data):  # one, but for an empty message
                self.bytes_received += len(frames[0].data)
                return frames[0]

    async def _ping(self) -> asyncio.Future[Any]:
        try:
            with TimeLimit(self._loop.time() + PING_S):
                pong = asyncio.ensure_future(await self._connection.ping())
        except TimeoutError:
            self.abort()
            raise WebSocketEnded(1006, f"no ping could be sent within {PING_S:g} s") from None
        except ws.ConnectionClosed as error:
            raise self._ended(error) from None
        pong.add_done_callback(lambda done: done.cancelled() or done.exception())  # `receive` tells how it ended
        return pong

    async def send(self, message: str | bytes) -> None:
        """Send one message, and wait while more than `WRITE_LIMIT_BYTES` wait to be sent.

        A call that is cancelled while it waits has sent its message. Raises WebSocketEnded.
        """
        self.bytes_sent += _size(message)
        try:
            await self._connection.send(message)
        except ws.ConnectionClosed as error:
            raise WebSocketEnded(*_code_of(error)) from None

    def abort(self) -> None:
        """Close the socket now, without a closing frame. Idempotent."""
        self._limit.close()
        self._connection.transport.abort()

    async def aclose(self) -> None:
        """Say goodbye, and close the socket; it is closed when this returns. Idempotent.

        The other side has `CLOSE_S` to answer. A cancelled call closes the socket at once.
        """
        try:
            async with asyncio.timeout(CLOSE_S):
                await self._connection.close()
        except TimeoutError:
            self.abort()
            await self._connection.wait_closed()
        except asyncio.CancelledError:
            self.abort()
            raise
        finally:
            self._limit.close()

    def _ended(self, error: ws.ConnectionClosed) -> Exception:
        """What the end of the connection was: the other side's, or ours because it broke the rules."""
        if error.sent is not None and not error.rcvd_then_sent:
            who = origin_of(self._call.url)
            if error.sent.code == 1009:
                return FrameTooLarge(f"{who} sent a message over the limit of {self._call.max_message_bytes} bytes")
            if error.sent.code in (1002, 1007):
                return ProtocolError(f"{who} broke the WebSocket protocol: {error.sent.reason or 'unreadable text'}")
        return WebSocketEnded(*_code_of(error))


async def open_websocket(call: WebSocketCall) -> WebSocket:
    """Connect, with TLS, proxy, credentials and handshake; returns when messages can be sent.

    Raises: ConnectTimeout, ConnectionFailed, ConfigurationError (a bad URL, a redirect), ProtocolError; what a refusal
        means (AuthenticationError, RateLimited, ...); what `Signer.sign` raises.
    """
    url, headers = call.url, dict(call.headers)
    if call.signer is not None:
        # Signers know HTTP's schemes.
        url, headers = await call.signer.sign("GET", "http" + url.removeprefix("ws"), headers, b"")
        url = "ws" + url.removeprefix("http")
    if call.key_parameter and call.secret:
        url += f"{'&' if '?' in url else '?'}{call.key_parameter}={quote(call.secret, safe='')}"
    tls: dict[str, Any] = {"ssl": call.ssl_context} if url.startswith("wss://") and call.ssl_context is not None else {}
    try:
        connection = await _Connect(
            url,
            additional_headers=headers,
            user_agent_header=USER_AGENT,
            subprotocols=[Subprotocol(name) for name in call.subprotocols] or None,
            compression=None,  # audio does not get smaller
            proxy=call.proxy,
            open_timeout=call.connect_s,
            ping_interval=None,  # ours does not count while we do not read; see `WebSocket.receive`
            close_timeout=1.0,
            max_size=call.max_message_bytes,
            max_queue=MAX_WAITING_FRAMES,
            write_limit=WRITE_LIMIT_BYTES,
            logger=_LOGGER,
            **tls,
        )
    except Exception as error:  # noqa: BLE001 - mapped to one of ours
        mapped = scrub(_map_open_error(error, call), call.secrets)
        mapped.provider, mapped.model = mapped.provider or call.provider, mapped.model or call.model
        # The URL, that of the proxy, a body that repeats what was sent.
        shows_key = isinstance(error, ws.InvalidURI | ws.InvalidProxy | ws.InvalidStatus)
        raise mapped from (None if shows_key else error)
    return WebSocket(connection, call)


class _Connect(connect):
    def process_redirect(self, exc: Exception) -> Exception | str:
        return exc  # a key is not sent to wherever a server says


class _Quiet(logging.LoggerAdapter[logging.Logger]):
    """Never writes what goes over the wire: the first lines of it hold the key."""

    def isEnabledFor(self, level: int) -> bool:
        return level > logging.DEBUG and super().isEnabledFor(level)


_LOGGER = _Quiet(logging.getLogger("exllm.websocket"), {})


def _size(message: str | bytes) -> int:
    """In bytes, on the wire."""
    return len(message.encode()) if isinstance(message, str) and not message.isascii() else len(message)


def _code_of(error: ws.ConnectionClosed) -> tuple[int, str]:
    return (1006, "") if error.rcvd is None else (error.rcvd.code, error.rcvd.reason)


def _map_open_error(error: Exception, call: WebSocketCall) -> ExLLMError:
    """What a failure before the first message means to the caller."""
    origin = origin_of(call.url)
    match error:
        case ExLLMError():
            return error
        case TimeoutError():
            return ConnectTimeout(f"no connection to {origin} within {call.connect_s or 0:g} s")
        case ssl.SSLError():
            return ConnectionFailed(
                f"TLS with {origin} failed: {error}. For a private certificate authority set SSL_CERT_FILE "
                f"or pass ssl_context=.",
                retryable=False,
            )
        case ws.InvalidStatus() if 300 <= error.response.status_code < 400:
            return ConfigurationError(
                f"{origin} redirects elsewhere; a key is not sent to another host. If that is where the service lives "
                f"now, pass live_url=."
            )
        case ws.InvalidStatus() if error.response.status_code >= 400:
            response = error.response
            headers = {name.lower(): value for name, value in response.headers.raw_items()}
            return error_for_body(
                response.status_code, headers, bytes(response.body or b""), provider=call.provider, model=call.model
            )
        case ws.InvalidURI() | ws.InvalidProxy() | UnicodeError():
            return ConfigurationError(f"{origin!r} is not a usable realtime URL, or its proxy is none")
        case ws.InvalidProxyStatus():
            return ConnectionFailed(
                f"the proxy for {origin} refused: {error.response.status_code} {error.response.reason_phrase}",
                retryable=False,
            )
        case ws.ProxyError():
            return ConnectionFailed(f"the proxy for {origin} cannot be used: {error}")
        case ws.InvalidMessage() if isinstance(error.__cause__, EOFError | OSError):
            return ConnectionFailed(f"{origin} closed the connection before it answered")
        case ws.InvalidHandshake():
            return ProtocolError(f"{origin} does not speak WebSocket as expected: {error}")
        case OSError() if type(error).__name__ == "gaierror":
            return ConnectionFailed(f"the host of {origin} cannot be resolved; is live_url right?")
        case OSError():
            return ConnectionFailed(f"cannot connect to {origin}: {error.strerror or error}")
        case ValueError():
            return ConfigurationError(f"{origin!r} is not a usable realtime URL: {type(error).__name__}")
        case _:
            return ConnectionFailed(f"the connection to {origin} failed: {type(error).__name__}: {error}")
