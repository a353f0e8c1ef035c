"""How services differ that speak OpenAI's Realtime protocol: quirks, and where each setting stands in their sessions.

Sources: https://docs.x.ai/docs/guides/voice/agent,
https://learn.microsoft.com/en-us/azure/ai-services/speech-service/voice-live-how-to, and what they sent in
``tests/recordings/ws``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

QUIRKS: dict[str, str] = {
    "beta_session": "settings stand side by side, under the names of the protocol's beta: Azure Voice Live",
    "turns_on_top": "voice and turn detection stand at the top of a session, which has no type: xAI",
    "always_speaks": "there is no answer in text alone: xAI",
    "any_rate": "PCM may have other rates than 24 kHz",
    "resumes_by_conversation": "a conversation goes on over another connection under its id, for 30 minutes: xAI",
    "answers_commits": "audio that is committed is answered without being asked to: xAI",
    "no_truncation": "an answer cannot be cut at what was heard, only be cancelled: xAI",
}

Path = tuple[str, ...]


class Dialect(msgspec.Struct, frozen=True, kw_only=True):
    """Where settings stand in a session, by our names; what is not there cannot be said.

    Attributes:
        paths: setting to its place in the session object.
        typed: a session says of which type it is.
        named_formats: audio formats are names, ``pcm16``, with the rate beside them; else objects with type and rate.
        lists_text: an answer in speech is asked for as text and audio.
        detection: kind of turn detection to its name and to its fields, by ours.
        response: option of one response to its place.
    """

    paths: Mapping[str, Path]
    typed: bool = True
    named_formats: bool = False
    lists_text: bool = False
    detection: Mapping[str, tuple[str, Mapping[str, str]]]
    response: Mapping[str, Path]


_GA: dict[str, Path] = {
    "instructions": ("instructions",),
    "modalities": ("output_modalities",),
    "max_tokens": ("max_output_tokens",),
    "tools": ("tools",),
    "tool_choice": ("tool_choice",),
    "parallel_tool_calls": ("parallel_tool_calls",),
    "reasoning_effort": ("reasoning", "effort"),
    "truncation": ("truncation",),
    "tracing": ("tracing",),
    "prompt": ("prompt",),
    "include": ("include",),
    "voice": ("audio", "output", "voice"),
    "speed": ("audio", "output", "speed"),
    "turn_detection": ("audio", "input", "turn_detection"),
    "transcription": ("audio", "input", "transcription"),
    "noise_reduction": ("audio", "input", "noise_reduction"),
    "input_format": ("audio", "input", "format"),
    "output_format": ("audio", "output", "format"),
}
_XAI = {
    **{name: path for name, path in _GA.items() if name not in ("modalities", "truncation", "tracing", "prompt")},
    "voice": ("voice",),
    "turn_detection": ("turn_detection",),
    "resumption": ("resumption",),
}
_BETA: dict[str, Path] = {
    "instructions": ("instructions",),
    "modalities": ("modalities",),
    "max_tokens": ("max_response_output_tokens",),
    "temperature": ("temperature",),
    "tools": ("tools",),
    "tool_choice": ("tool_choice",),
    "parallel_tool_calls": ("parallel_tool_calls",),
    "include": ("include",),
    "reasoning_effort": ("reasoning_effort",),
    "voice": ("voice",),
    "turn_detection": ("turn_detection",),
    "transcription": ("input_audio_transcription",),
    "noise_reduction": ("input_audio_noise_reduction",),
    "input_format": ("input_audio_format",),
    "input_rate_hz": ("input_audio_sampling_rate",),
    "output_format": ("output_audio_format",),
}

_AFTER_SPEECH = {"responds": "create_response", "interrupts": "interrupt_response"}
_BY_SILENCE = {
    "threshold": "threshold",
    "prefix_padding_ms": "prefix_padding_ms",
    "silence_ms": "silence_duration_ms",
    **_AFTER_SPEECH,
}
_DETECTION = {
    "server": ("server_vad", {**_BY_SILENCE, "idle_timeout_ms": "idle_timeout_ms"}),
    "semantic": ("semantic_vad", {"eagerness": "eagerness", **_AFTER_SPEECH}),
}
_BETA_DETECTION = {"server": ("server_vad", _BY_SILENCE), "semantic": ("azure_semantic_vad", _BY_SILENCE)}

_RESPONSE: dict[str, Path] = {
    "instructions": ("instructions",),
    "modalities": ("output_modalities",),
    "voice": ("audio", "output", "voice"),
    "tools": ("tools",),
    "tool_choice": ("tool_choice",),
    "max_tokens": ("max_output_tokens",),
    "parallel_tool_calls": ("parallel_tool_calls",),
    "reasoning_effort": ("reasoning", "effort"),
    "conversation": ("conversation",),
    "metadata": ("metadata",),
    "input": ("input",),
    "prompt": ("prompt",),
}
_BETA_RESPONSE: dict[str, Path] = {
    "instructions": ("instructions",),
    "modalities": ("modalities",),
    "voice": ("voice",),
    "tools": ("tools",),
    "tool_choice": ("tool_choice",),
    "max_tokens": ("max_output_tokens",),
    "reasoning_effort": ("reasoning_effort",),
    "temperature": ("temperature",),
    "metadata": ("metadata",),
    "input": ("input_items",),
}

_DIALECTS: dict[str, Dialect] = {
    "turns_on_top": Dialect(paths=_XAI, typed=False, detection=_DETECTION, response=_RESPONSE),
    "beta_session": Dialect(
        paths=_BETA,
        typed=False,
        named_formats=True,
        lists_text=True,
        detection=_BETA_DETECTION,
        response=_BETA_RESPONSE,
    ),
}
_OWN = Dialect(paths=_GA, detection=_DETECTION, response=_RESPONSE)


def dialect_of(quirks: frozenset[str]) -> Dialect:
    """The dialect that the quirks of a service name, OpenAI's own for none."""
    return next((dialect for quirk, dialect in _DIALECTS.items() if quirk in quirks), _OWN)


def put(session: dict[str, Any], path: Path, value: Any) -> None:
    """Set what stands at `path`."""
    for step in path[:-1]:
        session = session.setdefault(step, {})
    session[path[-1]] = value
