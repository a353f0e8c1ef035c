"""The tokens of a session, and what they cost."""

from __future__ import annotations

from exllm.cost import cost_of
from exllm.types.usage import Cost, Usage

_COUNTS = tuple(
    name
    for name in Usage.__struct_fields__
    if name not in ("service_tier", "provenance", "reported_cost_usd")
)  # fmt: skip


class Spending:
    """Adds up what the service reports, turn by turn.

    Args:
        provider, model: whose prices count.
    """

    def __init__(self, provider: str, model: str) -> None:
        self._provider = provider
        self._model = model
        self._sums: dict[str, int] = {}
        self._cost_usd: float | None = None
        self._tier: str | None = None

    def add(self, usage: Usage | None) -> None:
        """Count what was reported; None counts nothing."""
        if usage is None:
            return
        for name in _COUNTS:
            value = getattr(usage, name)
            if value is not None:
                self._sums[name] = self._sums.get(name, 0) + value
        if usage.reported_cost_usd is not None:
            self._cost_usd = (self._cost_usd or 0.0) + usage.reported_cost_usd
        self._tier = usage.service_tier or self._tier

    @property
    def is_told(self) -> bool:
        """The service has reported anything."""
        return bool(self._sums) or self._cost_usd is not None

    @property
    def usage(self) -> Usage:
        """Of all turns so far."""
        return Usage(
            **self._sums,
            service_tier=self._tier,
            reported_cost_usd=self._cost_usd,
            provenance="reported" if self._sums else "unknown",
        )

    @property
    def cost(self) -> Cost:
        """Of all turns so far, in US dollars."""
        return cost_of(self.usage, provider=self._provider, model=self._model, asked=self._model)
