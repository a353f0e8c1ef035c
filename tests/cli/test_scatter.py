"""The chart: where dots lie, that labels do not overlap, who has which colour."""

from __future__ import annotations

import math
import random
import re
from itertools import combinations
from xml.etree import ElementTree

from exllm.cli.scatter import (
    BOTTOM,
    CHARACTER,
    COLOURS,
    FONT,
    HEIGHT,
    LEFT,
    MOST_COLOURS,
    OTHERS,
    RIGHT,
    TOP,
    WIDTH,
    Axis,
    Point,
    scatter,
)

SVG = "{http://www.w3.org/2000/svg}"
X = Axis("tokens", lambda value: f"{value:g}", steps=(1,), base=2)
Y = Axis("dollars", lambda value: f"${value:g}")
TICK = "#6b7280"
LABEL = "#4b5563"


def chart(points: list[Point]) -> ElementTree.Element:
    return ElementTree.fromstring(scatter("Title", "Subtitle", points, X, Y))


def dots(root: ElementTree.Element) -> dict[str, tuple[float, float, str]]:
    return {
        title.text or "": (float(circle.attrib["cx"]), float(circle.attrib["cy"]), circle.attrib["fill"])
        for circle in root.iter(f"{SVG}circle")
        if (title := circle.find(f"{SVG}title")) is not None
    }


def labels(root: ElementTree.Element) -> dict[str, tuple[float, float]]:
    return {
        text.text or "": (float(text.attrib["x"]), float(text.attrib["y"]))
        for text in root.iter(f"{SVG}text")
        if text.attrib.get("fill") == LABEL and text.text != "Subtitle"
    }


def ticks(root: ElementTree.Element) -> list[str]:
    return [text.text or "" for text in root.iter(f"{SVG}text") if text.attrib.get("fill") == TICK]


def test_equal_factors_are_equal_distances() -> None:
    points = [Point(x, y, "a", f"{x}", f"{x}") for x, y in ((1000, 1), (10_000, 10), (100_000, 100))]
    places = dots(chart(points))
    (x1, y1, _), (x2, y2, _), (x3, y3, _) = (places[f"{x}"] for x in (1000, 10_000, 100_000))
    assert math.isclose(x2 - x1, x3 - x2, abs_tol=0.2)
    assert math.isclose(y1 - y2, y2 - y3, abs_tol=0.2)
    assert LEFT < x1 < x3 < WIDTH - RIGHT
    assert TOP < y3 < y1 < HEIGHT - BOTTOM


def test_labels_overlap_neither_each_other_nor_dots_nor_the_edge() -> None:
    chance = random.Random(7)
    points = [
        Point(chance.choice((8192, 131072, 200000, 1e6)), 10 ** chance.uniform(-2, 2), f"p{number % 5}",
              "model-" + "x" * chance.randrange(20) + str(number), f"{number}")
        for number in range(400)
    ]  # fmt: skip
    root = chart(points)
    boxes = {name: (x, y - FONT + 2, x + len(name) * CHARACTER, y + 2) for name, (x, y) in labels(root).items()}
    assert 20 < len(boxes) < 400
    for one, other in combinations(boxes.values(), 2):
        assert (
            one[0] >= other[2] - 0.2 or other[0] >= one[2] - 0.2 or one[1] >= other[3] - 0.2 or other[1] >= one[3] - 0.2
        )
    for left, top, right, bottom in boxes.values():
        assert left >= LEFT - 0.1
        assert right <= WIDTH - RIGHT + 0.1
        assert not any(left < x < right and top < y < bottom for x, y, _ in dots(root).values())


def test_every_point_is_drawn_though_its_label_may_not_be() -> None:
    points = [
        Point(1000 + number / 10, 1.0, f"group {number}", "a-very-long-name", f"{number}") for number in range(40)
    ]
    root = chart(points)
    assert sorted(dots(root), key=int) == [str(number) for number in range(40)]
    assert len(labels(root)) < 40


def test_those_at_one_place_are_one_dot_that_counts_them() -> None:
    points = [Point(1000, 1, "a", name, name) for name in ("first", "second", "third")] + [
        Point(9000, 1, "a", "b", "b")
    ]
    root = chart(points)
    assert set(dots(root)) == {"first\nsecond\nthird", "b"}
    assert set(labels(root)) == {"first +2", "b"}


def test_each_group_has_a_colour_and_the_small_ones_share_grey() -> None:
    points = [
        Point(1000 * 1.3**group * 1.01**number, 1 + group, f"g{group:02}", "", f"{group}/{number}")
        for group in range(MOST_COLOURS + 2)
        for number in range(30 - group)
    ]
    root = chart(points)
    colour_of = {hint.partition("/")[0]: colour for hint, (_, _, colour) in dots(root).items()}
    assert [colour_of[str(group)] for group in range(MOST_COLOURS)] == list(COLOURS)
    assert {colour_of[str(MOST_COLOURS)], colour_of[str(MOST_COLOURS + 1)]} == {OTHERS}
    text = ElementTree.tostring(root, "unicode", "text")
    assert re.search(r"g00 30\b", text)
    assert "2 others" in text


def test_close_values_still_have_ticks() -> None:
    root = chart([Point(70, 1, "a", "a", "a"), Point(140, 3, "a", "b", "b")])
    assert len([tick for tick in ticks(root) if tick.startswith("$")]) >= 3
    assert len([tick for tick in ticks(root) if not tick.startswith("$")]) >= 2


def test_one_point_lies_in_the_middle() -> None:
    ((x, y, _),) = dots(chart([Point(500, 3, "a", "only", "only")])).values()
    assert math.isclose(x, (LEFT + WIDTH - RIGHT) / 2, abs_tol=0.1)
    assert math.isclose(y, (TOP + HEIGHT - BOTTOM) / 2, abs_tol=0.1)


def test_names_cannot_break_the_picture() -> None:
    root = chart([Point(500, 3, "<a&b>", "</svg><script>", "<title>\"'")])
    assert list(dots(root)) == ["<title>\"'"]
    assert list(labels(root)) == ["</svg><script>"]
