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

_LEVEL = {"max": "XHIGH"}
"""Efforts that Gemini calls otherwise."""
_BUDGET = {"minimal": 1_024, "low": 1_024, "medium": 8_192, "high": 24_576, "xhigh": 24_576, "max": 24_576}
_AUTOMATIC = -1
_LEAST_BUDGET = 128
"""Of Gemini 2.5 Pro, which always thinks."""


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
        return _least(model, warnings)
    if asked < _AUTOMATIC:
        raise InvalidRequest(f"thinking must be True, False, a number of tokens or a dict, got {asked}")
    return {"includeThoughts": True, "thinkingBudget": asked}


def _effort(effort: str, model: str, warnings: list[str]) -> dict[str, Any]:
    if effort == "none":
        return _least(model, warnings)
    if effort not in _BUDGET:
        raise InvalidRequest(f"reasoning_effort must be none or one of {', '.join(_BUDGET)}, got {effort!r}")
    if model_facts(model).levels:
        level = _LEVEL.get(effort) or effort.upper()
        if level == "MINIMAL" and not model_facts(model).has_minimal:
            level = "LOW"
        if level != effort.upper():
            warnings.append(f"{model} knows no effort {effort!r}; the level {level} was sent")
        return {"thinkingLevel": level}
    budget = _BUDGET[effort]
    warnings.append(f"{model} knows no effort; {effort!r} was sent as a thinking budget of {budget} tokens")
    return {"thinkingBudget": budget}


def _least(model: str, warnings: list[str]) -> dict[str, Any]:
    """No thinking, or as little as the model can do with."""
    facts = model_facts(model)
    if facts.can_rest:
        return {"thinkingBudget": 0}
    least: dict[str, Any] = (
        {"thinkingLevel": "MINIMAL" if facts.has_minimal else "LOW"}
        if facts.levels
        else {"thinkingBudget": _LEAST_BUDGET}
    )
    (value,) = least.values()
    warnings.append(f"{model} cannot be kept from thinking; the least was asked for, {value}")
    return least
