"""Horizontal bars on a logarithmic axis, as SVG that needs nothing else."""

from __future__ import annotations

import math
from collections.abc import Mapping
from html import escape

WIDTH, LABEL_WIDTH, ROW_HEIGHT, TOP, RIGHT = 760, 150, 22, 44, 70
OURS, THEIRS, LIMITS = "#0f766e", "#94a3b8", "#cbd5e1"


def bar_chart(title: str, values: Mapping[str, float]) -> str:
    """One bar per name, in the order given; `exllm` stands out, `raw` and `floor` stand back."""
    low = 10 ** math.floor(math.log10(min(values.values())))
    high = 10 ** math.ceil(math.log10(max(values.values()) * 1.0001))
    room = WIDTH - LABEL_WIDTH - RIGHT
    height = TOP + ROW_HEIGHT * len(values) + 24

    def x(value: float) -> float:
        return LABEL_WIDTH + room * math.log10(value / low) / math.log10(high / low)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" '
        'font-family="sans-serif" font-size="12">',
        f'<rect width="{WIDTH}" height="{height}" fill="white"/>',
        f'<text x="8" y="20" font-size="14" font-weight="bold">{escape(title)}</text>',
    ]
    tick = low
    while tick <= high * 1.0001:
        parts.append(
            f'<line x1="{x(tick):.1f}" y1="{TOP - 8}" x2="{x(tick):.1f}" y2="{height - 20}" stroke="#e2e8f0"/>'
            f'<text x="{x(tick):.1f}" y="{height - 6}" text-anchor="middle" fill="#64748b">{tick:g}</text>'
        )
        tick *= 10
    for position, (name, value) in enumerate(values.items()):
        y = TOP + position * ROW_HEIGHT
        colour = OURS if name.startswith("exllm") else LIMITS if name.startswith(("raw", "floor")) else THEIRS
        shown = f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
        parts.append(
            f'<text x="{LABEL_WIDTH - 8}" y="{y + 12}" text-anchor="end">{escape(name)}</text>'
            f'<rect x="{LABEL_WIDTH}" y="{y}" width="{max(1.0, x(value) - LABEL_WIDTH):.1f}" height="{ROW_HEIGHT - 6}" '
            f'fill="{colour}"/><text x="{x(value) + 5:.1f}" y="{y + 12}">{shown}</text>'
        )
    return "\n".join([*parts, "</svg>"]) + "\n"
