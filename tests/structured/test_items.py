"""Values at a path, as each becomes whole."""

from __future__ import annotations

import json
import tracemalloc
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exllm.structured.items import ItemReader
from exllm.structured.json_path import parse_path
from exllm.structured.json_reader import JSONSyntaxError

DOCUMENT = {
    "rows": [{"id": 1, "tags": ["a", "b"]}, {"id": 2, "tags": []}, 3, "four", [5, [6]], None],
    "pages": [{"rows": [10, 11]}, {"rows": [], "other": {"rows": [99]}}, 7, {"rows": [12]}],
    "a b": {"x": [[1, 2], [3]], "y": 'long text with "quotes" and é'},
    "7": "seven",
}
CASES: list[tuple[str, list[tuple[str, Any]]]] = [
    ("$.rows[*]", [(f"$.rows[{place}]", row) for place, row in enumerate(DOCUMENT["rows"])]),
    ("$.rows[1]", [("$.rows[1]", {"id": 2, "tags": []})]),
    ("$.rows[*].id", [("$.rows[0].id", 1), ("$.rows[1].id", 2)]),
    ("$.rows[*].tags[*]", [("$.rows[0].tags[0]", "a"), ("$.rows[0].tags[1]", "b")]),
    (
        "$.pages[*].rows[*]",
        [("$.pages[0].rows[0]", 10), ("$.pages[0].rows[1]", 11), ("$.pages[3].rows[0]", 12)],
    ),
    ("$['a b'].x[*][0]", [("$['a b'].x[0][0]", 1), ("$['a b'].x[1][0]", 3)]),
    ('$["a b"].*', [("$['a b'].x", [[1, 2], [3]]), ("$['a b'].y", 'long text with "quotes" and é')]),
    ("$['7']", [("$['7']", "seven")]),
    ("$[7]", []),
    ("$.missing[*]", []),
    ("$.rows[4][1][0]", [("$.rows[4][1][0]", 6)]),
    ("$", [("$", DOCUMENT)]),
    (
        "$.*",
        [
            (("$." if name.isidentifier() else "$") + (name if name.isidentifier() else f"[{name!r}]"), value)
            for name, value in DOCUMENT.items()
        ],
    ),
]


@pytest.mark.parametrize(("path", "expected"), CASES, ids=[path for path, _ in CASES])
@pytest.mark.parametrize("size", [1, 3, 7, 10_000])
def test_values_at_a_path_come_in_order_with_their_own_paths(
    path: str, expected: list[tuple[str, Any]], size: int
) -> None:
    text = json.dumps(DOCUMENT, indent=1)
    reader = ItemReader(path)
    found = [item for at in range(0, len(text), size) for item in reader.feed(text[at : at + size])]
    assert found + reader.close() == expected
    assert reader.is_done


def test_a_value_is_given_with_the_character_that_ends_it() -> None:
    reader = ItemReader("$.rows[*]")
    assert reader.feed('{"rows": [{"a": 1') == []
    assert reader.feed("}") == [("$.rows[0]", {"a": 1})]
    assert reader.feed(', "x') == []
    assert reader.feed('"') == [("$.rows[1]", "x")]
    assert reader.feed(", 12") == []  # may yet be 123
    assert reader.feed("]") == [("$.rows[2]", 12)]


def test_values_before_a_fault_are_not_lost() -> None:
    reader = ItemReader("$[*]")
    with pytest.raises(JSONSyntaxError):
        reader.feed("[1, 2, oops")
    assert reader.take() == [("$[0]", 1), ("$[1]", 2)]


_JSON = st.recursive(
    st.none() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=12,
)


@given(_JSON, st.lists(st.sampled_from(["a", "b", 0, 1, None]), max_size=3), st.integers(1, 5))
@settings(max_examples=400, deadline=None)
def test_the_same_values_as_a_walk_of_the_whole_document(value: Any, steps: list[Any], size: int) -> None:
    path = "$" + "".join(
        "[*]" if step is None else f"[{step}]" if isinstance(step, int) else f".{step}" for step in steps
    )
    nodes = [value]
    for step in steps:
        below: list[Any] = []
        for node in nodes:
            if isinstance(node, dict):
                below += [inner for key, inner in node.items() if step in (None, key)]
            elif isinstance(node, list):
                below += [
                    inner for place, inner in enumerate(node) if step is None or (step == place and type(step) is int)
                ]
        nodes = below
    text, reader = json.dumps(value), ItemReader(path)
    found = [item for at in range(0, len(text), size) for item in reader.feed(text[at : at + size])] + reader.close()
    assert [item for _, item in found] == nodes


def test_memory_does_not_grow_with_the_values_that_were_given() -> None:
    reader = ItemReader("$.rows[*]")
    reader.feed('{"skipped": [' + ",".join('{"x": [1, 2]}' for _ in range(1000)) + '], "rows": [')
    row = json.dumps({"id": 1, "text": "x" * 200}) + ","

    def read(rows: int) -> int:
        for _ in range(rows):
            assert len(reader.feed(row)) == 1
        return tracemalloc.get_traced_memory()[0]

    tracemalloc.start()
    try:
        read(100)
        before = tracemalloc.get_traced_memory()[0]
        after = read(20_000)
    finally:
        tracemalloc.stop()
    assert after - before < 20_000


@pytest.mark.parametrize("path", ["rows", "", "$rows", "$..rows", "$.rows[?(@.a)]", "$.rows[1:2]", "$.rows[", "$.1a"])
def test_a_path_that_cannot_be_followed_is_refused(path: str) -> None:
    with pytest.raises(ValueError, match=r"path"):
        ItemReader(path)


def test_paths_are_read() -> None:
    assert parse_path("$") == ()
    assert parse_path("$.a_1['b c'][\"d\"][0][*].*") == ("a_1", "b c", "d", 0, None, None)
