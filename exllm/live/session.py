"""What the application speaks and listens to."""

from __future__ import annotations

import asyncio
import math
import os
import warnings
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Any, Self

from exllm.errors import ConfigurationError, ExLLMError, InvalidRequest, StreamClosed
from exllm.live.audio.g711 import alaw_encode, ulaw_encode
from exllm.live.audio.resample import Resampler
from exllm.live.audio.wav import Recording
from exllm.live.call import LiveCall, changed, input_rate_hz, tools_by_name
from exllm.live.engine import LiveEngine
from exllm.live.figures import figures_of
from exllm.live.stats import LiveStats
from exllm.tools.encoding import encode_result
from exllm.types.live_events import AudioOut, LiveEvent, ToolCall
from exllm.types.live_settings import LiveSettings
from exllm.types.message import Message
from exllm.types.normalise import Messages, has_paths, normalise_messages
from exllm.types.parts import Image, ToolResult
from exllm.types.usage import Cost, Usage

_G711 = {"g711_ulaw": ulaw_encode, "g711_alaw": alaw_encode}


class LiveSession:
    """One realtime conversation: speak and listen at the same time.

    ::

        async with client.live("gemini", voice="Kore") as session:
            await session.send("Hello")
            async for event in session:
                match event:
                    case exllm.live.AudioOut(data=pcm): play(pcm)
                    case exllm.live.TurnComplete(): break

    ``async with`` connects, and closes the connection when the block is left, however it is left. Events may be taken
    by one task while others send. What is said goes out in the order in which it was said; every method that sends
    waits while the socket is full, and while the session makes a new connection (audio is kept then, up to a bound, see
    `Reconnect`).

    Methods that send raise `UnsupportedOption` and `InvalidRequest` for what the provider's protocol cannot say, and
    `ExLLMError` subclasses once the session is over. Iterating raises why the session is over, after everything that
    had arrived was handed out; it just ends where the service closed the session in good order.

    Made by `Client.live`; not meant to be constructed otherwise.
    """

    def __init__(self, call: LiveCall) -> None:
        self._engine = LiveEngine(call)
        self._call = call
        self._resampler: Resampler | None = None

    def __repr__(self) -> str:
        engine = self._engine
        state = "not entered" if engine.is_unused else "open" if engine.is_open else "over"
        return f"<LiveSession {self.model}, {state}>"

    # -- life

    async def __aenter__(self) -> Self:
        is_ours = self._engine.is_unused  # else it was entered before, and goes on
        try:
            await self._engine.enter()
        except BaseException:
            if is_ours:
                await self.aclose()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, _value: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        if kind is not None and issubclass(kind, asyncio.CancelledError):
            self._engine.link.abort()  # whoever cancels does not want to wait for goodbyes
        await self.aclose()

    async def aclose(self) -> None:
        """Close the connection, and end the session's tasks and tool calls, before this returns. Idempotent; any task
        may call it. Whoever waits for an event meanwhile gets `StreamClosed`."""
        await self._engine.aclose()

    def __del__(self) -> None:
        engine = getattr(self, "_engine", None)  # absent when __init__ failed
        if engine is None or not engine.is_open:
            return
        try:
            engine.abandon()
        except RuntimeError:  # its loop is closed, and the connection with it
            return
        warnings.warn(
            f"a realtime session with {engine.call!r} was abandoned; its connection was closed. "
            f"Use `async with client.live(...) as session`, or `await session.aclose()`.",
            ResourceWarning,
            stacklevel=2,
        )

    # -- listening

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> LiveEvent:
        engine = self._engine
        if engine.is_unused:
            raise StreamClosed("the session was not entered: `async with client.live(...) as session`")
        event = engine.queue.take()
        if event is None:
            try:
                event = await engine.queue.get()
            except (StopAsyncIteration, ExLLMError):
                engine.recordings.close()
                raise
        if engine.recordings and type(event) is AudioOut:
            engine.recordings.write(event)
        return event

    def record(self, path: str | os.PathLike[str]) -> Recording:
        """Write the model's speech, as it is taken from the session, to a WAV file: what was thrown away at an
        interruption is not in it.

        The file is finished when the recording or the session is closed, or the block of ``with session.record(path)``
        left. Raises OSError.
        """
        recording = self._engine.recordings.begin(path)
        if self._engine.is_done:
            self._engine.recordings.close()
        return recording

    # -- speaking

    async def send(self, content: Messages, *, complete: bool = True) -> None:
        """Say a turn of the conversation: text, a `Message`, or a list. With ``complete=False`` the model waits for
        more before it answers."""
        messages = normalise_messages(content)
        if has_paths(messages):
            raise InvalidRequest("a realtime session takes no media from files; give their bytes in data=")
        engine = self._engine

        def build() -> list[str | bytes]:
            built = engine.protocol.turn(messages, complete=complete)
            engine.transcript.say(messages)
            return built

        await self._say(build)

    async def send_text(self, text: str) -> None:
        """Text in the flow of realtime input, beside audio and video: the service decides when it is a turn."""
        if not isinstance(text, str) or not text:
            raise InvalidRequest("send_text takes text that is not empty")
        engine = self._engine

        def build() -> list[str | bytes]:
            built = engine.protocol.realtime_text(text)
            engine.transcript.say([Message("user", text)])
            return built

        await self._say(build)

    async def send_audio(self, pcm: bytes | bytearray | memoryview, rate_hz: int | None = None) -> None:
        """Speak: PCM of 16 bits, one channel, in pieces of any length; 20 to 100 ms are usual.

        Args:
            rate_hz: samples per second of `pcm`, which is brought to what the service expects, G.711 included. None:
                it is in the session's input format already, see `input_rate_hz`.

        Raises: TypeError, ValueError for what is no PCM.
        """
        data = _samples(pcm)
        settings = self._engine.settings
        encode = _G711.get(settings.audio_format)
        if rate_hz is not None:
            data = self._resampled(data, rate_hz)
            data = data if encode is None else encode(data)
        elif encode is None and len(data) % 2:
            raise ValueError(f"PCM of 16 bits has an even number of bytes, got {len(data)}")
        else:
            data = self._end_of_rate() + data
        await self._say_audio(data)

    async def send_video(self, frame: bytes | Image, media_type: str = "image/jpeg") -> None:
        """Show one frame of video: the bytes of an image, or an `Image` with its data."""
        if isinstance(frame, Image):
            if frame.data is None or frame.media_type is None:
                raise InvalidRequest("a frame of video is sent as bytes: Image(data=..., media_type=...)")
            media_type, frame = frame.media_type, frame.data
        data = _view(frame, "a frame of video is an image").tobytes()
        if not data or not media_type.startswith("image/"):
            raise InvalidRequest(f"a frame of video is an image, got {len(data)} bytes of {media_type[:100]!r}")
        await self._say(lambda: self._engine.protocol.video(data, media_type))

    async def audio_end(self) -> None:
        """No more audio for now, such as when the microphone is switched off: what was sent is complete."""
        await self._say_audio(self._end_of_rate())
        await self._say(lambda: self._engine.protocol.audio_end())

    async def activity_start(self) -> None:
        """The user begins to speak (``turn_detection="manual"``)."""
        await self._say(lambda: self._engine.protocol.activity_start())

    async def activity_end(self) -> None:
        """The user has finished (``turn_detection="manual"``)."""
        await self._say_audio(self._end_of_rate())
        await self._say(lambda: self._engine.protocol.activity_end())

    # -- tools

    async def send_tool_result(self, call: ToolCall | str, result: Any, *, is_error: bool = False, **how: Any) -> None:
        """Answer one call.

        Args:
            call: the `ToolCall`, or its id.
            result: text, data that becomes JSON, parts, or a `ToolResult`.
            is_error: the call failed, and `result` says why.
            how: the provider's own, such as Gemini's ``scheduling="when_idle"``.

        Raises: TypeError for a result that cannot be encoded.
        """
        await self.tool_results({call: result}, is_error=is_error, **how)

    async def tool_results(
        self,
        results: Mapping[ToolCall | str, Any] | Sequence[ToolResult],
        *,
        is_error: bool = False,
        **how: Any,
    ) -> None:
        """Answer several calls at once: `ToolResult`s, or results by call or id of the call."""
        if isinstance(results, Mapping):
            made = [_result(call, result, is_error=is_error) for call, result in results.items()]
        else:
            made = [_result(result.call_id, result, is_error=is_error) for result in results]
        self._require_open()
        await self._engine.say_results(made, **how)

    # -- the course of the conversation

    async def interrupt(self, played_ms: float | None = None) -> None:
        """Stop the model's answer. `played_ms`: how much of its last item's audio was heard, so that it knows; a
        `JitterBuffer` counts it. An answer that was lost with a connection is not asked for again over the next one.
        Raises TypeError, ValueError for what is no time."""
        if isinstance(played_ms, bool) or not isinstance(played_ms, int | float | None):
            raise TypeError(f"played_ms is milliseconds, got {played_ms!r}")
        if played_ms is not None and not 0 <= played_ms < math.inf:
            raise ValueError(f"played_ms is 0 or more milliseconds, got {played_ms!r}")
        heard_ms = None if played_ms is None else int(played_ms)
        self._require_open()
        await self._engine.interrupt(heard_ms)

    async def respond(self, **how: Any) -> None:
        """Ask for an answer now; `how` is the provider's own."""
        await self._say(lambda: self._engine.protocol.respond(**how))

    async def update(self, **settings: Any) -> None:
        """Change settings of the running session, those of `Client.live`; what the service cannot change any more
        raises `UnsupportedOption`."""
        self._require_open()
        engine, call = self._engine, self._call

        def anew() -> tuple[LiveSettings, tuple[str, ...]]:
            return changed(engine.settings, settings, call.wire, call.spec, drop_unsupported=call.drop_unsupported)

        _, dropped = anew()

        def build() -> list[str | bytes]:
            new, _ = anew()  # what others have changed meanwhile stays changed
            built = engine.protocol.update(new)
            engine.change(new, tools_by_name(new))
            return built

        await self._say(build)
        engine.warnings += tuple(words for words in dropped if words not in engine.warnings)

    async def send_raw(self, message: Mapping[str, Any]) -> None:
        """A message in the provider's own words, as it is. What it changes of the settings ends with the connection:
        see `update`, and ``extra=`` of `Client.live`."""
        if not isinstance(message, Mapping):
            raise TypeError(f"a message is a dict, got {type(message).__name__}")
        await self._say(lambda: self._engine.protocol.raw(dict(message)))

    # -- what is known

    @property
    def transcript(self) -> tuple[Message, ...]:
        """The conversation so far as messages: typed turns, speech as far as the service writes it down, calls and
        their results. Another session may begin with it (``history=``)."""
        return self._engine.transcript.messages()

    @property
    def resumption_handle(self) -> str | None:
        """With this another session could continue this one (``resumption_handle=``); None where there is none."""
        return self._engine.course.resumption_handle

    @property
    def usage(self) -> Usage:
        """Tokens of all turns so far."""
        return self._engine.spending.usage

    @property
    def cost(self) -> Cost:
        """What all turns so far have cost, in US dollars."""
        return self._engine.spending.cost

    @property
    def settings(self) -> LiveSettings:
        """What the session was asked to be."""
        return self._engine.settings

    @property
    def auto_tools(self) -> bool:
        """Whether it calls the functions of its tools by itself."""
        return self._call.rules is not None

    @property
    def input_rate_hz(self) -> int:
        """Samples per second that the service expects of audio."""
        return input_rate_hz(self._engine.settings, self._call.wire)

    @property
    def model(self) -> str:
        """``"provider/model"``."""
        return f"{self._call.provider}/{self._engine.settings.model}"

    @property
    def warnings(self) -> tuple[str, ...]:
        """What was dropped or could not go along as it was given, in words."""
        return self._engine.all_warnings

    @property
    def error(self) -> ExLLMError | None:
        """Why the session is over; None while it is not, and where it ended in good order."""
        return self._engine.error

    @property
    def stats(self) -> LiveStats:
        """The session's figures so far."""
        return figures_of(self._engine)

    # -- inside

    def _require_open(self) -> None:
        if self._engine.is_unused:
            raise StreamClosed("the session was not entered: `async with client.live(...) as session`")

    async def _say(self, build: Callable[[], list[str | bytes]]) -> None:
        self._require_open()
        await self._engine.outbox.say(build)

    async def _say_audio(self, data: bytes) -> None:
        self._require_open()
        if data:
            engine, rate_hz = self._engine, self.input_rate_hz
            await engine.outbox.say(lambda: engine.protocol.audio(data, rate_hz), audio_bytes=len(data))

    def _resampled(self, pcm: bytes, rate_hz: int) -> bytes:
        if isinstance(rate_hz, bool) or not isinstance(rate_hz, int):
            raise TypeError(f"rate_hz must be samples per second, got {rate_hz!r}")
        wanted = self.input_rate_hz
        resampler, before = self._resampler, b""
        if resampler is None or (resampler.from_hz, resampler.to_hz) != (rate_hz, wanted):
            changed, resampler = resampler, Resampler(rate_hz, wanted)
            before = b"" if changed is None else changed.close()
        made = before + resampler.feed(pcm)
        self._resampler = resampler
        return made

    def _end_of_rate(self) -> bytes:
        """What the filter still holds of the audio that was brought to another rate, in the session's format."""
        if self._resampler is None:
            return b""
        rest = self._resampler.close()
        encode = _G711.get(self._engine.settings.audio_format)
        return encode(rest) if rest and encode is not None else rest


def _samples(pcm: bytes | bytearray | memoryview) -> bytes:
    """The bytes of samples, also of an array of 16-bit numbers; text, floats and stereo are refused."""
    if type(pcm) is bytes:
        return pcm
    view = _view(pcm, "audio is PCM of 16 bits")
    if view.format.lstrip("<=@") not in ("B", "b", "c", "h"):
        raise TypeError(f"audio is PCM of 16 bits, got samples of the format {view.format!r}")
    channels = view.shape[-1] if view.ndim > 1 and view.shape else 1
    if channels != 1:
        raise ValueError(f"audio has one channel, got {channels}")
    return view.tobytes()


def _view(data: Any, what: str) -> memoryview:
    try:
        return memoryview(data)
    except TypeError:
        raise TypeError(f"{what}, as bytes, got {type(data).__name__}") from None


def _result(call: ToolCall | str, value: Any, *, is_error: bool) -> ToolResult:
    call_id, name = (call.id, call.name) if isinstance(call, ToolCall) else (call, None)
    if not isinstance(call_id, str) or not call_id:
        raise ConfigurationError("a tool's result needs the call that it answers, or the id of that")
    if isinstance(value, ToolResult):
        return ToolResult(call_id, value.content, value.name or name, value.is_error or is_error)
    return ToolResult(call_id, encode_result(value), name, is_error)
