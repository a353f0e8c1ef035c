from __future__ import annotations

from typing import Any

import pytest

from exllm.errors import InvalidRequest
from exllm.local.grammar import JSON_GRAMMAR, call_grammar, response_grammar, unenforced

COLOR = {"type": "object", "properties": {"color": {"enum": ["red"]}}, "required": ["color"]}
TOOLS = [
    {"type": "function", "function": {"name": "paint", "parameters": COLOR}},
    {"type": "function", "function": {"name": "stop", "parameters": {"type": "object", "properties": {}}}},
]


@pytest.mark.parametrize("given", [None, "text", {"type": "text"}])
def test_text_needs_no_grammar(given: Any) -> None:
    assert response_grammar(given) is None


@pytest.mark.parametrize("given", ["json", {"type": "json_object"}, {"name": "anything", "schema": {}}])
def test_json_without_a_schema_is_any_object(given: Any) -> None:
    assert response_grammar(given) == JSON_GRAMMAR


@pytest.mark.local
@pytest.mark.parametrize(
    "given",
    [
        COLOR,
        {"name": "c", "schema": COLOR, "strict": True},
        {"type": "json_schema", "json_schema": {"name": "c", "schema": COLOR}},
        {"type": "json_object", "schema": COLOR},
    ],
)
def test_every_way_to_give_a_schema_gives_the_same_grammar(given: Any) -> None:
    assert response_grammar(given) == response_grammar(COLOR)
    assert "red" in (response_grammar(given) or "")


def test_what_a_grammar_cannot_enforce_is_named() -> None:
    assert unenforced(None) == unenforced("json") == unenforced(COLOR) == []
    schema = {
        "type": "object",
        "properties": {
            "minimum": {"type": "integer", "minimum": 3},
            "if": {"enum": [{"not": 1}], "default": {"contains": 2}},
            "list": {"type": "array", "items": {"anyOf": [{"$ref": "#/$defs/U"}]}},
        },
        "$defs": {"U": {"type": "array", "uniqueItems": True}},
    }
    assert unenforced(schema) == unenforced({"name": "x", "schema": schema}) == ["minimum", "uniqueItems"]


@pytest.mark.local
@pytest.mark.parametrize(
    "schema",
    [{"type": "mystery"}, {"$ref": "https://example.com/x.json"}, {"$ref": "#/$defs/absent"}, {"type": ["mystery"]}],
)
def test_a_schema_that_cannot_be_expressed_is_refused(schema: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequest, match="cannot be made a grammar"):
        response_grammar(schema)


@pytest.mark.local
def test_references_are_followed_from_the_root_and_to_oneself() -> None:
    tree = {"type": "object", "properties": {"left": {"$ref": "#/$defs/Tree"}}}
    grammar = response_grammar({"$ref": "#/$defs/Tree", "$defs": {"Tree": tree}})
    assert "left" in (grammar or "")
    assert response_grammar({**COLOR, "$defs": {}}) == response_grammar(COLOR)


@pytest.mark.local
def test_calls_are_written_as_the_template_has_them() -> None:
    tagged = call_grammar(TOOLS, "tagged", "arguments", most_calls=None)
    assert 'one ::= "<tool_call>\\n" call "\\n</tool_call>"' in tagged
    assert tagged.startswith('root ::= one ( "\\n" one )*')
    assert call_grammar(TOOLS, "tagged", "arguments", most_calls=1).startswith("root ::= one\n")
    assert call_grammar(TOOLS, "mistral", "arguments", most_calls=1).startswith('root ::= "[TOOL_CALLS]" "[" call "]"')
    bare = call_grammar(TOOLS[:1], "bare", "parameters", most_calls=None)
    assert bare.startswith("root ::= call\n")
    assert "parameters" in bare
    assert "arguments" not in bare


@pytest.mark.local
def test_a_tool_whose_schema_refers_to_itself_is_refused() -> None:
    tree = {"$ref": "#/$defs/T", "$defs": {"T": {"type": "object", "properties": {"child": {"$ref": "#/$defs/T"}}}}}
    with pytest.raises(InvalidRequest, match="refers to itself"):
        call_grammar([{"function": {"name": "f", "parameters": tree}}], "bare", "arguments", most_calls=1)


@pytest.mark.local
def test_quotes_and_backslashes_in_values_and_names_are_escaped_for_json_and_for_the_grammar() -> None:
    schema = {"type": "object", "properties": {'q"': {"enum": ["a\\b", 'c"d', "é"]}}, "required": ['q"']}
    grammar = response_grammar(schema) or ""
    assert r'"\"a\\\\b\"" | "\"c\\\"d\"" | "\"é\""' in grammar
    assert r'"\"q\\\"\""' in grammar


@pytest.mark.local
def test_no_control_character_is_allowed_in_a_string() -> None:
    assert r"\x00-\x1F" in (response_grammar({"type": "object", "properties": {"a": {"type": "string"}}}) or "")
