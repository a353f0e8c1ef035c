"""The tokens of a session, and what they cost."""

from __future__ import annotations

import msgspec

from exllm.cost import Quantities, calculate, cost_of
from exllm.cost.totals import add_cost
from exllm.types.usage import Cost, Usage

_COUNTS = tuple(
    name
    for name in Usage.__struct_fields__
    if name not in ("service_tier", "provenance", "reported_cost_usd")
)  # fmt: skip


class Spending:
    """Adds up what the service reports, turn by turn.

    Args:
        provider, model: whose prices count, where the service does not name another model.
    """

    def __init__(self, provider: str, model: str) -> None:
        self._provider = provider
        self._model = model
        self._sums: dict[str, dict[str, int]] = {}  # by model
        self._seconds: dict[str, float] = {}  # of audio that is billed by the second
        self._cost_usd: float | None = None
        self._tier: str | None = None

    def add(self, usage: Usage | None, model: str = "", seconds: float = 0.0) -> None:
        """Count what was reported; None counts nothing."""
        if usage is None:
            return
        model = model or self._model
        sums = self._sums.setdefault(model, {})
        self._seconds[model] = self._seconds.get(model, 0.0) + seconds
        for name in _COUNTS:
            value = getattr(usage, name)
            if value is not None:
                sums[name] = sums.get(name, 0) + value
        if usage.reported_cost_usd is not None:
            self._cost_usd = (self._cost_usd or 0.0) + usage.reported_cost_usd
        self._tier = usage.service_tier or self._tier

    @property
    def is_told(self) -> bool:
        """The service has reported anything."""
        return any(self._sums.values()) or any(self._seconds.values()) or self._cost_usd is not None

    @property
    def usage(self) -> Usage:
        """Of all turns so far."""
        sums: dict[str, int] = {}
        for counts in self._sums.values():
            for name, value in counts.items():
                sums[name] = sums.get(name, 0) + value
        return self._usage(sums)

    @property
    def cost(self) -> Cost:
        """Of all turns so far, in US dollars."""
        if self._cost_usd is not None or not self._sums:
            return self._priced(self.usage, self._model)
        model, *others = self._sums
        cost = self._cost_of(model)
        for model in others:
            cost = add_cost(cost, self._cost_of(model))
        return cost

    def _cost_of(self, model: str) -> Cost:
        usage, seconds = self._usage(self._sums[model]), self._seconds[model]
        if seconds:
            known = f"{self._provider}/{model}"
            cost = calculate(known, usage if self._sums[model] else None, Quantities(input_seconds=seconds))
        else:
            cost = self._priced(usage, model)
        if cost.total is None and model != self._model:
            # Not known, as of a deployment's own name. Budgets must go on: tokens are taken at the session's price.
            instead = self._priced(usage, self._model) if self._sums[model] else Cost(total=0.0)
            cost = msgspec.structs.replace(instead, estimated=True)
        return cost

    def _priced(self, usage: Usage, model: str) -> Cost:
        return cost_of(usage, provider=self._provider, model=model, asked=model)

    def _usage(self, sums: dict[str, int]) -> Usage:
        return Usage(
            **sums,
            service_tier=self._tier,
            reported_cost_usd=self._cost_usd,
            provenance="reported" if sums else "unknown",
        )
