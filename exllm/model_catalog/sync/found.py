"""What one source says of one model, before anything is merged."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, NamedTuple

PER_MILLION = Decimal(1_000_000)


class When(NamedTuple):
    """The conditions of a row of prices, as the fields of `exllm.model_catalog.schema.Rates`."""

    tier: str | None = None
    above: int | None = None
    since: str | None = None
    hours: tuple[str, ...] | None = None
    weekdays: tuple[int, ...] | None = None
    region: str | None = None
    size: str | None = None
    quality: str | None = None
    search_size: str | None = None


ALWAYS = When()

Rows = dict[When, dict[str, Decimal]]
"""Unit to price, per conditions. Decimals, so that 1.5e-08 per token is 0.015 per million and nothing is rounded."""


@dataclass
class Found:
    """One model of one source.

    `exact` is false where the source did not name the id, but a pattern of it took the id in.
    """

    source: str
    provider: str
    id: str
    fields: dict[str, Any] = field(default_factory=dict)
    rows: Rows = field(default_factory=dict)
    exact: bool = True

    def price(self, when: When, unit: str, usd: Decimal | None) -> None:
        """Note a price; a second word on the same unit does not replace the first."""
        if usd is not None:
            self.rows.setdefault(when, {}).setdefault(unit, usd.normalize())

    def put(self, name: str, value: Any) -> None:
        """Note a fact; what says nothing (None, "", an empty list) is left out."""
        if value not in (None, "", (), []):
            self.fields.setdefault(name, value)


@dataclass
class Skipped:
    """What a source says that the catalog has no place for, and how often: it is reported, not dropped in silence."""

    counts: dict[str, int] = field(default_factory=dict)

    def add(self, what: str) -> None:
        self.counts[what] = self.counts.get(what, 0) + 1
