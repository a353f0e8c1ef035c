"""Settings of a realtime session to the ``setup`` message of Gemini Live.

Source: https://ai.google.dev/api/live#BidiGenerateContentSetup,
https://ai.google.dev/gemini-api/docs/live-guide, .../live-session, .../live-tools; for Vertex AI
https://docs.cloud.google.com/vertex-ai/generative-ai/docs/model-reference/multimodal-live
"""

from __future__ import annotations

from typing import Any

from exllm.errors import InvalidRequest, UnsupportedOption
from exllm.providers.gemini_config import generation_config
from exllm.providers.gemini_safety import safety_settings
from exllm.providers.gemini_tools import tool_fields
from exllm.providers.live_checks import check_modalities, merged, refuse_unsupported
from exllm.providers.live_translation import KIND
from exllm.providers.spec import ProviderSpec
from exllm.types.live_settings import LiveSettings, TurnDetection
from exllm.types.options import Options

SETTINGS = frozenset(
    {
        "instructions", "modalities", "voice", "language", "temperature", "top_p", "top_k", "max_tokens", "seed",
        "thinking", "reasoning_effort", "tools", "history", "turn_detection", "turn_coverage", "input_transcription",
        "output_transcription", "input_rate_hz", "media_resolution", "proactive_audio", "affective_dialog",
        "context_compression", "resumption_handle", "safety_settings", "non_blocking_tools", "kind",
    }
)  # fmt: skip
TRANSLATION_SETTINGS = frozenset(
    {
        "kind", "language", "modalities", "input_transcription", "output_transcription", "input_rate_hz",
        "resumption_handle", "context_compression",
    }
)  # fmt: skip

_COVERAGE = {
    "activity": "TURN_INCLUDES_ONLY_ACTIVITY",
    "all": "TURN_INCLUDES_ALL_INPUT",
    "activity_and_video": "TURN_INCLUDES_AUDIO_ACTIVITY_AND_ALL_VIDEO",
}
_OF_SILENCE = ("prefix_padding_ms", "silence_ms", "start_sensitivity", "end_sensitivity")
_DETECTION_FIELDS = frozenset({"kind", "interrupts", *_OF_SILENCE})


def setup_of(settings: LiveSettings, spec: ProviderSpec, warnings: list[str]) -> dict[str, Any]:
    """The content of the ``setup`` message, `settings.extra` over it; without the resumption handle.

    Raises: UnsupportedOption or InvalidRequest for what Gemini has no words for.
    """
    refuse_unsupported(settings, TRANSLATION_SETTINGS if settings.kind == KIND else SETTINGS, spec)
    if settings.kind == "transcription":
        raise UnsupportedOption(
            f"{spec.label} has no sessions of the kind 'transcription'; with input_transcription=True it writes down "
            f"what it hears",
            provider=spec.name,
        )
    check_modalities(settings.modalities, spec)
    setup: dict[str, Any] = {"model": spec.live.model_name(settings.model)}
    config = _generation_config(settings, warnings)
    if config:
        setup["generationConfig"] = config
    if settings.instructions is not None:
        setup["systemInstruction"] = system_instruction(settings.instructions)
    tools = tools_of(settings, warnings)
    if tools:
        setup["tools"] = tools
    realtime = _realtime_input(settings, spec)
    if realtime:
        setup["realtimeInputConfig"] = realtime
    for field, asked in (
        ("inputAudioTranscription", settings.input_transcription),
        ("outputAudioTranscription", settings.output_transcription),
    ):
        if asked is not None and asked is not False:
            setup[field] = _transcription(asked, field, spec)
    if settings.context_compression is not None and settings.context_compression is not False:
        setup["contextWindowCompression"] = _compression(settings.context_compression)
    if settings.proactive_audio is not None:
        setup["proactivity"] = {"proactiveAudio": settings.proactive_audio}
    if settings.safety_settings is not None:
        setup["safetySettings"] = safety_settings(settings.safety_settings, spec)
    setup = merged(setup, settings.extra)
    if settings.kind == KIND and "translationConfig" not in (setup.get("generationConfig") or {}):
        raise InvalidRequest("kind='translation' wants the language to translate to: language='es'", provider=spec.name)
    return setup


def system_instruction(text: str) -> dict[str, Any]:
    """The system instruction as a content."""
    return {"parts": [{"text": text}], "role": "user"}


def tools_of(settings: LiveSettings, warnings: list[str]) -> list[dict[str, Any]]:
    """The tools, with what is asked of waiting for their results."""
    fields = tool_fields(Options(tools=settings.tools), warnings)
    if "toolConfig" in fields:
        warnings.append("Gemini Live cannot hold a model to a tool's schema; strict was left out")
    tools: list[dict[str, Any]] = fields.get("tools", [])
    asked = settings.non_blocking_tools
    known: set[str] = set()
    for place, tool in enumerate(tools):
        declarations = tool.get("functionDeclarations")
        if declarations:
            known |= {declaration["name"] for declaration in declarations}
            tools[place] = {**tool, "functionDeclarations": [_behaving(each, asked) for each in declarations]}
    for name in asked if isinstance(asked, tuple) else ():
        if name not in known:
            raise InvalidRequest(f"non_blocking_tools: there is no tool {name!r} among {sorted(known)}")
    return tools


def _behaving(declaration: dict[str, Any], asked: bool | tuple[str, ...]) -> dict[str, Any]:
    """A declaration that says whether the model waits, where that was asked; by default it depends on the model.

    Sources: https://ai.google.dev/gemini-api/docs/models/gemini-3.8-live,
    https://docs.cloud.google.com/gemini-enterprise-agent-platform/models/live-api/asynchronous-function-calling
    """
    if asked == ():
        return declaration
    if asked is True or (isinstance(asked, tuple) and declaration["name"] in asked):
        return {**declaration, "behavior": "NON_BLOCKING"}
    return {"behavior": "BLOCKING", **declaration}


def _generation_config(settings: LiveSettings, warnings: list[str]) -> dict[str, Any]:
    audio = {"voice": settings.voice, "language": None if settings.kind == KIND else settings.language}
    audio = {name: value for name, value in audio.items() if value is not None}
    options = Options(
        temperature=settings.temperature,
        top_p=settings.top_p,
        top_k=settings.top_k,
        max_tokens=settings.max_tokens,
        seed=settings.seed,
        modalities=settings.modalities,
        audio=audio or None,
        thinking=settings.thinking,
        reasoning_effort=settings.reasoning_effort,
    )
    config = generation_config(options, settings.model, warnings)
    if settings.media_resolution is not None:
        config["mediaResolution"] = f"MEDIA_RESOLUTION_{settings.media_resolution.upper()}"
    if settings.affective_dialog is not None:
        config["enableAffectiveDialog"] = settings.affective_dialog
    if settings.kind == KIND and settings.language is not None:
        config["translationConfig"] = {"targetLanguageCode": settings.language}
    return config


def _realtime_input(settings: LiveSettings, spec: ProviderSpec) -> dict[str, Any]:
    config: dict[str, Any] = {}
    detection = settings.turn_detection
    if detection is not None:
        automatic = _activity_detection(detection, spec)
        if automatic:
            config["automaticActivityDetection"] = automatic
        if detection.interrupts is not None:
            config["activityHandling"] = "START_OF_ACTIVITY_INTERRUPTS" if detection.interrupts else "NO_INTERRUPTION"
    if settings.turn_coverage is not None:
        config["turnCoverage"] = _COVERAGE[settings.turn_coverage]
    return config


def _activity_detection(detection: TurnDetection, spec: ProviderSpec) -> dict[str, Any]:
    if detection.kind == "semantic":
        raise UnsupportedOption(
            f"{spec.label} notices by itself what is speech; turn_detection is of the kind 'server' or 'manual'",
            provider=spec.name,
        )
    for name in TurnDetection.__struct_fields__:
        # That an answer follows speech needs no words: it always does.
        always = name == "responds" and detection.responds is True
        if name not in _DETECTION_FIELDS and not always and getattr(detection, name) is not None:
            raise UnsupportedOption(f"{spec.label} has no {name} of turn_detection", provider=spec.name)
    if detection.kind == "manual":
        for name in _OF_SILENCE:
            if getattr(detection, name) is not None:
                raise UnsupportedOption(
                    f"{name} is of turn_detection 'server'; with 'manual' you say when speech begins and ends",
                    provider=spec.name,
                )
        return {"disabled": True}
    fields: dict[str, Any] = {}
    if detection.start_sensitivity is not None:
        fields["startOfSpeechSensitivity"] = f"START_SENSITIVITY_{detection.start_sensitivity.upper()}"
    if detection.end_sensitivity is not None:
        fields["endOfSpeechSensitivity"] = f"END_SENSITIVITY_{detection.end_sensitivity.upper()}"
    if detection.prefix_padding_ms is not None:
        fields["prefixPaddingMs"] = detection.prefix_padding_ms
    if detection.silence_ms is not None:
        fields["silenceDurationMs"] = detection.silence_ms
    return fields


def _transcription(asked: bool | str | dict[str, Any], field: str, spec: ProviderSpec) -> dict[str, Any]:
    if isinstance(asked, str):
        raise UnsupportedOption(
            f"{spec.label} writes down what is said by itself: {field} takes True or its own settings, "
            f"{{'languageCodes': [...]}}, and no model",
            provider=spec.name,
        )
    return {} if asked is True else dict(asked or {})


def _compression(asked: bool | dict[str, Any]) -> dict[str, Any]:
    """``{"trigger_tokens": 25600, "target_tokens": 12800}`` in short, or Gemini's own words."""
    if asked is True:
        return {"slidingWindow": {}}
    assert isinstance(asked, dict)
    if asked and asked.keys() <= {"slidingWindow", "triggerTokens"}:
        return asked
    unknown = asked.keys() - {"trigger_tokens", "target_tokens"}
    if unknown:
        raise InvalidRequest(
            f"context_compression takes trigger_tokens and target_tokens, or Gemini's own fields, got {sorted(unknown)}"
        )
    for name, tokens in asked.items():
        if isinstance(tokens, bool) or not isinstance(tokens, int) or tokens < 0:
            raise InvalidRequest(f"context_compression: {name} is a number of tokens, got {tokens!r}")
    window = {"targetTokens": asked["target_tokens"]} if "target_tokens" in asked else {}
    trigger = {"triggerTokens": asked["trigger_tokens"]} if "trigger_tokens" in asked else {}
    return {**trigger, "slidingWindow": window}
