"""What a call costs: exactly after it, nearly before it, and beside what it would cost elsewhere.

    cost = exllm.cost.calculate("anthropic/claude-sonnet-4-5", response.usage)
    cost.total, cost.cached_input, cost.reason

    exllm.cost.compare(response.usage, ["openai/gpt-4.1-mini", "gemini/gemini-2.5-flash"])
    exllm.cost.estimate("openai/gpt-4.1", "Tell me a story", max_output_tokens=500)
    exllm.cost.format(0.00042)                                  # "$0.00042"

    ledger = exllm.cost.Ledger()                                # what many calls cost together
    ledger.add(response)
    print(ledger.table("markdown"))

Prices are from `exllm.model_catalog`. Where a price is not known, the total is None and `Cost.reason` says why: it is
never 0, and never a sum that leaves out what was used. `Response.cost` comes from here as well; a cost that the
provider itself states goes before the catalog's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from exllm.types.usage import Cost, Usage

if TYPE_CHECKING:
    from exllm.cost.calculation import Comparison, Estimate, calculate, compare, estimate, rates
    from exllm.cost.formatting import format
    from exllm.cost.ledger import Ledger, Line
    from exllm.cost.pricer import Pricer
    from exllm.cost.quantities import Quantities
    from exllm.model_catalog.store import Catalog

__all__ = [
    "Comparison",
    "Cost",
    "Estimate",
    "Ledger",
    "Line",
    "Quantities",
    "calculate",
    "compare",
    "cost_of",
    "estimate",
    "format",
    "rates",
]

_LAZY = {
    "Comparison": "calculation",
    "Estimate": "calculation",
    "Ledger": "ledger",
    "Line": "ledger",
    "Quantities": "quantities",
    "calculate": "calculation",
    "compare": "calculation",
    "estimate": "calculation",
    "format": "formatting",
    "rates": "calculation",
}  # fmt: skip

_FREE = Cost(input=0.0, output=0.0, total=0.0, source="local")
_STATED_IS_OURS = 1e-6  # relative: the provider's figure is the catalog's, rounded

_catalog: Catalog | None = None  # whose pricers these are; `exllm.model_catalog.reload` makes a new one
_pricers: dict[tuple[str, str, str], Pricer | Cost] = {}
_MOST_PRICERS = 4096
_store: Any = None


def cost_of(usage: Usage, *, local: bool = False, provider: str = "", model: str = "", asked: str = "") -> Cost:
    """What a call cost, with the catalog's prices. Never raises: what is wrong is in `Cost.reason`.

    0.0 for a local model; the provider's own figure where it states one (with its parts, when the catalog comes to the
    same); else what the catalog says. Cheap after the first call of a model.

    Args:
        model: the model that answered, which the provider may name more exactly than
        asked: the model that was asked for; its price counts where the catalog does not know `model`.
    """
    if local:
        return _FREE
    if _store is None or _store.opened is not _catalog or _catalog is None:
        _begin()
    pricer = _pricers.get((provider, model, asked))
    if pricer is None:
        pricer = _find(provider, model, asked)
    stated = usage.reported_cost_usd
    cost = pricer if type(pricer) is Cost else pricer.cost(usage)  # type: ignore[union-attr]
    return cost if stated is None else _stated(stated, cost)


def _stated(usd: float, ours: Cost) -> Cost:
    if ours.total is not None and abs(ours.total - usd) <= _STATED_IS_OURS * max(usd, ours.total):
        from msgspec.structs import replace

        return replace(ours, total=usd, source="provider")
    return Cost(total=usd, source="provider")


def _begin() -> None:
    global _catalog, _store
    from exllm.errors import ExLLMError
    from exllm.model_catalog import store

    _store = store
    _pricers.clear()
    try:
        _catalog = store.current()
    except ExLLMError:
        _catalog = None  # `_find` tells what is wrong


def _find(provider: str, model: str, asked: str) -> Pricer | Cost:
    from exllm.cost.lookup import pricer_of
    from exllm.errors import ExLLMError

    try:
        found = pricer_of(provider, model, asked)
    except ExLLMError as error:
        return Cost(reason=str(error))
    if len(_pricers) >= _MOST_PRICERS:
        _pricers.clear()
    _pricers[provider, model, asked] = found
    return found


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        from importlib import import_module

        value = getattr(import_module(f"exllm.cost.{_LAZY[name]}"), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module 'exllm.cost' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
