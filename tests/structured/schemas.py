"""Random JSON Schemas with a value that fits each, for tests of adapting and of grammars."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

Case = tuple[dict[str, Any], Any]

_NAMES = ["name", "age", "rows", "kind", "note", "zip code", "é"]
_WORDS = st.text('abc é"\\', max_size=4)


@st.composite
def _scalars(draw: st.DrawFn) -> Case:
    kind = draw(st.sampled_from(["string", "integer", "number", "boolean", "null", "enum", "const", "date"]))
    match kind:
        case "string":
            most = draw(st.integers(1, 6))
            return {"type": "string", "maxLength": most}, draw(_WORDS.filter(lambda text: len(text) <= most))
        case "integer":
            return {"type": "integer"}, draw(st.integers(-1000, 1000))
        case "number":
            return {"type": "number"}, draw(st.integers(-1000, 1000)) / 4
        case "boolean":
            return {"type": "boolean"}, draw(st.booleans())
        case "null":
            return {"type": "null"}, None
        case "enum":
            values = draw(st.lists(st.sampled_from(["a", "b c", 'q"', 1, 2.5, True, None]), min_size=1, unique_by=repr))
            return {"enum": values}, draw(st.sampled_from(values))
        case "const":
            value = draw(st.sampled_from(["only", 7]))
            return {"const": value}, value
        case _:
            return {"type": "string", "format": "date"}, "2024-02-29"


@st.composite
def _objects(draw: st.DrawFn, inner: st.SearchStrategy[Case]) -> Case:
    names = draw(st.lists(st.sampled_from(_NAMES), min_size=1, max_size=4, unique=True))
    parts = {name: draw(inner) for name in names}
    required = draw(st.lists(st.sampled_from(names), unique=True))
    there = [name for name in names if name in required or draw(st.booleans())]
    schema: dict[str, Any] = {
        "type": "object",
        "properties": {name: part[0] for name, part in parts.items()},
        "additionalProperties": False,
    }
    if required:
        schema["required"] = required
    # A null for a field that may be missing means that it is missing, where it may not be null: not drawn here.
    return schema, {name: parts[name][1] for name in there}


@st.composite
def _arrays(draw: st.DrawFn, inner: st.SearchStrategy[Case]) -> Case:
    item, value = draw(inner)
    least = draw(st.integers(0, 2))
    most = draw(st.integers(max(least, 1), 3))
    schema = {"type": "array", "items": item, "minItems": least, "maxItems": most}
    return schema, [value] * draw(st.integers(least, most))


@st.composite
def _unions(draw: st.DrawFn, inner: st.SearchStrategy[Case]) -> Case:
    cases = draw(st.lists(inner, min_size=1, max_size=3))
    return {"anyOf": [schema for schema, _ in cases]}, draw(st.sampled_from([value for _, value in cases]))


def schemas_with_values(most_parts: int = 8) -> st.SearchStrategy[Case]:
    """(schema, a value that fits it); the root is an object."""
    part = st.recursive(
        _scalars(), lambda inner: _objects(inner) | _arrays(inner) | _unions(inner), max_leaves=most_parts
    )
    return _objects(part)
