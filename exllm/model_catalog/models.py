"""Questions about models."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from exllm.errors import ConfigurationError
from exllm.model_catalog import store, vocabulary
from exllm.model_catalog.schema import CONDITIONS, UNITS, ModelInfo
from exllm.providers import registry
from exllm.providers.spec import near


def model_info(provider: str, model: str | None = None) -> ModelInfo | None:
    """All that the catalog knows of a model, or None for a model that it does not know.

    `model` may be an alias, a dated id, a regional id. Both in one string will do: ``model_info("openai/gpt-4.1")``.

    Raises: ConfigurationError for a provider that neither the catalog nor exllm knows.
    """
    if model is None:
        provider, _, model = provider.partition("/")
    models = _models_of(provider)
    return models.find(model) if models is not None else None


def model_supports(provider: str, model: str, feature: str) -> bool:
    """Whether the model is known to have a capability; ``tools``, ``tool_use`` and ``functions`` all mean the same.

    Modes will do as well: ``embeddings``, ``rerank``.

    False where the catalog does not know: `model_info` tells "no" (`lacks`) from "not known".

    Raises: ConfigurationError for a word that is no capability, or an unknown provider.
    """
    wanted = vocabulary.ability(feature)
    info = model_info(provider, model)
    return info is not None and has(info, wanted)


def list_providers() -> list[str]:
    """The names of all providers that the catalog has models of."""
    return store.current().names


def list_all(provider: str | None = None) -> list[ModelInfo]:
    """All models, or those of one provider, sorted by provider and id. Reads the whole catalog.

    Raises: ConfigurationError for an unknown provider.
    """
    return list(_every(None if provider is None else [provider]))


def find_models(
    *,
    providers: str | Iterable[str] | None = None,
    features: str | Iterable[str] = (),
    mode: str | None = None,
    input: str | Iterable[str] = (),
    output: str | Iterable[str] = (),
    min_context: int | None = None,
    min_output: int | None = None,
    max_input_price: float | None = None,
    max_output_price: float | None = None,
    priced: bool | None = None,
    free: bool | None = None,
    local: bool | None = None,
    open_weights: bool | None = None,
    deprecated: bool | None = False,
    text: str | None = None,
    runnable: bool = False,
) -> list[ModelInfo]:
    """The models that meet every condition given, sorted by provider and id.

    A model of which a figure is not known does not meet a condition on it.

    Args:
        providers: only theirs.
        features: capabilities, in any provider's words, or modes: all of them.
        mode: ``chat``, ``embedding``, ...; ``audio`` is transcription and speech.
        input, output: modalities that it takes and gives.
        min_context, min_output: tokens.
        max_input_price, max_output_price: US dollars per million tokens, standard tier, short prompt.
        priced: with (True) or without (False) a known price.
        free: with a price of 0, or local.
        local: on the user's machine.
        open_weights: whether the weights can be had.
        deprecated: False leaves out those that are deprecated or past their date; None takes both.
        text: in the id or name, any case.
        runnable: only of providers that exllm can talk to.

    Raises: ConfigurationError for a word that is no capability, mode or modality, or an unknown provider.
    """
    wanted = [vocabulary.ability(word) for word in _words(features)]
    modes = set(vocabulary.modes(mode)) if mode is not None else None
    takes = {vocabulary.modality(word) for word in _words(input)}
    gives = {vocabulary.modality(word) for word in _words(output)}
    today = datetime.datetime.now(datetime.UTC).date().isoformat()
    needle = text.lower() if text is not None else None
    runs = runnable_providers() if runnable else None
    return [
        model
        for model in _every(_words(providers) if providers is not None else None)
        if (
            all(has(model, ability) for ability in wanted)
            and (modes is None or modes & set(model.modes))
            and takes <= set(model.input)
            and gives <= set(model.output)
            and (min_context is None or (model.context_window or 0) >= min_context)
            and (min_output is None or (model.max_output_tokens or 0) >= min_output)
            and (max_input_price is None or _at_most(model, "input", max_input_price))
            and (max_output_price is None or _at_most(model, "output", max_output_price))
            and (priced is None or bool(model.prices) == priced)
            and (free is None or is_free(model) == free)
            and (local is None or is_local(model.provider) == local)
            and (open_weights is None or model.open_weights is open_weights)
            and (deprecated is None or is_deprecated(model, today) == deprecated)
            and (needle is None or needle in model.id.lower() or needle in (model.name or "").lower())
            and (runs is None or model.provider in runs)
        )
    ]


def compare_models(*models: str) -> dict[str, dict[str, Any]]:
    """Models side by side: field to model string to value, for the fields that any of them has.

    ``prices`` are the standard ones as `base_rates` gives them, ``capabilities`` only those that not all have.

    Raises: ConfigurationError for a model that the catalog does not know, with near ids.
    """
    infos = {model: _known(model) for model in models}
    table: dict[str, dict[str, Any]] = {}
    for field in _COMPARED:
        row = {model: getattr(info, field) for model, info in infos.items()}
        if any(value not in (None, ()) for value in row.values()):
            table[field] = row
    rates = {model: base_rates(info) for model, info in infos.items()}
    for unit in {unit: None for of_model in rates.values() for unit in of_model}:
        table[f"price_{unit}"] = {model: rates[model].get(unit) for model in models}
    shared = set.intersection(*(set(info.capabilities) for info in infos.values())) if infos else set()
    table["shared_capabilities"] = dict.fromkeys(models, tuple(sorted(shared)))
    table["capabilities"] = {
        model: tuple(word for word in info.capabilities if word not in shared) for model, info in infos.items()
    }
    return table


_COMPARED = (
    "name", "modes", "context_window", "max_input_tokens", "max_output_tokens", "input", "output", "reasoning_efforts",
    "knowledge_cutoff", "released", "status", "deprecation_date", "successor", "open_weights", "embedding_dimensions",
)  # fmt: skip


def has(model: ModelInfo, ability: vocabulary.Ability) -> bool:
    """Whether the model is known to have `ability`."""
    if ability.capability is not None:
        return ability.capability in model.capabilities
    return any(mode in model.modes for mode in ability.modes)


def base_rates(model: ModelInfo) -> dict[str, float]:
    """Unit to price for a short call of the standard tier: the rows without conditions, laid over each other."""
    rates: dict[str, float] = {}
    for row in model.prices:
        if all(getattr(row, name) is None for name in CONDITIONS):
            for unit in UNITS:
                price = getattr(row, unit)
                if price is not None:
                    rates[unit] = price
    return rates


def is_free(model: ModelInfo) -> bool:
    """Whether calls cost nothing: a local model, or prices that are all 0."""
    if is_local(model.provider):
        return True
    rates = base_rates(model)
    return bool(rates) and not any(rates.values())


def is_deprecated(model: ModelInfo, today: str) -> bool:
    """Whether its provider calls it deprecated, or its last day is past. `today` is YYYY-MM-DD."""
    return model.status == "deprecated" or (model.deprecation_date is not None and model.deprecation_date <= today)


def is_local(provider: str) -> bool:
    """Whether the provider runs on the user's machine."""
    try:
        return bool(getattr(registry.get(provider), "local", False))
    except ConfigurationError:
        return provider in _LOCAL_WITHOUT_SPEC


def runnable_providers() -> set[str]:
    """The catalog's providers that exllm has a spec or backend of."""
    catalog = store.current()
    names = {catalog.name_of(provider.name) for provider in registry.list_providers()}
    return {name for name in names if name is not None}


_LOCAL_WITHOUT_SPEC = frozenset({"ollama", "lemonade", "atomic-chat"})


def _has_spec(name: str) -> bool:
    try:
        registry.parse_model(name)
    except ConfigurationError:
        return False
    return True


def _every(providers: Iterable[str] | None) -> Iterator[ModelInfo]:
    for name in sorted(set(providers)) if providers is not None else store.current().names:
        models = _models_of(name)
        if models is not None:
            for id in sorted(models.models):
                yield models.models[id]


def _models_of(provider: str) -> store.ProviderCatalog | None:
    """The provider's models; None where it is one of exllm's that the catalog has nothing of."""
    models = store.current().provider(provider)
    if models is None and not _has_spec(provider):
        names = store.current().names
        raise ConfigurationError(f"unknown provider {provider!r}{near(provider.lower(), names)}")
    return models


def _known(model: str) -> ModelInfo:
    info = model_info(model)
    if info is None:
        provider, _, id = model.partition("/")
        models = _models_of(provider)
        hint = near(id, models.models) if models is not None else ""
        raise ConfigurationError(f"the model catalog does not know {model!r}{hint}")
    return info


def _at_most(model: ModelInfo, unit: str, usd: float) -> bool:
    if is_local(model.provider):
        return True
    price = base_rates(model).get(unit)
    return price is not None and price <= usd


def _words(words: str | Iterable[str]) -> Sequence[str]:
    return [words] if isinstance(words, str) else list(words)
