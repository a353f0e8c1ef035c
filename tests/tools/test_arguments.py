"""Arguments as models write them, and what is never guessed."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exllm.tools import ArgumentsError, parse_arguments

ENCODABLE = st.text(st.characters(exclude_categories=("Cs",)))
SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | ENCODABLE
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(ENCODABLE, inner, max_size=4), max_leaves=20
)  # fmt: skip
OBJECTS = st.dictionaries(ENCODABLE, VALUES, max_size=5)


@pytest.mark.parametrize(
    ("text", "arguments"),
    [
        ("", {}),
        ("  \n", {}),
        ("null", {}),
        ("None", {}),
        ("{}", {}),
        ('{"a": 1}', {"a": 1}),
        ('```json\n{"a": 1}\n```', {"a": 1}),
        ('```\n{"a": "```"}\n```', {"a": "```"}),
        ("```\n\n```", {}),
        ('```{"a": 1}```', {"a": 1}),
        ("```json {'a': '```'} ```", {"a": "```"}),
        ("```", None),
        ("```json", None),
        ("```json\n{'a': '```", None),
        ('{"a": 1,}', {"a": 1}),
        ('{"a": [1, 2,], }', {"a": [1, 2]}),
        ("{'a': True, 'b': False, 'c': None}", {"a": True, "b": False, "c": None}),
        ("{'it''s': 1}", None),
        ("{'a': 'it\\'s'}", {"a": "it's"}),
        ("{'a': 'say \"hi\"'}", {"a": 'say "hi"'}),
        ("{a: 1, b_2: -2.5e3}", {"a": 1, "b_2": -2500.0}),
        ('{"a": "two\nlines"}', {"a": "two\nlines"}),
        ('{"path": "C:\\Users\\me"}', {"path": "C:\\Users\\me"}),
        ('{"a": "\\ud83d\\ude00"}', {"a": "😀"}),
        ("{'a': '\\ud83d\\ude00'}", {"a": "😀"}),
        ('"{\\"a\\": 1}"', {"a": 1}),
        ('{"a": 12345678901234567890123}', {"a": 12345678901234567890123}),
    ],
)
def test_what_models_write_is_read(text: str, arguments: dict[str, Any] | None) -> None:
    if arguments is None:
        with pytest.raises(ArgumentsError):
            parse_arguments(text)
    else:
        assert parse_arguments(text) == arguments


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[1]", "must be a JSON object, such as {}, not an array"),
        ("5", "not a number or a word"),
        ('"hello"', "a value is expected at character 0"),
        ('{"a": 1', "a ',' or '}' is expected, but they end there"),
        ('{"a": "x', "this string has no end at character 6"),
        ('{"a" 1}', "a ':' is expected after 'a' at character 5"),
        ('{"a": 1} and more', "should end at character 9"),
        ('{"a": nope}', "a value is expected at character 6, before 'nope}'"),
        ("{" * 5000, "at character"),
        ('{"a":' + "[" * 5000, "nested more than 100 levels"),
        ("{a: 1e999}", "too large"),
        ("{a: " + "9" * 5000 + "}", "too long"),
        ("{a: 01}", "a value is expected"),
    ],
)
def test_what_cannot_be_read_is_told_with_its_place(text: str, words: str) -> None:
    with pytest.raises(ArgumentsError) as failure:
        parse_arguments(text)
    assert words in str(failure.value)
    assert len(str(failure.value)) < 200


def test_half_a_surrogate_pair_becomes_a_character_that_can_be_sent() -> None:
    (value,) = parse_arguments("{'a': '\\ud83d'}").values()
    assert value.encode()


@settings(deadline=None)
@given(OBJECTS)
def test_json_is_read_as_json(arguments: dict[str, Any]) -> None:
    assert parse_arguments(json.dumps(arguments)) == arguments
    assert parse_arguments(json.dumps(arguments, ensure_ascii=False, indent=2)) == arguments


@settings(deadline=None)
@given(OBJECTS)
def test_python_is_read_as_what_it_means(arguments: dict[str, Any]) -> None:
    # repr writes what is not printable as \x..., which no JSON has and models do not write
    text = repr(arguments)
    if "\\x" not in text and "\\U" not in text and "\\N" not in text:
        assert parse_arguments(text) == arguments


@settings(deadline=None)
@given(OBJECTS)
def test_a_fence_and_a_string_around_it_change_nothing(arguments: dict[str, Any]) -> None:
    written = json.dumps(arguments)
    assert parse_arguments(f"```json\n{written}\n```") == arguments
    assert parse_arguments(json.dumps(written)) == arguments


@settings(deadline=None)
@given(OBJECTS.filter(bool))
def test_trailing_commas_change_nothing(arguments: dict[str, Any]) -> None:
    assert parse_arguments(json.dumps(arguments)[:-1] + " , }") == arguments


@settings(deadline=None)
@given(OBJECTS, st.data())
def test_what_was_cut_off_is_never_completed(arguments: dict[str, Any], data: st.DataObject) -> None:
    for written in (json.dumps(arguments), repr(arguments)):
        cut = data.draw(st.integers(1, len(written) - 1))
        with pytest.raises(ArgumentsError):
            parse_arguments(written[:cut])


@settings(deadline=None)
@given(st.text(max_size=60) | st.text("{}[]\"':,\\ntru efals012.-`json", max_size=40))
def test_any_text_gives_an_object_or_an_error(text: str) -> None:
    try:
        arguments = parse_arguments(text)
    except ArgumentsError:
        return
    assert isinstance(arguments, dict)
    json.dumps(arguments).encode()


def test_reading_costs_the_same_for_each_character() -> None:
    text = "{'a': [" + "'x', " * 100_000 + "]}"  # quadratic work would take minutes
    assert len(parse_arguments(text)["a"]) == 100_000
