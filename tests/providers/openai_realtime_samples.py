"""What can be received and sent, as OpenAI's SDK has it: samples of its models, and the fields of its parameters."""

from __future__ import annotations

import itertools
import types
import typing
from collections.abc import Iterator
from typing import Any

import pydantic
import typing_extensions

_UNIONS = (typing.Union, types.UnionType)
_WRAPPERS = (
    typing.Annotated, typing.Required, typing.NotRequired, typing_extensions.Required, typing_extensions.NotRequired,
)  # fmt: skip


def samples(kind: Any, path: str = "", numbers: Iterator[int] | None = None) -> list[Any]:
    """Data that validates as `kind`: one sample with every field filled, and one more for each other type or word that
    a field may hold. Texts and numbers are found once each."""
    numbers = itertools.count(1_001) if numbers is None else numbers
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin in _WRAPPERS:
        return samples(arguments[0], path, numbers)
    if origin is typing.Literal:
        return list(arguments)
    if origin in _UNIONS:
        return [each for one in arguments if one is not type(None) for each in samples(one, path, numbers)]
    if origin is list:
        return [[each] for each in samples(arguments[0], path, numbers)]
    if origin is dict:
        return [{"key": each} for each in samples(arguments[1], f"{path}.key", numbers)]
    if isinstance(kind, type) and issubclass(kind, pydantic.BaseModel):
        found = {
            field.alias or name: samples(field.annotation, f"{path}.{field.alias or name}", numbers)
            for name, field in kind.model_fields.items()
        }
        whole = {name: values[0] for name, values in found.items()}
        return [whole, *({**whole, name: value} for name, values in found.items() for value in values[1:])]
    simple: dict[Any, Any] = {str: f"<{path}>", int: next(numbers), float: next(numbers) + 0.5, bool: True}
    return [simple.get(kind, {"any": f"<{path}>"})]


def leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """What `value` is made of, each by its place; those of a list have the place of the list."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from leaves(inner, f"{path}.{name}" if path else name)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from leaves(inner, path)
    else:
        yield path, value


def fields(kind: Any, whole: frozenset[str], path: str = "") -> Iterator[str]:
    """The places of a typed dict that hold something, in all forms that it may have; what is at `whole` is not looked
    into."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin in _WRAPPERS:
        yield from fields(arguments[0], whole, path)
    elif origin in _UNIONS:
        for each in arguments:
            if each is not type(None):
                yield from fields(each, whole, path)
    elif typing_extensions.is_typeddict(kind) and path not in whole:
        for name, inner in typing_extensions.get_type_hints(kind).items():
            yield from fields(inner, whole, f"{path}.{name}" if path else name)
    else:
        yield path
