"""The incremental JSON parser against the JSON test suite, `json.loads` and itself in any slicing."""

from __future__ import annotations

import base64
import copy
import gc
import json
import time
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exllm.structured.partial_json import JSONSyntaxError, PartialJSON
from tests.vectors import load

SUITE = load("json_test_suite")
VALID = [case for case in SUITE if case["name"].startswith("y_")]
INVALID = [case for case in SUITE if case["name"].startswith("n_")]


def _text(case: dict[str, Any]) -> str:
    if "base64" in case:
        return base64.b64decode(case["base64"]).decode()
    text: str = case["text"]
    return text


def _named(case: dict[str, Any]) -> str:
    name: str = case["name"]
    return name


def grew(before: Any, after: Any) -> bool:
    """Whether `after` may follow `before`: strings by their end, arrays by items, objects by keys."""
    if isinstance(before, str) and isinstance(after, str):
        return after.startswith(before)
    if isinstance(before, list) and isinstance(after, list):
        return len(after) >= len(before) and all(grew(old, after[place]) for place, old in enumerate(before))
    if isinstance(before, dict) and isinstance(after, dict):
        return list(after)[: len(before)] == list(before) and all(grew(old, after[key]) for key, old in before.items())
    return type(before) is type(after) and before == after


def parts_of(text: str, pieces: list[str] | None = None) -> list[Any]:
    """The value after each piece (each character by default) that has one."""
    partial = PartialJSON()
    seen = []
    for piece in text if pieces is None else pieces:
        partial.feed(piece)
        if partial.has_value:
            seen.append(copy.deepcopy(partial.value))
    seen.append(partial.close())
    return seen


@pytest.mark.parametrize("case", VALID, ids=_named)
def test_every_prefix_of_a_valid_document_is_a_part_of_its_value(case: dict[str, Any]) -> None:
    text = _text(case)
    expected = json.loads(text)
    seen = parts_of(text)
    assert seen[-1] == expected
    assert json.dumps(seen[-1]) == json.dumps(expected)  # 1 is not 1.0, and the order of keys counts
    if "duplicated_key" not in case["name"]:
        assert all(grew(before, after) for before, after in pairwise(seen))
    for length in range(len(text)):
        partial = PartialJSON()
        partial.feed(text[:length])
        if partial.has_value and "duplicated_key" not in case["name"]:
            assert grew(partial.value, expected), text[:length]


def _read(text: str, by_character: bool = True) -> Any:
    partial = PartialJSON()
    for piece in text if by_character else [text]:
        partial.feed(piece)
    return partial.close()


@pytest.mark.parametrize("case", INVALID, ids=_named)
@pytest.mark.parametrize("by_character", [False, True], ids=["whole", "by character"])
def test_an_invalid_document_is_refused(case: dict[str, Any], by_character: bool) -> None:
    with pytest.raises((JSONSyntaxError, UnicodeDecodeError)) as caught:
        _read(_text(case), by_character)
    assert str(caught.value)


_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters()),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@given(
    _JSON,
    st.booleans(),
    st.sampled_from([None, 1, "\t"]),
    st.lists(st.integers(1, 9), min_size=1, max_size=8),
)
@settings(max_examples=400, deadline=None)
def test_any_slicing_of_any_document_grows_to_the_same_value(
    value: Any, ascii_only: bool, indent: Any, lengths: list[int]
) -> None:
    text = json.dumps(value, ensure_ascii=ascii_only, indent=indent)
    pieces, at, turn = [], 0, 0
    while at < len(text):
        pieces.append(text[at : at + lengths[turn % len(lengths)]])
        at, turn = at + len(pieces[-1]), turn + 1
    seen = parts_of(text, pieces)
    assert seen[-1] == json.loads(text)
    assert json.dumps(seen[-1]) == json.dumps(json.loads(text))
    assert all(grew(before, after) for before, after in pairwise(seen))


@given(st.text(st.sampled_from('{}[]",:\\u0d89abef-1.eE+tr n\n'), max_size=30))
@settings(max_examples=600, deadline=None)
def test_what_python_refuses_is_refused_and_what_it_takes_is_taken(text: str) -> None:
    try:
        expected = json.loads(text)
    except (json.JSONDecodeError, RecursionError):
        with pytest.raises(JSONSyntaxError):
            _read(text)
    else:
        assert _read(text) == expected


def test_what_is_not_sure_yet_is_not_shown() -> None:
    partial = PartialJSON()
    for piece, value in [
        ("  ", None),
        ("{", {}),
        ('"na', {}),
        ('me"', {}),
        (": ", {}),
        ('"', {"name": ""}),
        ("A\\", {"name": "A"}),
        ("u00e", {"name": "A"}),
        ("9\\ud83d", {"name": "Aé"}),
        ("\\", {"name": "Aé"}),
        ("ude00!", {"name": "Aé😀!"}),
        ('", "n": 1', {"name": "Aé😀!"}),
        ("2e", {"name": "Aé😀!"}),
        ("1 ", {"name": "Aé😀!", "n": 120.0}),
        (', "t": tru', {"name": "Aé😀!", "n": 120.0}),
        ("e", {"name": "Aé😀!", "n": 120.0, "t": True}),
        (', "l": [nu', {"name": "Aé😀!", "n": 120.0, "t": True, "l": []}),
        ("ll, {", {"name": "Aé😀!", "n": 120.0, "t": True, "l": [None, {}]}),
        ("}]}", {"name": "Aé😀!", "n": 120.0, "t": True, "l": [None, {}]}),
    ]:
        partial.feed(piece)
        assert partial.value == value, piece
    assert partial.is_done


@pytest.mark.parametrize(
    "text",
    [
        r'"\ud800"',
        r'"\ud800\n"',
        r'"\ud800\u0041"',
        r'"\ud800\ud800\udc00"',
        r'"\udc00\ud800"',
        r'"\ud800x"',
        r'"\ud83d\ude00"',
    ],
)
def test_surrogates_come_out_as_json_loads_has_them(text: str) -> None:
    assert parts_of(text)[-1] == json.loads(text)
    assert all(grew(before, after) for before, after in pairwise(parts_of(text)))


@pytest.mark.parametrize(
    ("text", "position", "words"),
    [
        ('{"a": 1,}', 8, "expected a key in double quotes, got '}'"),
        ("[1 2]", 3, "expected ',' or the end of what is open, got '2'"),
        ("[1}", 2, "got '}'"),
        ('["\n"]', 2, "control character"),
        ("[01]", 3, "'01' is no JSON number"),
        ("[trux]", 1, "expected 'true'"),
        ("{} {}", 3, "expected nothing more"),
        ('"\\x"', 2, "no such escape"),
        ('"\\u12g4"', 5, "four hexadecimal digits"),
        ("[NaN]", 1, "expected a value or ']'"),
    ],
)
def test_an_error_says_what_was_expected_and_where(text: str, position: int, words: str) -> None:
    with pytest.raises(JSONSyntaxError) as caught:
        PartialJSON().feed(text)
    assert words in str(caught.value)
    assert caught.value.position == position


def test_text_that_ends_early_is_an_error_at_the_end_alone() -> None:
    partial = PartialJSON()
    partial.feed('{"a": [1, ')
    assert partial.value == {"a": [1]}
    with pytest.raises(JSONSyntaxError, match="the text ended"):
        partial.close()
    assert partial.value == {"a": [1]}


def test_containers_are_the_same_objects_all_along() -> None:
    partial = PartialJSON()
    partial.feed('{"rows": [{"a": 1}')
    root, rows, row = partial.value, partial.value["rows"], partial.value["rows"][0]
    partial.feed(', {"a": 2}], "more": "')
    assert partial.value is root
    assert root["rows"] is rows
    assert rows[0] is row
    assert root == {"rows": [{"a": 1}, {"a": 2}], "more": ""}


def _cost_s(pieces: list[str]) -> float:
    """The least time of three runs, with the value looked at after each piece."""
    times = []
    gc.disable()  # its passes over a value that deep are not the parser's
    try:
        for _ in range(3):
            partial = PartialJSON()
            began = time.process_time()
            for piece in pieces:
                partial.feed(piece)
                assert partial.value is not None
            times.append(time.process_time() - began)
    finally:
        gc.enable()
    return min(times)


@pytest.mark.parametrize(
    "document",
    [
        lambda size: json.dumps([{"id": number, "name": f"row {number}"} for number in range(size // 32)]),
        lambda size: json.dumps("one long text " * (size // 14)),
        lambda size: json.dumps({"text": 'with "escapes"\n' * (size // 18)}),
        lambda size: "[" * (size // 2) + "]" * (size // 2),
    ],
    ids=["rows", "one string", "escapes", "nesting"],
)
def test_a_piece_costs_the_same_however_much_came_before(document: Any) -> None:
    def pieces(size: int) -> list[str]:
        text = document(size)
        return [text[at : at + 8] for at in range(0, len(text), 8)]

    small, large = _cost_s(pieces(50_000)), _cost_s(pieces(800_000))
    assert large < 16 * 3 * small, f"{large:.3f} s for 16 times the text, {small:.3f} s for it"
