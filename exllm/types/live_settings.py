"""What a realtime session is asked to be: one struct for every provider, and the words for what is sent over it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypedDict

import msgspec

from exllm.types.message import Message
from exllm.types.normalise import Messages
from exllm.types.tool import ServerTool, Tool


class TurnDetection(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How the service notices that the user has begun and finished to speak.

    Attributes:
        kind: ``"server"`` (by silence), ``"semantic"`` (by what is said), ``"manual"`` (you send `activity_start` and
            `activity_end`).
        threshold, prefix_padding_ms, silence_ms: of ``"server"``; the provider's defaults where None.
        eagerness: of ``"semantic"``: ``"low"``, ``"medium"``, ``"high"``, ``"auto"``.
        start_sensitivity, end_sensitivity: Gemini's ``"low"`` and ``"high"``.
        interrupts: whether speech stops the model's answer.
        responds: whether the end of speech starts an answer.
        idle_timeout_ms: OpenAI: answer when nobody has spoken for so long.
    """

    kind: Literal["server", "semantic", "manual"] = "server"
    threshold: float | None = None
    prefix_padding_ms: int | None = None
    silence_ms: int | None = None
    eagerness: Literal["low", "medium", "high", "auto"] | None = None
    start_sensitivity: Literal["low", "high"] | None = None
    end_sensitivity: Literal["low", "high"] | None = None
    interrupts: bool | None = None
    responds: bool | None = None
    idle_timeout_ms: int | None = None


class LiveSettings(msgspec.Struct, frozen=True):
    """A realtime session's settings, checked; None leaves a choice to the provider.

    Attributes:
        model: the provider's id of the model.
        instructions: the system instruction.
        modalities: what the model answers with; ``("audio",)`` or ``("text",)``.
        voice, language: of the speech; `speed` 0.25 to 1.5 at OpenAI.
        tools, tool_choice: as in `chat`.
        history: a conversation so far, to begin with.
        turn_detection: see there.
        input_transcription, output_transcription: True, or a model or settings in the provider's words.
        input_rate_hz, output_rate_hz, audio_format: ``"pcm16"``, ``"g711_ulaw"``, ``"g711_alaw"``.
        resumption_handle: continue the session that a `ResumptionUpdate` named.
        resumable: ask the service for such handles.
        kind: ``"conversation"``; ``"transcription"``: the service only writes down what is said; ``"translation"``: it
            says it in another `language`.
        call_id: join the call of a browser (WebRTC) or a telephone (SIP), to steer it from here; its audio goes there.
        endpoint: which of the provider's realtime addresses, by its name in the spec; the usual one where None.
        non_blocking_tools: names of tools whose results the model does not wait for; True for all, False for none. By
            default that is left to the model: the Gemini API's wait up to 3.1, and do not since 3.8; those of Vertex AI
            do not.
        extra: the provider's own session fields, merged last.
    """

    model: str
    instructions: str | None = None
    modalities: tuple[Literal["text", "audio"], ...] | None = None
    voice: str | None = None
    language: str | None = None
    speed: float | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    max_tokens: int | None = None
    seed: int | None = None
    thinking: Any = None
    reasoning_effort: str | None = None
    tools: tuple[Tool | ServerTool, ...] = ()
    tool_choice: Any = None
    parallel_tool_calls: bool | None = None
    history: tuple[Message, ...] = ()
    turn_detection: TurnDetection | None = None
    turn_coverage: Literal["activity", "all", "activity_and_video"] | None = None
    input_transcription: bool | str | dict[str, Any] | None = None
    output_transcription: bool | dict[str, Any] | None = None
    input_rate_hz: int | None = None
    output_rate_hz: int | None = None
    audio_format: Literal["pcm16", "g711_ulaw", "g711_alaw"] = "pcm16"
    noise_reduction: Literal["near_field", "far_field"] | None = None
    media_resolution: Literal["low", "medium", "high"] | None = None
    proactive_audio: bool | None = None
    affective_dialog: bool | None = None
    context_compression: bool | dict[str, Any] | None = None
    truncation: Any = None
    resumable: bool = True
    resumption_handle: str | None = None
    include: tuple[str, ...] = ()
    tracing: Any = None
    prompt: Any = None
    safety_settings: Any = None
    kind: Literal["conversation", "transcription", "translation"] = "conversation"
    call_id: str | None = None
    endpoint: str | None = None
    non_blocking_tools: bool | tuple[str, ...] = ()
    extra: dict[str, Any] = {}


class LiveArguments(TypedDict, total=False):
    """The same settings as keyword arguments of `Client.live`; `LiveSettings` explains them."""

    instructions: str | None
    modalities: Sequence[Literal["text", "audio"]] | Literal["text", "audio"] | None
    voice: str | None
    language: str | None
    speed: float | None
    temperature: float | None
    top_p: float | None
    top_k: int | None
    max_tokens: int | None
    seed: int | None
    thinking: Any
    reasoning_effort: str | None
    tools: Sequence[Any] | None
    tool_choice: Any
    parallel_tool_calls: bool | None
    history: Messages | None
    turn_detection: TurnDetection | Mapping[str, Any] | Literal["server", "semantic", "manual"] | None
    turn_coverage: Literal["activity", "all", "activity_and_video"] | None
    input_transcription: bool | str | Mapping[str, Any] | None
    output_transcription: bool | Mapping[str, Any] | None
    input_rate_hz: int | None
    output_rate_hz: int | None
    audio_format: Literal["pcm16", "g711_ulaw", "g711_alaw"] | None
    noise_reduction: Literal["near_field", "far_field"] | None
    media_resolution: Literal["low", "medium", "high"] | None
    proactive_audio: bool | None
    affective_dialog: bool | None
    context_compression: bool | Mapping[str, Any] | None
    truncation: Any
    resumable: bool | None
    resumption_handle: str | None
    include: Sequence[str] | None
    tracing: Any
    prompt: Any
    safety_settings: Any
    kind: Literal["conversation", "transcription", "translation"] | None
    call_id: str | None
    endpoint: str | None
    non_blocking_tools: bool | Sequence[str] | None
