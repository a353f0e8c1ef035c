"""One sample of each event that Azure's SDK for Voice Live can receive, with every field of it filled."""

from __future__ import annotations

import enum
import itertools
import types
import typing
from collections.abc import Iterator
from typing import Any

from azure.ai.voicelive import _unions
from azure.ai.voicelive import models as azure
from azure.ai.voicelive._utils.model_base import Model
from azure.ai.voicelive.models import _models

_NAMES = {**vars(typing), **vars(_models), "_models": _models, "_types": _unions, "_unions": _unions}


def events() -> list[type[Model]]:
    """The models of what the service sends."""
    found = [value for name, value in vars(azure).items() if name.startswith("ServerEvent") and isinstance(value, type)]
    return [model for model in found if issubclass(model, Model) and model.__mro__[1] is _models.ServerEvent]


def sample(kind: Any, path: str = "", depth: int = 0, numbers: Iterator[int] | None = None) -> Any:
    """Data for a field of this type; texts and numbers are found once each."""
    numbers = itertools.count(1_001) if numbers is None else numbers
    if isinstance(kind, typing.ForwardRef):
        kind = kind.__forward_arg__
    if isinstance(kind, str):
        kind = eval(kind, _NAMES)
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is typing.Literal:
        return getattr(arguments[0], "value", arguments[0])
    if origin in (typing.Union, types.UnionType):
        return sample(next(each for each in arguments if each is not type(None)), path, depth, numbers)
    if origin is list:
        return [sample(arguments[0], path, depth + 1, numbers)]
    if origin is dict:
        return {"key": sample(arguments[1], f"{path}.key", depth + 1, numbers)}
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        return next(iter(kind)).value
    if isinstance(kind, type) and issubclass(kind, Model):
        fields = {
            name: annotation
            for each in reversed(kind.__mro__)
            for name, annotation in getattr(each, "__annotations__", {}).items()
            if not name.startswith("_") and depth <= 5
        }
        return {name: sample(each, f"{path}.{name}", depth + 1, numbers) for name, each in fields.items()}
    simple: dict[Any, Any] = {int: next(numbers), float: next(numbers) + 0.5, bool: True, bytes: "AAAA"}
    return simple.get(kind, f"<{path}>")
