"""Usage and cost of several calls together."""

from __future__ import annotations

import msgspec

from exllm.types.usage import Cost, Provenance, Usage

_COUNTS = tuple(
    name for name in Usage.__struct_fields__ if name not in ("service_tier", "provenance")
)  # fmt: skip
_AMOUNTS = tuple(name for name in Cost.__struct_fields__ if name not in ("total", "source", "reason", "estimated"))


def add_usage(one: Usage, other: Usage) -> Usage:
    """The counts of both. One that neither has is None; where only one has it, that is the sum, and it is partial."""
    sums = {}
    for name in _COUNTS:
        known = [count for usage in (one, other) if (count := getattr(usage, name)) is not None]
        if known:
            sums[name] = sum(known)
    tier = one.service_tier if one.service_tier == other.service_tier else None
    return Usage(**sums, service_tier=tier, provenance=_provenance(one.provenance, other.provenance))


def add_cost(one: Cost, other: Cost) -> Cost:
    """What both cost. The total is None when one of theirs is, with the reason."""
    sums = {}
    for name in _AMOUNTS:
        known = [amount for cost in (one, other) if (amount := getattr(cost, name)) is not None]
        if known:
            sums[name] = sum(known)
    total = None if one.total is None or other.total is None else one.total + other.total
    return Cost(
        **sums,
        total=total,
        source=one.source if one.source == other.source else None,
        reason=next((cost.reason for cost in (one, other) if cost.total is None), None),
        estimated=one.estimated or other.estimated,
    )


def usage_without(total: Usage, part: Usage) -> Usage:
    """The counts of `total` less those of `part`, which is in it."""
    known = {name: (getattr(total, name), getattr(part, name)) for name in _COUNTS}
    less = {name: max(0, all_ - one) for name, (all_, one) in known.items() if all_ is not None and one is not None}
    return msgspec.structs.replace(total, **less)


def cost_without(total: Cost, part: Cost) -> Cost:
    """What `total` costs less what `part` does, which is in it."""
    known = {name: (getattr(total, name), getattr(part, name)) for name in (*_AMOUNTS, "total")}
    less = {name: max(0.0, all_ - one) for name, (all_, one) in known.items() if all_ is not None and one is not None}
    return msgspec.structs.replace(total, **less)


def _provenance(one: Provenance, other: Provenance) -> Provenance:
    if one == other:
        return one
    return "estimated" if {one, other} == {"reported", "estimated"} else "partial"
