"""From JSON to what handlers take, and the words for what does not fit."""

from __future__ import annotations

import dataclasses
import datetime
import enum
from typing import Annotated, Any, Literal, TypedDict

import msgspec
import pydantic
import pytest

import exllm
from exllm.tools.arguments import ArgumentsError
from exllm.tools.binding import bind


class Unit(enum.Enum):
    CELSIUS = "C"
    FAHRENHEIT = "F"


@dataclasses.dataclass
class Place:
    city: str
    country: str = "NO"


class Filter(TypedDict):
    field: str


class Row(msgspec.Struct):
    id: int
    tags: list[str] = []


class Person(pydantic.BaseModel):
    name: str
    age: int = pydantic.Field(ge=0)


@exllm.tool
def everything(
    place: Place,
    unit: Unit,
    when: datetime.date,
    rows: list[Row],
    person: Person,
    filter: Filter,
    mode: Literal["fast", "slow"] = "fast",
    limit: Annotated[int, msgspec.Meta(ge=1, le=10)] = 5,
    ratio: float | None = None,
    context: exllm.ToolContext | None = None,
) -> str:
    return ""


GOOD: dict[str, Any] = {
    "place": {"city": "Oslo"}, "unit": "C", "when": "2026-11-21", "rows": [{"id": 1, "tags": ["a"]}],
    "person": {"name": "Ada", "age": 36}, "filter": {"field": "x"}, "ratio": 2,
}  # fmt: skip


def test_every_kind_of_type_becomes_its_object() -> None:
    made = bind(everything, GOOD)
    assert made == {
        "place": Place("Oslo"), "unit": Unit.CELSIUS, "when": datetime.date(2026, 11, 21), "rows": [Row(1, ["a"])],
        "person": Person(name="Ada", age=36), "filter": {"field": "x"}, "ratio": 2.0,
    }  # fmt: skip


def test_the_context_is_not_the_models() -> None:
    assert "context" not in everything.schema["properties"]
    with pytest.raises(ArgumentsError, match="there is no parameter `context`"):
        bind(everything, {**GOOD, "context": {}})


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"unit": "K"}, 'at $.unit: Expected one of "C", "F"; there was "K"'),
        ({"rows": [{"id": 1}, {"id": "x"}]}, "at $.rows[1].id: Expected `int`"),
        ({"person": {"name": "Ada", "age": -1}}, "at $.person.age: Input should be greater than or equal to 0"),
        ({"limit": 11}, "at $.limit: "),
        ({"mode": "quick"}, '"fast", "slow"'),
        ({"place": {}}, "at $.place: Object missing required field `city`"),
        ({"plaec": 1}, "there is no parameter `plaec`; did you mean `place`?"),
        ({"zzz": 1}, "there is no parameter `zzz`; the parameters are `place`"),
    ],
)
def test_what_does_not_fit_is_told_with_its_path(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(ArgumentsError) as failure:
        bind(everything, {**GOOD, **changes})
    assert words in str(failure.value)


def test_all_that_is_wrong_is_told_at_once() -> None:
    with pytest.raises(ArgumentsError) as failure:
        bind(everything, {**GOOD, "unit": "K", "limit": "many"})
    assert "$.unit" in str(failure.value)
    assert "$.limit" in str(failure.value)
    with pytest.raises(ArgumentsError) as failure:
        bind(everything, {"unit": "C"})
    assert "the parameter `place` is missing; the parameter `when` is missing" in str(failure.value)


def test_numbers_in_quotes_are_numbers() -> None:
    assert bind(everything, {**GOOD, "limit": "7", "ratio": "0.5"})["limit"] == 7
    assert bind(everything, {**GOOD, "limit": 7.0})["limit"] == 7


def test_text_stays_text_though_it_looks_like_a_number() -> None:
    @exllm.tool
    def note(text: str) -> None: ...

    assert bind(note, {"text": "5"}) == {"text": "5"}
    with pytest.raises(ArgumentsError, match=r"at \$.text: Expected `str`, got `int`"):
        bind(note, {"text": 5})


def test_types_that_only_the_making_function_knows() -> None:
    @dataclasses.dataclass
    class Inner:
        x: int

    @exllm.tool
    def use(inner: Inner) -> None: ...

    assert bind(use, {"inner": {"x": 1}}) == {"inner": Inner(1)}


SCHEMA: dict[str, Any] = {
    "type": "object", "properties": {"n": {"type": "integer", "minimum": 1}, "kind": {"enum": ["a", "b"]}},
    "required": ["n"], "additionalProperties": False,
}  # fmt: skip


def test_a_schema_made_by_hand_is_what_is_checked() -> None:
    def handler(**arguments: Any) -> Any:
        return arguments

    made = exllm.tool(handler, schema=SCHEMA)
    assert bind(made, {"n": 3, "kind": "a"}) == {"n": 3, "kind": "a"}
    with pytest.raises(ArgumentsError) as failure:
        bind(made, {"n": 0, "kind": "c", "x": 1})
    words = str(failure.value)
    assert "at $.n: Expected at least 1; there was 0" in words
    assert 'at $.kind: Expected one of "a", "b"; there was "c"' in words
    assert "there is no `x`; known are `n`, `kind`" in words


def test_beside_a_schema_made_by_hand_annotations_convert() -> None:
    class Opaque:
        pass

    def handler(when: datetime.date, thing: Opaque) -> None: ...

    made = exllm.tool(handler, schema={"type": "object", "properties": {"when": {"type": "string"}, "thing": {}}})
    assert bind(made, {"when": "2026-01-02", "thing": 5}) == {"when": datetime.date(2026, 1, 2), "thing": 5}
