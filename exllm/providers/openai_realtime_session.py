"""Settings of a realtime session to the ``session`` of OpenAI's Realtime API, and of one response.

Source: https://developers.openai.com/api/reference/resources/realtime/client-events#session.update,
https://developers.openai.com/api/docs/guides/realtime-conversations, /realtime-transcription, /realtime-vad
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from exllm.errors import InvalidRequest, UnsupportedOption
from exllm.providers.live_checks import check_modalities, merged
from exllm.providers.openai_realtime_items import Item, items_of
from exllm.providers.openai_realtime_quirks import Dialect, dialect_of, put
from exllm.providers.openai_responses_tools import tool_fields
from exllm.providers.spec import ProviderSpec
from exllm.types.live_settings import LiveSettings, TurnDetection
from exllm.types.message import Message
from exllm.types.normalise import normalise_messages
from exllm.types.options import Options
from exllm.types.tool import Tool
from exllm.types.tool_dicts import tools_of

SETTINGS = frozenset(
    {
        "instructions", "modalities", "voice", "language", "speed", "temperature", "max_tokens", "reasoning_effort",
        "tools", "tool_choice", "parallel_tool_calls", "history", "turn_detection", "input_transcription",
        "output_transcription", "input_rate_hz", "output_rate_hz", "audio_format", "noise_reduction", "truncation",
        "resumption_handle", "include", "tracing", "prompt", "kind", "call_id",
    }
)  # fmt: skip

PCM_RATE_HZ = 24_000
G711_RATE_HZ = 8_000
MEDIA_TYPES = {"pcm16": "audio/pcm", "g711_ulaw": "audio/pcmu", "g711_alaw": "audio/pcma"}

_USUAL = LiveSettings("")
# What a transcription session has a place for.
_LISTENING = frozenset(
    {"turn_detection", "input_transcription", "language", "input_rate_hz", "audio_format", "noise_reduction", "include",
     "kind", "model", "extra", "resumable", "endpoint"}
)  # fmt: skip
# What takes back a setting that is in a session no more.
_CLEARED: dict[str, Any] = {"instructions": "", "tools": [], "include": []}
# What the two ends of a call have agreed on.
_OF_A_CALL = ("audio_format", "input_rate_hz", "output_rate_hz")


def session_of(settings: LiveSettings, spec: ProviderSpec, warnings: list[str]) -> dict[str, Any]:
    """The ``session`` that `settings` ask for, `settings.extra` over it.

    Raises: UnsupportedOption or InvalidRequest for what the service has no words for.
    """
    dialect = dialect_of(spec.live.quirks)
    is_listening = settings.kind == "transcription"
    if is_listening:
        _check_listening(settings, spec)
    session: dict[str, Any] = {}
    if dialect.typed:
        session["type"] = "transcription" if is_listening else "realtime"
    for name, value in _values(settings, spec, dialect, warnings).items():
        if name in dialect.paths:
            put(session, dialect.paths[name], value)
        elif name != "input_rate_hz":
            raise UnsupportedOption(
                f"realtime sessions of {spec.label} take no {name}", provider=spec.name, model=settings.model
            )
    return merged(session, settings.extra)


def changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    """What of a session is to be sent, so that `old` becomes `new`: fields that are left out stay as they are."""
    changed: dict[str, Any] = {}
    for name, value in new.items():
        before = old.get(name)
        if isinstance(value, dict) and isinstance(before, dict) and "type" not in value:
            inner = changes(before, value)
            if inner:
                changed[name] = inner
        elif name not in old or value != before:
            changed[name] = value
    for name in old.keys() - new.keys():
        changed[name] = _CLEARED.get(name)
    return changed


def response_of(how: Mapping[str, Any], spec: ProviderSpec, warnings: list[str]) -> dict[str, Any]:
    """The options of one response. Raises `UnsupportedOption` for one that there is none of."""
    dialect = dialect_of(spec.live.quirks)
    fields: dict[str, Any] = {}
    for name, value in how.items():
        if name == "extra":
            continue
        if name not in dialect.response:
            raise UnsupportedOption(
                f"one response of {spec.label} takes {', '.join(dialect.response)} and extra, not {name!r}",
                provider=spec.name,
            )
        if name == "modalities":
            value = _listed((value,) if isinstance(value, str) else value, spec, dialect)
        elif name == "input":
            value = _input(value, spec, warnings)
        put(fields, dialect.response[name], value)
    if "tools" in how or "tool_choice" in how:
        fields |= _tool_fields(tools_of(how.get("tools") or ()), how.get("tool_choice"), warnings)
    return merged(fields, how.get("extra") or {})


def _input(value: Any, spec: ProviderSpec, warnings: list[str]) -> list[Item]:
    """Items as they are; texts and messages as items."""

    def warn(words: str) -> None:
        if words not in warnings:
            warnings.append(words)

    items: list[Item] = []
    for each in (value,) if isinstance(value, str | Message) else value:
        if isinstance(each, Mapping):
            items.append(dict(each))
        else:
            items += items_of(normalise_messages(each), spec, warn)
    return items


def rate_of(settings: LiveSettings, spec: ProviderSpec, *, output: bool) -> int:
    """Samples per second of the audio that goes in or out."""
    asked = settings.output_rate_hz if output else settings.input_rate_hz
    usual = PCM_RATE_HZ if settings.audio_format == "pcm16" else G711_RATE_HZ
    if asked in (None, usual):
        return usual
    assert asked is not None
    if settings.audio_format == "pcm16" and "any_rate" in spec.live.quirks:
        return asked
    raise UnsupportedOption(
        f"{spec.label} takes {settings.audio_format} with {usual} samples a second, got {asked}", provider=spec.name
    )


def _values(settings: LiveSettings, spec: ProviderSpec, dialect: Dialect, warnings: list[str]) -> dict[str, Any]:
    """The settings that were made, by our names and in the service's words."""
    values: dict[str, Any] = {
        name: value
        for name in ("instructions", "speed", "temperature", "max_tokens", "parallel_tool_calls", "reasoning_effort",
                     "truncation", "tracing", "voice")
        if (value := getattr(settings, name)) is not None
    }  # fmt: skip
    if settings.modalities is not None:
        values |= _modalities(settings, spec, dialect)
    if settings.include:
        values["include"] = list(settings.include)
    if settings.prompt is not None:
        values["prompt"] = {"id": settings.prompt} if isinstance(settings.prompt, str) else settings.prompt
    values |= _tool_fields(settings.tools, settings.tool_choice, warnings)
    if settings.turn_detection is not None:
        values["turn_detection"] = _turn_detection(settings.turn_detection, spec, dialect)
    transcription = _transcription(settings, spec)
    if transcription is not None:
        values["transcription"] = transcription
    if settings.noise_reduction is not None:
        values["noise_reduction"] = {"type": settings.noise_reduction}
    values |= _formats(settings, spec, dialect)
    if "resumes_by_conversation" in spec.live.quirks and settings.resumable:
        values["resumption"] = {"enabled": True}
    if settings.output_transcription is False:
        raise UnsupportedOption(f"{spec.label} always writes down what it says", provider=spec.name)
    if isinstance(settings.output_transcription, dict):
        raise UnsupportedOption(f"{spec.label} has no settings for what it writes down itself", provider=spec.name)
    return values


def _modalities(settings: LiveSettings, spec: ProviderSpec, dialect: Dialect) -> dict[str, Any]:
    assert settings.modalities is not None
    if "always_speaks" not in spec.live.quirks:
        return {"modalities": _listed(settings.modalities, spec, dialect)}
    if "audio" not in settings.modalities:
        raise UnsupportedOption(f"{spec.label} always speaks: modalities are ('audio',)", provider=spec.name)
    return {}


def _listed(modalities: Sequence[str], spec: ProviderSpec, dialect: Dialect) -> list[str]:
    if dialect.lists_text:
        return ["text", "audio"] if list(modalities) == ["audio"] else list(modalities)
    if "always_speaks" not in spec.live.quirks:
        check_modalities(modalities, spec)
    return list(modalities)


def _formats(settings: LiveSettings, spec: ProviderSpec, dialect: Dialect) -> dict[str, Any]:
    if settings.call_id is not None:
        for name in _OF_A_CALL:
            if getattr(settings, name) != getattr(_USUAL, name):
                raise UnsupportedOption(f"a call has an {name} of its own; leave it out", provider=spec.name)
        return {}
    rate_hz = rate_of(settings, spec, output=False)
    formats = {"input_format": _format(settings, rate_hz, dialect, output=False), "input_rate_hz": rate_hz}
    if settings.kind != "transcription":
        formats["output_format"] = _format(settings, rate_of(settings, spec, output=True), dialect, output=True)
    return formats


def _format(settings: LiveSettings, rate_hz: int, dialect: Dialect, *, output: bool) -> Any:
    is_pcm = settings.audio_format == "pcm16"
    if dialect.named_formats:
        is_usual = not is_pcm or not output or rate_hz == PCM_RATE_HZ  # the rate of what goes in stands beside it
        return settings.audio_format if is_usual else f"pcm16_{rate_hz}hz"
    return {"type": "audio/pcm", "rate": rate_hz} if is_pcm else {"type": MEDIA_TYPES[settings.audio_format]}


def _tool_fields(tools: Any, choice: Any, warnings: list[str]) -> dict[str, Any]:
    """As for the Responses API, but that there is no ``strict``."""
    fields = tool_fields(Options(tools=tuple(tools) or None, tool_choice=choice), frozenset())
    if "tools" in fields:
        fields["tools"] = [
            {name: value for name, value in written.items() if name != "strict" or not isinstance(tool, Tool)}
            for tool, written in zip(tools, fields["tools"], strict=True)
        ]
    for tool in tools:
        for name in ("strict", "cache_control"):
            words = f"realtime sessions know no {name} of a tool; it was left out"
            if isinstance(tool, Tool) and getattr(tool, name) and words not in warnings:
                warnings.append(words)
    return fields


def _turn_detection(detection: TurnDetection, spec: ProviderSpec, dialect: Dialect) -> dict[str, Any] | None:
    kind, fields = dialect.detection.get(detection.kind, ("", {}))
    # Who says when a turn begins and ends is asked here, not the service, whether it is answered.
    own = {"kind"} if kind else {"kind", "responds", "interrupts"}
    for name in TurnDetection.__struct_fields__:
        if name not in own and name not in fields and getattr(detection, name) is not None:
            raise UnsupportedOption(
                f"{spec.label} has no {name} of turn_detection of the kind {detection.kind!r}", provider=spec.name
            )
    if not kind:
        return None
    return {
        "type": kind,
        **{theirs: value for ours, theirs in fields.items() if (value := getattr(detection, ours)) is not None},
    }


def _transcription(settings: LiveSettings, spec: ProviderSpec) -> dict[str, Any] | None:
    """In a session that only listens the model is the one that transcribes."""
    asked = settings.input_transcription
    is_listening = settings.kind == "transcription"
    if isinstance(asked, dict):
        fields = dict(asked)
    elif isinstance(asked, str):
        fields = {"model": asked}
    elif asked or is_listening:
        fields = {}
    elif settings.language is not None:
        raise UnsupportedOption(
            f"{spec.label} takes a language for what it writes down of the user's speech: input_transcription=True",
            provider=spec.name,
        )
    else:
        return None
    model = settings.model if is_listening else spec.live.transcription_model
    if "model" not in fields:
        if not model:
            raise InvalidRequest(
                f"{spec.label} wants the name of the model that transcribes: input_transcription='...'",
                provider=spec.name,
            )
        fields["model"] = model
    if settings.language is not None:
        fields.setdefault("language", settings.language)
    return fields


def _check_listening(settings: LiveSettings, spec: ProviderSpec) -> None:
    for name in LiveSettings.__struct_fields__:
        if name not in _LISTENING and getattr(settings, name) != getattr(_USUAL, name):
            raise UnsupportedOption(f"a session of the kind 'transcription' takes no {name}", provider=spec.name)
