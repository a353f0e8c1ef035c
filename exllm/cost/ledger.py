"""What many calls cost together, by provider and model, as figures and as tables."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from typing import Literal

import msgspec

from exllm.cost.tables import TableFormat, table
from exllm.types.response import Response
from exllm.types.usage import Cost, Usage

COMPONENTS = ("input", "cached_input", "cache_write", "output", "reasoning", "audio", "image", "search", "other")


class Line(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the calls of one model cost, or of one provider when `model` is None. US dollars and tokens.

    `total` is what is known; `unknown` calls had no known cost and are not in it. The components are those of `Cost`;
    where a provider states only the sum of a call, its total is more than they add up to.
    """

    provider: str
    model: str | None = None
    calls: int = 0
    unknown: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    total: float = 0.0
    input: float = 0.0
    cached_input: float = 0.0
    cache_write: float = 0.0
    output: float = 0.0
    reasoning: float = 0.0
    audio: float = 0.0
    image: float = 0.0
    search: float = 0.0
    other: float = 0.0


class Ledger:
    """Adds up the costs of calls. May be used from several threads.

        ledger = exllm.cost.Ledger(alert_at=[1.0, 5.0], on_alert=lambda usd, ledger: print("spent", usd))
        ledger.add(await client.chat("openai/gpt-4o", "Hi"))
        print(ledger.table("markdown"))

    Args:
        lines: those of an earlier ledger, to go on from: ``ledger.lines()`` is plain data.
        alert_at: totals in US dollars; when one is reached, `on_alert` is called with it and the ledger, once.
        on_alert: called in the thread that added the call; what it raises goes to the caller of `add`.
    """

    def __init__(
        self,
        lines: Iterable[Line] = (),
        *,
        alert_at: Iterable[float] = (),
        on_alert: Callable[[float, Ledger], None] | None = None,
    ) -> None:
        self._lines = {(line.provider, line.model or ""): line for line in lines}
        self._adding = threading.Lock()
        self._on_alert = on_alert
        self._alerts = [usd for usd in sorted(alert_at) if usd > self.total]

    @property
    def total(self) -> float:
        """US dollars of all calls whose cost is known."""
        return sum(line.total for line in list(self._lines.values()))

    @property
    def calls(self) -> int:
        """How many calls were added."""
        return sum(line.calls for line in list(self._lines.values()))

    @property
    def unknown(self) -> int:
        """How many of them had no known cost; the total is short by these."""
        return sum(line.unknown for line in list(self._lines.values()))

    def add(self, response: Response) -> None:
        """Add the cost of an answer."""
        self.add_cost(response.provider, response.model, response.cost, response.usage)

    def add_cost(self, provider: str, model: str, cost: Cost, usage: Usage | None = None) -> None:
        """Add a cost that is not of a `Response`."""
        usage = usage or Usage()
        one = Line(
            provider,
            model,
            calls=1,
            unknown=int(cost.total is None),
            input_tokens=usage.input_tokens or 0,
            output_tokens=usage.output_tokens or 0,
            total=cost.total or 0.0,
            **{name: getattr(cost, name) or 0.0 for name in COMPONENTS},
        )
        with self._adding:
            before = self._lines.get((provider, model))
            self._lines[provider, model] = one if before is None else _sum(provider, model, (before, one))
            total = self.total
            reached = [usd for usd in self._alerts if usd <= total]
            self._alerts = self._alerts[len(reached) :]
        if self._on_alert is not None:
            for usd in reached:
                self._on_alert(usd, self)

    def lines(self, by: Literal["model", "provider"] = "model") -> list[Line]:
        """One line per model, or per provider; the dearest first."""
        lines = list(self._lines.values())
        if by == "provider":
            names = sorted({line.provider for line in lines})
            lines = [_sum(name, None, [line for line in lines if line.provider == name]) for name in names]
        return sorted(lines, key=lambda line: (-line.total, line.provider, line.model or ""))

    def table(self, format: TableFormat = "text", by: Literal["model", "provider"] = "model") -> str:
        """The lines as ``text``, ``markdown``, ``csv`` or ``json``.

        Text and Markdown are for people: dollars are rounded, and the last line is the sum. CSV and JSON have every
        digit.
        """
        lines = self.lines(by)
        return table(
            [*lines, _sum("total", None, lines)] if lines and format in ("text", "markdown") else lines, format
        )


def _sum(provider: str, model: str | None, lines: Iterable[Line]) -> Line:
    lines = list(lines)
    counted = [name for name in Line.__struct_fields__ if name not in ("provider", "model")]
    return Line(provider, model, **{name: sum(getattr(line, name) for line in lines) for name in counted})
