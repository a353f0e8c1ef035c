"""JSON Schemas without references, for services that read what a field is only where the field stands."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

_DEFINITIONS = ("$defs", "definitions")


def inlined(schema: dict[str, Any], whose: str, warn: Callable[[str], None]) -> dict[str, Any]:
    """`schema` with every definition put where it is referred to.

    A definition that contains itself ends, where it comes again, as any object; `warn` is told so, of `whose` schema.
    References to elsewhere stay as they are.
    """
    definitions = {
        f"#/{place}/{name}": definition
        for place in _DEFINITIONS
        if isinstance(schema.get(place), Mapping)
        for name, definition in schema[place].items()
    }
    if not definitions:
        return schema

    def write(node: Any, inside: frozenset[str]) -> Any:
        if isinstance(node, list):
            return [write(each, inside) for each in node]
        if not isinstance(node, dict):
            return node
        reference = node.get("$ref")
        definition = definitions.get(reference) if isinstance(reference, str) else None
        if not isinstance(reference, str) or not isinstance(definition, dict):
            return {key: write(value, inside) for key, value in node.items()}
        beside = {key: write(value, inside) for key, value in node.items() if key != "$ref"}
        if reference in inside:
            warn(f"takes no schema that contains itself; {whose} was sent as far as it goes")
            return {"type": "object", **beside}
        return {**write(definition, inside | {reference}), **beside}

    whole = {key: value for key, value in schema.items() if key not in _DEFINITIONS}
    written: dict[str, Any] = write(whole, frozenset())
    return written
