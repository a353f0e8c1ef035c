"""Options to the `generationConfig` of Gemini's generateContent.

Source: https://ai.google.dev/api/generate-content#generationconfig
"""

from __future__ import annotations

from typing import Any

from exllm.errors import InvalidRequest
from exllm.providers.gemini_thinking import thinking_config
from exllm.types.options import Options

_SAME_BUT_SPELT = {
    "temperature": "temperature",
    "top_p": "topP",
    "top_k": "topK",
    "n": "candidateCount",
    "max_tokens": "maxOutputTokens",
    "stop": "stopSequences",
    "logprobs": "responseLogprobs",
    "top_logprobs": "logprobs",
    "presence_penalty": "presencePenalty",
    "frequency_penalty": "frequencyPenalty",
    "seed": "seed",
}
_SPEECH_FIELDS = frozenset({"voiceConfig", "languageCode", "multiSpeakerVoiceConfig"})
_JSON = "application/json"


def generation_config(options: Options, model: str, warnings: list[str]) -> dict[str, Any]:
    """The fields that were asked for. Raises `InvalidRequest` for what Gemini has no words for."""
    config = {
        theirs: value for ours, theirs in _SAME_BUT_SPELT.items() if (value := getattr(options, ours)) is not None
    }
    if options.top_logprobs is not None:
        config["responseLogprobs"] = True
    config |= _response_format(options.response_format)
    if options.modalities is not None:
        config["responseModalities"] = [modality.upper() for modality in options.modalities]
    if options.audio is not None:
        config["speechConfig"] = _speech(options.audio)
    thinking = thinking_config(options, model, warnings)
    if thinking is not None:
        config["thinkingConfig"] = thinking
    return config


def _response_format(wanted: str | dict[str, Any] | None) -> dict[str, Any]:
    """https://ai.google.dev/gemini-api/docs/structured-output"""
    match wanted:
        case None | {"type": "text"}:
            return {}
        case "text":
            return {"responseMimeType": "text/plain"}
        case "json" | {"type": "json_object"}:
            return {"responseMimeType": _JSON}
        case {"type": "json_schema", "json_schema": {"schema": schema}}:  # OpenAI's shape
            pass
        case {"type": "json_schema", "schema": schema}:  # Anthropic's
            pass
        case {"name": str(), "schema": schema}:
            pass
        case _:
            schema = wanted
    return {"responseMimeType": _JSON, "responseJsonSchema": schema}


def _speech(audio: dict[str, Any]) -> dict[str, Any]:
    """``{"voice": "Kore", "language": "en-US"}``, or Gemini's own `speechConfig`. Sound comes as PCM, always."""
    if audio.keys() & _SPEECH_FIELDS:
        return audio
    unknown = audio.keys() - {"voice", "language", "format"}
    if unknown or audio.get("format") not in (None, "pcm16", "pcm"):
        raise InvalidRequest(
            "audio takes 'voice' and 'language' for Gemini, and its format is 'pcm16'; "
            f"or its own speechConfig ({', '.join(sorted(_SPEECH_FIELDS))}), got {sorted(audio)}"
        )
    speech: dict[str, Any] = {}
    if audio.get("voice"):
        speech["voiceConfig"] = {"prebuiltVoiceConfig": {"voiceName": audio["voice"]}}
    if audio.get("language"):
        speech["languageCode"] = audio["language"]
    return speech
