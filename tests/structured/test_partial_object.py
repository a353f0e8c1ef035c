"""Typed objects that grow."""

from __future__ import annotations

import dataclasses
import datetime
import enum
import json
import time
from typing import Annotated, Any, Literal, NamedTuple, NotRequired, TypedDict

import msgspec
import pydantic
import pydantic.dataclasses
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exllm.structured.partial_object import PartialObject
from exllm.types.typed import convert


class Color(enum.Enum):
    RED = "red"
    GREEN = "green"


class StructRow(msgspec.Struct, frozen=True, rename="camel"):
    row_id: int
    text: str
    color: Color | None = None
    tags: list[str] = []


class CheckedRow(msgspec.Struct):
    row_id: int
    text: str

    def __post_init__(self) -> None:
        if not self.text:
            raise ValueError("no text")


@dataclasses.dataclass(frozen=True, slots=True)
class DataRow:
    row_id: int
    text: str
    color: Color | None = None
    tags: list[str] = dataclasses.field(default_factory=list)


class DictRow(TypedDict):
    row_id: int
    text: str
    color: NotRequired[Color | None]


class ModelRow(pydantic.BaseModel):
    row_id: int = pydantic.Field(alias="rowId")
    text: str
    color: Color | None = None
    tags: list[str] = pydantic.Field(default_factory=list)

    @pydantic.field_validator("text")
    @classmethod
    def has_text(cls, text: str) -> str:
        assert text, "no text"
        return text


class Pair(NamedTuple):
    left: int
    right: int


class Table(msgspec.Struct):
    title: str
    rows: list[StructRow]
    when: datetime.date | None = None
    pair: Pair | None = None
    either: int | str | None = None
    by_name: dict[str, DataRow] = {}
    anything: Any = None
    kind: Literal["a", "b"] = "a"
    limited: Annotated[str, msgspec.Meta(max_length=5)] = ""
    below: Table | None = None


class AliasedRow(pydantic.BaseModel):
    text: str = pydantic.Field(validation_alias=pydantic.AliasChoices("content", "words"), default="none")


@pydantic.dataclasses.dataclass
class CheckedDataRow:
    text: str
    tags: list[str] = pydantic.Field(default=["new"])


def feed(type_: Any, *pieces: str) -> Any:
    partial = PartialObject(type_)
    for piece in pieces:
        partial.feed(piece)
    return partial.value


def test_fields_are_none_until_they_come_and_strings_grow() -> None:
    partial = PartialObject(StructRow)
    nothing: object = partial.value
    assert nothing is None
    partial.feed("{")
    row: Any = partial.value
    assert row == StructRow(None, None, None, None)  # type: ignore[arg-type]
    partial.feed('"rowId": 1')
    assert [row.row_id] == [None]
    partial.feed('2, "text": "ab')
    assert (row.row_id, row.text) == (12, "ab")
    partial.feed('cd", "color": "re')
    assert (row.text, row.color) == ("abcd", None)
    partial.feed('d", "tags": ["x", "y')
    assert (row.color, row.tags) == (Color.RED, ["x", "y"])
    partial.feed('z"]}')
    assert partial.close() is row
    assert row == StructRow(12, "abcd", Color.RED, ["x", "yz"])


@pytest.mark.parametrize(
    ("type_", "key"), [(StructRow, "rowId"), (DataRow, "row_id"), (ModelRow, "rowId"), (DictRow, "row_id")]
)
def test_the_object_is_of_its_class_and_whole_it_has_its_defaults(type_: Any, key: str) -> None:
    text = json.dumps({key: 7, "text": "hi", "unknown": {"x": ["y", 1]}})
    partial = PartialObject(type_)
    partial.feed(text[:-1])
    if type_ is DictRow:
        assert partial.value == {"row_id": 7, "text": "hi"}
    else:
        assert type(partial.value) is type_
        assert partial.value.color is None
        assert getattr(partial.value, "tags", None) is None
    partial.feed("}")
    data = json.loads(text)
    del data["unknown"]
    assert partial.close() == convert(data, type_)


def test_a_default_that_is_a_list_is_not_shared() -> None:
    rows = feed(list[StructRow], '[{"rowId": 1, "text": ""}, {"rowId": 2, "text": ""}]')
    assert rows[0].tags == []
    assert rows[0].tags is not rows[1].tags


def test_post_init_and_validators_wait_for_the_whole() -> None:
    assert isinstance(feed(CheckedRow, '{"row_id": 1'), CheckedRow)
    assert feed(CheckedRow, '{"row_id": 1, "text": ""').text == ""
    assert feed(ModelRow, '{"rowId": 1, "text": ""').text == ""


def test_what_comes_whole_is_not_there_before() -> None:
    partial = PartialObject(Table)
    partial.feed('{"title": "t", "when": "2024-01-')
    early: object = partial.value.when
    assert early is None
    partial.feed('02", "pair": [1, ')
    assert (partial.value.when, partial.value.pair) == (datetime.date(2024, 1, 2), None)
    partial.feed('2], "either": "so')
    assert (partial.value.pair, partial.value.either) == (Pair(1, 2), None)
    partial.feed('me", "by_name": {"x": {"row_id": 1')
    assert partial.value.either == "some"
    assert list(partial.value.by_name) == ["x"]
    partial.feed(', "text": "he')
    assert partial.value.by_name["x"].text == "he"
    partial.feed('y"}}, "anything": {"a": [1, {"b": "gro')
    assert partial.value.anything == {"a": [1, {"b": "gro"}]}
    partial.feed('ws"}]}, "below": {"title": "deep')
    assert partial.value.anything == {"a": [1, {"b": "grows"}]}
    assert partial.value.below.title == "deep"
    assert partial.value.kind is None


def test_items_that_come_whole_are_not_in_the_list_before() -> None:
    assert feed(list[int | str], '["a", "b') == ["a"]
    assert feed(list[Pair], "[[1, 2], [3") == [Pair(1, 2)]
    assert feed(dict[str, Color], '{"x": "red", "y": "gre') == {"x": Color.RED}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('{"rowId": "x", "text": 5, "color": "blue", "tags": {}', StructRow(None, None, None, None)),  # type: ignore[arg-type]
        ('{"rowId": [1], "text": ["a"], "color": {}, "tags": "x"', StructRow(None, None, None, None)),  # type: ignore[arg-type]
        ('{"rowId": null, "text": null', StructRow(None, None, None, None)),  # type: ignore[arg-type]
    ],
)
def test_what_does_not_fit_is_none(text: str, value: Any) -> None:
    assert feed(StructRow, text) == value


@pytest.mark.parametrize("text", ["5", '"text"', "[]", "null"])
def test_a_root_that_does_not_fit_is_none(text: str) -> None:
    partial = PartialObject(StructRow)
    partial.feed(text)
    partial.feed(" ")
    assert partial.close() is None


_ROWS = st.lists(
    st.fixed_dictionaries(
        {"rowId": st.integers(-(2**60), 2**60), "text": st.text()},
        optional={"color": st.sampled_from(["red", "green", None]), "tags": st.lists(st.text(max_size=3), max_size=3)},
    ),
    max_size=4,
)


@given(
    st.fixed_dictionaries(
        {"title": st.text(), "rows": _ROWS},
        optional={
            "when": st.dates().map(str),
            "pair": st.lists(st.integers(0, 9), min_size=2, max_size=2),
            "either": st.integers(0, 9) | st.text() | st.none(),
            "anything": st.recursive(st.none() | st.text(), lambda inner: st.lists(inner), max_leaves=5),
            "kind": st.sampled_from("ab"),
            "limited": st.text(max_size=5),
        },
    ),
    st.integers(1, 9),
)
@settings(max_examples=300, deadline=None)
def test_any_slicing_grows_to_the_object_that_the_whole_text_is(data: dict[str, Any], size: int) -> None:
    text = json.dumps(data)
    partial = PartialObject(Table)
    rows: list[Any] = []
    for at in range(0, len(text), size):
        partial.feed(text[at : at + size])
        if partial.value is not None and partial.value.rows is not None:
            assert all(old is new for old, new in zip(rows, partial.value.rows, strict=False))
            rows = list(partial.value.rows)
    assert partial.close() == convert(data, Table)


@pytest.mark.parametrize("row", [StructRow, DataRow, ModelRow, DictRow])
def test_a_piece_costs_the_same_in_a_long_list(row: Any) -> None:
    key = "rowId" if row in (StructRow, ModelRow) else "row_id"

    def cost_s(rows: int) -> float:
        text = json.dumps([{key: number, "text": f"row {number}", "color": "red"} for number in range(rows)])
        times = []
        for _ in range(3):
            partial = PartialObject(list[row])
            began = time.process_time()
            for at in range(0, len(text), 10):
                partial.feed(text[at : at + 10])
                assert partial.value is not None
            times.append(time.process_time() - began)
        return min(times)

    small, large = cost_s(500), cost_s(8000)
    assert large < 16 * 3 * small


@pytest.mark.parametrize("name", ["content", "words"])
def test_a_field_of_several_names_grows_under_each(name: str) -> None:
    assert feed(AliasedRow, f'{{"{name}": "ab').text == "ab"
    assert feed(AliasedRow, f'{{"{name}": "ab"}}').text == "ab"
    assert feed(AliasedRow, "{}").text == "none"


def test_a_dataclass_of_pydantics_grows() -> None:
    row = feed(CheckedDataRow, '{"text": "a', "b")
    assert (type(row), row.text, row.tags) == (CheckedDataRow, "ab", None)
    assert feed(CheckedDataRow, '{"text": "ab"}').tags == ["new"]
