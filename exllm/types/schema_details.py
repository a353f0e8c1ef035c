"""What msgspec leaves out of the JSON Schema of a type, and a model should know."""

from __future__ import annotations

import typing
from collections.abc import Iterator, Sequence
from typing import Any

from msgspec import inspect

_WITH_FIELDS = inspect.StructType | inspect.DataclassType | inspect.TypedDictType


def add_details(types_: Sequence[inspect.Type], schemas: Sequence[dict[str, Any]], definitions: dict[str, Any]) -> None:
    """Put the fields of TypedDicts in the order in which they were written, and say of times that they are some.

    A model answers in the order of the schema; msgspec sorts these. Times with or without an offset have no format
    there, since JSON Schema's want one: of a model, one may be asked for.

    Args:
        types_: as `msgspec.inspect` describes them.
        schemas, definitions: of these types; changed in place.
    """
    for type_, schema in zip(types_, schemas, strict=True):
        _say_format(type_, schema)
    for node in nodes_of(types_):
        if isinstance(node, _WITH_FIELDS):
            names = {field.encode_name for field in node.fields}
            for definition in definitions.values():
                fields = definition.get("properties", {})
                if definition.get("title") != node.cls.__name__ or not names <= fields.keys():
                    continue
                for field in node.fields:
                    _say_format(field.type, fields[field.encode_name])
                if isinstance(node, inspect.TypedDictType) and names == fields.keys():
                    _put_in_order(definition, list(typing.get_type_hints(node.cls)))


def nodes_of(node: Any, seen: set[int] | None = None) -> Iterator[inspect.Type]:
    """Every type in a description of types, the classes in it once each."""
    seen = set() if seen is None else seen
    if isinstance(node, list | tuple):
        for item in node:
            yield from nodes_of(item, seen)
    elif isinstance(node, inspect.Type | inspect.Field) and id(node) not in seen:
        seen.add(id(node))
        if isinstance(node, inspect.Type):
            yield node
        yield from nodes_of([getattr(node, name) for name in node.__struct_fields__], seen)


def _put_in_order(definition: dict[str, Any], order: list[str]) -> None:
    definition["properties"] = {name: definition["properties"][name] for name in order}
    if "required" in definition:
        definition["required"] = [name for name in order if name in definition["required"]]


def _say_format(type_: inspect.Type, schema: Any) -> None:
    match type_, schema:
        case inspect.Metadata(type=inner), dict():
            _say_format(inner, schema)
        case inspect.DateTimeType(tz=None), {"type": "string"}:
            schema.setdefault("format", "date-time")
        case inspect.TimeType(tz=None), {"type": "string"}:
            schema.setdefault("format", "time")
        case inspect.UnionType(types=arms), {"anyOf": list(parts)}:  # of what is written as text it has one at most
            for arm in arms:
                for part in parts:
                    _say_format(arm, part)
        case inspect.CollectionType(item_type=item), {"items": dict(part)}:
            _say_format(item, part)
        case inspect.DictType(value_type=value), {"additionalProperties": dict(part)}:
            _say_format(value, part)
