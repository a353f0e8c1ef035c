"""JSON Schemas made by hand: what fits passes, what does not is told with its path."""

from __future__ import annotations

from typing import Any

import pytest

from exllm.tools.schema_check import problems_of


@pytest.mark.parametrize(
    ("schema", "good", "bad", "words"),
    [
        ({"type": "integer"}, 5, "5", 'Expected `integer`, got `string`; there was "5"'),
        ({"type": "integer"}, 5.0, 5.5, "got `number`"),
        ({"type": "number"}, 5, True, "got `boolean`"),
        ({"type": ["string", "null"]}, None, 1, "Expected `string or null`"),
        ({"const": 1}, 1, True, "Expected one of 1"),
        ({"enum": ["a", None]}, None, "b", 'Expected one of "a", null'),
        ({"minimum": 1, "maximum": 3}, 2, 4, "Expected at most 3"),
        ({"exclusiveMinimum": 0}, 0.1, 0, "Expected more than 0"),
        ({"exclusiveMaximum": 1}, 0.9, 1, "Expected less than 1"),
        ({"minLength": 2}, "ab", "a", "Expected at least 2 characters"),
        ({"maxItems": 1}, [1], [1, 2], "Expected at most 1 items"),
        ({"pattern": "^a"}, "ab", "b", "Expected text that matches ^a"),
        ({"anyOf": [{"type": "string"}, {"type": "integer"}]}, 1, [], "none of the 2 alternatives fits"),
        ({"oneOf": [{"const": 1}, {"const": 2}]}, 2, 3, "none of the 2"),
        ({"allOf": [{"minimum": 1}, {"maximum": 2}]}, 2, 3, "at most 2"),
        ({"items": {"type": "string"}}, ["a"], ["a", 1], "at $[1]: Expected `string`"),
        ({"prefixItems": [{"type": "string"}], "items": False}, ["a"], ["a", 1], "at $[1]: nothing may stand here"),
        ({"required": ["a"]}, {"a": 1}, {}, "`a` is missing"),
        ({"properties": {"a": {"type": "string"}}}, {"a": "x", "b": 1}, {"a": 1}, "at $.a: Expected `string`"),
        (
            {"properties": {"a": {}}, "additionalProperties": False},
            {"a": 1},
            {"b": 1},
            "there is no `b`; known are `a`",
        ),
        (
            {"patternProperties": {"^x-": {"type": "integer"}}, "additionalProperties": False},
            {"x-a": 1},
            {"x-a": "1"},
            "at $.x-a: Expected `integer`",
        ),
        (
            {"properties": {"a": {}}, "patternProperties": {"^x-": {}}, "additionalProperties": False},
            {"a": 1, "x-a": 1},
            {"b": 1},
            "there is no `b`; known are `a`, `^x-`",
        ),
        ({"additionalProperties": {"type": "integer"}}, {"x": 1}, {"x": "1"}, "at $.x: Expected `integer`"),
        (
            {"$ref": "#/$defs/T", "$defs": {"T": {"type": "object", "properties": {"next": {"$ref": "#/$defs/T"}}}}},
            {"next": {"next": {}}},
            {"next": {"next": 1}},
            "at $.next.next: Expected `object`",
        ),
        ({"$ref": "#/definitions/a~1b", "definitions": {"a/b": {"type": "null"}}}, None, 1, "Expected `null`"),
    ],
)
def test_what_fits_and_what_does_not(schema: dict[str, Any], good: Any, bad: Any, words: str) -> None:
    assert problems_of(good, schema) == []
    problems = problems_of(bad, schema)
    assert any(words in problem for problem in problems), problems


@pytest.mark.parametrize(
    "schema",
    [
        {},
        {"$ref": "https://example.com/elsewhere"},
        {"$ref": "#/nowhere"},
        {"$ref": "#"},
        {"pattern": "(?<bad"},
        {"type": "object", "required": None, "properties": None, "minLength": "x", "allOf": None},
        {"type": 5, "required": 7, "properties": 3, "allOf": 9, "anyOf": {}, "prefixItems": 1, "patternProperties": 2},
        {"type": [["x"]], "required": [["a"]], "patternProperties": {"(?<bad": {}}, "additionalProperties": False},
        {"allOf": [{"$ref": "#"}, {"$ref": "#"}]},
    ],
)
def test_a_schema_that_is_odd_refuses_nothing_and_ends(schema: dict[str, Any]) -> None:
    assert problems_of({"a": [1, "x"]}, schema) == []
    assert problems_of("x", {**schema, "type": "string"}) == []
