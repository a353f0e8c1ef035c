"""Schemas in the providers' dialects, against the rules of each and the SDKs' own rewriting."""

from __future__ import annotations

import copy
import datetime
import enum
import functools
import json
import uuid
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal, NamedTuple

import anthropic
import jsonschema
import msgspec
import pydantic
import pytest
from hypothesis import HealthCheck, given, settings
from openai.lib._pydantic import to_strict_json_schema

from exllm.structured.adapt import adapt
from exllm.structured.dialects import ANTHROPIC, CEREBRAS, COHERE, GEMINI, GRAMMAR, OPENAI, Dialect
from exllm.structured.restore import restore
from exllm.types.typed import convert, json_schema_of
from tests.structured.schemas import schemas_with_values

DIALECTS = [OPENAI, CEREBRAS, ANTHROPIC, GEMINI, COHERE, GRAMMAR]


class Unit(enum.Enum):
    CELSIUS = "C"
    KELVIN = "K"


class Address(pydantic.BaseModel):
    street: str
    zip_code: Annotated[str, pydantic.Field(pattern="^[0-9]{5}$", description="Five digits")]


class Person(pydantic.BaseModel):
    name: Annotated[str, pydantic.Field(min_length=1, max_length=80)]
    age: Annotated[int, pydantic.Field(ge=0, le=150)]
    unit: Unit
    kind: Literal["a", "b", 3]
    home: Address
    other: Address | None = None
    nick: str = "none"
    scores: Annotated[list[float], pydantic.Field(min_length=2, max_length=5)]
    born: datetime.date
    key: uuid.UUID | None = None
    either: int | Address | list[str]


class Tree(msgspec.Struct):
    value: int
    below: list[Tree] = []


class Pair(NamedTuple):
    left: int
    right: str


def nodes(schema: Any) -> Iterator[dict[str, Any]]:
    """Every schema within a schema."""
    yield schema
    for key in ("properties", "$defs"):
        for inner in schema.get(key, {}).values():
            yield from nodes(inner)
    for key in ("anyOf", "prefixItems"):
        for inner in schema.get(key, ()):
            yield from nodes(inner)
    for key in ("items", "additionalProperties"):
        if isinstance(schema.get(key), dict):
            yield from nodes(schema[key])


def validator(schema: dict[str, Any]) -> jsonschema.Draft202012Validator:
    """What validates by a schema; fails where the schema itself is none."""
    return _validator(json.dumps(schema))


@functools.lru_cache(64)
def _validator(schema: str) -> jsonschema.Draft202012Validator:
    """Several dialects get the same schema, and looking whether it is one takes most of the time."""
    jsonschema.Draft202012Validator.check_schema(json.loads(schema))
    return jsonschema.Draft202012Validator(json.loads(schema))


def check(schema: dict[str, Any], dialect: Dialect) -> None:
    """The rules that each provider's page states."""
    known = {
        "type", "properties", "required", "items", "anyOf", "$ref", "$defs", "enum", "title", "description",
        "additionalProperties", *dialect.keeps,
    } | ({"format"} if dialect.formats else set()) | ({"pattern"} if dialect.patterns else set()) | (
        {"prefixItems"} if dialect.tuples else set()
    )  # fmt: skip
    validator(schema)
    for node in nodes(schema):
        assert node.keys() <= known
        if "$ref" in node:
            assert node.keys() <= {"$ref", "$defs"}
        if node.get("type") == "object":
            if dialect.closed:
                assert node["additionalProperties"] is False
            if dialect.all_required:
                assert node.get("required", []) == list(node["properties"])
            if dialect.some_required:
                assert node.get("required")
        if "enum" in node:
            assert ("type" in node) == dialect.typed_enums
        if "format" in node:
            assert dialect.formats is None or node["format"] in dialect.formats


@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.name)
def test_a_model_keeps_to_the_rules_of_each_dialect(dialect: Dialect) -> None:
    schema = json_schema_of(Person)
    before = copy.deepcopy(schema)
    adapted = adapt(schema, dialect)
    assert schema == before
    assert adapted.problems == ()
    check(adapted.schema, dialect)


class Filters(msgspec.Struct):
    city: str | None = None
    most: Annotated[int, msgspec.Meta(le=10)] = 10


class Search(msgspec.Struct):
    words: str
    filters: Filters
    page: int = 1


class Nothing(msgspec.Struct, forbid_unknown_fields=True):
    pass


def test_cohere_gets_a_required_field_in_every_object() -> None:
    adapted = adapt(json_schema_of(Search), COHERE)
    assert adapted.problems == ()
    check(adapted.schema, COHERE)
    assert adapted.schema["required"] == ["words", "filters"]
    filters = adapted.schema["$defs"]["Filters"]
    assert filters["required"] == ["city", "most"]
    assert filters["properties"]["most"]["anyOf"][1] == {"type": "null"}
    answer = {"words": "a", "filters": {"city": None, "most": None}}
    assert convert(restore(answer, json_schema_of(Search)), Search) == Search("a", Filters())
    assert adapt(json_schema_of(Nothing), COHERE).problems == ("it has an object without fields",)


def test_cerebras_gets_no_sizes_formats_or_patterns_and_no_recursion() -> None:
    schema = adapt(json_schema_of(Person), CEREBRAS).schema
    assert schema["properties"]["age"] == {"title": "Age", "type": "integer", "minimum": 0, "maximum": 150}
    assert schema["properties"]["scores"]["description"] == "(maxItems: 5, minItems: 2)"
    assert "format" not in schema["properties"]["born"]
    assert adapt(json_schema_of(Tree), CEREBRAS).problems == ("it refers to itself",)


def _without_titles(node: Any) -> Any:
    if isinstance(node, Mapping):
        return {
            key: _without_titles(value) for key, value in node.items() if key != "title" or isinstance(value, Mapping)
        }
    return [_without_titles(item) for item in node] if isinstance(node, list) else node


def test_openai_gets_what_its_own_sdk_sends() -> None:
    """But for what the SDK leaves to its users: optional fields become nullable here, and lengths are told in words."""

    class Order(pydantic.BaseModel):
        city: str
        unit: Unit
        home: Address
        both: list[Address]
        maybe: int | None

    ours = adapt(json_schema_of(Order), OPENAI)
    theirs = to_strict_json_schema(Order)
    assert ours.problems == ()
    assert ours.schema == theirs


def test_anthropic_gets_what_its_own_sdk_sends() -> None:
    class Order(pydantic.BaseModel):
        city: str
        home: Address
        both: Annotated[list[Address], pydantic.Field(min_length=1)]
        when: datetime.datetime
        maybe: int | None

    ours = adapt(json_schema_of(Order), ANTHROPIC).schema
    theirs = anthropic.transform_schema(Order)
    assert (
        theirs["$defs"]["Address"]["properties"]["zip_code"].pop("description")
        == "Five digits\n\n{pattern: ^[0-9]{5}$}"
    )
    assert (
        ours["$defs"]["Address"]["properties"]["zip_code"].pop("description") == 'Five digits (pattern: "^[0-9]{5}$")'
    )
    assert ours == theirs


def test_what_a_dialect_lacks_is_told_in_words() -> None:
    schema = json_schema_of(Person)
    name = adapt(schema, OPENAI).schema["properties"]["name"]
    assert name["description"] == "(maxLength: 80, minLength: 1)"
    age = adapt(schema, ANTHROPIC).schema["properties"]["age"]
    assert age == {"type": "integer", "title": "Age", "description": "(maximum: 150, minimum: 0)"}
    assert adapt(schema, OPENAI).schema["properties"]["age"] == {
        "type": "integer", "title": "Age", "minimum": 0, "maximum": 150
    }  # fmt: skip


def test_optional_fields_are_nullable_for_openai_and_come_back_as_missing() -> None:
    schema = json_schema_of(Person)
    adapted = adapt(schema, OPENAI).schema
    assert adapted["properties"]["nick"] == {"anyOf": [{"type": "string", "title": "Nick"}, {"type": "null"}]}
    assert adapted["properties"]["other"]["anyOf"] == [{"$ref": "#/$defs/Address"}, {"type": "null"}]
    data = {
        "name": "Ada", "age": 3, "unit": "C", "kind": 3, "home": {"street": "x", "zip_code": "12345"}, "other": None,
        "nick": None, "scores": [1, 2], "born": "2020-01-01", "key": None, "either": 1,
    }  # fmt: skip
    jsonschema.validate(data, adapted)
    person = convert(restore(data, schema), Person)
    assert (person.nick, person.other, person.key) == ("none", None, None)


@pytest.mark.parametrize(
    ("type_", "dialect", "words"),
    [
        (dict[str, int], OPENAI, "map"),
        (list[dict[str, Any]], ANTHROPIC, "map"),
        (list[Any], OPENAI, "anything"),
        (list, ANTHROPIC, "anything"),
        (Tree, ANTHROPIC, "refers to itself"),
        (dict[str, int], COHERE, "map"),
    ],
)
def test_what_a_dialect_cannot_express_is_said(type_: Any, dialect: Dialect, words: str) -> None:
    problems = adapt(json_schema_of(type_), dialect).problems
    assert [problem for problem in problems if words in problem]


@pytest.mark.parametrize("dialect", [OPENAI, GEMINI, GRAMMAR], ids=lambda dialect: dialect.name)
def test_recursion_is_kept_where_it_is_known(dialect: Dialect) -> None:
    adapted = adapt(json_schema_of(Tree), dialect)
    assert adapted.problems == ()
    jsonschema.validate({"value": 1, "below": [{"value": 2, "below": []}]}, adapted.schema)


def test_a_tuple_is_an_array_of_its_kinds_where_positions_are_not_known() -> None:
    schema = json_schema_of(Pair)
    adapted = adapt(schema, OPENAI).schema
    assert adapted["items"] == {"anyOf": [{"type": "integer"}, {"type": "string"}]}
    assert (adapted["minItems"], adapted["maxItems"]) == (2, 2)
    assert adapt(schema, GEMINI).schema["prefixItems"] == [{"type": "integer"}, {"type": "string"}]


@given(schemas_with_values())
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_any_schema_keeps_to_the_rules_and_takes_the_same_values(case: tuple[dict[str, Any], Any]) -> None:
    schema, value = case
    validator(schema).validate(value)
    for dialect in DIALECTS:
        adapted = adapt(schema, dialect)
        if adapted.problems:
            continue
        check(adapted.schema, dialect)
        if not (dialect.all_required or dialect.some_required):
            validator(adapted.schema).validate(value)
        assert restore(value, schema) == value
