"""Asking for prices: of one model, of several side by side, and before a call is made."""

from __future__ import annotations

import datetime
from collections.abc import Iterable

import msgspec

from exllm.cost.lookup import pricer_of
from exllm.cost.pricer import PLAIN, Conditions, NoPrice
from exllm.cost.quantities import NONE, Quantities
from exllm.cost.text_tokens import guess_tokens
from exllm.errors import ConfigurationError
from exllm.model_catalog import store
from exllm.model_catalog.schema import ModelInfo
from exllm.providers import registry
from exllm.types.normalise import Messages, normalise_messages
from exllm.types.usage import Cost, Usage

_FREE = Cost(input=0.0, output=0.0, total=0.0, source="local")


class Comparison(msgspec.Struct, frozen=True):
    """One line of `compare`. `times_cheapest` is how many times the cheapest it costs; None where either is unknown."""

    model: str
    cost: Cost
    times_cheapest: float | None = None


class Estimate(msgspec.Struct, frozen=True):
    """What a call may cost: from `low` (an empty answer) to `high` (the longest answer allowed); None if not known.

    `how` is ``counted`` where the caller gave the number of tokens, ``estimated`` where it was guessed from the text.
    """

    low: float | None
    high: float | None
    input_tokens: int
    output_tokens: int | None
    how: str
    reason: str | None = None


def calculate(
    model: str,
    usage: Usage | None = None,
    quantities: Quantities | None = None,
    *,
    tier: str | None = None,
    at: datetime.datetime | None = None,
    region: str | None = None,
    size: str | None = None,
    quality: str | None = None,
    search_size: str | None = None,
) -> Cost:
    """What `usage` costs at ``"provider/model"``, by the catalog. A cost that the provider stated does not count here.

    Args:
        usage: token counts; None for a call that is billed by other things.
        quantities: what was used beside tokens: pictures, seconds, pages.
        tier: ``batch``, ``flex``, ``priority``; by default the usage's `service_tier`, else the standard price.
        at: when, for prices that depend on the time of day or change at a date; now by default.
        region, size, quality, search_size: as in the conditions of `exllm.model_catalog.Rates`.

    Raises: ConfigurationError for an unknown provider, or a model string without a model.
    """
    provider, name = _split(model)
    if _is_local(provider):
        return _FREE
    found = pricer_of(provider, name)
    if isinstance(found, Cost):
        return found
    conditions = PLAIN
    if tier or at or region or size or quality or search_size:
        conditions = Conditions(
            tier=tier, at=at, region=region, size=size, quality=quality, search_size=search_size
        )  # fmt: skip
    if quantities is None or quantities == NONE:
        quantities = NONE
    return found.cost(usage or Usage(), quantities, conditions)


def rates(
    model: str, *, input_tokens: int = 0, tier: str | None = None, at: datetime.datetime | None = None,
    region: str | None = None,
) -> dict[str, float] | None:  # fmt: skip
    """The prices that hold for a call of `input_tokens`: unit (see `exllm.model_catalog.Rates`) to US dollars.

    None where no price is known. Raises as `calculate`.
    """
    found = pricer_of(*_split(model))
    if isinstance(found, Cost):
        return None
    try:
        return dict(found.rates(input_tokens, Conditions(tier=tier, at=at, region=region)))
    except NoPrice:
        return None


def compare(
    usage: Usage, models: Iterable[str], quantities: Quantities | None = None, *, tier: str | None = None
) -> list[Comparison]:
    """What the same usage costs at each of `models`, the cheapest first, unknown ones last.

    The token counts are taken as they are, although another model cuts the same text into other tokens; a
    `service_tier` in the usage does not count, being of one provider, and a model without a price of `tier` is unknown.
    """
    usage = msgspec.structs.replace(usage, service_tier=None)
    costs = [(model, calculate(model, usage, quantities, tier=tier)) for model in models]
    known = [cost.total for _, cost in costs if cost.total is not None]
    cheapest = min(known, default=None)
    lines = [
        Comparison(model, cost, cost.total / cheapest if cost.total is not None and cheapest else None)
        for model, cost in costs
    ]
    return sorted(lines, key=lambda line: (line.cost.total is None, line.cost.total or 0.0, line.model))


def estimate(
    model: str,
    input: Messages | int,
    max_output_tokens: int | None = None,
    *,
    tier: str | None = None,
) -> Estimate:
    """What a call may cost before it is sent.

    Args:
        input: what will be sent, counted at four characters a token and a few for each message; or its number of
            tokens, where you know it. Pictures, audio and documents cannot be guessed so, and make the estimate None.
        max_output_tokens: the limit that the call has; the model's own limit where not given.

    Raises: as `calculate`; InvalidRequest and TypeError for messages that are none.
    """
    provider, name = _split(model)
    if isinstance(input, int):
        tokens, how, unread = input, "counted", ""
    else:
        how = "estimated"
        tokens, unread = guess_tokens(normalise_messages(input))
    if max_output_tokens is None:
        info = _model(provider, name)
        max_output_tokens = info.max_output_tokens if info is not None else None
    if unread:
        why = f"the tokens of {unread} cannot be guessed; pass the number of input tokens"
        return Estimate(None, None, tokens, max_output_tokens, how, why)
    low = calculate(model, Usage(input_tokens=tokens, output_tokens=0), tier=tier)
    high = (
        None
        if max_output_tokens is None
        else calculate(model, Usage(input_tokens=tokens, output_tokens=max_output_tokens), tier=tier)
    )
    reason = low.reason or (high.reason if high else "the model's longest answer is not known")
    return Estimate(low.total, high.total if high else None, tokens, max_output_tokens, how, reason)


def _model(provider: str, name: str) -> ModelInfo | None:
    of_provider = store.current().provider(provider)
    return of_provider.find(name) if of_provider is not None else None


def _split(model: str) -> tuple[str, str]:
    provider, _, name = model.partition("/")
    if store.current().provider(provider) is None:
        provider, parsed = registry.parse_model(model)
        name = parsed or ""
    if not name:
        raise ConfigurationError(f"{model!r} names no model; prices are of a 'provider/model'")
    return provider, name


def _is_local(provider: str) -> bool:
    try:
        return bool(getattr(registry.get(provider), "local", False))
    except ConfigurationError:
        return False
