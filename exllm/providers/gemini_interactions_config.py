"""Options to `generation_config` and `response_format` of the Interactions API.

Sources: https://ai.google.dev/api/interactions-api#Resource:GenerationConfig,
https://ai.google.dev/gemini-api/docs/structured-output, https://ai.google.dev/gemini-api/docs/thinking
"""

from __future__ import annotations

from typing import Any

from exllm.errors import InvalidRequest
from exllm.providers.gemini_interactions_tools import tool_choice_of
from exllm.providers.gemini_models import model_facts
from exllm.types.options import Options

_SAME_BUT_SPELT = {
    "temperature": "temperature",
    "top_p": "top_p",
    "seed": "seed",
    "stop": "stop_sequences",
    "max_tokens": "max_output_tokens",
}
_LEVELS = ("minimal", "low", "medium", "high", "xhigh")
_SPEECH_FIELDS = frozenset({"voice", "language", "speaker"})
_FORMS = frozenset({"text", "image", "audio", "video"})
_JSON = "application/json"


def generation_config(options: Options, model: str, warnings: list[str]) -> dict[str, Any]:
    """The fields that were asked for. Raises `InvalidRequest` for what the API has no words for."""
    config: dict[str, Any] = {
        theirs: value for ours, theirs in _SAME_BUT_SPELT.items() if (value := getattr(options, ours)) is not None
    }
    config |= _thinking(options, model, warnings)
    if (choice := tool_choice_of(options)) is not None:
        config["tool_choice"] = choice
    if options.audio is not None and (speech := _speech(options.audio)):
        config["speech_config"] = speech
    return config


def _thinking(options: Options, model: str, warnings: list[str]) -> dict[str, Any]:
    """All models are told how long to think in words. Thoughts are shown only where `thinking` asks for them."""
    asked, effort = options.thinking, options.reasoning_effort
    config: dict[str, Any] = {}
    if isinstance(asked, dict):
        config = dict(asked)
    elif asked is True:
        config = {"thinking_summaries": "auto"}
    elif asked is False or asked == 0:
        config = {"thinking_level": _least(model, warnings)}
    elif asked is not None:
        raise InvalidRequest(
            "the Interactions API takes no number of tokens to think; use reasoning_effort, and max_tokens for all"
        )
    if effort is None:
        return config
    if "thinking_level" in config:
        raise InvalidRequest("thinking sets how long to think already; leave out reasoning_effort")
    if effort == "none":
        return {**config, "thinking_level": _least(model, warnings)}
    level = {"max": "xhigh", "minimal": _least_level(model)}.get(effort, effort)
    if level not in _LEVELS:
        raise InvalidRequest(f"reasoning_effort must be none, max or one of {', '.join(_LEVELS)}, got {effort!r}")
    if level != effort:
        warnings.append(f"{model} knows no effort {effort!r}; the level {level} was sent")
    return {**config, "thinking_level": level}


def _least(model: str, warnings: list[str]) -> str:
    level = _least_level(model)
    warnings.append(f"the Interactions API cannot keep a model from thinking; the least was asked for, {level}")
    return level


def _least_level(model: str) -> str:
    return "minimal" if model_facts(model).has_minimal else "low"


def _speech(audio: dict[str, Any]) -> Any:
    """``{"voice": "Kore", "language": "en-US"}``, or ``{"speakers": [...]}`` for several."""
    if "speakers" in audio:
        return {"speakers": audio["speakers"]}
    voice = {name: value for name, value in audio.items() if name in _SPEECH_FIELDS and value}
    return [voice] if voice else None


def response_format(options: Options) -> Any:
    """What the answer consists of: one form, several, or None for the model's own choice."""
    audio = options.audio or {}
    unknown = audio.keys() - {*_SPEECH_FIELDS, "speakers", "format"}
    if unknown:
        raise InvalidRequest(
            f"audio takes {', '.join(sorted({*_SPEECH_FIELDS, 'speakers', 'format'}))}, got {sorted(unknown)}"
        )
    forms: dict[str, dict[str, Any]] = {name.lower(): {"type": name.lower()} for name in options.modalities or ()}
    if audio.get("format"):
        form = audio["format"]
        mime_type = {"pcm16": "audio/l16", "pcm": "audio/l16", "opus": "audio/ogg_opus"}.get(form, f"audio/{form}")
        forms["audio"] = {"type": "audio", "mime_type": mime_type}
    wanted = _form(options.response_format)
    if wanted is not None:
        forms[wanted["type"]] = wanted
    return next(iter(forms.values())) if len(forms) == 1 else list(forms.values()) or None


def _form(wanted: str | dict[str, Any] | None) -> dict[str, Any] | None:
    match wanted:
        case None:
            return None
        case "text":
            return {"type": "text", "mime_type": "text/plain"}
        case "json" | {"type": "json_object"}:
            return {"type": "text", "mime_type": _JSON}
        case {"type": "json_schema", "json_schema": {"schema": schema}}:  # OpenAI's shape
            pass
        case {"type": "json_schema", "schema": schema}:  # Anthropic's
            pass
        case dict() if wanted.get("type") in _FORMS:  # the API's own
            return wanted
        case {"name": str(), "schema": schema}:
            pass
        case _:
            schema = wanted
    return {"type": "text", "mime_type": _JSON, "schema": schema}
