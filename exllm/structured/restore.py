"""From the answer to an adapted schema back to data of the schema itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def restore(data: Any, schema: Mapping[str, Any]) -> Any:
    """`data` without the nulls that only stand for fields that are missing; see `exllm.structured.dialects.Dialect`.

    Args:
        schema: the schema before it was adapted.
    """
    return _restored(data, schema, schema.get("$defs", {}))


def _restored(data: Any, node: Mapping[str, Any], definitions: Mapping[str, Any]) -> Any:
    if isinstance(data, list):
        return [_restored(item, _item_schema(node, place, definitions), definitions) for place, item in enumerate(data)]
    if not isinstance(data, dict):
        return data
    node = _object_schema(node, data, definitions)
    properties, required = node.get("properties", {}), node.get("required", ())
    rest = node.get("additionalProperties")
    below = rest if isinstance(rest, Mapping) else {}
    return {
        key: _restored(value, properties.get(key, below), definitions)
        for key, value in data.items()
        if value is not None
        or key in required
        or key not in properties
        or any(_takes_null(arm) for arm in _arms(properties[key], definitions))
    }


def _arms(node: Any, definitions: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The alternatives of a schema, with references followed."""
    if not isinstance(node, Mapping):
        return []
    if "$ref" in node:
        return _arms(definitions.get(node["$ref"].removeprefix("#/$defs/")), definitions)
    inner = [
        arm for key in ("anyOf", "oneOf", "allOf") for part in node.get(key, ()) for arm in _arms(part, definitions)
    ]
    return inner or [node]


def _object_schema(node: Any, data: dict[str, Any], definitions: Mapping[str, Any]) -> Mapping[str, Any]:
    """The alternative that knows most of the object's fields."""
    arms = [arm for arm in _arms(node, definitions) if arm.get("type") == "object" or "properties" in arm]
    return max(arms, key=lambda arm: len(arm.get("properties", {}).keys() & data.keys()), default={})


def _item_schema(node: Any, place: int, definitions: Mapping[str, Any]) -> Mapping[str, Any]:
    for arm in _arms(node, definitions):
        first = arm.get("prefixItems", ())
        below = first[place] if place < len(first) else arm.get("items")
        if isinstance(below, Mapping):
            return below
    return {}


def _takes_null(arm: Mapping[str, Any]) -> bool:
    kinds = arm.get("type", ())
    return kinds == "null" or "null" in kinds or None in arm.get("enum", ()) or not arm
