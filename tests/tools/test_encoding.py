"""What handlers return, as a model reads it."""

from __future__ import annotations

import dataclasses
import datetime
import enum
from typing import Any

import msgspec
import pydantic
import pytest

from exllm import Audio, Document, Image, Text, ToolResult
from exllm.tools.encoding import encode_result, result_of
from exllm.types.plain import plain


class Colour(enum.Enum):
    RED = "red"


@dataclasses.dataclass
class Point:
    x: int


class Row(msgspec.Struct):
    id: int


class Person(pydantic.BaseModel):
    name: str
    born: datetime.date


PICTURE = Image(data=b"\x89PNG", media_type="image/png")
REPORT = Document(data=b"%PDF", media_type="application/pdf")


@pytest.mark.parametrize(
    ("value", "content"),
    [
        ("text", "text"),
        ("", ""),
        (None, "null"),
        (True, "true"),
        (1.5, "1.5"),
        ({"a": [1, None]}, '{"a":[1,null]}'),
        ([1, 2], "[1,2]"),
        ((), "[]"),
        (Colour.RED, '"red"'),
        (Point(1), '{"x":1}'),
        (Row(1), '{"id":1}'),
        ([Row(1), Point(2)], '[{"id":1},{"x":2}]'),
        (datetime.date(2026, 1, 2), '"2026-01-02"'),
        (Person(name="Ada", born=datetime.date(1815, 12, 10)), '{"name":"Ada","born":"1815-12-10"}'),
        (
            {"who": [Person(name="Ada", born=datetime.date(1815, 12, 10))]},
            '{"who":[{"name":"Ada","born":"1815-12-10"}]}',
        ),
        (PICTURE, (PICTURE,)),
        (Text("t"), (Text("t"),)),
        (["see:", PICTURE, REPORT], (Text("see:"), PICTURE, REPORT)),
        ("half \ud83d", "half ?"),
    ],
)
def test_what_is_returned_becomes_text_or_parts(value: Any, content: Any) -> None:
    assert encode_result(value) == content


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (object(), "a object cannot be encoded"),
        (b"bytes", "use exllm.Image or exllm.Document"),
        (Audio(data=b"x", media_type="audio/wav"), "cannot answer with Audio"),
        ([PICTURE, 5], "cannot hold a int"),
        ({"f": len}, "cannot be encoded"),
    ],
)
def test_what_no_model_can_read_is_refused(value: Any, words: str) -> None:
    with pytest.raises(TypeError, match=words):
        encode_result(value)


def test_numpys_numbers_and_arrays_are_json() -> None:
    numpy = pytest.importorskip("numpy")
    value = {"mean": numpy.float64(1.5), "count": numpy.int64(3), "rows": numpy.array([[1, 2], [3, 4]])}
    assert encode_result(value) == '{"mean":1.5,"count":3,"rows":[[1,2],[3,4]]}'
    assert plain(value) == {"mean": 1.5, "count": 3, "rows": [[1, 2], [3, 4]]}


def test_a_handler_may_make_the_result_itself() -> None:
    made = result_of(ToolResult("other", "broken", is_error=True), "id", "name", encode_result)
    assert made == ToolResult("id", "broken", "name", is_error=True)


def test_an_encoder_of_ones_own_is_checked() -> None:
    assert result_of(5, "id", "name", lambda value: f"<{value}>").content == "<5>"
    assert result_of(5, "id", "name", lambda _value: ["a", PICTURE]).content == (Text("a"), PICTURE)
    with pytest.raises(TypeError, match="cannot hold a int"):
        result_of(5, "id", "name", lambda _value: [5])  # type: ignore[list-item, return-value]


def test_values_of_runs_become_plain_data() -> None:
    assert plain({"p": Point(1), 2: Row(3)}) == {"p": {"x": 1}, "2": {"id": 3}}
    with pytest.raises(TypeError):
        plain(object())
