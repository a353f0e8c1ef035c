"""Dollars in words."""

from __future__ import annotations

from decimal import Decimal


def format(usd: float | None) -> str:
    """``usd`` for people: two significant digits below ten cents, cents above, ``unknown`` for None.

    ``$0``, ``$0.0000042``, ``$0.00042``, ``$0.12``, ``$1.50``, ``$1,234.50``; never a price rounded to nothing.
    """
    if usd is None:
        return "unknown"
    if usd == 0:
        return "$0"
    sign, usd = ("-" if usd < 0 else ""), abs(usd)
    if usd >= 0.0995:
        return f"{sign}${usd:,.2f}"
    return f"{sign}${Decimal(f'{usd:.2g}'):f}"
