"""Events of the Realtime API to ours.

What has no name here is passed on as a `ProviderEvent` under its own. Pieces of a function's arguments are passed on
too; the `ToolCall` comes when they are complete.
Source: https://developers.openai.com/api/reference/resources/realtime/server-events; what xAI sends besides,
https://docs.x.ai/docs/guides/voice/agent.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import msgspec

from exllm.providers.error_mapping import mask_secrets
from exllm.providers.gemini_decode import MISSHAPEN
from exllm.providers.live_checks import UNREADABLE, nonsense
from exllm.providers.openai_realtime_errors import error_for, read_error
from exllm.providers.openai_realtime_events import (
    NOTHING,
    PIECES,
    RENAMED,
    AudioPiece,
    Fields,
    HeardPiece,
    TextPiece,
    TranscriptPiece,
    count,
    decode_piece,
    list_in,
    number,
    object_in,
    text,
)
from exllm.providers.openai_realtime_memory import Conversation
from exllm.providers.openai_realtime_pieces import OpenTexts
from exllm.providers.openai_realtime_session import MEDIA_TYPES, rate_of
from exllm.providers.openai_realtime_turns import Turns
from exllm.providers.openai_realtime_usage import usage_of
from exllm.providers.spec import ProviderSpec
from exllm.types.chunks import ProviderEvent
from exllm.types.live_events import (
    AudioOut,
    InputCommitted,
    InputTranscript,
    Interrupted,
    LiveEvent,
    OutputTranscript,
    RateLimit,
    RateLimits,
    RemoteError,
    ResumptionUpdate,
    SessionStarted,
    SessionUpdated,
    SpeechStarted,
    SpeechStopped,
    TextOut,
    ToolCall,
    TurnComplete,
    TurnStarted,
    UsageReport,
)
from exllm.types.live_settings import LiveSettings


class Speech(msgspec.Struct):
    """The audio of the item that the model speaks, or spoke last."""

    item: str = ""
    content_index: int = 0
    size: int = 0
    is_cut: bool = False


class EventReader:
    """Reads the events of one session, over all its connections.

    Attributes:
        is_configured: this connection has taken the settings.
        session, model, conversation_id: what the service calls them.
        speech: see `Speech`; None where nothing was said since the user's last turn.
    """

    def __init__(self, settings: LiveSettings, spec: ProviderSpec, conversation: Conversation, turns: Turns) -> None:
        self.is_configured = False
        self.session = ""
        self.model = settings.model
        self.conversation_id = ""
        self.speech: Speech | None = None
        self.approvals: set[str] = set()
        self._spec = spec
        self._conversation = conversation
        self._turns = turns
        self._media_type = MEDIA_TYPES[settings.audio_format]
        self._rate_hz = rate_of(settings, spec, output=True)
        self._keeps_conversations = settings.resumable and "resumes_by_conversation" in spec.live.quirks
        self._is_pcm = settings.audio_format == "pcm16"
        detection = settings.turn_detection
        self._speech_interrupts = detection is None or detection.interrupts is not False
        self._open = OpenTexts()
        self._functions: dict[str, tuple[str, str]] = {}  # item -> call id, name
        self._called: set[str] = set()

    def configure(self, settings: LiveSettings) -> None:
        """Other settings are in force."""
        detection = settings.turn_detection
        self._speech_interrupts = detection is None or detection.interrupts is not False

    def spoken_ms(self) -> int:
        """How long the audio is that came of the current item."""
        if self.speech is None:
            return 0
        samples = self.speech.size // 2 if self._is_pcm else self.speech.size
        return samples * 1000 // self._rate_hz

    def lose_turn(self) -> None:
        """The connection is gone, and the response with it."""
        self.is_configured = False
        self.speech = None
        self._open.clear()
        self._functions.clear()
        self._called.clear()

    def read(self, data: bytes) -> list[LiveEvent]:
        """The events of one message. Raises as `LiveProtocol.receive` does."""
        try:
            piece = decode_piece(data)
        except UNREADABLE:
            return self._read_other(data)
        if isinstance(piece, AudioPiece):
            speech = self.speech
            if speech is None or speech.item != piece.item_id:
                speech = self.speech = Speech(piece.item_id, piece.content_index)
            speech.size += len(piece.delta)
            self._turns.has_spoken = True
            return [AudioOut(piece.delta, self._rate_hz, self._media_type, piece.response_id, piece.item_id)]
        return self._read_words(piece, data)

    # -- pieces of text

    def _read_words(self, piece: Any, data: bytes) -> list[LiveEvent]:
        self._conversation.piece(piece.item_id, piece.delta or "")
        if isinstance(piece, HeardPiece):
            self._open.add(piece.item_id, -1, piece.delta or "")
            events: list[LiveEvent] = []
            if piece.delta:
                events.append(InputTranscript(piece.delta, item=piece.item_id))
            if piece.logprobs not in (NOTHING, b"null", b"[]"):
                events.append(self._passed_on(msgspec.json.decode(data)))
            return events
        self._open.add(piece.item_id, piece.content_index, piece.delta)
        if isinstance(piece, TextPiece):
            return [TextOut(piece.delta, piece.response_id, piece.item_id)]
        assert isinstance(piece, TranscriptPiece)
        return [OutputTranscript(piece.delta, turn=piece.response_id, item=piece.item_id)]

    # -- events that are read as plain data

    def _read_other(self, data: bytes) -> list[LiveEvent]:
        try:
            fields = msgspec.json.decode(data)
        except UNREADABLE as error:
            raise nonsense("a message that is not JSON", data, self._spec) from error
        if not isinstance(fields, dict):
            raise nonsense("a message that is no object", data, self._spec)
        kind = fields.get("type")
        if not isinstance(kind, str):
            if "error" in fields:
                kind = "error"
            else:
                raise nonsense("a message that does not say what it is", data, self._spec)
        if kind in PIECES:
            raise nonsense("an event that makes no sense", data, self._spec)
        read = _READERS.get(RENAMED.get(kind, kind))
        try:
            return [self._passed_on(fields)] if read is None else read(self, fields)
        except MISSHAPEN as error:
            raise nonsense(f"an event that makes no sense ({error})", data, self._spec) from error

    def _passed_on(self, fields: Fields) -> ProviderEvent:
        return ProviderEvent(str(fields.get("type", "")), fields, self._spec.name)

    # -- the session

    def _session_created(self, fields: Fields) -> list[LiveEvent]:
        self._note_session(object_in(fields, "session"))
        return [self._passed_on(fields)]

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

    def _conversation_created(self, fields: Fields) -> list[LiveEvent]:
        self.conversation_id = text(object_in(fields, "conversation"), "id")
        events: list[LiveEvent] = [self._passed_on(fields)]
        if self.conversation_id and self._keeps_conversations:
            events.append(ResumptionUpdate(self.conversation_id, resumable=True))
        return events

    def _error(self, fields: Fields) -> list[LiveEvent]:
        error = read_error(fields, provider=self._spec.name, model=self.model, is_configured=self.is_configured)
        self._turns.refused(error.code)
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

    # -- what the user says

    def _speech_started(self, fields: Fields) -> list[LiveEvent]:
        events: list[LiveEvent] = [SpeechStarted(_seconds(fields, "audio_start_ms"), text(fields, "item_id"))]
        turns = self._turns
        if turns.active and turns.has_spoken and self._speech_interrupts and not turns.is_stopping:
            turns.is_stopping = True  # the service does it
            events.append(Interrupted(turns.active, self.speech.item if self.speech else ""))
        return events

    def _speech_stopped(self, fields: Fields) -> list[LiveEvent]:
        return [SpeechStopped(_seconds(fields, "audio_end_ms"), text(fields, "item_id"))]

    def _committed(self, fields: Fields) -> list[LiveEvent]:
        return [InputCommitted(text(fields, "item_id"))]

    def _heard_so_far(self, fields: Fields) -> list[LiveEvent]:
        """xAI: all that was understood so far, which later events put right."""
        return [InputTranscript(text(fields, "transcript"), interim=True, item=text(fields, "item_id"))]

    def _heard(self, fields: Fields) -> list[LiveEvent]:
        item, whole = text(fields, "item_id"), text(fields, "transcript")
        if fields.get("status") == "in_progress":  # xAI
            return self._heard_so_far(fields)
        rest, replaces = self._open.complete(item, -1, whole)
        self._conversation.whole(item, whole)
        events: list[LiveEvent] = [InputTranscript(rest, True, replaces, item=item)]
        usage = object_in(fields, "usage")
        counts = usage_of(usage)
        if counts is not None:
            events.append(UsageReport(counts))
        if (usage and counts is None) or fields.get("logprobs") or fields.get("languages"):
            events.append(self._passed_on(fields))
        return events

    def _not_heard(self, fields: Fields) -> list[LiveEvent]:
        item = text(fields, "item_id")
        self._open.drop(item, -1)
        inner = object_in(fields, "error")
        return [
            RemoteError(
                mask_secrets(text(inner, "message")), text(inner, "code") or text(inner, "type"), text(inner, "param"),
                text(fields, "event_id"),
            ),
            self._passed_on(fields),
        ]  # fmt: skip

    # -- the conversation

    def _item(self, fields: Fields) -> list[LiveEvent]:
        item = object_in(fields, "item")
        self._conversation.put(item, text(fields, "previous_item_id"))
        if item.get("type") == "mcp_approval_request":
            self.approvals.add(text(item, "id"))
        return [self._passed_on(fields)]

    def _item_deleted(self, fields: Fields) -> list[LiveEvent]:
        self._conversation.delete(text(fields, "item_id"))
        return [self._passed_on(fields)]

    def _item_truncated(self, fields: Fields) -> list[LiveEvent]:
        item, spoken = text(fields, "item_id"), self.spoken_ms()
        if self.speech is not None and self.speech.item == item and spoken:
            self._conversation.cut(item, (number(fields, "audio_end_ms") or 0.0) / spoken)
        return [self._passed_on(fields)]

    # -- responses

    def _response_created(self, fields: Fields) -> list[LiveEvent]:
        response = object_in(fields, "response")
        id_ = text(response, "id")
        if _is_in_conversation(response):
            self._turns.began(id_)
            self._conversation.is_resuming = False
            self.speech = None
        return [TurnStarted(id_)]

    def _response_done(self, fields: Fields) -> list[LiveEvent]:
        response = object_in(fields, "response")
        id_ = text(response, "id")
        for item in list_in(response, "output"):
            if isinstance(item, dict):
                self._conversation.put(item)
        if _is_in_conversation(response):
            self._turns.ended(id_)
            self._functions.clear()
            self._called.clear()
        word = text(response, "status")
        details = response.get("status_details")
        details = details if isinstance(details, dict) else {}  # xAI: "unimplemented"
        reason = text(details, "reason")
        events: list[LiveEvent] = []
        failure = object_in(details, "error")
        if word == "failed":
            code, kind = text(failure, "code"), text(failure, "type")
            message = text(failure, "message") or "the response failed"
            error = error_for(code, kind, message, provider=self._spec.name, model=self.model)
            events.append(RemoteError(error.message, code or kind))
            reason = code or kind or reason
        counts = usage_of(object_in(response, "usage") or object_in(fields, "usage"))  # xAI has them outside
        events.append(TurnComplete(counts, _status(word, reason), reason or word, id_))
        return events

    def _item_begun(self, fields: Fields) -> list[LiveEvent]:
        item = object_in(fields, "item")
        if item.get("type") == "function_call":
            self._functions[text(item, "id")] = (text(item, "call_id"), text(item, "name"))
        self._conversation.put(item)
        return [self._passed_on(fields)]

    def _item_done(self, fields: Fields) -> list[LiveEvent]:
        item = object_in(fields, "item")
        self._conversation.put(item)
        events: list[LiveEvent] = []
        if item.get("type") == "function_call" and item.get("status") != "incomplete":
            self._call(
                text(item, "call_id"), text(item, "name"), text(item, "arguments"), text(fields, "response_id"), events
            )
        elif item.get("type") == "mcp_approval_request":
            self.approvals.add(text(item, "id"))
        events.append(self._passed_on(fields))
        return events

    def _arguments_done(self, fields: Fields) -> list[LiveEvent]:
        known_id, known_name = self._functions.get(text(fields, "item_id"), ("", ""))
        call_id, name = text(fields, "call_id") or known_id, text(fields, "name") or known_name
        if not name:  # it comes with the item
            return [self._passed_on(fields)]
        events: list[LiveEvent] = []
        self._call(call_id, name, text(fields, "arguments"), text(fields, "response_id"), events)
        return events

    def _call(self, call_id: str, name: str, arguments: str, response: str, events: list[LiveEvent]) -> None:
        if call_id in self._called:
            return
        self._called.add(call_id)
        self._turns.calls.add(call_id)
        events.append(ToolCall(call_id, name, arguments, response))

    def _text_done(self, fields: Fields) -> list[LiveEvent]:
        item, whole = text(fields, "item_id"), text(fields, "text")
        rest, replaces = self._open.complete(item, count(fields, "content_index") or 0, whole)
        self._conversation.whole(item, whole)
        passed_on = self._passed_on(fields)
        return [TextOut(rest, text(fields, "response_id"), item), passed_on] if rest and not replaces else [passed_on]

    def _transcript_done(self, fields: Fields) -> list[LiveEvent]:
        item, whole = text(fields, "item_id"), text(fields, "transcript")
        rest, replaces = self._open.complete(item, count(fields, "content_index") or 0, whole)
        self._conversation.whole(item, whole)
        return [OutputTranscript(rest, True, replaces, text(fields, "response_id"), item)]


def _is_in_conversation(response: Fields) -> bool:
    """Whether a response is of the conversation; one beside it says so, ``"conversation_id": null``."""
    return response.get("conversation_id", "") is not None


def _seconds(fields: Fields, name: str) -> float | None:
    value = number(fields, name)
    return None if value is None else value / 1000


_Status = Literal["completed", "interrupted", "length", "content_filter", "failed"]


def _status(word: str, reason: str) -> _Status:
    match word, reason:
        case "cancelled", _:
            return "interrupted"
        case "incomplete", "content_filter":
            return "content_filter"
        case "incomplete", _:
            return "length"
        case "failed", _:
            return "failed"
    return "completed"


_READERS: dict[str, Callable[[EventReader, Fields], list[LiveEvent]]] = {
    "session.created": EventReader._session_created,
    "session.updated": EventReader._session_updated,
    "conversation.created": EventReader._conversation_created,
    "conversation.item.created": EventReader._item,
    "conversation.item.added": EventReader._item,
    "conversation.item.done": EventReader._item,
    "conversation.item.deleted": EventReader._item_deleted,
    "conversation.item.truncated": EventReader._item_truncated,
    "conversation.item.input_audio_transcription.updated": EventReader._heard_so_far,
    "conversation.item.input_audio_transcription.completed": EventReader._heard,
    "conversation.item.input_audio_transcription.failed": EventReader._not_heard,
    "error": EventReader._error,
    "input_audio_buffer.committed": EventReader._committed,
    "input_audio_buffer.speech_started": EventReader._speech_started,
    "input_audio_buffer.speech_stopped": EventReader._speech_stopped,
    "rate_limits.updated": EventReader._rate_limits,
    "response.created": EventReader._response_created,
    "response.done": EventReader._response_done,
    "response.output_item.added": EventReader._item_begun,
    "response.output_item.done": EventReader._item_done,
    "response.function_call_arguments.done": EventReader._arguments_done,
    "response.output_text.done": EventReader._text_done,
    "response.output_audio_transcript.done": EventReader._transcript_done,
}
"""What is read of each event. All others are passed on."""
