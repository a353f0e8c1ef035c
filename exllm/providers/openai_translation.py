"""Sessions that translate speech while it is spoken: OpenAI's Realtime API, ``kind="translation"``.

Audio goes in without pause, silence too, and comes out in another language. There are no turns, no tools, and there is
nothing to remember: over a new connection the translation just goes on.
Source: https://developers.openai.com/api/docs/guides/realtime-translation,
https://developers.openai.com/api/reference/resources/realtime/translation-client-events, /translation-server-events
"""

from __future__ import annotations

from binascii import b2a_base64
from typing import Any, Literal

import msgspec

from exllm.errors import InvalidRequest, UnsupportedOption
from exllm.providers.gemini_decode import MISSHAPEN
from exllm.providers.live_checks import UNREADABLE, address_of, encoded, merged, nonsense, refuse_unsupported
from exllm.providers.live_close import end_of
from exllm.providers.live_translation import KIND, SpeechAlone
from exllm.providers.live_wire import LiveAddress, LiveEnd
from exllm.providers.openai_realtime_errors import read_error
from exllm.providers.openai_realtime_events import Fields, object_in, text
from exllm.providers.openai_realtime_quirks import put
from exllm.providers.spec import ProviderSpec
from exllm.streaming.frame import Frame
from exllm.types.chunks import ProviderEvent
from exllm.types.live_events import (
    AudioOut,
    InputTranscript,
    LiveEvent,
    OutputTranscript,
    SessionStarted,
    SessionUpdated,
)
from exllm.types.live_settings import LiveSettings

RATE_HZ = 24_000
_SETTINGS = frozenset({"kind", "language", "input_transcription", "noise_reduction", "input_rate_hz", "output_rate_hz"})
_CHANGEABLE = frozenset({"language", "input_transcription", "noise_reduction", "extra"})


class _AudioPiece(msgspec.Struct, gc=False, tag_field="type", tag="session.output_audio.delta"):
    delta: bytes = b""
    sample_rate: int | None = None


class _Translated(msgspec.Struct, gc=False, tag_field="type", tag="session.output_transcript.delta"):
    delta: str = ""


class _Heard(msgspec.Struct, gc=False, tag_field="type", tag="session.input_transcript.delta"):
    delta: str = ""


_decode_piece = msgspec.json.Decoder(_AudioPiece | _Translated | _Heard).decode


def translation_session(settings: LiveSettings, spec: ProviderSpec) -> dict[str, Any]:
    """The ``session`` that `settings` ask for, `settings.extra` over it. Raises UnsupportedOption or InvalidRequest."""
    refuse_unsupported(settings, _SETTINGS, spec)
    for rate_hz in (settings.input_rate_hz, settings.output_rate_hz):
        if rate_hz not in (None, RATE_HZ):
            raise UnsupportedOption(f"translation takes and gives 24 kHz, got {rate_hz}", provider=spec.name)
    session: dict[str, Any] = {}
    heard = settings.input_transcription
    if heard is True or isinstance(heard, str):
        heard = {"model": spec.live.transcription_model if heard is True else heard}
    if heard:
        put(session, ("audio", "input", "transcription"), heard)
    if settings.noise_reduction is not None:
        put(session, ("audio", "input", "noise_reduction"), {"type": settings.noise_reduction})
    if settings.language is not None:
        put(session, ("audio", "output", "language"), settings.language)
    return merged(session, settings.extra)


class TranslationProtocol(SpeechAlone):
    """See `LiveProtocol`. `settings.language` is the one that speech is translated to."""

    resumes_by: Literal["handle", "replay", "new"] = "new"

    def __init__(self, settings: LiveSettings, spec: ProviderSpec) -> None:
        self.ready = False
        self.warnings: list[str] = []
        self._settings = settings
        self._spec = spec
        self._session = translation_session(settings, spec)
        self._model = settings.model
        self._id = ""
        self._is_over = False

    # -- the connection

    def address(self) -> LiveAddress:
        """See `LiveProtocol`."""
        return address_of(self._settings, self._spec, self._settings.endpoint or KIND)

    def connect(self) -> list[str | bytes]:
        """See `LiveProtocol`."""
        self.ready = False
        return [self._event("session.update", session=self._session)]

    def closed(self, code: int, reason: str) -> LiveEnd:
        """See `LiveProtocol`."""
        was_ready, self.ready = self.ready, False
        if self._is_over:
            return LiveEnd(None, resumable=False)
        return end_of(code, reason, provider=self._spec.name, model=self._model, was_ready=was_ready)

    def receive(self, frame: Frame) -> list[LiveEvent]:
        """See `LiveProtocol`."""
        try:
            piece = _decode_piece(frame.data)
        except UNREADABLE:
            return self._read_other(frame.data)
        if isinstance(piece, _AudioPiece):
            return [AudioOut(piece.delta, piece.sample_rate or RATE_HZ)]
        return [OutputTranscript(piece.delta) if isinstance(piece, _Translated) else InputTranscript(piece.delta)]

    def replies(self) -> list[str | bytes]:
        """See `LiveProtocol`."""
        return []

    def _read_other(self, data: bytes) -> list[LiveEvent]:
        try:
            fields = msgspec.json.decode(data)
        except UNREADABLE as error:
            raise nonsense("a message that is not JSON", data, self._spec) from error
        try:
            return self._read(fields)
        except MISSHAPEN as error:
            raise nonsense(f"an event that makes no sense ({error})", data, self._spec) from error

    def _read(self, fields: Fields) -> list[LiveEvent]:
        kind = text(fields, "type")
        event = ProviderEvent(kind, fields, self._spec.name)
        if kind == "error" or (not kind and "error" in fields):
            return [read_error(fields, provider=self._spec.name, model=self._model, is_configured=self.ready)]
        if kind in ("session.output_audio.delta", "session.output_transcript.delta", "session.input_transcript.delta"):
            raise TypeError("delta should be text")
        if kind in ("session.created", "session.updated"):
            session = object_in(fields, "session")
            self._id, self._model = text(session, "id") or self._id, text(session, "model") or self._model
            if kind == "session.updated":
                return [*self._started(), SessionUpdated(session)]
        self._is_over = self._is_over or kind == "session.closed"
        return [event]

    def _started(self) -> list[LiveEvent]:
        if self.ready:
            return []
        self.ready = True
        return [SessionStarted(self._id, self._model)]

    # -- what the user says

    def audio(self, pcm: bytes, rate_hz: int) -> list[str | bytes]:
        """See `LiveProtocol`."""
        if rate_hz != RATE_HZ:
            raise InvalidRequest(f"translation takes audio with 24 kHz, got {rate_hz}", provider=self._spec.name)
        data = b2a_base64(pcm, newline=False).decode("ascii")
        return [f'{{"type":"session.input_audio_buffer.append","audio":"{data}"}}']

    def audio_end(self) -> list[str | bytes]:
        """See `LiveProtocol`. The service translates what is left, and ends the session."""
        return [self._event("session.close")]

    def update(self, settings: LiveSettings) -> list[str | bytes]:
        """See `LiveProtocol`."""
        fixed = [
            name
            for name in LiveSettings.__struct_fields__
            if name not in _CHANGEABLE and getattr(settings, name) != getattr(self._settings, name)
        ]
        if fixed:
            raise UnsupportedOption(
                f"a running translation cannot change its {', '.join(fixed)}; open a new session",
                provider=self._spec.name,
            )
        session = translation_session(settings, self._spec)
        cleared: dict[str, Any] = {}
        for name in ("transcription", "noise_reduction"):
            if _input(self._session).get(name) is not None and name not in _input(session):
                put(cleared, ("audio", "input", name), None)
        self._settings, self._session = settings, session
        return [self._event("session.update", session=merged(cleared, session))]

    def raw(self, message: dict[str, Any]) -> list[str | bytes]:
        """See `LiveProtocol`."""
        return [encoded(message, self._spec)]

    def _event(self, kind: str, **fields: Any) -> str:
        return encoded({"type": kind, **fields}, self._spec)


def _input(session: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = session.get("audio", {}).get("input", {})
    return found
