"""A JSON Schema rewritten for a dialect.

What a dialect does not have goes into the ``description``, so that the model still reads of it, and is checked when the
answer is there.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from exllm.structured.dialects import Dialect

_STRUCTURE = frozenset({
    "type", "properties", "required", "items", "prefixItems", "anyOf", "oneOf", "allOf", "$ref", "$defs", "enum",
    "const", "title", "description", "additionalProperties",
})  # fmt: skip
_SILENT = frozenset({"default", "examples", "discriminator", "$schema", "$id", "contentEncoding", "deprecated"})
"""Left out without a word: they limit nothing."""


class Adapted(msgspec.Struct, frozen=True):
    """A schema in a dialect.

    Attributes:
        schema: what to send.
        problems: why the dialect cannot express it, in words; the provider would refuse it, or not hold to it.
    """

    schema: dict[str, Any]
    problems: tuple[str, ...] = ()


def adapt(schema: Mapping[str, Any], dialect: Dialect) -> Adapted:
    """`schema` as `dialect` has it. Pure: the schema is not changed."""
    writer = _Writer(dialect)
    definitions = schema.get("$defs", {})
    adapted = writer.node({key: value for key, value in schema.items() if key != "$defs"})
    if definitions:
        adapted["$defs"] = {name: writer.node(node) for name, node in definitions.items()}
    if not dialect.recursion and _is_recursive(definitions):
        writer.problems["it refers to itself"] = None
    return Adapted(adapted, tuple(writer.problems))


class _Writer:
    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect
        self.problems: dict[str, None] = {}  # in order, each once

    def node(self, node: Any) -> dict[str, Any]:
        if node is True or node == {}:
            if not self._dialect.anything:
                self.problems["it lets a value be anything"] = None
            return {}
        if not isinstance(node, Mapping):
            self.problems["it has a value that nothing fits"] = None
            return {}
        if "$ref" in node:
            return self._reference(node)
        written: dict[str, Any] = {key: node[key] for key in ("title", "description", "type") if key in node}
        told: dict[str, Any] = {}
        if "enum" in node or "const" in node:
            self._values(node, written)
        for key in ("anyOf", "oneOf"):
            if key in node:
                written["anyOf"] = [self.node(arm) for arm in node[key]]
        if "allOf" in node:
            self._all_of(node["allOf"], written)
        if node.get("type") == "object" or "properties" in node:
            self._object(node, written)
        if node.get("type") == "array" or "items" in node or "prefixItems" in node:
            self._array(node, written, told)
        for key, value in node.items():
            if key in _STRUCTURE or key in _SILENT or key in written:
                continue
            if self._knows(key, value):
                written[key] = value
            else:
                told[key] = value
        return _described(written, told)

    def _reference(self, node: Mapping[str, Any]) -> dict[str, Any]:
        """Beside a reference nothing may stand, in some dialects: it goes around it."""
        reference = {"$ref": node["$ref"]}
        words = {key: node[key] for key in ("description", "title") if key in node}
        return {"anyOf": [reference], **words} if words else reference

    def _values(self, node: Mapping[str, Any], written: dict[str, Any]) -> None:
        values = [node["const"]] if "const" in node else list(node["enum"])
        written["enum"] = values
        if not self._dialect.typed_enums:
            written.pop("type", None)
        elif "type" not in node:
            types = list(dict.fromkeys(_type_of(value) for value in values))
            written["type"] = types[0] if len(types) == 1 else types

    def _all_of(self, arms: list[Any], written: dict[str, Any]) -> None:
        if len(arms) != 1:
            self.problems["it joins schemas by allOf"] = None
        for arm in arms:
            written.update(self.node(arm))

    def _object(self, node: Mapping[str, Any], written: dict[str, Any]) -> None:
        written["type"] = node.get("type", "object")
        properties = node.get("properties", {})
        required = node.get("required", [])
        made = {name: self.node(value) for name, value in properties.items()}
        if self._dialect.all_required or (self._dialect.some_required and made and not required):
            made = {name: value if name in required else _nullable(value) for name, value in made.items()}
            required = list(made)
        rest = node.get("additionalProperties")
        is_map = isinstance(rest, Mapping) or rest is True or (not properties and rest is not False)
        if is_map and self._dialect.closed:
            self.problems["it has a map, or an object of any fields"] = None
        elif self._dialect.some_required and not required:
            self.problems["it has an object without fields"] = None
        if isinstance(rest, Mapping):
            written["additionalProperties"] = self.node(rest) if rest else True
        elif not is_map:
            written["additionalProperties"] = False
        if made or not is_map:
            written["properties"] = made
        if required:
            written["required"] = list(required)

    def _array(self, node: Mapping[str, Any], written: dict[str, Any], told: dict[str, Any]) -> None:
        written["type"] = node.get("type", "array")
        first = [self.node(item) for item in node.get("prefixItems", ())]
        if first and self._dialect.tuples:
            written["prefixItems"] = first
        elif first:
            kinds = [kind for place, kind in enumerate(first) if kind not in first[:place]]
            written["items"] = kinds[0] if len(kinds) == 1 else {"anyOf": kinds}
            if len(kinds) > 1:
                told["items in this order"] = [kind.get("title") or kind.get("type", "any") for kind in first]
        elif isinstance(items := node.get("items"), Mapping):
            written["items"] = self.node(items)
        elif not self._dialect.anything:
            self.node({})

    def _knows(self, key: str, value: Any) -> bool:
        dialect = self._dialect
        if key == "format":
            return dialect.formats is None or value in dialect.formats
        if key == "pattern":
            return dialect.patterns == "all" or (dialect.patterns == "anchored" and _is_plain_pattern(value))
        if key == "minItems" and dialect.most_min_items is not None and value > dialect.most_min_items:
            return False
        return key in dialect.keeps


def _nullable(node: dict[str, Any]) -> dict[str, Any]:
    kind = node.get("type")
    if kind == "null" or (isinstance(kind, list) and "null" in kind) or not node:
        return node
    if "anyOf" in node:
        if {"type": "null"} in node["anyOf"]:
            return node
        return {**node, "anyOf": [*node["anyOf"], {"type": "null"}]}
    words = {key: node[key] for key in ("description",) if key in node}
    return {"anyOf": [{key: value for key, value in node.items() if key not in words}, {"type": "null"}], **words}


def _described(written: dict[str, Any], told: Mapping[str, Any]) -> dict[str, Any]:
    if told:
        limits = "(" + ", ".join(f"{key}: {_json(value)}" for key, value in told.items()) + ")"
        written["description"] = f"{written['description']} {limits}" if "description" in written else limits
    return written


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def _type_of(value: Any) -> str:
    if isinstance(value, bool):
        return "boolean"
    if value is None:
        return "null"
    names = {str: "string", int: "integer", float: "number", dict: "object", list: "array"}
    return names[type(value)]


def _is_plain_pattern(pattern: Any) -> bool:
    """Whether llama.cpp makes a grammar of it: anchored, without look-around and classes by letter."""
    return isinstance(pattern, str) and pattern[:1] == "^" and pattern[-1:] == "$" and not {"\\", "?"} & set(pattern)


def _is_recursive(definitions: Mapping[str, Any]) -> bool:
    reached = {name: _references(node) for name, node in definitions.items()}
    for _ in definitions:  # each round goes one reference further, and no way is longer than there are definitions
        for name, names in reached.items():
            reached[name] = names.union(*(reached.get(used, ()) for used in names))
    return any(name in names for name, names in reached.items())


def _references(node: Any) -> set[str]:
    if isinstance(node, list):
        return {name for item in node for name in _references(item)}
    if not isinstance(node, Mapping):
        return set()
    found = {name for value in node.values() for name in _references(value)}
    if isinstance(reference := node.get("$ref"), str):
        found.add(reference.removeprefix("#/$defs/"))
    return found
