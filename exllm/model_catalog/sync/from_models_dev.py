"""models.dev, https://models.dev (MIT): US dollars per million tokens, with names, dates and modalities."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from exllm.model_catalog.sync import names
from exllm.model_catalog.sync.found import ALWAYS, Found, Skipped, When

NAME = "models.dev"
URL = "https://models.dev/api.json"
LICENCE = "MIT, Copyright (c) 2025 spin.dev"

RATES = {
    "input": "input",
    "output": "output",
    "cache_read": "cache_read",
    "cache_input": "cache_read",
    "cached_input": "cache_read",
    "cache_write": "cache_write",
    "cached_write": "cache_write",
    "reasoning": "reasoning",
    "citation": "citation",
    "input_audio": "input_audio",
    "output_audio": "output_audio",
}
ABILITIES = {
    "tool_call": "function_calling",
    "reasoning": "reasoning",
    "structured_output": "structured_output",
    "temperature": "sampling_parameters",
}


def read(data: Mapping[str, Any], skipped: Skipped) -> list[Found]:
    """What it says of each model of each provider. Numbers must have been read as `Decimal`."""
    return [
        _model(names.of_models_dev(word), id, entry, provider.get("doc"), skipped)
        for word, provider in data.items()
        for id, entry in provider["models"].items()
    ]


def _model(provider: str, id: str, entry: Mapping[str, Any], url: Any, skipped: Skipped) -> Found:
    model = Found(NAME, provider, id)
    model.put("name", entry.get("name"))
    model.put("family", entry.get("family"))
    limit = entry.get("limit") or {}
    model.put("context_window", _positive(limit.get("context")))
    model.put("max_input_tokens", _positive(limit.get("input")))
    model.put("max_output_tokens", _positive(limit.get("output")))
    for ours, theirs in (("input", "input"), ("output", "output")):
        model.put(ours, tuple((entry.get("modalities") or {}).get(theirs) or ()))
    model.put("capabilities", tuple(sorted(our for word, our in ABILITIES.items() if entry.get(word) is True)))
    model.put("lacks", tuple(sorted(our for word, our in ABILITIES.items() if entry.get(word) is False)))
    if entry.get("interleaved"):
        model.fields["capabilities"] = tuple(sorted({*model.fields.get("capabilities", ()), "interleaved_reasoning"}))
    for option in entry.get("reasoning_options") or ():
        if option.get("type") == "effort":
            model.put("reasoning_efforts", tuple(str(value) for value in option.get("values") or () if value))
    model.put("knowledge_cutoff", _date(entry.get("knowledge"), skipped))
    model.put("released", _date(entry.get("release_date"), skipped))
    model.put("status", entry.get("status"))
    model.put("open_weights", entry.get("open_weights"))
    model.put("url", url)
    _prices(model, entry, skipped)
    return model


def _prices(model: Found, entry: Mapping[str, Any], skipped: Skipped) -> None:
    cost = entry.get("cost") or {}
    _rates(model, ALWAYS, cost, skipped)
    for step in cost.get("tiers") or ():
        _rates(model, When(above=int(step["tier"]["size"])), step, skipped)
    fast = ((entry.get("experimental") or {}).get("modes") or {}).get("fast") or {}
    body = (fast.get("provider") or {}).get("body") or {}
    tier = body.get("service_tier") or body.get("speed")
    if tier and fast.get("cost"):
        _rates(model, When(tier=str(tier)), fast["cost"], skipped)


def _rates(model: Found, when: When, rates: Mapping[str, Any], skipped: Skipped) -> None:
    for name, usd in rates.items():
        if name in RATES and isinstance(usd, int | Decimal):
            model.price(when, RATES[name], Decimal(usd))
        elif name not in ("tiers", "tier"):
            skipped.add(f"models.dev: cost.{name}")


def _positive(value: Any) -> int | None:
    return int(value) if isinstance(value, int | Decimal) and value > 0 else None


def _date(value: Any, skipped: Skipped) -> str | None:
    """A day, a month or a year; anything else that stands in its place is counted."""
    if not value:
        return None
    try:
        if datetime.date.fromisoformat(f"{value}-01-01"[:10]).year < 2015:
            raise ValueError("1970-01-01 is not when a language model was released")
    except ValueError:
        skipped.add(f"models.dev: the date {value!r}")
        return None
    return str(value)
