"""Questions about what can be done where: capabilities by name, and providers by what their models can do."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from exllm.errors import ConfigurationError
from exllm.model_catalog import vocabulary
from exllm.model_catalog.models import find_models, is_local, list_all, runnable_providers
from exllm.model_catalog.recommend import mean_price
from exllm.model_catalog.schema import ModelInfo
from exllm.providers import registry
from exllm.providers.spec import ProviderSpec


class Feature(msgspec.Struct, frozen=True):
    """A capability: what it means, what others call it, and how many models of the catalog have it."""

    name: str
    meaning: str
    synonyms: tuple[str, ...]
    models: int


class ProviderCapabilities(msgspec.Struct, frozen=True):
    """What one provider offers, by the catalog.

    Attributes:
        provider: its name.
        models: how many models the catalog knows, deprecated ones left out.
        capabilities: capability to the number of models that have it.
        modes: mode to the number of models.
        context_window: the largest, in tokens; None where not known.
        cheapest: the lowest known price of a chat model that is not free, US dollars per million input tokens.
        local: on the user's machine.
        runnable: whether exllm has a spec or backend of it.
        options_refused: options that the provider is known not to take, from its spec.
    """

    provider: str
    models: int
    capabilities: dict[str, int]
    modes: dict[str, int]
    context_window: int | None
    cheapest: float | None
    local: bool
    runnable: bool
    options_refused: tuple[str, ...] = ()


class ProviderRecommendation(msgspec.Struct, frozen=True):
    """A provider that fits, with the share of its models that have all that was asked for, and the reasons."""

    provider: str
    score: float
    reasons: tuple[str, ...]


def list_features() -> list[Feature]:
    """The whole vocabulary. Reads the whole catalog, for the counts."""
    counts = _counts(word for model in list_all() for word in model.capabilities)
    return [
        Feature(
            name,
            meaning,
            tuple(sorted(word for word, ours in vocabulary.CAPABILITY_SYNONYMS.items() if ours == name)),
            counts.get(name, 0),
        )
        for name, meaning in vocabulary.CAPABILITIES.items()
    ]


def models_by_capability(feature: str, *, deprecated: bool | None = False) -> dict[str, list[str]]:
    """Provider to the ids of its models that have a capability. Raises `ConfigurationError` for an unknown word."""
    found: dict[str, list[str]] = {}
    for model in find_models(features=feature, deprecated=deprecated):
        found.setdefault(model.provider, []).append(model.id)
    return found


def provider_capabilities(provider: str) -> ProviderCapabilities:
    """What a provider's models can do, taken together. Raises `ConfigurationError` for an unknown provider."""
    models = find_models(providers=provider)
    prices = [price for model in models if "chat" in model.modes and (price := _input_price(model))]
    name = models[0].provider if models else provider
    spec = _spec(provider)
    return ProviderCapabilities(
        name,
        len(models),
        _counts(word for model in models for word in model.capabilities),
        _counts(mode for model in models for mode in model.modes),
        max((model.context_window for model in models if model.context_window), default=None),
        min(prices, default=None),
        is_local(provider),
        name in runnable_providers() or spec is not None,
        tuple(sorted(spec.unsupported)) if spec is not None else (),
    )


def provider_supports(provider: str, feature: str) -> bool:
    """Whether any model of the provider has a capability. Raises `ConfigurationError` for unknown words."""
    return bool(find_models(providers=provider, features=feature))


def find_providers(
    features: str | Iterable[str] = (), *, local: bool | None = None, mode: str | None = None, runnable: bool = True
) -> list[str]:
    """Providers with a model that has all of `features` at once, by name.

    Args:
        local: only local (True) or only hosted (False) ones.
        mode: what that model is called for.
        runnable: only those that exllm can talk to.

    Raises: ConfigurationError for unknown words.
    """
    found = find_models(features=features, local=local, mode=mode, runnable=runnable)
    return sorted({model.provider for model in found})


def compare_providers(*providers: str) -> dict[str, dict[str, int]]:
    """Capability to provider to the number of its models that have it; capabilities that none has are left out."""
    of = {provider: provider_capabilities(provider).capabilities for provider in providers}
    words = sorted({word for counts in of.values() for word in counts})
    return {word: {provider: of[provider].get(word, 0) for provider in providers} for word in words}


def recommend_providers(
    features: str | Iterable[str] = (), *, local: bool | None = None, mode: str = "chat", limit: int = 5
) -> list[ProviderRecommendation]:
    """Providers whose models have all of `features`, best first: those with the largest share of such models, then
    those with the cheapest of them.

    Raises: ConfigurationError for unknown words.
    """
    wanted = [features] if isinstance(features, str) else list(features)
    fitting: dict[str, list[ModelInfo]] = {}
    for model in find_models(features=wanted, local=local, mode=mode, runnable=True):
        fitting.setdefault(model.provider, []).append(model)
    totals = _counts(model.provider for model in find_models(mode=mode, runnable=True))
    recommended = [_judge(provider, models, totals[provider], wanted) for provider, models in fitting.items()]
    return sorted(recommended, key=lambda one: (-one.score, one.provider))[:limit]


def _judge(provider: str, models: Sequence[ModelInfo], total: int, wanted: list[str]) -> ProviderRecommendation:
    prices = [price for model in models if (price := mean_price(model)) is not None]
    cheapest = min(prices, default=None)
    cheapness = 0.0 if cheapest is None else 1 / (1 + cheapest)
    words = [vocabulary.ability(word).capability or word for word in wanted]
    reasons = [f"{len(models)} of its {total} models have {' and '.join(words) or 'all that was asked for'}"]
    if cheapest is not None:
        reasons.append("at no cost" if not cheapest else f"from ${cheapest:.2g} per million tokens")
    largest = max((model.context_window or 0 for model in models), default=0)
    if largest:
        reasons.append(f"context windows of up to {largest:,} tokens")
    # A share alone would put a provider of one model before all others: their number counts too, up to ten.
    share = len(models) / total * min(1.0, len(models) / 10)
    return ProviderRecommendation(provider, round(0.7 * share + 0.3 * cheapness, 6), tuple(reasons))


def _input_price(model: ModelInfo) -> float | None:
    from exllm.model_catalog.models import base_rates

    return base_rates(model).get("input")


def _spec(provider: str) -> ProviderSpec | None:
    try:
        found = registry.get(provider)
    except ConfigurationError:
        return None
    return found if isinstance(found, ProviderSpec) else None


def _counts(words: Iterable[str]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for word in words:
        counts[word] = counts.get(word, 0) + 1
    return dict(sorted(counts.items()))
