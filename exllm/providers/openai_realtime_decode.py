"""Events of the Realtime API to ours.

Pieces of audio, text and transcripts, and the course of the session are read here; what the user and the model do, and
what is not frequent, by `HeardReader` and `AnswerReader`. What has no name here is passed on as a `ProviderEvent` under
its own. Pieces of a function's arguments are passed on too; the `ToolCall` comes when they are complete.
Source: https://developers.openai.com/api/reference/resources/realtime/server-events
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from exllm.providers.gemini_decode import MISSHAPEN
from exllm.providers.live_checks import UNREADABLE, nonsense
from exllm.providers.openai_realtime_answers import AnswerReader
from exllm.providers.openai_realtime_errors import read_error
from exllm.providers.openai_realtime_events import (
    PIECES,
    RENAMED,
    AudioPiece,
    Fields,
    HeardPiece,
    Reader,
    TextPiece,
    TranscriptPiece,
    decode_piece,
    list_in,
    number,
    object_in,
    passed_on,
    piece_of,
    text,
)
from exllm.providers.openai_realtime_heard import HeardReader
from exllm.providers.openai_realtime_memory import Conversation
from exllm.providers.openai_realtime_pieces import OpenTexts
from exllm.providers.openai_realtime_session import MEDIA_TYPES
from exllm.providers.openai_realtime_speech import Speech
from exllm.providers.openai_realtime_turns import Turns
from exllm.providers.spec import ProviderSpec
from exllm.types.live_events import (
    AudioOut,
    InputTranscript,
    LiveEvent,
    OutputTranscript,
    RateLimit,
    RateLimits,
    ResumptionUpdate,
    SessionStarted,
    SessionUpdated,
    TextOut,
)
from exllm.types.live_settings import LiveSettings

_NO_LOGPROBS = (b"", b"null", b"[]")


class EventReader:
    """Reads the events of one session, over all its connections.

    Args:
        refused: told the id of a message that the service refused.

    Attributes:
        is_configured: this connection has taken the settings.
        session, model, conversation_id: what the service calls them.
        listens: whether the service notices by itself when the user has spoken; None where it has not said.
        speech: see `Speech`.
        approvals: requests of MCP servers that wait for an answer.
        readers: by the name of the events that are read as plain data; all others are passed on.
    """

    def __init__(
        self,
        settings: LiveSettings,
        spec: ProviderSpec,
        conversation: Conversation,
        turns: Turns,
        refused: Callable[[str], None],
    ) -> None:
        self.is_configured = False
        self.session = ""
        self.model = settings.model
        self.conversation_id = ""
        self.listens: bool | None = None
        self.speech = Speech(settings, spec)
        self._spec = spec
        self._conversation = conversation
        self._turns = turns
        self._refused = refused
        self._media_type = MEDIA_TYPES[settings.audio_format]
        self._keeps_conversations = settings.resumable and "resumes_by_conversation" in spec.live.quirks
        self._texts = OpenTexts()
        self._heard = HeardReader(settings, spec.name, conversation, turns, self._texts, self.speech)
        self._answers = AnswerReader(spec.name, conversation, turns, self._texts, self.speech)
        self.approvals = self._answers.approvals
        self.readers: dict[str, Reader] = {
            "session.created": self._session_created,
            "session.updated": self._session_updated,
            "conversation.created": self._conversation_created,
            "conversation.item.created": self._item,
            "conversation.item.added": self._item,
            "conversation.item.done": self._item,
            "conversation.item.deleted": self._item_deleted,
            "conversation.item.truncated": self._item_truncated,
            "error": self._error,
            "rate_limits.updated": self._rate_limits,
            **self._heard.readers,
            **self._answers.readers,
        }

    def configure(self, settings: LiveSettings) -> None:
        """Other settings are in force."""
        self._heard.configure(settings)

    def lose_turn(self) -> None:
        """The connection is gone, and the response with it."""
        self.is_configured = False
        self.speech.end()
        self._texts.clear()
        self._answers.lose()

    def read(self, data: bytes) -> list[LiveEvent]:
        """The events of one message. Raises as `LiveProtocol.receive` does."""
        try:
            piece = decode_piece(data)
        except UNREADABLE:
            fields = self._fields(data)
            if fields["type"] not in PIECES:
                return self._read_fields(fields, data)
            try:
                piece = piece_of(fields)
            except UNREADABLE as error:
                raise nonsense("an event that makes no sense", data, self._spec) from error
        if isinstance(piece, AudioPiece):
            speech, turns = self.speech, self._turns
            if not turns.beside or piece.response_id not in turns.beside:
                if speech.item != piece.item_id:
                    speech.begin(piece.item_id, piece.content_index)
                speech.size += len(piece.delta)
                turns.has_spoken = True
            elif not turns.active:
                speech.end()  # this is heard now, and cannot be cut
            return [AudioOut(piece.delta, speech.rate_hz, self._media_type, piece.response_id, piece.item_id)]
        return self._read_words(piece, data)

    # -- pieces of text

    def _read_words(self, piece: TextPiece | TranscriptPiece | HeardPiece, data: bytes) -> list[LiveEvent]:
        words = piece.delta or ""
        self._conversation.piece(piece.item_id, words)
        if isinstance(piece, HeardPiece):
            self._texts.add(piece.item_id, -1, words)
            events: list[LiveEvent] = []
            if words:
                events.append(InputTranscript(words, item=piece.item_id))
            if not words or bytes(piece.logprobs) not in _NO_LOGPROBS:
                events.append(passed_on(msgspec.json.decode(data), self._spec.name))
            return events
        self._texts.add(piece.item_id, piece.content_index, words)
        if isinstance(piece, TextPiece):
            return [TextOut(words, piece.response_id, piece.item_id)]
        return [OutputTranscript(words, turn=piece.response_id, item=piece.item_id)]

    # -- events that are read as plain data

    def _fields(self, data: bytes) -> Fields:
        try:
            fields = msgspec.json.decode(data)
        except UNREADABLE as error:
            raise nonsense("a message that is not JSON", data, self._spec) from error
        if not isinstance(fields, dict):
            raise nonsense("a message that is no object", data, self._spec)
        if not isinstance(fields.get("type"), str):
            if "error" not in fields:
                raise nonsense("a message that does not say what it is", data, self._spec)
            fields["type"] = "error"
        return fields

    def _read_fields(self, fields: Fields, data: bytes) -> list[LiveEvent]:
        kind: str = fields["type"]
        read = self.readers.get(RENAMED.get(kind, kind))
        try:
            return [passed_on(fields, self._spec.name)] if read is None else read(fields)
        except MISSHAPEN as error:
            raise nonsense(f"an event that makes no sense ({error})", data, self._spec) from error

    # -- the session

    def _session_created(self, fields: Fields) -> list[LiveEvent]:
        self._note_session(object_in(fields, "session"))
        return [passed_on(fields, self._spec.name)]

    def _session_updated(self, fields: Fields) -> list[LiveEvent]:
        settings = object_in(fields, "session")
        self._note_session(settings)
        events: list[LiveEvent] = [SessionUpdated(settings)]
        if not self.is_configured:
            self.is_configured = True
            events.insert(0, SessionStarted(self.session, self.model))
        return events

    def _note_session(self, settings: Fields) -> None:
        self.session = text(settings, "id") or self.session
        self.model = text(settings, "model") or self.model
        audio = settings.get("audio")
        heard = audio.get("input") if isinstance(audio, dict) else None
        for place in (heard, settings):
            if not isinstance(place, dict):
                continue
            transcription = place.get("transcription") or place.get("input_audio_transcription")
            if isinstance(transcription, dict) and isinstance(transcription.get("model"), str):
                self._heard.model = transcription["model"]
            if "turn_detection" in place:
                detection = place["turn_detection"]
                is_off = detection is None or (isinstance(detection, dict) and detection.get("type", "") is None)
                self.listens = not is_off

    def _error(self, fields: Fields) -> list[LiveEvent]:
        error = read_error(fields, provider=self._spec.name, model=self.model, is_configured=self.is_configured)
        self._turns.refused(error.code)
        self._refused(error.event_id)
        return [error]

    def _rate_limits(self, fields: Fields) -> list[LiveEvent]:
        limits = tuple(
            RateLimit(
                text(limit, "name"),
                number(limit, "limit") or 0.0,
                number(limit, "remaining") or 0.0,
                number(limit, "reset_seconds") or 0.0,
            )
            for limit in list_in(fields, "rate_limits")
        )
        return [RateLimits(limits)]

    # -- the conversation

    def _conversation_created(self, fields: Fields) -> list[LiveEvent]:
        self.conversation_id = text(object_in(fields, "conversation"), "id")
        events: list[LiveEvent] = [passed_on(fields, self._spec.name)]
        if self.conversation_id and self._keeps_conversations:
            events.append(ResumptionUpdate(self.conversation_id, resumable=True))
        return events

    def _item(self, fields: Fields) -> list[LiveEvent]:
        item = object_in(fields, "item")
        self._conversation.put(item, text(fields, "previous_item_id"))
        if item.get("type") == "mcp_approval_request":
            self.approvals.add(text(item, "id"))
        return [passed_on(fields, self._spec.name)]

    def _item_deleted(self, fields: Fields) -> list[LiveEvent]:
        self._conversation.delete(text(fields, "item_id"))
        return [passed_on(fields, self._spec.name)]

    def _item_truncated(self, fields: Fields) -> list[LiveEvent]:
        item, spoken_ms = text(fields, "item_id"), self.speech.ms
        if item and self.speech.item == item and spoken_ms:
            self._conversation.cut(item, (number(fields, "audio_end_ms") or 0.0) / spoken_ms)
        return [passed_on(fields, self._spec.name)]
