"""pydantic's genai-prices, https://github.com/pydantic/genai-prices (MIT): prices with tiers, dates and batch rates.

Its models take in ids by patterns, so its word on an id is had by asking for the ids that the others know. It comes in
two forms, the repository's ``prices/data.json`` and what the PyPI package holds; both are read here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from exllm.model_catalog.sync import names
from exllm.model_catalog.sync.found import ALWAYS, Found, Skipped, When

NAME = "genai-prices"
URL = "https://raw.githubusercontent.com/pydantic/genai-prices/main/prices/data.json"
LICENCE = "MIT, Copyright (c) Pydantic Services Inc. 2025 to present"

_THOUSAND, _HOUR = Decimal(1000), Decimal(3600)
UNITS: dict[str, tuple[str, Decimal]] = {  # theirs: ours, and how many of our unit theirs holds
    "input_mtok": ("input", Decimal(1)),
    "output_mtok": ("output", Decimal(1)),
    "cache_read_mtok": ("cache_read", Decimal(1)),
    "cache_write_mtok": ("cache_write", Decimal(1)),
    "cache_write_5m_mtok": ("cache_write", Decimal(1)),
    "cache_write_1h_mtok": ("cache_write_1h", Decimal(1)),
    "input_audio_mtok": ("input_audio", Decimal(1)),
    "output_audio_mtok": ("output_audio", Decimal(1)),
    "cache_audio_read_mtok": ("cache_read_audio", Decimal(1)),
    "input_image_mtok": ("input_image", Decimal(1)),
    "output_image_mtok": ("output_image", Decimal(1)),
    "cache_image_read_mtok": ("cache_read_image", Decimal(1)),
    "input_video_mtok": ("input_video", Decimal(1)),
    "output_video_mtok": ("output_video", Decimal(1)),
    "output_reasoning_mtok": ("reasoning", Decimal(1)),
    "output_citation_mtok": ("citation", Decimal(1)),
    "input_mchars": ("input_characters", Decimal(1)),
    "requests_kcount": ("per_request", _THOUSAND),
    "web_searches_kcount": ("per_search", _THOUSAND),
    "storage_searches_kcount": ("per_file_search", _THOUSAND),
    "rerank_searches_kcount": ("per_query", _THOUSAND),
    "input_text_messages_kcount": ("per_text_message", _THOUSAND),
    "input_document_kpages": ("per_page", _THOUSAND),
    "input_annotated_document_kpages": ("per_annotated_page", _THOUSAND),
    "audio_hours": ("per_input_second", _HOUR),
    "input_audio_hours": ("per_input_second", _HOUR),
}
_VERSION = re.compile(r"^[-@]?(20\d{6}|20\d\d-\d\d-\d\d|\d{2}-\d{2}|v\d+|latest|default)?([-:]?v?\d+(:\d+)?)?$")


def read(
    data: list[Mapping[str, Any]], known: Mapping[str, Iterable[str]], as_of: str, skipped: Skipped
) -> list[Found]:
    """What it says of its own ids, of the ids it names as equal, and of those in `known` that its patterns take in.

    Args:
        known: provider to the ids that the other sources have.
        as_of: YYYY-MM-DD; of dated prices the one of that day is the price, later ones are rows with ``since``.
    """
    found: list[Found] = []
    for entry in data:
        for provider in names.of_genai(entry["id"]):
            found += _provider(entry, provider, known.get(provider, ()), as_of, skipped)
    return found


def _provider(
    entry: Mapping[str, Any], provider: str, known: Iterable[str], as_of: str, skipped: Skipped
) -> Iterable[Found]:
    models = entry["models"]
    if provider == "gemini":  # the Gemini API has Google's own models, Vertex the others' too
        models = [model for model in models if not model["id"].startswith("claude")]
    suffix = ":" + entry["id"].removeprefix("huggingface_") if provider == "huggingface" else ""
    known = [id[: -len(suffix)] for id in known if id.endswith(suffix)] if suffix else list(known)
    spelt = {id.lower(): id for id in known}
    taken: dict[str, Found] = {}
    for model in models:
        for id in _own_ids(model):
            if id.lower() not in taken:
                taken[id.lower()] = _model(model, provider, spelt.get(id.lower(), id) + suffix, as_of, skipped)
    for id in known:
        if id.lower() not in taken:
            match = next((model for model in models if matches(model["match"], id.lower())), None)
            if match is not None:
                found = _model(match, provider, id + suffix, as_of, skipped)
                found.exact = _is_version_of(match, id.lower())
                taken[id.lower()] = found
    return taken.values()


def _own_ids(model: Mapping[str, Any]) -> list[str]:
    """Its id where its own patterns take it in, in the spelling of the id, and the ids named as equal."""
    ids = [model["id"]] if matches(model["match"], model["id"].lower()) else []
    return ids + [id for id in _equals(model["match"]) if id.lower() not in {known.lower() for known in ids}]


def _equals(clause: Mapping[str, Any]) -> list[str]:
    if clause.get("equals"):
        return [clause["equals"]]
    return [id for inner in clause.get("or") or clause.get("or_") or () for id in _equals(inner)]


def matches(clause: Mapping[str, Any], id: str) -> bool:
    """Whether a `match` clause takes in `id`, which must be in lower case."""
    for name, value in clause.items():
        if value is None or name == "__type__":
            continue
        match name.rstrip("_"):
            case "equals":
                return id == str(value).lower()
            case "starts_with":
                return id.startswith(value.lower())
            case "ends_with":
                return id.endswith(value.lower())
            case "contains":
                return value.lower() in id
            case "regex":
                return re.search(value, id) is not None
            case "or":
                return any(matches(inner, id) for inner in value)
            case "and":
                return all(matches(inner, id) for inner in value)
    return False


def _is_version_of(model: Mapping[str, Any], id: str) -> bool:
    """Whether `id` is the model itself with a date or version behind it, rather than something its pattern caught."""
    stems = [model["id"].lower(), *_starts(model["match"])]
    return any(id.startswith(stem) and _VERSION.match(id[len(stem) :]) for stem in stems)


def _starts(clause: Mapping[str, Any]) -> list[str]:
    if clause.get("starts_with"):
        return [clause["starts_with"].lower()]
    inner = clause.get("or") or clause.get("or_") or clause.get("and") or clause.get("and_") or ()
    return [start for one in inner for start in _starts(one)]


def _model(model: Mapping[str, Any], provider: str, id: str, as_of: str, skipped: Skipped) -> Found:
    found = Found(NAME, provider, id)
    found.put("name", model.get("name"))
    found.put("context_window", model.get("context_window"))
    found.put("status", "deprecated" if model.get("deprecated") else None)
    prices = model["prices"]
    if isinstance(prices, list):
        _dated(found, prices, as_of, skipped)
    else:
        _rates(found, ALWAYS, prices, skipped)
    for variant in model.get("price_variants") or ():
        when = _variant(variant["when"])
        since = (variant.get("constraint") or {}).get("start_date")
        if when is None:
            skipped.add(f"genai-prices: a price for {variant['when']}")
        elif variant["prices"]:
            _rates(found, when._replace(since=since if since and since > as_of else None), variant["prices"], skipped)
    return found


def _variant(when: Mapping[str, str]) -> When | None:
    """OpenAI's "fast" is another word for its priority tier; the vocabulary of tiers knows it."""
    if len(when) == 1:
        name, value = next(iter(when.items()))
        if name in ("processing", "service_tier", "speed") and value != "default":
            return When(tier=value)
    return When() if when == {"service_tier": "default"} else None


def _dated(found: Found, prices: list[Mapping[str, Any]], as_of: str, skipped: Skipped) -> None:
    """The price of the day, then what is known of later days; prices for hours of the day are rows of their own."""
    current = prices[0]
    later, hourly = [], []
    for price in prices:
        constraint = price.get("constraint") or {}
        start = constraint.get("start_date")
        if constraint.get("start_time"):
            hourly.append(price)
        elif start and start > as_of:
            later.append(price)
        else:
            current = price
    _rates(found, ALWAYS, current["prices"], skipped)
    for price in hourly:
        constraint = price["constraint"]
        span = f"{constraint['start_time'][:5]}-{constraint['end_time'][:5]}"
        _rates(found, When(hours=(span,)), price["prices"], skipped)
    for price in later:
        _rates(found, When(since=price["constraint"]["start_date"]), price["prices"], skipped)


def _rates(found: Found, when: When, prices: Mapping[str, Any], skipped: Skipped) -> None:
    for name, price in prices.items():
        if price is None or name == "__type__":
            continue
        if name not in UNITS:
            skipped.add(f"genai-prices: {name}")
            continue
        unit, holds = UNITS[name]
        if isinstance(price, Mapping):
            found.price(when, unit, Decimal(price["base"]) / holds)
            for step in price["tiers"]:
                found.price(when._replace(above=int(step["start"])), unit, Decimal(step["price"]) / holds)
        else:
            found.price(when, unit, Decimal(price) / holds)
