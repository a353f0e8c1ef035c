"""Arguments against a JSON Schema that was not made from a signature.

Source: json-schema.org, draft 2020-12. Only the keywords that tools use are checked; others, such as ``not``, ``if``
and ``format``, are passed over: the handler sees what they would have refused. So is a keyword with a value that
makes no sense: schemas may come from a server, and none of them can fail here, or take long.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

_LONGEST_SHOWN = 80
_MOST_DEPTH = 64  # a schema may refer to itself without end
_MOST_STEPS = 100_000  # and twice at each level; what is left unchecked then passes


def problems_of(value: Any, schema: Mapping[str, Any]) -> list[str]:
    """What is wrong with `value`, each in words that begin with the path, such as ``at $.days: Expected``; or []."""
    return list(_Checker(schema).check(value, schema, "$", 0))


class _Checker:
    def __init__(self, root: Mapping[str, Any]) -> None:
        self._root = root
        self._steps = 0

    def check(self, value: Any, schema: Any, path: str, depth: int) -> Iterator[str]:
        if schema is False:
            yield f"at {path}: nothing may stand here"
        self._steps += 1
        if not isinstance(schema, Mapping) or depth > _MOST_DEPTH or self._steps > _MOST_STEPS:
            return
        if isinstance(reference := schema.get("$ref"), str):
            yield from self.check(value, self._at(reference), path, depth + 1)
        if (kinds := _types(schema.get("type"))) and not _is_one_of(value, kinds):
            yield f"at {path}: Expected `{' or '.join(kinds)}`, got `{_kind(value)}`; there was {_shown(value)}"
            return
        allowed = [schema["const"]] if "const" in schema else schema.get("enum")
        if isinstance(allowed, list) and not any(_equal(value, one) for one in allowed):
            yield f"at {path}: Expected one of {', '.join(map(_shown, allowed))}; there was {_shown(value)}"
        yield from (f"at {path}: {words}; there was {_shown(value)}" for words in _bounds(value, schema))
        for name in ("anyOf", "oneOf"):
            if arms := _list(schema.get(name)):
                tried = [list(self.check(value, arm, path, depth + 1)) for arm in arms]
                if all(tried):
                    yield f"{min(tried, key=len)[0]} (none of the {len(arms)} alternatives fits)"
        for arm in _list(schema.get("allOf")):
            yield from self.check(value, arm, path, depth + 1)
        if isinstance(value, dict):
            yield from self._object(value, schema, path, depth)
        elif isinstance(value, list):
            yield from self._array(value, schema, path, depth)

    def _object(self, value: dict[str, Any], schema: Mapping[str, Any], path: str, depth: int) -> Iterator[str]:
        properties, patterns = _mapping(schema.get("properties")), _mapping(schema.get("patternProperties"))
        for name in _list(schema.get("required")):
            if isinstance(name, str) and name not in value:
                yield f"at {path}: `{name}` is missing"
        other = schema.get("additionalProperties", True)
        for name, item in value.items():
            below = [properties[name]] if name in properties else []
            below += [pattern for expression, pattern in patterns.items() if _matches(expression, name)]
            if not below and other is False:
                known = ", ".join(f"`{one}`" for one in (*properties, *patterns)) or "none"
                yield f"at {path}: there is no `{name}`; known are {known}"
            for one in below or [other]:
                yield from self.check(item, one, f"{path}.{name}", depth + 1)

    def _array(self, value: list[Any], schema: Mapping[str, Any], path: str, depth: int) -> Iterator[str]:
        first = _list(schema.get("prefixItems"))
        for place, item in enumerate(value):
            below = first[place] if place < len(first) else schema.get("items", True)
            yield from self.check(item, below, f"{path}[{place}]", depth + 1)

    def _at(self, reference: str) -> Any:
        """What a reference within the schema leads to; True, which allows all, where it leads elsewhere."""
        node: Any = self._root
        if not reference.startswith("#"):
            return True
        for step in reference.removeprefix("#").strip("/").split("/"):
            if step:
                node = node.get(step.replace("~1", "/").replace("~0", "~")) if isinstance(node, Mapping) else None
        return True if node is None else node


def _kind(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int):
        return "integer"
    kinds: dict[type, str] = {float: "number", str: "string", list: "array"}
    return kinds.get(type(value), "object")


def _list(given: Any) -> list[Any]:
    return given if isinstance(given, list) else []


def _mapping(given: Any) -> Mapping[str, Any]:
    return given if isinstance(given, Mapping) else {}


def _types(given: Any) -> list[str]:
    return [kind for kind in (given if isinstance(given, list) else [given]) if isinstance(kind, str)]


def _is_one_of(value: Any, kinds: list[str]) -> bool:
    kind = _kind(value)
    names = {kind, "number"} if kind == "integer" else {kind}
    if isinstance(value, float) and value.is_integer():
        names.add("integer")
    return not names.isdisjoint(kinds)


def _matches(pattern: str, text: str) -> bool:
    """Whether `pattern` is found in `text`; so is one of a kind that Python does not know."""
    try:
        return re.search(pattern, text) is not None
    except re.error:
        return True


def _equal(value: Any, other: Any) -> bool:
    return bool(value == other) and isinstance(value, bool) is isinstance(other, bool)


_LIMITS: tuple[tuple[str, str, Callable[[Any, Any], bool]], ...] = (
    ("minimum", "Expected at least", lambda value, limit: value >= limit),
    ("maximum", "Expected at most", lambda value, limit: value <= limit),
    ("exclusiveMinimum", "Expected more than", lambda value, limit: value > limit),
    ("exclusiveMaximum", "Expected less than", lambda value, limit: value < limit),
)
_LENGTHS: dict[type, tuple[str, str, str]] = {
    str: ("minLength", "maxLength", "characters"),
    list: ("minItems", "maxItems", "items"),
    dict: ("minProperties", "maxProperties", "fields"),
}


def _bounds(value: Any, schema: Mapping[str, Any]) -> Iterator[str]:
    if isinstance(value, int | float) and not isinstance(value, bool):
        for name, words, holds in _LIMITS:
            limit = schema.get(name)
            if isinstance(limit, int | float) and not isinstance(limit, bool) and not holds(value, limit):
                yield f"{words} {limit:g}"
    elif type(value) in _LENGTHS:
        least, most, unit = _LENGTHS[type(value)]
        if isinstance(schema.get(least), int) and len(value) < schema[least]:
            yield f"Expected at least {schema[least]} {unit}"
        if isinstance(schema.get(most), int) and len(value) > schema[most]:
            yield f"Expected at most {schema[most]} {unit}"
    pattern = schema.get("pattern")
    if isinstance(value, str) and isinstance(pattern, str) and not _matches(pattern, value):
        yield f"Expected text that matches {pattern}"


def _shown(value: Any) -> str:
    try:
        words = json.dumps(value, ensure_ascii=False)
    except (TypeError, ValueError):
        words = repr(value)
    return words if len(words) <= _LONGEST_SHOWN else f"{words[:_LONGEST_SHOWN]}..."
