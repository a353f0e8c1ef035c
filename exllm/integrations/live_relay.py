"""What goes on between a browser and its session while `exllm.integrations.live.relay_live` relays them."""

from __future__ import annotations

import asyncio
import logging
import time

import msgspec
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketDisconnected

from exllm.errors import ConnectionFailed, ExLLMError, InvalidRequest, Overloaded, RateLimited, SessionLost
from exllm.integrations.fastapi import error_told
from exllm.integrations.live_protocol import (
    ActivityEnd,
    ActivityStart,
    AnswerCall,
    Audio,
    AudioEnd,
    AudioFormat,
    Command,
    Failure,
    Interrupt,
    Ready,
    RealtimeText,
    Respond,
    Say,
    Video,
    read_command,
    write_event,
)
from exllm.live.audio.g711 import DECODERS
from exllm.live.session import LiveSession
from exllm.live.stats import LiveStats
from exllm.types.live_events import AudioOut, LiveEvent, ToolCall, ToolCallCancelled, ToolWaiting

READ_AHEAD_BYTES = 256 * 1024
"""How much is taken from a browser before the session has taken what came before: a browser that leaves is noticed at
once although the provider's socket is full or a new connection is made; where more waits, after `send_timeout_s`."""

MESSAGE_BYTES = 256
"""What a message costs here beside its own bytes."""

NORMAL, BAD_DATA, POLICY, TOO_BIG, FAILED, TRY_LATER = 1000, 1007, 1008, 1009, 1011, 1013  # RFC 6455 7.4.1, IANA
RATES_HZ = frozenset({
    8_000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000, 88_200, 96_000, 176_400, 192_000,
})  # fmt: skip
"""Sample rates that a browser may have: tables of a filter are made for each, which others should not cost."""

_log = logging.getLogger("exllm.integrations.live")


class RelayStats(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What went between a browser and its session. What a slow browser lost, or how long it stopped the provider, is
    in `session`: `audio_dropped`, `audio_overwritten`, `paused_s`."""

    close_code: int  # that the browser was told, or told us; 403 when it was refused
    messages_in: int = 0  # from the browser
    bytes_in: int = 0
    messages_out: int = 0
    bytes_out: int = 0
    browser_waited_s: float = 0.0  # the browser did not keep up, so nothing was taken from the session
    session_waited_s: float = 0.0  # the session could not take more, so nothing was taken from the browser
    session: LiveStats = LiveStats()


class _Over(Exception):
    """The relay is over: the browser is to be told `failure`, and `code`; None when it has left."""

    def __init__(self, code: int | None, failure: dict[str, object] | None = None, *, left_with: int = 1006) -> None:
        super().__init__(code)
        self.code = code
        self.failure = failure
        self.left_with = left_with


class Relay:
    """One browser and its session: a task listens to the browser, one speaks to the session, one hears it."""

    def __init__(
        self,
        websocket: WebSocket,
        session: LiveSession,
        told: frozenset[type[LiveEvent]],
        own_tools: set[str],
        max_message_bytes: int,
        send_timeout_s: float,
    ) -> None:
        self._websocket = websocket
        self._session = session
        self._told = told
        self._max_message_bytes = max_message_bytes
        self._send_timeout_s = send_timeout_s
        self._inbox: asyncio.Queue[tuple[bytes | str, int]] = asyncio.Queue()  # messages, and what they cost
        self._inbox_bytes = 0
        self._has_room = asyncio.Event()
        self._is_ready = asyncio.Event()
        self._rate_hz: int | None = None  # of the browser's audio, where it is not the session's
        self._heard: Audio | None = None  # what the browser believes of the binary messages that it gets
        self._own_tools = own_tools
        self._open_calls: set[str] = set()
        self._messages_in = self._bytes_in = self._messages_out = self._bytes_out = 0
        self._browser_waited_s = self._session_waited_s = 0.0

    async def run(self, max_duration_s: float | None) -> RelayStats:
        tasks = [asyncio.create_task(work) for work in (self._listen(), self._speak(), self._hear())]
        over = _Over(POLICY, _failure("TimeIsOver", "the time of this conversation is over"))
        try:
            done, _ = await asyncio.wait(tasks, timeout=max_duration_s, return_when=asyncio.FIRST_EXCEPTION)
            unforeseen = None
            for task in done:
                raised = task.exception()
                if isinstance(raised, _Over):
                    over = raised
                elif raised is not None:
                    unforeseen = raised
                    over = _Over(FAILED, _failure("InternalError", "the server failed"))
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
        await self._close(over)
        if unforeseen is not None:
            raise unforeseen
        return RelayStats(
            close_code=over.left_with if over.code is None else over.code,
            messages_in=self._messages_in,
            bytes_in=self._bytes_in,
            messages_out=self._messages_out,
            bytes_out=self._bytes_out,
            browser_waited_s=self._browser_waited_s,
            session_waited_s=self._session_waited_s,
            session=self._session.stats,
        )

    async def _close(self, over: _Over) -> None:
        if over.code is None:
            return
        try:
            async with asyncio.timeout(self._send_timeout_s):
                if over.failure is not None:
                    await self._tell(Failure(over.failure))
                await self._websocket.close(over.code)
        except (TimeoutError, _Over, WebSocketDisconnect, WebSocketDisconnected):
            pass  # it has left meanwhile, or does not read

    # -- from the browser

    async def _listen(self) -> None:
        while True:
            message = await self._websocket.receive()
            if message["type"] == "websocket.disconnect":
                raise _Over(None, left_with=message.get("code") or 1005)
            data = message.get("bytes")
            if data is None:
                data = message.get("text") or ""
            size = len(data) if isinstance(data, bytes) else len(data.encode())
            self._messages_in += 1
            self._bytes_in += size
            if size > self._max_message_bytes:
                raise _Over(TOO_BIG, _failure("TooBig", f"a message has at most {self._max_message_bytes} bytes"))
            try:
                async with asyncio.timeout(self._send_timeout_s):
                    await self._keep(data, size + MESSAGE_BYTES)
            except TimeoutError:
                told = _failure("Stalled", "the model takes no more", retryable=True)
                raise _Over(TRY_LATER, told) from None

    async def _keep(self, data: bytes | str, cost: int) -> None:
        while self._inbox_bytes and self._inbox_bytes + cost > READ_AHEAD_BYTES:
            self._has_room.clear()
            await self._has_room.wait()
        self._inbox_bytes += cost
        self._inbox.put_nowait((data, cost))

    async def _speak(self) -> None:
        await self._is_ready.wait()
        while True:
            data, cost = await self._inbox.get()
            self._inbox_bytes -= cost
            self._has_room.set()
            began_at = time.monotonic()
            try:
                if isinstance(data, bytes):
                    await self._say_audio(data)
                else:
                    await self._do(_command(data))
            except InvalidRequest as error:
                await self._tell(Failure(error_told(error)))
            except (TypeError, ValueError) as error:
                await self._tell(Failure(_failure("InvalidRequest", str(error))))
            except ExLLMError:
                return  # the session is over; whoever hears it knows why
            finally:
                self._session_waited_s += time.monotonic() - began_at

    async def _say_audio(self, pcm: bytes) -> None:
        if len(pcm) % 2:
            raise _Over(BAD_DATA, _failure("BadData", "PCM of 16 bits has an even number of bytes"))
        rate_hz = self._rate_hz
        if rate_hz is None and self._session.settings.audio_format != "pcm16":
            rate_hz = self._session.input_rate_hz  # G.711 is made of it here
        await self._session.send_audio(pcm, rate_hz)

    async def _do(self, command: Command) -> None:
        session = self._session
        match command:
            case Say():
                await session.send(command.text, complete=command.complete)
            case RealtimeText():
                await session.send_text(command.text)
            case AudioFormat(rate_hz=rate_hz):
                if rate_hz not in RATES_HZ and rate_hz != session.input_rate_hz:
                    rates = ", ".join(map(str, sorted(RATES_HZ)))
                    raise _Over(BAD_DATA, _failure("BadData", f"rate_hz is one of {rates}; got {rate_hz}"))
                self._rate_hz = None if rate_hz == session.input_rate_hz else rate_hz
            case Video():
                await session.send_video(command.data, command.media_type)
            case AudioEnd():
                await session.audio_end()
            case ActivityStart():
                await session.activity_start()
            case ActivityEnd():
                await session.activity_end()
            case Interrupt():
                await session.interrupt(command.played_ms)
            case Respond():
                await session.respond()
            case AnswerCall():
                if command.id not in self._open_calls:
                    raise InvalidRequest(f"no call {command.id[:100]!r} waits for the browser's answer")
                self._open_calls.discard(command.id)
                await session.send_tool_result(command.id, command.result, is_error=command.is_error)

    # -- from the session

    async def _hear(self) -> None:
        session = self._session
        try:
            async with session:
                await self._tell(Ready(session.input_rate_hz))
                self._is_ready.set()
                async for event in session:
                    await self._pass_on(event)
        except ExLLMError as error:
            raise _Over(_code_of(error), _told(error)) from None
        raise _Over(NORMAL)

    async def _pass_on(self, event: LiveEvent) -> None:
        if type(event) is AudioOut:
            heard = self._heard
            if heard is None or (heard.rate_hz, heard.turn, heard.item) != (event.rate_hz, event.turn, event.item):
                self._heard = Audio(event.rate_hz, event.turn, event.item)
                await self._tell(self._heard)
            decode = DECODERS.get(event.media_type.partition(";")[0])
            await self._send(event.data if decode is None else decode(event.data))
            return
        if type(event) is ToolCall:
            if event.name in self._own_tools or ToolCall not in self._told:
                return
            self._open_calls.add(event.id)
        elif type(event) is ToolWaiting:
            if event.kind != "question" or ToolWaiting not in self._told:
                return  # approval is not the browser's to give
            self._open_calls.add(event.id)
        elif type(event) is ToolCallCancelled:
            self._open_calls.difference_update(event.ids)
        if type(event) in self._told:
            await self._tell(event)

    async def _tell(self, event: LiveEvent | Ready | Audio | Failure) -> None:
        await self._send(write_event(event))

    async def _send(self, data: bytes | str) -> None:
        began_at = time.monotonic()
        try:
            async with asyncio.timeout(self._send_timeout_s):
                if isinstance(data, bytes):
                    await self._websocket.send({"type": "websocket.send", "bytes": data})
                else:
                    await self._websocket.send({"type": "websocket.send", "text": data})
        except TimeoutError:
            raise _Over(POLICY) from None  # it does not read what it is told either
        except (WebSocketDisconnect, WebSocketDisconnected):
            raise _Over(None) from None
        finally:
            self._browser_waited_s += time.monotonic() - began_at
        self._messages_out += 1
        self._bytes_out += len(data)


def _command(text: str) -> Command:
    try:
        command: Command = read_command(text)
    except (msgspec.DecodeError, RecursionError) as error:  # also of wrong fields; data that is nested too deep
        raise _Over(BAD_DATA, _failure("BadData", f"that is no command: {error}")) from None
    return command


def _failure(kind: str, message: str, *, retryable: bool = False) -> dict[str, object]:
    return {"type": kind, "message": message, "retryable": retryable}


def _told(error: ExLLMError) -> dict[str, object]:
    """What the browser is told; what it is not told is logged."""
    if not isinstance(error, ConnectionFailed | SessionLost):
        return error_told(error)
    _log.warning("%s: %s", type(error).__name__, error)
    if isinstance(error, SessionLost):  # its words hold those of what was lost
        return _failure("SessionLost", "the connection to the model was lost, and there is no other", retryable=True)
    return _failure("ConnectionFailed", "the model cannot be reached", retryable=True)  # its words hold addresses


def _code_of(error: ExLLMError) -> int:
    return TRY_LATER if isinstance(error, RateLimited | Overloaded | SessionLost) or error.retryable else FAILED
