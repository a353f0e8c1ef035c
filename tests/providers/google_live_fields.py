"""What Google's SDK has of what a Gemini Live session can receive, field by field, each with a value to look for."""

from __future__ import annotations

import base64
import enum
import types
import typing
from collections.abc import Iterator
from typing import Any, NamedTuple

import pydantic
from google.genai import types as google

MARK = "mark-5e1"
NUMBER = 7301
FRACTION = 0.7301
SPAN = "73.25s"

# What a field needs beside it to mean something, by the type that it is in, and by field where that differs.
BESIDE: dict[str, dict[str, Any]] = {
    "FunctionCall": {"id": "c", "name": "f"},
    "FunctionCall.willContinue": {"partialArgs": [{"jsonPath": "$.city", "stringValue": "Rome"}]},
    "PartialArg": {"jsonPath": "$.city"},
    "PartialArg.jsonPath": {"stringValue": "Rome"},
    "PartialArg.willContinue": {"stringValue": "Ro"},
    "Blob": {"mimeType": "image/png", "data": "iVBO"},
    "Part.thought": {"text": "so"},
    "ModalityTokenCount": {"modality": "AUDIO", "tokenCount": 3},
    "Transcription": {"text": "so"},
    "LiveServerSessionResumptionUpdate": {"newHandle": "h", "resumable": True},
    "VoiceActivity": {"type": "ACTIVITY_START"},
}


# Fields that the SDK calls otherwise than the wire, and renames as it reads a message.
ON_THE_WIRE = {"VoiceActivity.voiceActivityType": "type"}


class Field(NamedTuple):
    """One field: where it stands, and one value that it may have."""

    path: tuple[str, ...]
    """Names from the message on; ``[]`` stands for the one item of a list."""
    models: tuple[type[pydantic.BaseModel], ...]
    """The types on the way, one for each name but ``[]``."""
    value: Any

    @property
    def id(self) -> str:
        """How it is called in the list of tests."""
        return f"{'.'.join(self.path).replace('.[]', '[]')}={str(self.value)[:30]}"

    def message(self, value: Any) -> dict[str, Any]:
        """The message that holds `value` here, and what it needs beside it."""
        found = self._inside(list(self.path), list(self.models), lambda beside, name: {**beside, name: value})
        assert isinstance(found, dict)
        return found

    def message_without(self) -> dict[str, Any]:
        """The same without the field."""
        found = self._inside(list(self.path), list(self.models), _without)
        assert isinstance(found, dict)
        return found

    def _inside(self, path: list[str], models: list[type], end: Any) -> Any:
        name, rest, model = path[0], path[1:], models[0].__name__
        beside = {**BESIDE.get(model, {}), **BESIDE.get(f"{model}.{name}", {})}
        if not rest:
            return end(beside, name)
        is_list = rest[0] == "[]"
        inner = self._inside(rest[1:], models[1:], end) if is_list else self._inside(rest, models[1:], end)
        return {**beside, name: [inner] if is_list else inner}


def _without(beside: dict[str, Any], name: str) -> dict[str, Any]:
    return {other: value for other, value in beside.items() if other != name}


def fields(
    model: type[pydantic.BaseModel] = google.LiveServerMessage,
    path: tuple[str, ...] = (),
    models: tuple[type[pydantic.BaseModel], ...] = (),
) -> Iterator[Field]:
    """Every field that holds no object of the SDK's own, with each value of those that have but a few."""
    for key, field in model.model_fields.items():
        name = field.alias or key
        at, through = (*path, ON_THE_WIRE.get(f"{model.__name__}.{name}", name)), (*models, model)
        kind, is_list = _bare(field.annotation)
        if isinstance(kind, type) and issubclass(kind, pydantic.BaseModel):
            assert kind not in through, "types that hold themselves have no end"
            yield from fields(kind, (*at, "[]") if is_list else at, through)
        else:
            for value in _values(kind, key):
                yield Field(at, through, [value] if is_list else value)


def objects() -> list[Field]:
    """A field that nobody knows, in each object that there may be."""
    places = {field.path[:-1]: field.models for field in fields()}
    return [Field((*path, "brandNew"), models, MARK) for path, models in places.items()]


def _bare(kind: Any) -> tuple[Any, bool]:
    """A type without what may be left out, and whether it is that of a list's items."""
    if typing.get_origin(kind) in (typing.Union, types.UnionType):
        kind = next(each for each in typing.get_args(kind) if each is not type(None))
    if typing.get_origin(kind) is list:
        return typing.get_args(kind)[0], True
    return kind, False


def _values(kind: Any, name: str) -> list[Any]:
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        return [each.value for each in kind]
    if typing.get_origin(kind) is typing.Literal:
        return list(typing.get_args(kind))
    if typing.get_origin(kind) is dict:
        return [{"city": MARK}]
    if kind is str:
        is_span = any(word in name for word in ("offset", "time_left"))
        return [SPAN] if is_span else ["$.mark-5e1"] if name == "json_path" else [MARK]
    return [{int: NUMBER, float: FRACTION, bool: True, bytes: base64.b64encode(MARK.encode()).decode()}[kind]]
