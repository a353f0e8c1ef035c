"""The prices of a model, out of the catalog."""

from __future__ import annotations

from exllm.cost.pricer import Pricer
from exllm.model_catalog import store
from exllm.types.usage import Cost


def pricer_of(provider: str, model: str, asked: str = "") -> Pricer | Cost:
    """The prices of a model, or a `Cost` that says why there are none."""
    of_provider = store.current().provider(provider)
    if of_provider is None:
        return Cost(reason=f"the model catalog has no models of {provider!r}")
    info = of_provider.find(model) if model else None
    if (info is None or not info.prices) and asked and asked != model:
        info = of_provider.find(asked) or info
    if info is None:
        return Cost(reason=f"the model catalog does not know {provider}/{model or asked}")
    if not info.prices:
        return Cost(reason=f"the model catalog has no price of {provider}/{info.id}")
    return Pricer(info)
