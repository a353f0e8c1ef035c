"""Models for a purpose, best first, each with the reasons."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Literal

import msgspec

from exllm.errors import ConfigurationError
from exllm.model_catalog.models import base_rates, find_models, is_free, is_local
from exllm.model_catalog.schema import ModelInfo

Preference = Literal["balance", "price", "context", "newest", "output"]

OUTPUT_SHARE = 0.25
"""Of a usual call's tokens; what "price" means here is the mean price of a token in such a call."""


class Recommendation(msgspec.Struct, frozen=True):
    """A model that fits, with its place: `score` is between 0 and 1, `reasons` say what it is for, in words."""

    model: ModelInfo
    score: float
    reasons: tuple[str, ...]


def recommend_models(
    *, prefer: Preference = "balance", limit: int = 5, per_provider: int | None = 1, **conditions: Any
) -> list[Recommendation]:
    """The models that meet `conditions`, best first.

    Args:
        prefer: what counts most: ``price``, ``context``, ``newest`` (by its release), ``output`` (the longest answer),
            or a ``balance`` of all four.
        limit: how many at most.
        per_provider: how many of one provider at most; None for any number.
        conditions: those of `exllm.model_catalog.find_models`; ``mode`` is "chat" and ``runnable`` True unless said.

    Raises: ConfigurationError for an unknown preference or condition.
    """
    if prefer not in _WEIGHTS:
        raise ConfigurationError(f"unknown preference {prefer!r}; there are {', '.join(_WEIGHTS)}")
    asked: dict[str, Any] = {"mode": "chat", "runnable": True} | conditions
    try:
        found = find_models(**asked)
    except TypeError as error:
        raise ConfigurationError(str(error).replace("find_models()", "recommend_models()")) from None
    ranked = sorted((_judge(model, prefer, asked) for model in found), key=_place)
    taken: dict[str, int] = {}
    chosen = []
    for one in ranked:
        count = taken.get(one.model.provider, 0)
        if per_provider is None or count < per_provider:
            taken[one.model.provider] = count + 1
            chosen.append(one)
        if len(chosen) == limit:
            break
    return chosen


_WEIGHTS: dict[str, dict[str, float]] = {
    "balance": {"price": 0.4, "context": 0.2, "newest": 0.25, "output": 0.15},
    "price": {"price": 0.9, "context": 0.04, "newest": 0.04, "output": 0.02},
    "context": {"context": 0.9, "price": 0.05, "newest": 0.05},
    "newest": {"newest": 0.9, "price": 0.05, "context": 0.05},
    "output": {"output": 0.9, "price": 0.05, "newest": 0.05},
}


def mean_price(model: ModelInfo) -> float | None:
    """US dollars per million tokens of a usual call; None where the price is not known, 0 for a local model."""
    if is_local(model.provider):
        return 0.0
    rates = base_rates(model)
    if "input" not in rates:
        return None
    return rates["input"] * (1 - OUTPUT_SHARE) + rates.get("output", rates["input"]) * OUTPUT_SHARE


def _place(one: Recommendation) -> tuple[float, str, str]:
    return -one.score, one.model.provider, one.model.id


def _judge(model: ModelInfo, prefer: str, conditions: dict[str, Any]) -> Recommendation:
    score = sum(weight * _MEASURES[what](model) for what, weight in _WEIGHTS[prefer].items())
    return Recommendation(model, round(score, 6), tuple(_reasons(model, conditions)))


def _cheapness(model: ModelInfo) -> float:
    """1 for nothing, 0.5 at a dollar per million, towards 0; 0 where the price is not known."""
    price = mean_price(model)
    return 0.0 if price is None else 1 / (1 + price)


def _window(model: ModelInfo) -> float:
    """0 at 4,000 tokens and where it is not known, 1 at two million."""
    return _logarithmic(model.context_window, 4_000, 2_000_000)


def _longest_answer(model: ModelInfo) -> float:
    return _logarithmic(model.max_output_tokens, 2_000, 256_000)


def _logarithmic(count: int | None, low: int, high: int) -> float:
    if not count or count <= low:
        return 0.0
    return min(1.0, math.log(count / low) / math.log(high / low))


def _newness(model: ModelInfo) -> float:
    """By the release, from 0 at the beginning of 2023 to 1 at the end of 2027; 0 where it is not known."""
    released = model.released or ""
    year, month = released[:4], released[5:7]
    if not year.isdigit():
        return 0.0
    months = (int(year) - 2023) * 12 + (int(month) if month.isdigit() else 1) - 1
    return min(1.0, max(0.0, months / 60))


_MEASURES: dict[str, Callable[[ModelInfo], float]] = {
    "price": _cheapness, "context": _window, "newest": _newness, "output": _longest_answer,
}  # fmt: skip


def _reasons(model: ModelInfo, conditions: dict[str, Any]) -> list[str]:
    from exllm.model_catalog import vocabulary

    features = conditions.get("features", ())
    wanted = [features] if isinstance(features, str) else list(features)
    known = [vocabulary.ability(word).capability for word in wanted]
    reasons = [f"has {word}: {vocabulary.CAPABILITIES[word]}" for word in known if word is not None]
    rates = base_rates(model)
    if is_local(model.provider):
        reasons.append("runs on your machine, at no cost")
    elif is_free(model):
        reasons.append("costs nothing")
    elif "input" in rates:
        output = f", ${rates['output']:g} for output" if rates.get("output") else ""
        reasons.append(f"${rates['input']:g} per million input tokens{output}")
    else:
        reasons.append("its price is not known")
    if model.context_window:
        reasons.append(f"a context window of {model.context_window:,} tokens")
    if model.max_output_tokens:
        reasons.append(f"answers of up to {model.max_output_tokens:,} tokens")
    if model.released:
        reasons.append(f"released {model.released}")
    if model.open_weights:
        reasons.append("open weights")
    return reasons
