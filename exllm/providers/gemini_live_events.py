"""The messages of a Gemini Live session as they are on the wire: only the fields that are read.

Fields that nobody knows are refused by the strict decoder; then the message is read as plain data, and what is unknown
is passed on (`read_loosely`). Fields that are only passed on stay raw.
Source: https://ai.google.dev/api/live#server-messages; the types of google-genai, `LiveServerMessage`.
"""

from __future__ import annotations

from typing import Any

import msgspec

from exllm.providers.gemini_events import NOTHING, FunctionCall, PartialArg, plain

Unknown = list[tuple[str, Any]]
"""Fields that nobody knows, with where they stand, ``serverContent.newField``."""


class _Message(msgspec.Struct, gc=False, rename="camel", forbid_unknown_fields=True):
    pass


class LiveBlob(_Message):
    mime_type: str | None = None
    data: bytes | None = None


class ExecutableCode(_Message):
    id: str | None = None
    code: str | None = None
    language: str | int | None = None


class CodeExecutionResult(_Message):
    id: str | None = None
    outcome: str | int | None = None
    output: str | None = None


class LivePartialArg(PartialArg, forbid_unknown_fields=True):
    will_continue: bool | None = None  # whether more of the same text follows: the call says when it is complete


class LiveFunctionCall(FunctionCall, forbid_unknown_fields=True):
    partial_args: list[LivePartialArg] | None = None  # type: ignore[assignment]


class LivePart(_Message):
    """One part of the model's turn."""

    text: str | None = None
    thought: bool | None = None
    inline_data: LiveBlob | None = None
    function_call: LiveFunctionCall | None = None
    executable_code: ExecutableCode | None = None
    code_execution_result: CodeExecutionResult | None = None
    thought_signature: str | None = None


class ModelTurn(_Message):
    parts: list[LivePart] | None = None
    role: str | None = None


class Transcription(_Message):
    """What was said; the fields after the first three are passed on."""

    text: str | None = None
    finished: bool | None = None
    language_code: str | None = None
    speaker_label: msgspec.Raw = NOTHING
    words: msgspec.Raw = NOTHING
    start_offset: msgspec.Raw = NOTHING
    end_offset: msgspec.Raw = NOTHING

    def says_more(self) -> bool:
        """Whether there is something that no event has a place for."""
        return not (
            self.speaker_label is NOTHING
            and self.words is NOTHING
            and self.start_offset is NOTHING
            and self.end_offset is NOTHING
        ) and not fields_of(self).keys() <= {"text", "finished", "languageCode"}  # there are nulls


class ServerContent(_Message):
    model_turn: ModelTurn | None = None
    output_transcription: Transcription | None = None
    input_transcription: Transcription | None = None
    interim_input_transcription: Transcription | None = None
    generation_complete: bool | None = None
    interrupted: bool | None = None
    turn_complete: bool | None = None
    turn_complete_reason: str | int | None = None
    waiting_for_input: bool | None = None
    grounding_metadata: msgspec.Raw = NOTHING
    url_context_metadata: msgspec.Raw = NOTHING
    interaction_status: msgspec.Raw = NOTHING


class SetupComplete(_Message):
    session_id: str | None = None
    voice_consent_signature: msgspec.Raw = NOTHING


class ToolCallMessage(_Message):
    function_calls: list[LiveFunctionCall] | None = None


class ToolCallCancellation(_Message):
    ids: list[str] | None = None


class GoAwayMessage(_Message):
    time_left: msgspec.Raw = NOTHING


class ResumptionMessage(_Message):
    new_handle: str | None = None
    resumable: bool | None = None
    last_consumed_client_message_index: int | str | None = None  # an int64 is text in protobuf's JSON


class VoiceActivity(_Message):
    """The kind is the field `type` on the wire, as google-genai reads it, and another in the API's reference."""

    type: str | int | None = None
    voice_activity_type: str | int | None = None
    audio_offset: msgspec.Raw = NOTHING


class VoiceActivitySignal(_Message):
    vad_signal_type: str | int | None = None


class ServerMessage(_Message):
    """One message of the service."""

    server_content: ServerContent | None = None
    usage_metadata: msgspec.Raw = NOTHING
    setup_complete: SetupComplete | None = None
    tool_call: ToolCallMessage | None = None
    tool_call_cancellation: ToolCallCancellation | None = None
    go_away: GoAwayMessage | None = None
    session_resumption_update: ResumptionMessage | None = None
    voice_activity: VoiceActivity | None = None
    voice_activity_detection_signal: VoiceActivitySignal | None = None
    error: msgspec.Raw = NOTHING


decode_message = msgspec.json.Decoder(ServerMessage).decode

# Where a field may be unknown: the path of an object, and what is known in it.
_KNOWN: dict[str, type[msgspec.Struct]] = {
    "": ServerMessage,
    "serverContent": ServerContent,
    "serverContent.modelTurn": ModelTurn,
    "serverContent.modelTurn.parts": LivePart,
    "serverContent.modelTurn.parts.inlineData": LiveBlob,
    "serverContent.modelTurn.parts.executableCode": ExecutableCode,
    "serverContent.modelTurn.parts.codeExecutionResult": CodeExecutionResult,
    "serverContent.modelTurn.parts.functionCall": LiveFunctionCall,
    "serverContent.modelTurn.parts.functionCall.partialArgs": LivePartialArg,
    "serverContent.outputTranscription": Transcription,
    "serverContent.inputTranscription": Transcription,
    "serverContent.interimInputTranscription": Transcription,
    "setupComplete": SetupComplete,
    "toolCall": ToolCallMessage,
    "toolCall.functionCalls": LiveFunctionCall,
    "toolCall.functionCalls.partialArgs": LivePartialArg,
    "toolCallCancellation": ToolCallCancellation,
    "goAway": GoAwayMessage,
    "sessionResumptionUpdate": ResumptionMessage,
    "voiceActivity": VoiceActivity,
    "voiceActivityDetectionSignal": VoiceActivitySignal,
}
_DATA = "serverContent.modelTurn.parts.inlineData.data"
_STANDARD = str.maketrans("-_", "+/")  # base64 for URLs, which protobuf's JSON may be in, too
_FIELDS = {path: frozenset(struct.__struct_encode_fields__) for path, struct in _KNOWN.items()}


def read_loosely(data: bytes) -> tuple[ServerMessage, Unknown]:
    """A message with fields that nobody knows, or with base64 for URLs: it without them, and they.

    Raises: msgspec.DecodeError, UnicodeDecodeError or RecursionError for what makes no sense either way; TypeError for
    what is no object.
    """
    message = msgspec.json.decode(data)
    if not isinstance(message, dict):
        raise TypeError("the message is no object")
    unknown: Unknown = []
    return decode_message(msgspec.json.encode(_known_of(message, "", unknown))), unknown


def _known_of(value: Any, path: str, unknown: Unknown) -> Any:
    fields = _FIELDS.get(path)
    if fields is None:
        return value
    if isinstance(value, list):
        return [_known_of(each, path, unknown) for each in value]
    if not isinstance(value, dict):
        return value
    kept = {}
    for name, inner in value.items():
        inside = f"{path}.{name}" if path else name
        if inside == _DATA and isinstance(inner, str):
            kept[name] = inner.translate(_STANDARD)
        elif name in fields:
            kept[name] = _known_of(inner, inside, unknown)
        else:
            unknown.append((inside, inner))
    return kept


def fields_of(struct: msgspec.Struct) -> dict[str, Any]:
    """What a struct holds, as plain data under the names of the wire."""
    fields = {}
    for name, wire_name in zip(struct.__struct_fields__, struct.__struct_encode_fields__, strict=True):
        value = getattr(struct, name)
        if isinstance(value, msgspec.Raw):
            value = None if value is NOTHING else plain(value)
        if value is not None:
            fields[wire_name] = value
    return fields


def seconds_of(raw: msgspec.Raw) -> float | None:
    """A protobuf duration, ``"9.5s"``; None where there is none, or none that can be read."""
    if raw is NOTHING:
        return None
    value = msgspec.json.decode(raw)
    if isinstance(value, bool):
        return None
    try:
        if isinstance(value, dict):  # as protobuf has it inside
            found = float(value["seconds"]) + float(value.get("nanos", 0)) / 1e9
        else:
            found = float(value.removesuffix("s") if isinstance(value, str) else value)
    except (KeyError, TypeError, ValueError, OverflowError):
        return None
    return found if 0 <= found < float("inf") else None
