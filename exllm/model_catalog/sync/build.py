"""From the sources' texts to the catalog's models."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import msgspec

from exllm.errors import ConfigurationError
from exllm.model_catalog.schema import ModelInfo, ProviderModels, Rates, Source
from exllm.model_catalog.sync import aliases, from_genai, from_litellm, from_models_dev, overrides
from exllm.model_catalog.sync.found import Found, Skipped, When
from exllm.model_catalog.sync.merge import Disagreement, Merged, merge
from exllm.model_catalog.sync.overrides import Override
from exllm.model_catalog.sync.write import compact_origin


@dataclass(frozen=True)
class SourceText:
    """A source's file as it was read: `as_of` is the day (or month) that its figures are of."""

    text: bytes
    as_of: str


@dataclass
class Built:
    """The catalog, and what the people who keep it want to know."""

    providers: dict[str, ProviderModels] = field(default_factory=dict)
    disagreements: list[Disagreement] = field(default_factory=list)
    zero_prices: list[tuple[str, str, str]] = field(default_factory=list)
    skipped: dict[str, int] = field(default_factory=dict)
    sources: dict[str, Source] = field(default_factory=dict)


PUBLIC = {module.NAME: module.URL for module in (from_litellm, from_genai, from_models_dev)}
_LICENCES = {module.NAME: module.LICENCE for module in (from_litellm, from_genai, from_models_dev)}


def build(texts: Mapping[str, SourceText], given: Iterable[Override] = ()) -> Built:
    """The catalog of the sources in `texts`, which are keyed by name (`PUBLIC` has them all), with overrides on top.

    The same input gives the same result. Raises: ConfigurationError for a text that is not of its source's form.
    """
    skipped = Skipped()
    found: list[Found] = []
    for name, reader in ((from_litellm.NAME, from_litellm.read), (from_models_dev.NAME, from_models_dev.read)):
        if name in texts:
            found += _parsed(name, texts[name], lambda data, read=reader: read(data, skipped))
    if from_genai.NAME in texts:
        known: dict[str, dict[str, None]] = {}
        for one in found:
            known.setdefault(one.provider, {}).setdefault(one.id)
        text = texts[from_genai.NAME]
        found += _parsed(from_genai.NAME, text, lambda data: from_genai.read(data, known, text.as_of, skipped))
    outcome = merge(found)
    for models in outcome.models.values():
        aliases.fold(models)
    infos = {
        provider: {id: _info(model) for id, model in models.items()} for provider, models in outcome.models.items()
    }
    given = list(given)
    overrides.apply(infos, given)
    sources = {name: Source(text.as_of, PUBLIC[name], _LICENCES[name]) for name, text in texts.items()}
    return Built(
        {provider: _file(provider, models, sources, given) for provider, models in sorted(infos.items()) if models},
        outcome.disagreements,
        outcome.zero_prices,
        dict(sorted(skipped.counts.items())),
        sources,
    )


def _parsed(name: str, text: SourceText, read: Any) -> list[Found]:
    try:
        found: list[Found] = read(json.loads(text.text, parse_float=Decimal))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ConfigurationError(
            f"the data of {name} is not of the form known: {type(error).__name__}: {error}"
        ) from None
    return found


def _info(model: Merged) -> ModelInfo:
    prices_from = model.prices_from
    prices = tuple(_rates(when, rates, source if source != prices_from else None) for when, rates, source in model.rows)
    origin = dict(model.origin)
    if prices_from is not None:
        origin["prices"] = prices_from
    used = [*model.fields, *(["prices"] if prices else [])]
    return ModelInfo(model.provider, model.id, prices=prices, origin=compact_origin(origin, used), **model.fields)


def _rates(when: When, rates: Mapping[str, Decimal], source: str | None) -> Rates:
    given = {name: value for name, value in zip(When._fields, when, strict=True) if value is not None}
    return Rates(**given, **{unit: float(usd) for unit, usd in rates.items()}, source=source)  # type: ignore[arg-type]


def _file(
    provider: str, models: Mapping[str, ModelInfo], sources: Mapping[str, Source], given: Iterable[Override]
) -> ProviderModels:
    used = {name for model in models.values() for name in model.origin.values()}
    used |= {row.source for model in models.values() for row in model.prices if row.source}
    kept = {name: source for name, source in sources.items() if name in used}
    dates = [override.as_of for override in given if override.provider == provider]
    if overrides.NAME in used and dates:
        kept[overrides.NAME] = Source(max(dates))
    without_names = {id: msgspec.structs.replace(model, provider="", id="") for id, model in sorted(models.items())}
    return ProviderModels(provider, dict(sorted(kept.items())), without_names)
