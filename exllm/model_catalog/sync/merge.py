"""One model out of what several sources say of it.

The rule of precedence, per field:

- ``overrides.yml``, by hand, has the last word on everything.
- Prices: genai-prices where it names the id (or a dated form of it), then LiteLLM, then models.dev, then genai-prices
  where only a pattern of it took the id in. genai-prices is first because its prices are dated and commented by hand.
  A price list is one source's: which rows and tiers there are is for the first source to say. Others may add units and
  tiers that it is silent about, provided that they agree with it on what input and output cost.
  Where the other two agree against the first on what input and output cost, they are two to one and come first.
- Limits, modes, endpoints, deprecation dates: LiteLLM, then models.dev, then genai-prices.
- Names, dates, modalities, status: models.dev, then LiteLLM, then genai-prices.
- Capabilities: what any source says the model has; a contradiction goes to the first of LiteLLM, models.dev.
- Writing to a cache for 0, beside an input that is not free, means "nothing on top": such tokens cost what input costs.
- A price list of nothing but zeros is believed of free models and subscriptions, or when two sources say so. Else it
  is taken for "not known": sources write 0 where they have no figure.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from exllm.model_catalog.sync import from_genai, from_litellm, from_models_dev, names
from exllm.model_catalog.sync.found import ALWAYS, Found, Rows, When

GENAI, LITELLM, MODELS_DEV = from_genai.NAME, from_litellm.NAME, from_models_dev.NAME
PRICES_FROM = (GENAI, LITELLM, MODELS_DEV)
_FACTS_FIRST = (LITELLM, MODELS_DEV, GENAI)
_PEOPLE_FIRST = (MODELS_DEV, LITELLM, GENAI)
FIELDS: dict[str, tuple[str, ...]] = {
    "name": _PEOPLE_FIRST, "family": _PEOPLE_FIRST, "modes": _FACTS_FIRST, "context_window": _FACTS_FIRST,
    "max_input_tokens": _FACTS_FIRST, "max_output_tokens": _FACTS_FIRST, "input": _PEOPLE_FIRST,
    "output": _PEOPLE_FIRST, "embedding_dimensions": _FACTS_FIRST, "reasoning_efforts": _FACTS_FIRST,
    "knowledge_cutoff": _PEOPLE_FIRST, "released": _PEOPLE_FIRST, "status": _PEOPLE_FIRST,
    "deprecation_date": _FACTS_FIRST, "open_weights": _PEOPLE_FIRST, "endpoints": _FACTS_FIRST, "url": _FACTS_FIRST,
}  # fmt: skip
COMPARED = ("context_window", "max_output_tokens", "deprecation_date")
"""Fields whose disagreements are reported, beside all prices."""

ROUNDING = Decimal("0.0002")
"""Prices that differ by less are the same one, rounded: 0.00003083 for a thirty-six hundredth of 0.111."""

_CAPABILITY_OF_MODE = {
    "chat": "streaming", "completion": "streaming", "image": "image_output", "video": "video_output",
    "speech": "audio_output", "transcription": "audio_input",
}  # fmt: skip
_MODE_OF_OUTPUT = (("text", "chat"), ("image", "image"), ("video", "video"), ("audio", "speech"))
_NOT_CHAT = re.compile(r"embed|rerank|whisper|tts|image|transcribe|speech|ocr|moderation|guard", re.IGNORECASE)
_FREE = re.compile(r"(?<![a-z])free(?![a-z])", re.IGNORECASE)


@dataclass
class Disagreement:
    """One figure that two sources give differently; `figures` are in the order of precedence, the first was taken."""

    provider: str
    id: str
    what: str
    figures: list[tuple[str, str]]


@dataclass
class Merged:
    """A model as it goes to the file. `rows` keep per row the source that it is from."""

    provider: str
    id: str
    fields: dict[str, Any] = field(default_factory=dict)
    rows: list[tuple[When, dict[str, Decimal], str]] = field(default_factory=list)
    origin: dict[str, str] = field(default_factory=dict)

    @property
    def prices_from(self) -> str | None:
        return self.rows[0][2] if self.rows else None


@dataclass
class Outcome:
    models: dict[str, dict[str, Merged]] = field(default_factory=dict)
    disagreements: list[Disagreement] = field(default_factory=list)
    zero_prices: list[tuple[str, str, str]] = field(default_factory=list)  # provider, id, source: taken for unknown


def merge(found: Iterable[Found]) -> Outcome:
    """All models of all sources, merged by the rule above. The order of `found` within one source does not matter
    but for a model that a source has twice: then the first entry counts, and what they differ in is reported."""
    outcome = Outcome()
    for (provider, _), entries in sorted(_together(found).items()):
        models = outcome.models.setdefault(provider, {})
        merged = _model(provider, entries, outcome)
        models[merged.id] = merged
    return outcome


def _together(found: Iterable[Found]) -> dict[tuple[str, str], list[Found]]:
    """What is said of one model, by provider and lower-case id; several entries of one source become one."""
    together: dict[tuple[str, str], list[Found]] = {}
    for entry in found:
        entries = together.setdefault((entry.provider, entry.id.lower()), [])
        same = next((one for one in entries if one.source == entry.source), None)
        if same is None:
            entries.append(entry)
        else:
            for name, value in entry.fields.items():
                same.fields.setdefault(name, value)
            has_list = any(not _special(when) for when in same.rows)
            for when, rates in entry.rows.items():
                if _special(when) or not has_list:  # two price lists are not mixed
                    same.rows.setdefault(when, rates)
    return together


def _special(when: When) -> bool:
    """Whether the row is for a region or a kind of picture, which a source may list as an entry of its own."""
    return any((when.region, when.size, when.quality))


def _model(provider: str, entries: list[Found], outcome: Outcome) -> Merged:
    by_source = {entry.source: entry for entry in entries}
    spelt = next(by_source[source].id for source in _PEOPLE_FIRST if source in by_source)
    merged = Merged(provider, spelt)
    for name, order in FIELDS.items():
        for source in order:
            if source in by_source and name in by_source[source].fields:
                merged.fields[name] = by_source[source].fields[name]
                merged.origin[name] = source
                break
    _prices(merged, by_source, outcome)
    _modes(merged)
    _capabilities(merged, by_source)
    for name in COMPARED:
        stated = [
            (source, str(by_source[source].fields[name]))
            for source in FIELDS[name]
            if source in by_source and name in by_source[source].fields
        ]
        if len({value for _, value in stated}) > 1:
            outcome.disagreements.append(Disagreement(provider, merged.id, name, stated))
    return merged


def _capabilities(merged: Merged, by_source: dict[str, Found]) -> None:
    can: dict[str, str] = {}
    cannot: dict[str, str] = {}
    for source in (LITELLM, MODELS_DEV):
        if source in by_source:
            for capability in by_source[source].fields.get("capabilities", ()):
                if capability not in cannot:
                    can.setdefault(capability, source)
            for capability in by_source[source].fields.get("lacks", ()):
                if capability not in can:
                    cannot.setdefault(capability, source)
    for modality, capability in (("image", "vision"), ("pdf", "pdf_input"), ("audio", "audio_input"),
                                 ("video", "video_input")):  # fmt: skip
        if modality in merged.fields.get("input", ()) and capability not in cannot:
            can.setdefault(capability, merged.origin["input"])
    for modality, capability in (("image", "image_output"), ("audio", "audio_output"), ("video", "video_output")):
        if modality in merged.fields.get("output", ()) and capability not in cannot:
            can.setdefault(capability, merged.origin["output"])
    for mode, capability in _CAPABILITY_OF_MODE.items():
        if mode in merged.fields.get("modes", ()) and capability not in cannot:
            can.setdefault(capability, "derived")
    for name, words in (("capabilities", can), ("lacks", cannot)):
        if words:
            merged.fields[name] = tuple(sorted(words))
            sources = [source for source in words.values() if source != "derived"]
            merged.origin[name] = max(set(sources), key=lambda s: (sources.count(s), s)) if sources else "derived"


def _modes(merged: Merged) -> None:
    """Where no source names the mode: what comes out tells it, or what is billed."""
    if "modes" in merged.fields:
        return
    output = merged.fields.get("output")
    billed = {unit for when, rates, _ in merged.rows if when == ALWAYS for unit, usd in rates.items() if usd}
    if output is not None:
        mode = next((mode for modality, mode in _MODE_OF_OUTPUT if modality in output), "other")
    elif _NOT_CHAT.search(merged.id):
        return
    elif {"input", "output"} <= billed:
        mode = "chat"
    else:
        return
    merged.fields["modes"] = (mode,)
    merged.origin["modes"] = "derived"


# -- prices


def _prices(merged: Merged, by_source: dict[str, Found], outcome: Outcome) -> None:
    order = [source for source in PRICES_FROM if source in by_source and by_source[source].rows]
    if GENAI in order and not by_source[GENAI].exact:
        order = [source for source in order if source != GENAI] + [GENAI]
    zero = [source for source in order if _all_zero(by_source[source].rows)]
    if zero and not _is_free(merged, zero, order):
        outcome.zero_prices += [(merged.provider, merged.id, source) for source in zero]
        order = [source for source in order if source not in zero]
    if not order or merged.provider in names.LOCAL:
        return
    order = _vote(order, by_source)
    first, *others = order
    rows = _tidy(by_source[first].rows)
    merged.rows = [(when, rates, first) for when, rates in rows.items()]
    for source in others:
        other = _tidy(by_source[source].rows)
        if source == GENAI and not by_source[GENAI].exact:
            continue  # a pattern's guess adds nothing and is no evidence against a price
        _disagreements(merged, outcome, first, rows, source, other)
        if _agree(rows, other):
            _fill(merged, source, other)
    merged.rows.sort(key=lambda row: _order(row[0]))


def _vote(order: list[str], by_source: dict[str, Found]) -> list[str]:
    """`order`, with the first source put last where all others agree against it."""
    if len(order) < 3:
        return order
    first, second, third = (by_source[source].rows.get(ALWAYS, {}) for source in order)
    key = ("input", "output")
    if any(unit not in rates for unit in key for rates in (first, second, third)):
        return order
    agree = all(_same(second[unit], third[unit]) for unit in key)
    outvoted = not all(_same(first[unit], second[unit]) for unit in key)
    return [*order[1:], order[0]] if agree and outvoted else order


def _same(one: Decimal, other: Decimal) -> bool:
    """Whether two prices are one, but for the rounding of a source."""
    return abs(one - other) <= ROUNDING * max(abs(one), abs(other))


def _order(when: When) -> tuple[Any, ...]:
    """Rows lie over each other: the standard price, its steps, then tiers and their steps, then what is special."""
    special = when.region, when.size, when.quality, when.search_size
    return (
        tuple(value or "" for value in special), when.since or "", when.tier or "", when.hours or (),
        when.weekdays or (), when.above or 0,
    )  # fmt: skip


def _tidy(rows: Rows) -> Rows:
    """Without the second name of a tier, regions at the common price, and prices that are none."""
    fast, priority = rows.get(When(tier="fast")), rows.get(When(tier="priority"))
    drop = {when for when in rows if when.tier == "fast"} if fast is not None and fast == priority else set()
    for when, rates in rows.items():
        if when.region and rates == rows.get(when._replace(region=None)):
            drop.add(when)
    kept = {when: rates for when, rates in rows.items() if when not in drop}
    if rows.get(ALWAYS, {}).get("input"):
        kept = {when: _without_free_writes(rates) for when, rates in kept.items()}
    return {when: rates for when, rates in kept.items() if rates}


def _without_free_writes(rates: dict[str, Decimal]) -> dict[str, Decimal]:
    """Nobody reads input for nothing to write it to a cache: 0 means that the writing costs nothing on top."""
    return {unit: usd for unit, usd in rates.items() if usd or not unit.startswith("cache_write")}


def _all_zero(rows: Rows) -> bool:
    return all(not usd for rates in rows.values() for usd in rates.values())


def _is_free(merged: Merged, zero: list[str], order: list[str]) -> bool:
    if names.SUBSCRIPTIONS.search(merged.provider) or _FREE.search(merged.id):
        return True
    return len(zero) > 1 and len(zero) == len(order)


def _agree(ours: Rows, theirs: Rows) -> bool:
    """Whether both give the same standard price; only then can the one complete the other."""
    mine, other = ours.get(ALWAYS, {}), theirs.get(ALWAYS, {})
    shared = {"input", "output"} & mine.keys() & other.keys()
    return bool(shared) and all(_same(mine[unit], other[unit]) for unit in shared)


def _fill(merged: Merged, source: str, theirs: Rows) -> None:
    have = {when for when, _, _ in merged.rows}
    have_tiers = {when.tier for when in have}
    have_units = {unit for when, rates, _ in merged.rows if when == ALWAYS for unit in rates}
    for when, rates in theirs.items():
        if when == ALWAYS:
            new = {unit: usd for unit, usd in rates.items() if unit not in have_units and (usd or unit == "output")}
            if new:
                merged.rows.append((when, new, source))
            continue
        new_tier = when.tier is not None and when.tier not in have_tiers
        new_search = when.search_size is not None and "per_search" not in have_units
        if when not in have and (new_tier or _special(when) or new_search):
            merged.rows.append((when, rates, source))


def _disagreements(merged: Merged, outcome: Outcome, first: str, rows: Rows, source: str, other: Rows) -> None:
    for when, rates in rows.items():
        for unit, usd in rates.items():
            theirs = other.get(when, {}).get(unit)
            if theirs is not None and not _same(theirs, usd):
                outcome.disagreements.append(
                    Disagreement(
                        merged.provider, merged.id, _what(when, unit), [(first, _usd(usd)), (source, _usd(theirs))]
                    )
                )
    for steps, silent, told, mute in (
        (_steps(rows) - _steps(other), other, first, source), (_steps(other) - _steps(rows), rows, source, first),
    ):  # fmt: skip
        if steps and silent.get(ALWAYS):
            what = f"price steps above {', '.join(str(step) for step in sorted(steps))} tokens"
            pair = [(told, "has them"), (mute, "has none")]
            outcome.disagreements.append(
                Disagreement(merged.provider, merged.id, what, pair if told == first else pair[::-1])
            )


def _steps(rows: Rows) -> set[int]:
    return {when.above for when in rows if when.above and when.tier is None}


def _what(when: When, unit: str) -> str:
    conditions = " ".join(_conditions(when))
    return f"{unit} ({conditions})" if conditions else unit


def _conditions(when: When) -> Iterator[str]:
    for name, value in zip(When._fields, when, strict=True):
        if value is not None:
            yield f"{name} {' '.join(map(str, value)) if isinstance(value, tuple) else value}"


def _usd(value: Decimal) -> str:
    return format(Decimal(repr(float(value))), "f")
