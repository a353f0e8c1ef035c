"""`TypeMismatch`: data that does not fit a type, in words that a model can act on."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import msgspec

_AT = re.compile(r"(?P<what>.*?) - at (?P<key>`key` in )?`(?P<path>\$.*)`$", re.DOTALL)
_STEP = re.compile(r"\.(?P<field>[^.\[\]]+)|\[(?P<index>\d+|\.\.\.)\]")
_LONGEST_SHOWN = 120  # characters of a wrong value in a message


class TypeMismatch(ValueError):
    """Data that does not fit the type asked for.

    ``str(error)`` has a sentence per problem, such as ``at $.rows[0].age: Expected `int`, got `str`; there was
    "seven"``.

    Attributes:
        problems: (path, words) of each; the path is ``$`` for the whole, ``$.rows[0].age`` for a part of it.
    """

    def __init__(self, *problems: str | tuple[str, str]) -> None:
        self.problems = tuple(("$", problem) if isinstance(problem, str) else problem for problem in problems)
        super().__init__(*self.problems)

    def __str__(self) -> str:
        return "; ".join(words if path == "$" else f"at {path}: {words}" for path, words in self.problems)

    def below(self, path: str) -> TypeMismatch:
        """The same problems, seen from where `path` leads to the data that they are of."""
        return TypeMismatch(*((path + own.removeprefix("$"), words) for own, words in self.problems))

    @classmethod
    def of_pydantic(cls, error: ValueError) -> TypeMismatch:
        """The problems of a ``pydantic.ValidationError``."""
        errors: Any = getattr(error, "errors", None)
        if errors is None:
            return cls(str(error))
        return cls(
            *(
                (_path(one["loc"]), one["msg"] + ("" if one["type"] == "missing" else _there(one["input"])))
                for one in errors(include_url=False, include_context=False)
            )
        )


def mismatch_of(error: msgspec.ValidationError, data: Any, schema: Callable[[], dict[str, Any]]) -> TypeMismatch:
    """`error` of reading `data`, with what was there and, where the schema tells, what may stand there.

    Args:
        schema: gives the schema that the data was read by; called for errors that it can explain.
    """
    words = str(error)
    path, key = "$", False
    if (match := _AT.fullmatch(words)) is not None:
        words, path, key = match["what"], match["path"], match["key"] is not None
    if isinstance(error.__cause__, TypeMismatch):
        return error.__cause__.below(path)
    if key:
        return TypeMismatch((path, f"a key of the object: {words}"))
    steps = list(_steps(path))
    found = _value_at(data, steps)
    if words.startswith("Object missing required field") and isinstance(found, dict):
        words += "; it has " + (", ".join(f"`{name}`" for name in found) or "no fields")
    else:
        if words.startswith("Invalid enum value") and (allowed := _allowed_at(schema(), steps)):
            words = f"Expected one of {', '.join(_json(value) for value in allowed)}"
        words += _there(found)
    return TypeMismatch((path, words))


class _Unknown:
    """Where a path cannot be followed: msgspec does not name the keys of dicts."""


def _there(found: Any) -> str:
    return "" if isinstance(found, _Unknown) else f"; there was {_json(found)}"


def _json(value: Any) -> str:
    try:
        words = json.dumps(value, ensure_ascii=False)
    except (TypeError, ValueError):
        words = repr(value)
    return words if len(words) <= _LONGEST_SHOWN else f"{words[:_LONGEST_SHOWN]}..."


def _path(location: tuple[str | int, ...]) -> str:
    return "$" + "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in location)


def _steps(path: str) -> Iterator[str | int | None]:
    """The names and positions of a path; None for a key that is not told."""
    for step in _STEP.finditer(path, 1):
        if (field := step["field"]) is not None:
            yield field
        else:
            yield None if step["index"] == "..." else int(step["index"])


def _value_at(data: Any, steps: list[str | int | None]) -> Any:
    for step in steps:
        try:
            data = data[step]
        except (KeyError, IndexError, TypeError):
            return _Unknown()
    return data


def _allowed_at(schema: dict[str, Any], steps: list[str | int | None]) -> list[Any]:
    """The values of the enum that stands at the end of the path, where the path leads to one."""
    nodes = [schema]
    for step in [*steps, ...]:
        nodes = [part for node in nodes for part in _alternatives(node, schema)]
        if step is ...:
            break
        nodes = [below for node in nodes if isinstance(below := _below(node, step), dict)]
    return [value for node in nodes for value in node.get("enum", ())]


def _alternatives(node: dict[str, Any], root: dict[str, Any]) -> Iterator[dict[str, Any]]:
    if (reference := node.get("$ref")) is not None:
        target = root.get("$defs", {}).get(reference.removeprefix("#/$defs/"))
        if isinstance(target, dict):
            yield from _alternatives(target, root)
    elif "anyOf" in node:
        for arm in node["anyOf"]:
            yield from _alternatives(arm, root)
    else:
        yield node


def _below(node: dict[str, Any], step: str | int | None) -> Any:
    if isinstance(step, str):
        return node.get("properties", {}).get(step, node.get("additionalProperties"))
    if isinstance(step, int):
        first = node.get("prefixItems", [])
        return first[step] if step < len(first) else node.get("items")
    return node.get("items", node.get("additionalProperties"))
