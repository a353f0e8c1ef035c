"""The types that the tests ask for."""

from __future__ import annotations

import dataclasses
import enum
from typing import Literal, TypedDict

import msgspec
import pydantic


class Mood(enum.Enum):
    GOOD = "good"
    BAD = "bad"


class Person(msgspec.Struct):
    name: str
    age: int
    mood: Mood | None = None


@dataclasses.dataclass
class City:
    name: str
    people: list[Person]


class Note(TypedDict):
    title: str
    lines: list[str]


class Order(pydantic.BaseModel):
    number: int = pydantic.Field(ge=1)
    items: list[str] = []

    @pydantic.field_validator("items")
    @classmethod
    def not_empty(cls, items: list[str]) -> list[str]:
        if not items:
            raise ValueError("an order has items")
        return items


Answer = Literal["yes", "no"]
