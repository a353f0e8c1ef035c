"""What a call cost, as far as that is known."""

from __future__ import annotations

from exllm.types.usage import Cost, Usage

_FREE = Cost(input=0.0, output=0.0, total=0.0, source="local")
_UNKNOWN = Cost()


def cost_of(usage: Usage, *, local: bool) -> Cost:
    """0.0 for a local model, the provider's own figure where it states one, else unknown (None)."""
    if local:
        return _FREE
    if usage.reported_cost_usd is not None:
        return Cost(total=usage.reported_cost_usd, source="provider")
    return _UNKNOWN
