"""A scatter chart on two logarithmic axes, as SVG that needs nothing else."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from html import escape

import msgspec

WIDTH, HEIGHT = 1280, 800
LEFT, RIGHT, TOP, BOTTOM = 84, 210, 70, 66
RADIUS, FONT = 4.5, 11
CHARACTER = 6.7
"""Width of a character of a label, in the mean of what sans-serif fonts take at `FONT`, on the wide side."""
MOST_COLOURS = 12
# Paul Tol's and Tableau's qualitative colours, those that stay apart on white.
COLOURS = (
    "#4e79a7", "#e15759", "#59a14f", "#f28e2b", "#b07aa1", "#17a2a2", "#9c755f", "#d4a017", "#e377c2", "#332288",
    "#88a000", "#cc3311",
)  # fmt: skip
OTHERS = "#9ca3af"
GRID, AXIS, INK, FAINT = "#e5e7eb", "#6b7280", "#111827", "#4b5563"


_FEWEST_TICKS = 4


class Point(msgspec.Struct, frozen=True):
    """One dot: where it is, whose colour it has, what is written beside it, and what shows when it is pointed at."""

    x: float
    y: float
    group: str
    label: str
    hint: str


class Axis(msgspec.Struct, frozen=True):
    """An axis: its title, how its values are written, and its ticks: `steps` times each power of `base`."""

    title: str
    write: Callable[[float], str]
    steps: Sequence[float] = (1, 2, 5)
    base: float = 10


def scatter(title: str, subtitle: str, points: Sequence[Point], x: Axis, y: Axis) -> str:
    """The chart. Points in the order of their importance: the labels of the first are placed first, and one that finds
    no free place is left out, as is any but the first of points at the same place. No coordinate may be 0 or less."""
    across = _Scale([point.x for point in points], x, LEFT, WIDTH - RIGHT)
    up = _Scale([point.y for point in points], y, HEIGHT - BOTTOM, TOP)
    counts = Counter(point.group for point in points)
    groups = [group for group, _ in counts.most_common(MOST_COLOURS)]
    colours = dict(zip(groups, COLOURS, strict=False))
    dots = _at_different_places(points, across, up)
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" '
            f'height="{HEIGHT}" font-family="Helvetica, Arial, sans-serif" font-size="{FONT}">',
            f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
            f'<text x="{LEFT}" y="30" font-size="19" font-weight="bold" fill="{INK}">{escape(title)}</text>',
            f'<text x="{LEFT}" y="51" font-size="12" fill="{FAINT}">{escape(subtitle)}</text>',
            *_grid(across, up, x, y),
            *(_dot(point, place, colours.get(point.group, OTHERS)) for point, place in reversed(dots)),
            *_labels(dots),
            *_legend(groups, counts, colours),
            "</svg>\n",
        ]
    )


class _Scale:
    """Where a value lies, in pixels, and which ticks there are."""

    def __init__(self, values: Iterable[float], axis: Axis, start: float, end: float) -> None:
        known = [*values] or [1.0]
        low, high = math.log(min(known)), math.log(max(known))
        room = max(0.04 * (high - low), 0.2 if high > low else math.log(axis.base))
        self._low, self._high = low - room, high + room
        self._start, self._end = start, end
        powers = range(math.floor(self._low / math.log(axis.base)), math.ceil(self._high / math.log(axis.base)) + 1)
        for steps in (axis.steps, range(1, 10)):  # finer, where the values are close together
            every = [step * axis.base**power for power in powers for step in steps]
            self.ticks = [tick for tick in sorted({*every}) if self._low <= math.log(tick) <= self._high]
            if len(self.ticks) >= _FEWEST_TICKS:
                break

    def at(self, value: float) -> float:
        share = (math.log(value) - self._low) / (self._high - self._low)
        return self._start + share * (self._end - self._start)


def _grid(across: _Scale, up: _Scale, x: Axis, y: Axis) -> list[str]:
    right, bottom = WIDTH - RIGHT, HEIGHT - BOTTOM
    parts = []
    for tick in across.ticks:
        at = across.at(tick)
        parts.append(
            f'<line x1="{at:.1f}" y1="{TOP}" x2="{at:.1f}" y2="{bottom}" stroke="{GRID}"/>'
            f'<text x="{at:.1f}" y="{bottom + 18}" text-anchor="middle" fill="{AXIS}">{escape(x.write(tick))}</text>'
        )
    for tick in up.ticks:
        at = up.at(tick)
        parts.append(
            f'<line x1="{LEFT}" y1="{at:.1f}" x2="{right}" y2="{at:.1f}" stroke="{GRID}"/>'
            f'<text x="{LEFT - 8}" y="{at + 4:.1f}" text-anchor="end" fill="{AXIS}">{escape(y.write(tick))}</text>'
        )
    middle, centre = (LEFT + right) / 2, (TOP + bottom) / 2
    return [
        *parts,
        f'<text x="{middle}" y="{HEIGHT - 20}" text-anchor="middle" font-size="13" fill="{INK}">'
        f"{escape(x.title)}</text>",
        f'<text x="22" y="{centre}" text-anchor="middle" font-size="13" fill="{INK}" '
        f'transform="rotate(-90 22 {centre})">{escape(y.title)}</text>',
    ]


Place = tuple[float, float]
Box = tuple[float, float, float, float]


def _at_different_places(points: Sequence[Point], across: _Scale, up: _Scale) -> list[tuple[Point, Place]]:
    """Points of one group that would hide each other become the first of them, which counts the others."""
    found: dict[tuple[str, int, int], list[Point]] = {}
    for point in points:
        key = (point.group, round(across.at(point.x) / 2), round(up.at(point.y) / 2))
        found.setdefault(key, []).append(point)
    dots = []
    for here in found.values():
        label = here[0].label if len(here) == 1 else f"{here[0].label} +{len(here) - 1}"
        hint = "\n".join(point.hint for point in here)
        dots.append(
            (msgspec.structs.replace(here[0], label=label, hint=hint), (across.at(here[0].x), up.at(here[0].y)))
        )
    return dots


def _dot(point: Point, place: Place, colour: str) -> str:
    return (
        f'<circle cx="{place[0]:.1f}" cy="{place[1]:.1f}" r="{RADIUS}" fill="{colour}" fill-opacity="0.85" '
        f'stroke="white" stroke-width="0.8"><title>{escape(point.hint)}</title></circle>'
    )


def _labels(dots: Sequence[tuple[Point, Place]]) -> list[str]:
    """Each label at the first place beside its dot that is free of dots, labels and edges."""
    taken = _Taken()
    for _, (x, y) in dots:
        taken.add((x - RADIUS, y - RADIUS, x + RADIUS, y + RADIUS))
    parts = []
    for point, (x, y) in dots:
        width, gap = len(point.label) * CHARACTER, RADIUS + 3
        for left, baseline in (
            (x + gap, y + 4), (x - gap - width, y + 4), (x - width / 2, y - gap - 1), (x - width / 2, y + gap + 9),
            (x + gap, y - 6), (x + gap, y + 13), (x - gap - width, y - 6), (x - gap - width, y + 13),
        ):  # fmt: skip
            box = (left, baseline - FONT + 2, left + width, baseline + 2)
            if taken.is_free(box):
                taken.add(box)
                parts.append(f'<text x="{left:.1f}" y="{baseline:.1f}" fill="{FAINT}">{escape(point.label)}</text>')
                break
    return parts


class _Taken:
    """The rectangles that are drawn on, by the cells of a grid that they touch."""

    _CELL = 40

    def __init__(self) -> None:
        self._boxes: dict[tuple[int, int], list[Box]] = {}

    def add(self, box: Box) -> None:
        for cell in self._cells(box):
            self._boxes.setdefault(cell, []).append(box)

    def is_free(self, box: Box) -> bool:
        left, top, right, bottom = box
        if left < LEFT or right > WIDTH - RIGHT or top < TOP or bottom > HEIGHT - BOTTOM:
            return False
        return not any(
            left < other[2] and other[0] < right and top < other[3] and other[1] < bottom
            for cell in self._cells(box)
            for other in self._boxes.get(cell, ())
        )

    def _cells(self, box: Box) -> Iterable[tuple[int, int]]:
        for column in range(int(box[0] // self._CELL), int(box[2] // self._CELL) + 1):
            for row in range(int(box[1] // self._CELL), int(box[3] // self._CELL) + 1):
                yield column, row


def _legend(groups: Sequence[str], counts: Counter[str], colours: dict[str, str]) -> list[str]:
    rows = [(group, counts[group], colours[group]) for group in groups]
    if others := counts.total() - sum(count for _, count, _ in rows):
        rows.append((f"{len(counts) - len(groups)} others", others, OTHERS))
    left = WIDTH - RIGHT + 22
    parts = []
    for number, (group, count, colour) in enumerate(rows):
        y = TOP + 14 + number * 22
        parts.append(
            f'<circle cx="{left}" cy="{y}" r="5.5" fill="{colour}"/>'
            f'<text x="{left + 13}" y="{y + 4}" font-size="13" fill="{INK}">{escape(group)} '
            f'<tspan fill="{AXIS}">{count}</tspan></text>'
        )
    return parts
