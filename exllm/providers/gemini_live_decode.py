"""Messages of a Gemini Live session to events.

A turn has no id and no opening message: it begins with the first thing that the model says or calls. Token counts come
with the message that ends a turn, mostly.
Source: https://ai.google.dev/api/live#server-messages
"""

from __future__ import annotations

from typing import Any

import msgspec

from exllm.providers.error_mapping import error_in_stream
from exllm.providers.gemini_decode import MISSHAPEN
from exllm.providers.gemini_events import NOTHING, is_there, plain
from exllm.providers.gemini_grounding import AnswerText, grounded, visited
from exllm.providers.gemini_live_calls import Calls
from exllm.providers.gemini_live_events import (
    LivePart,
    ServerContent,
    ServerMessage,
    Transcription,
    Unknown,
    decode_message,
    fields_of,
    read_loosely,
    seconds_of,
)
from exllm.providers.gemini_live_transcripts import read_input, read_output
from exllm.providers.gemini_live_usage import read_usage
from exllm.providers.live_checks import UNREADABLE, nonsense
from exllm.providers.spec import ProviderSpec
from exllm.types.chunks import ProviderEvent
from exllm.types.live_events import (
    AudioOut,
    CitationOut,
    CodeOut,
    GenerationComplete,
    GoAway,
    Interrupted,
    LiveEvent,
    MediaOut,
    ReasoningOut,
    ResumptionUpdate,
    SessionStarted,
    SpeechStarted,
    SpeechStopped,
    TextOut,
    ToolCallCancelled,
    TurnComplete,
    TurnStarted,
    UsageReport,
)

DEFAULT_RATE_HZ = 24_000
_ANY_TYPE = "application/octet-stream"
_STARTS = frozenset({"ACTIVITY_START", "VAD_SIGNAL_TYPE_SOS", 1})
_ENDS = frozenset({"ACTIVITY_END", "VAD_SIGNAL_TYPE_EOS", 2})
_FAILURES = frozenset({"MALFORMED_FUNCTION_CALL", "INPUT_OTHER", "GENERATED_OTHER", "MAX_REGENERATION_REACHED"})
_NO_FAULT = frozenset({"", "0", "TURN_COMPLETE_REASON_UNSPECIFIED", "NEED_MORE_INPUT"})


class MessageReader:
    """Reads the messages of one session, over all its connections.

    Attributes:
        is_answering: the model's turn has begun and not ended.
        was_interrupted: this turn was.
        calls: those of the session's functions.
        keeps_text: sources are told by their place in the text, which is kept where there may be some.
    """

    def __init__(self, spec: ProviderSpec, model: str, *, keeps_text: bool) -> None:
        self.is_answering = False
        self.was_interrupted = False
        self.calls = Calls()
        self._spec = spec
        self._model = model
        self.keeps_text = keeps_text
        self._text = AnswerText()
        self._cited: set[tuple[Any, ...]] = set()
        self._rates: dict[str, int] = {}

    def read(self, data: bytes) -> list[LiveEvent]:
        """The events of one message, in the order in which they came about."""
        unknown: Unknown = []
        try:
            message = decode_message(data)
        except UNREADABLE:
            try:
                message, unknown = read_loosely(data)
            except MISSHAPEN as error:
                raise nonsense(f"a message that makes no sense ({error})", data, self._spec) from error
        try:
            events = self._read(message)
        except MISSHAPEN as error:
            raise nonsense(f"a message that makes no sense ({error})", data, self._spec) from error
        if unknown:
            self._read_unknown(unknown, events)
        return events

    def _read(self, message: ServerMessage) -> list[LiveEvent]:
        events: list[LiveEvent] = []
        content = message.server_content
        if content is None:
            self._read_other(message, events)
        else:
            self._read_content(content, events)
            if _says_more(message):
                self._read_other(message, events)
            if content.turn_complete:
                self._end_turn(content, message.usage_metadata, events)
                return events
        if message.usage_metadata is not NOTHING:
            usage = read_usage(message.usage_metadata, events, self._spec.name)
            if usage is not None:
                events.append(UsageReport(usage))
        return events

    def _read_unknown(self, unknown: Unknown, events: list[LiveEvent]) -> None:
        fields = dict(unknown)
        if "code" in fields and "message" in fields:  # an error without its envelope: google-genai takes it for one
            raise error_in_stream({"error": fields}, provider=self._spec.name, model=self._model)
        events += [ProviderEvent(name, value, self._spec.name) for name, value in unknown]

    def _read_other(self, message: ServerMessage, events: list[LiveEvent]) -> None:
        if is_there(message.error):
            raise error_in_stream({"error": plain(message.error)}, provider=self._spec.name, model=self._model)
        if message.setup_complete is not None:
            events.append(SessionStarted(message.setup_complete.session_id or "", self._model))
            if is_there(message.setup_complete.voice_consent_signature):
                self._pass_on("voiceConsentSignature", message.setup_complete.voice_consent_signature, events)
        if message.tool_call is not None:
            for call in message.tool_call.function_calls or ():
                self._begin(events)
                self.calls.read(call, events)
        if message.tool_call_cancellation is not None:
            ids = tuple(message.tool_call_cancellation.ids or ())
            self.calls.give_up(ids)
            events.append(ToolCallCancelled(ids))
        if message.go_away is not None:
            left_s = seconds_of(message.go_away.time_left)
            events.append(GoAway(left_s or 0.0))
            if left_s is None and is_there(message.go_away.time_left):
                self._pass_on("goAway.timeLeft", message.go_away.time_left, events)
        update = message.session_resumption_update
        if update is not None:
            consumed = update.last_consumed_client_message_index
            events.append(
                ResumptionUpdate(
                    update.new_handle or None,
                    bool(update.resumable),
                    None if consumed is None else int(consumed),
                )
            )
        heard = message.voice_activity
        if heard is not None:
            at_s = seconds_of(heard.audio_offset)
            is_known = _is_speech(heard.type or heard.voice_activity_type, at_s, events)
            if not is_known or (at_s is None and is_there(heard.audio_offset)):
                events.append(ProviderEvent("voiceActivity", fields_of(heard), self._spec.name))
        signal = message.voice_activity_detection_signal
        if signal is not None and not _is_speech(signal.vad_signal_type, None, events):
            events.append(ProviderEvent("voiceActivityDetectionSignal", fields_of(signal), self._spec.name))

    # -- what the model says

    def _read_content(self, content: ServerContent, events: list[LiveEvent]) -> None:
        if content.interim_input_transcription is not None:
            read_input(content.interim_input_transcription, events, self._spec.name, interim=True)
        if content.input_transcription is not None:
            read_input(content.input_transcription, events, self._spec.name)
        if content.interrupted:
            self.was_interrupted = True
            events.append(Interrupted())
        if content.model_turn is not None:
            for part in content.model_turn.parts or ():
                self._read_part(part, events)
            if content.model_turn.role is not None and content.model_turn.role != "model":
                events.append(ProviderEvent("modelTurn.role", content.model_turn.role, self._spec.name))
        if content.output_transcription is not None:
            self._read_output(content.output_transcription, events)
        if content.grounding_metadata is not NOTHING and is_there(content.grounding_metadata):
            metadata = self._pass_on("groundingMetadata", content.grounding_metadata, events)
            self._cite((citation for citation, _ in grounded(metadata, self._text)), events)
        if content.url_context_metadata is not NOTHING and is_there(content.url_context_metadata):
            metadata = self._pass_on("urlContextMetadata", content.url_context_metadata, events)
            self._cite(visited(metadata), events)
        if content.generation_complete:
            events.append(GenerationComplete())
        if content.waiting_for_input is not None:
            events.append(ProviderEvent("waitingForInput", content.waiting_for_input, self._spec.name))
        if content.interaction_status is not NOTHING:
            self._pass_on("interactionStatus", content.interaction_status, events)
        if content.turn_complete_reason is not None and not content.turn_complete:
            events.append(ProviderEvent("turnCompleteReason", content.turn_complete_reason, self._spec.name))

    def _read_part(self, part: LivePart, events: list[LiveEvent]) -> None:
        self._begin(events)
        blob = part.inline_data
        if blob is not None:
            media_type = blob.mime_type or _ANY_TYPE
            rate = self._rates.get(media_type) or self._rate_of(media_type)
            if part.thought:
                events.append(ProviderEvent("thoughtMedia", fields_of(blob), self._spec.name))
            elif rate > 0:
                events.append(AudioOut(blob.data or b"", rate))
            else:
                events.append(MediaOut(blob.data or b"", media_type))
        if part.text is not None:
            if part.thought:
                events.append(ReasoningOut(part.text))
            elif part.text:
                self._keep(part.text)
                events.append(TextOut(part.text))
        if part.function_call is not None:
            self.calls.read(part.function_call, events)
        if part.executable_code is not None:
            code = part.executable_code
            events.append(CodeOut(code.code or "", _word(code.language).lower(), id=code.id or ""))
        if part.code_execution_result is not None:
            result = part.code_execution_result
            events.append(CodeOut(outcome=_word(result.outcome), output=result.output or "", id=result.id or ""))
        if part.thought_signature:
            events.append(ProviderEvent("thoughtSignature", part.thought_signature, self._spec.name))

    def _keep(self, text: str) -> None:
        if self.keeps_text:
            self._text.add(text, 0)

    def _read_output(self, said: Transcription, events: list[LiveEvent]) -> None:
        if said.text:
            self._begin(events)
            self._keep(said.text)
        read_output(said, events, self._spec.name)

    def _begin(self, events: list[LiveEvent]) -> None:
        if not self.is_answering:
            self.is_answering = True
            events.append(TurnStarted())

    def _end_turn(self, content: ServerContent, counts: msgspec.Raw, events: list[LiveEvent]) -> None:
        self.calls.end_turn(events, self._spec.name, was_interrupted=self.was_interrupted)
        reason = _word(content.turn_complete_reason)
        usage = read_usage(counts, events, self._spec.name)
        status: Any = "completed"
        if self.was_interrupted:
            status = "interrupted"
        elif reason in _FAILURES:
            status = "failed"
        elif reason not in _NO_FAULT:
            status = "content_filter"
        self._forget_turn()
        events.append(TurnComplete(usage, status, reason))

    def lose_turn(self) -> tuple[str, ...]:
        """The connection is gone, and the model's turn with it; returns the calls that nobody waits for any more."""
        self._forget_turn()
        return self.calls.lose()

    def _forget_turn(self) -> None:
        self.is_answering = self.was_interrupted = False
        self._text = AnswerText()
        self._cited.clear()

    # -- the rest

    def _rate_of(self, media_type: str) -> int:
        """Samples per second of audio, ``audio/pcm;rate=24000``; 0 for anything else. Remembered: it seldom changes."""
        kind, _, parameters = media_type.partition(";")
        rate = 0
        if kind.strip().lower() in ("audio/pcm", "audio/l16"):
            rate = DEFAULT_RATE_HZ
            for parameter in parameters.split(";"):
                name, _, value = parameter.partition("=")
                if name.strip().lower() == "rate" and value.strip().isdecimal() and 0 < int(value) <= 1_000_000:
                    rate = int(value)
        if len(self._rates) < 16:
            self._rates[media_type] = rate
        return rate

    def _cite(self, citations: Any, events: list[LiveEvent]) -> None:
        for citation in citations:
            key = (citation.url, citation.title, citation.text, citation.start, citation.end)
            if key not in self._cited:  # the metadata may come again, longer
                self._cited.add(key)
                events.append(CitationOut(citation))

    def _pass_on(self, name: str, raw: msgspec.Raw, events: list[LiveEvent]) -> Any:
        data = plain(raw)
        events.append(ProviderEvent(name, data, self._spec.name))
        return data


def _word(value: str | int | None) -> str:
    """A word of an enumeration, which may come as a number."""
    return "" if value is None else str(value)


def _is_speech(kind: Any, at_s: float | None, events: list[LiveEvent]) -> bool:
    """Tell that speech begins or ends, if `kind` means that."""
    if kind in _STARTS:
        events.append(SpeechStarted(at_s))
    elif kind in _ENDS:
        events.append(SpeechStopped(at_s))
    else:
        return False
    return True


def _says_more(message: ServerMessage) -> bool:
    """Whether anything stands beside the content, as it should not. Written out: it is asked for every piece."""
    return not (
        message.setup_complete is None
        and message.tool_call is None
        and message.tool_call_cancellation is None
        and message.go_away is None
        and message.session_resumption_update is None
        and message.voice_activity is None
        and message.voice_activity_detection_signal is None
        and message.error is NOTHING
    )
