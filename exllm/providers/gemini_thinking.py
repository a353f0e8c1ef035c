"""How long a Gemini model is to think: our two options to `thinkingConfig`.

Gemini 3 is told in levels, older models in tokens. What is asked for is sent in the words of the model at hand, and a
translation is told as a warning. Thoughts are shown only where `thinking` asks for them.
Sources: https://ai.google.dev/gemini-api/docs/thinking, and for the table of efforts and tokens
https://ai.google.dev/gemini-api/docs/openai#thinking
"""

from __future__ import annotations

from typing import Any

from exllm.errors import InvalidRequest
from exllm.providers.gemini_models import model_facts
from exllm.types.options import Options

_LEVEL = {"minimal": "MINIMAL", "low": "LOW", "medium": "MEDIUM", "high": "HIGH", "xhigh": "XHIGH"}
_NEAREST_LEVEL = {"none": "MINIMAL", "max": "XHIGH"}
_BUDGET = {"none": 0, "minimal": 1_024, "low": 1_024, "medium": 8_192, "high": 24_576, "xhigh": 24_576, "max": 24_576}
_AUTOMATIC = -1


def thinking_config(options: Options, model: str, warnings: list[str]) -> dict[str, Any] | None:
    """The `thinkingConfig`, None where nothing was asked. Raises `InvalidRequest` for what excludes each other."""
    asked, effort = options.thinking, options.reasoning_effort
    if isinstance(asked, dict):
        config = dict(asked)
    elif asked is None:
        config = {}
    else:
        config = _asked(asked, model, warnings)
    if effort is not None:
        if "thinkingBudget" in config or "thinkingLevel" in config:
            raise InvalidRequest("thinking sets how long to think already; leave out reasoning_effort")
        config |= _effort(effort, model, warnings)
    return config or None


def _asked(asked: bool | int, model: str, warnings: list[str]) -> dict[str, Any]:
    if asked is True:
        return {"includeThoughts": True}
    if asked is False or asked == 0:
        facts = model_facts(model)
        if facts.levels:
            warnings.append(f"{model} cannot be kept from thinking; the level MINIMAL was sent")
            return {"thinkingLevel": "MINIMAL"}
        return {"thinkingBudget": 0}
    if asked < _AUTOMATIC:
        raise InvalidRequest(f"thinking must be True, False, a number of tokens or a dict, got {asked}")
    return {"includeThoughts": True, "thinkingBudget": asked}


def _effort(effort: str, model: str, warnings: list[str]) -> dict[str, Any]:
    if model_facts(model).levels:
        level = _LEVEL.get(effort) or _NEAREST_LEVEL.get(effort) or effort.upper()
        if effort in _NEAREST_LEVEL:
            warnings.append(f"{model} knows no effort {effort!r}; the level {level} was sent")
        return {"thinkingLevel": level}
    if effort not in _BUDGET:
        raise InvalidRequest(f"reasoning_effort must be one of {', '.join(_BUDGET)} for {model}, got {effort!r}")
    budget = _BUDGET[effort]
    if effort != "none":
        warnings.append(f"{model} knows no effort; {effort!r} was sent as a thinking budget of {budget} tokens")
    return {"thinkingBudget": budget}
