"""Types as JSON Schema, data as objects of them."""

from __future__ import annotations

import dataclasses
import datetime
import enum
import uuid
from typing import Annotated, Any, Literal, NamedTuple, NotRequired, TypedDict

import jsonschema
import msgspec
import pydantic
import pydantic.dataclasses
import pytest

from exllm.types.typed import TypeMismatch, convert, json_schema_of, type_of


class Unit(enum.Enum):
    CELSIUS = "C"
    FAHRENHEIT = "F"


@dataclasses.dataclass
class Reading:
    unit: Unit
    kind: Literal["air", "sea"]
    by_station: dict[str, int]
    pair: tuple[int, str] = (1, "a")
    note: Annotated[str, msgspec.Meta(max_length=2)] = ""


@dataclasses.dataclass
class Storm:
    force: int


class Zed(TypedDict):
    zulu: int
    alpha: NotRequired[str]


class Point(NamedTuple):
    x: int
    y: int = 0


class Node(msgspec.Struct):
    value: int
    children: list[Node] = []


class Person(pydantic.BaseModel):
    age: int
    friends: list[Person] = []
    born: datetime.date | None = None


@pydantic.dataclasses.dataclass
class Range:
    low: int
    high: int = pydantic.Field(le=100, default=100)

    @pydantic.model_validator(mode="after")
    def in_order(self) -> Range:
        if self.low > self.high:
            raise ValueError("low is above high")
        return self


class Meeting(msgspec.Struct):
    begins: datetime.datetime
    ends: datetime.datetime | None
    breaks: list[datetime.time]
    utc: Annotated[datetime.datetime, msgspec.Meta(tz=True)]
    local: Annotated[datetime.datetime, msgspec.Meta(tz=False)]
    title: str


class Team(msgspec.Struct):
    lead: Person | None
    members: dict[str, Person] = {}


@pytest.mark.parametrize(
    ("type_", "data", "expected"),
    [
        (int, 5.0, 5),
        (list[int], [1.0, 2], [1, 2]),
        (float, 5, 5.0),
        (Unit, "C", Unit.CELSIUS),
        (Literal["a", "b"], "b", "b"),
        (datetime.date, "2024-05-01", datetime.date(2024, 5, 1)),
        (uuid.UUID, "12345678123456781234567812345678", uuid.UUID("12345678123456781234567812345678")),
        (dict[int, str], {"1": "x"}, {1: "x"}),
        (Point, [1, 2], Point(1, 2)),
        (Zed, {"zulu": 1}, {"zulu": 1}),
        (Node, {"value": 1, "children": [{"value": 2}]}, Node(1, [Node(2)])),
        (
            Reading,
            {"unit": "F", "kind": "sea", "by_station": {"a": 1.0}, "pair": [2, "b"]},
            Reading(Unit.FAHRENHEIT, "sea", {"a": 1}, (2, "b")),
        ),
        (Person, {"age": 1, "born": "2024-05-01"}, Person(age=1, born=datetime.date(2024, 5, 1))),
        (list[Person | None], [{"age": 1}, None], [Person(age=1), None]),
        (Range, {"low": 1, "high": 2}, Range(1, 2)),
        (dict[str, list[Range] | None], {"a": [{"low": 1}], "b": None}, {"a": [Range(1)], "b": None}),
        (Range | Storm, {"force": 1}, Storm(1)),
        (pydantic.PositiveInt, 1, 1),
        (
            Team,
            {"lead": {"age": 3}, "members": {"x": {"age": 4, "friends": [{"age": 5}]}}},
            Team(Person(age=3), {"x": Person(age=4, friends=[Person(age=5)])}),
        ),
        (
            list[Storm | Reading | Person | Node | int | None],
            [{"force": 2}, {"age": 4}, {"value": 1}, 7, None],
            [Storm(2), Person(age=4), Node(1), 7, None],
        ),
    ],
    ids=str,
)
def test_data_becomes_the_object_and_fits_the_schema(type_: Any, data: Any, expected: Any) -> None:
    assert convert(data, type_) == expected
    jsonschema.validate(data, json_schema_of(type_))


@pytest.mark.parametrize(
    ("type_", "data", "problems"),
    [
        (Range, {"low": 5, "high": 1}, [("$", 'Value error, low is above high; there was {"low": 5, "high": 1}')]),
        (
            list[Range],
            [{"low": 1}, {"low": 1, "high": 101}],
            [("$[1].high", "Input should be less than or equal to 100; there was 101")],
        ),
        (pydantic.PositiveInt, 0, [("$", "Input should be greater than 0; there was 0")]),
        (int, "seven", [("$", 'Expected `int`, got `str`; there was "seven"')]),
        (int, 5.5, [("$", "Expected `int`, got `float`; there was 5.5")]),
        (Unit, "K", [("$", 'Expected one of "C", "F"; there was "K"')]),
        (
            list[Reading],
            [{"unit": "C", "kind": "land"}],
            [("$[0].kind", 'Expected one of "air", "sea"; there was "land"')],
        ),
        (Reading, {"unit": "C"}, [("$", "Object missing required field `kind`; it has `unit`")]),
        (Storm, [], [("$", "Expected `object`, got `array`; there was []")]),
        (dict[str, Storm], {"a": {}}, [("$[...]", "Object missing required field `force`")]),
        (dict[int, int], {"a": 1}, [("$", "a key of the object: Expected `int`, got `str`")]),
        (
            Node,
            {"value": 1, "children": [{"value": None}]},
            [("$.children[0].value", "Expected `int`, got `null`; there was null")],
        ),
        (
            Team,
            {"lead": {"age": "old", "friends": [{}]}},
            [
                (
                    "$.lead.age",
                    'Input should be a valid integer, unable to parse string as an integer; there was "old"',
                ),
                ("$.lead.friends[0].age", "Field required"),
            ],
        ),
    ],
    ids=str,
)
def test_what_does_not_fit_says_where_and_what(type_: Any, data: Any, problems: list[tuple[str, str]]) -> None:
    with pytest.raises(TypeMismatch) as caught:
        convert(data, type_)
    assert list(caught.value.problems) == problems
    assert all(words in str(caught.value) for _, words in problems)


def test_a_union_that_fits_nowhere_gives_the_reason_of_each_arm() -> None:
    with pytest.raises(TypeMismatch) as caught:
        convert([{"force": "high"}], list[Storm | Person])
    assert str(caught.value) == (
        "at $[0]: fits none of the alternatives (as Storm: at $.force: Expected `int`, got `str`; there was "
        '"high"; as Person: at $.age: Field required)'
    )


def test_numbers_in_quotes_are_taken_on_request_alone() -> None:
    assert convert({"force": "5"}, Storm, strict=False) == Storm(5)
    with pytest.raises(TypeMismatch):
        convert({"force": "5"}, Storm)


def test_the_root_of_a_class_is_an_object_and_recursion_stays_a_reference() -> None:
    assert json_schema_of(Storm) == {
        "title": "Storm",
        "type": "object",
        "properties": {"force": {"type": "integer"}},
        "required": ["force"],
    }
    for recursive in (Node, Person):
        schema = json_schema_of(recursive)
        assert schema["type"] == "object"
        assert recursive.__name__ in schema["$defs"]


def test_schemas_are_plain_json() -> None:
    schema = json_schema_of(Reading)
    assert msgspec.json.decode(msgspec.json.encode(schema)) == schema
    assert schema["properties"]["pair"]["default"] == [1, "a"]


def test_fields_keep_the_order_in_which_they_were_written() -> None:
    ordered: Any = type_of({"zulu": int, "alpha": str | None, "mike": {"b": int, "a": int}})
    schema = json_schema_of(list[ordered])
    answer = schema["$defs"]["Answer"]
    assert list(answer["properties"]) == answer["required"] == ["zulu", "alpha", "mike"]
    assert list(schema["$defs"]["Answer_mike"]["properties"]) == ["b", "a"]


def test_a_map_of_fields_is_a_type() -> None:
    map_type = type_of({"name": str, "tags": [str], "home": {"city": str}})
    data = {"name": "x", "tags": ["y"], "home": {"city": "z"}}
    assert convert(data, map_type) == data
    with pytest.raises(TypeMismatch, match=r"at \$\.home\.city"):
        convert({**data, "home": {"city": 1}}, map_type)


@pytest.mark.parametrize("wrong", [{"type": "object"}, 5, "str", {}, {1: int}, [], [int, str]])
def test_what_is_no_type_is_refused(wrong: Any) -> None:
    with pytest.raises(TypeError):
        type_of(wrong)


@pytest.mark.parametrize("type_", [int, list[int], Literal["a"], int | None, None, Any, Storm, Annotated[int, "x"]])
def test_a_type_stands_for_itself(type_: Any) -> None:
    assert type_of(type_) is type_


class Opaque:
    pass


@pytest.mark.parametrize("type_", [Opaque, list[Opaque], dict[str, Opaque]])
def test_a_class_that_is_no_data_is_a_type_error(type_: Any) -> None:
    with pytest.raises(TypeError, match="dataclass"):
        json_schema_of(type_)
    with pytest.raises(TypeError, match="dataclass"):
        convert({"x": {}} if type_ == dict[str, Opaque] else [{}], type_)


class Inside(msgspec.Struct):
    range: Range


@pytest.mark.parametrize("type_", [Inside, list[Inside], {"range": Range}], ids=str)
def test_a_dataclass_whose_checks_would_not_run_is_refused(type_: Any) -> None:
    for use in (json_schema_of, lambda type_: convert({"range": {"low": 5, "high": 1}}, type_)):
        with pytest.raises(TypeError, match="checks of Range"):
            use(type_of(type_))


def test_a_model_is_told_of_times() -> None:
    fields = json_schema_of(Meeting)["properties"]
    assert fields["begins"] == {"type": "string", "format": "date-time"}
    assert fields["ends"] == {"anyOf": [{"type": "string", "format": "date-time"}, {"type": "null"}]}
    assert fields["breaks"]["items"] == {"type": "string", "format": "time"}
    assert fields["utc"]["format"] == "date-time"
    assert (fields["local"], fields["title"]) == ({"type": "string"}, {"type": "string"})
    assert json_schema_of(dict[str, datetime.datetime])["additionalProperties"]["format"] == "date-time"
