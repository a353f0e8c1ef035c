"""The seam between a provider's realtime protocol and the session: pure functions and one stateful, sans-IO object.

The session owns the socket, tasks, waiting and reconnecting; the wire only turns what the application wants into
messages, and messages into events.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any, Literal, Protocol

import msgspec

from exllm.errors import ConfigurationError, ExLLMError
from exllm.streaming.frame import Frame
from exllm.types.live_events import LiveEvent
from exllm.types.live_settings import LiveSettings
from exllm.types.message import Message
from exllm.types.parts import ToolResult

if TYPE_CHECKING:
    from exllm.providers.spec import ProviderSpec
    from exllm.providers.wire import HttpRequest
    from exllm.types.live_token import LiveToken


class LiveAddress(msgspec.Struct, frozen=True):
    """Where a session connects to, without credentials: the transport adds those.

    `path`, with its query, is joined to the provider's realtime URL.
    """

    path: str
    headers: dict[str, str] = {}
    subprotocols: tuple[str, ...] = ()


class LiveEnd(msgspec.Struct, frozen=True):
    """What a closed connection means: `error` for the application, and whether a new connection may go on.

    `error` is None for an end that was agreed on.
    """

    error: ExLLMError | None
    resumable: bool


class LiveProtocol(Protocol):
    """One session, over one connection after another. No I/O: messages in, events out, and the other way round.

    What is sent is a list of whole WebSocket messages, text as `str`, binary as `bytes`; an empty list means that
    there is nothing to say. The methods that build messages raise `UnsupportedOption` or `InvalidRequest` for what
    this protocol cannot say.

    The session calls a builder only while `ready`, and writes at once what it returned: that counts as said. If the
    connection breaks around that moment, the protocol says it again over the next one (`replies`), where the service
    would not know of it: turns, tool results, requests for an answer; not realtime audio and video. What the
    application says while there is no connection waits in the session, and reaches the builders when there is one.
    """

    ready: bool
    """The service has taken the settings: input may be sent over this connection. The session makes it False when it
    leaves that."""

    resumes_by: Literal["handle", "replay", "new"]
    """How a session would go on over a new connection, as things stand."""

    warnings: list[str]
    """What could not go along as it was given, in words, each once."""

    def address(self) -> LiveAddress:
        """Where the next connection goes: asked for each time, since one that is resumed may be elsewhere."""

    def connect(self) -> list[str | bytes]:
        """A connection was opened, the first or a new one: what to send at once. `ready` is False until answered."""

    def receive(self, frame: Frame) -> list[LiveEvent]:
        """The events of one message.

        Raises an `ExLLMError` for what ends this connection: a `retryable` one may be answered with a new connection
        (the longest time of a session is over), any other ends the session.
        """

    def replies(self) -> list[str | bytes]:
        """What the protocol itself has to say since the last call: once `ready`, the conversation to replay; a
        response to ask for; a pong in a message. Taken after `connect`, `receive` and every message of the caller's."""

    def closed(self, code: int, reason: str) -> LiveEnd:
        """The connection was closed by the service (WebSocket close code, 1006 for a dropped one)."""

    def turn(self, messages: Sequence[Message], *, complete: bool) -> list[str | bytes]:
        """Turns of the conversation; with `complete` the model is to answer."""

    def realtime_text(self, text: str) -> list[str | bytes]:
        """Text in the flow of realtime input."""

    def audio(self, pcm: bytes, rate_hz: int) -> list[str | bytes]:
        """Realtime audio, in the session's input format."""

    def audio_end(self) -> list[str | bytes]:
        """No more audio for now: what was sent is complete."""

    def video(self, data: bytes, media_type: str) -> list[str | bytes]:
        """One frame of video, as an image."""

    def activity_start(self) -> list[str | bytes]:
        """The user begins to speak (manual turn detection)."""

    def activity_end(self) -> list[str | bytes]:
        """The user has finished (manual turn detection)."""

    def tool_results(self, results: Sequence[ToolResult], **how: Any) -> list[str | bytes]:
        """Answers to tool calls; `how` is the provider's own (Gemini's ``scheduling``, ``will_continue``)."""

    def interrupt(self, played_ms: int | None) -> list[str | bytes]:
        """Stop the model's turn; `played_ms` of the audio of its last item were heard, None where that is not known.

        To be called after `Interrupted` as well, and when the user speaks over audio of a turn that is complete but
        still playing (`SpeechStarted`): the model must know what was heard.
        """

    def give_up(self) -> None:
        """The application interrupts the model while not `ready`: an answer that was lost with its connection is not to
        be asked for again."""

    def respond(self, **how: Any) -> list[str | bytes]:
        """Ask for an answer now."""

    def update(self, settings: LiveSettings) -> list[str | bytes]:
        """Change the settings of the running session."""

    def raw(self, message: dict[str, Any]) -> list[str | bytes]:
        """A message in the provider's own words, as it is."""


class LiveWire(Protocol):
    """One realtime protocol."""

    name: str
    settings: frozenset[str]
    """The fields of `LiveSettings` that it can express; others raise `UnsupportedOption`. `model`, `extra` and
    `resumable` need not be named."""
    input_rate_hz: int
    """Samples per second of the PCM that it expects where `LiveSettings.input_rate_hz` names none."""

    quirks: Mapping[str, str]
    """The deviations that a provider's ``live.quirks`` may name, with what each means."""

    def protocol(self, settings: LiveSettings, spec: ProviderSpec) -> LiveProtocol:
        """A fresh session. Raises `UnsupportedOption` or `InvalidRequest` for settings that cannot be said."""

    def token_request(
        self, spec: ProviderSpec, settings: LiveSettings | None, *, now_s: float, **how: Any
    ) -> HttpRequest:
        """The HTTP request for a short-lived key; `now_s` is the Unix time, `how` the wire's own."""

    def read_token(self, body: bytes, spec: ProviderSpec) -> LiveToken:
        """The key that the answer to such a request holds. Raises `ProtocolError` where there is none."""


_WIRES = {
    "gemini_live": "exllm.providers.gemini_live:WIRE",
    "openai_realtime": "exllm.providers.openai_realtime:WIRE",
}
_registered: dict[str, LiveWire] = {}


def live_wire(name: str) -> LiveWire:
    """The realtime wire called `name`. Raises `ConfigurationError` for an unknown one."""
    if name in _registered:
        return _registered[name]
    if name not in _WIRES:
        known = ", ".join(sorted({*_WIRES, *_registered}))
        raise ConfigurationError(f"unknown realtime wire {name!r}; there are {known}")
    module, _, attribute = _WIRES[name].partition(":")
    found: LiveWire = getattr(import_module(module), attribute)
    return found


def check_live(spec: ProviderSpec, where: str) -> None:
    """Refuse a realtime wire, or quirks of it, that there are none of. Raises `ConfigurationError`."""
    if spec.live.wire:
        unknown = spec.live.quirks - live_wire(spec.live.wire).quirks.keys()
        if unknown:
            raise ConfigurationError(f"{where}: field live.quirks: {', '.join(sorted(unknown))} not known")


def register_live_wire(wire: LiveWire, *, replace: bool = False) -> None:
    """Add a realtime protocol for this process: specs may then name it in ``live.wire``.

    Raises: ConfigurationError for a name that is taken.
    """
    if not replace and wire.name in {*_WIRES, *_registered}:
        raise ConfigurationError(f"there is a realtime wire {wire.name!r} already; pass replace=True to override it")
    _registered[wire.name] = wire
