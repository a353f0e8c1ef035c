"""Grammars (GBNF) that hold an answer to JSON, a JSON Schema, or a tool call."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from exllm.errors import InvalidRequest
from exllm.local.prompt import CallStyle

# White space is bounded: a small model that likes spaces would otherwise write them until its tokens are used up.
JSON_GRAMMAR = r"""
root   ::= object
value  ::= object | array | string | number | "true" | "false" | "null"
object ::= "{" ws ( pair ( ws "," ws pair )* ws )? "}"
pair   ::= string ws ":" ws value
array  ::= "[" ws ( value ( ws "," ws value )* ws )? "]"
string ::= "\"" ( [^"\\\x7F\x00-\x1F] | "\\" ( ["\\/bfnrt] | "u" [0-9a-fA-F]{4} ) )* "\""
number ::= "-"? ( "0" | [1-9] [0-9]{0,17} ) ( "." [0-9]{1,17} )? ( [eE] [-+]? [0-9]{1,3} )?
ws     ::= ( " " | "\n" [ \t]{0,20} )?
"""


_NOT_ENFORCED = frozenset({
    "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "uniqueItems", "contains",
    "minContains", "maxContains", "minProperties", "maxProperties", "propertyNames", "patternProperties",
    "dependentRequired", "dependentSchemas", "not", "if", "unevaluatedProperties", "unevaluatedItems",
})  # fmt: skip
_NAMES_TO_SCHEMAS = frozenset({"properties", "$defs", "definitions"})
_DATA = frozenset({"enum", "const", "default", "examples"})


def response_grammar(response_format: str | Mapping[str, Any] | None) -> str | None:
    """The grammar of a `response_format`: None for text.

    Raises: InvalidRequest for a schema that llama-cpp-python's converter does not know.
    """
    schema = _response_schema(response_format)
    if schema is None:
        return None
    return schema_grammar(schema) if schema else JSON_GRAMMAR


def unenforced(response_format: str | Mapping[str, Any] | None) -> list[str]:
    """The keywords of the schema that its grammar does not hold the answer to, sorted."""
    return sorted(set(_unenforced(_response_schema(response_format) or {})))


def _unenforced(node: Any) -> Iterator[str]:
    if isinstance(node, list):
        for item in node:
            yield from _unenforced(item)
    elif isinstance(node, Mapping):
        for key, value in node.items():
            if key in _NAMES_TO_SCHEMAS and isinstance(value, Mapping):
                yield from _unenforced(list(value.values()))
            elif key in _NOT_ENFORCED:
                yield key
            elif key not in _DATA:
                yield from _unenforced(value)


def _response_schema(response_format: str | Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    """None for text, an empty schema for any JSON."""
    if response_format is None or response_format == "text":
        return None
    if isinstance(response_format, str):
        return {}
    kind = response_format.get("type")
    if kind == "text":
        return None
    if kind == "json_object":  # Chat Completions' own objects are welcome as well
        schema = response_format.get("schema")
    elif kind == "json_schema":
        schema = response_format.get("json_schema", {}).get("schema")
    else:
        schema = response_format.get("schema", response_format)
    return schema or {}


def schema_grammar(schema: Mapping[str, Any]) -> str:
    """The grammar of a JSON Schema. Raises InvalidRequest for what it cannot express."""
    from llama_cpp import llama_grammar

    package: Any = llama_grammar  # without types of its own
    converter = package.SchemaConverter(prop_order={}, allow_fetch=False, dotall=False, raw_pattern=False)
    format_literal = converter._format_literal
    converter._format_literal = lambda literal: format_literal(_with_backslashes(literal))
    try:
        converter.visit(converter.resolve_refs(json.loads(json.dumps(_with_own_root(schema))), "stdin"), "")
        # A control character in a string is no JSON.
        return str(converter.format_grammar()).replace('char ::= [^"\\\\]', 'char ::= [^"\\\\\\x7F\\x00-\\x1F]')
    except (AssertionError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise InvalidRequest(f"the JSON Schema cannot be made a grammar: {error}", provider="local") from None


def _with_backslashes(literal: str) -> str:
    """JSON text as a grammar's literal needs it: the converter forgets to double the backslashes of JSON's escapes."""
    try:
        return json.dumps(json.loads(literal), ensure_ascii=False).replace("\\", "\\\\")
    except ValueError:  # a piece of a pattern
        return literal


def _with_own_root(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """The schema, with what its root refers to in the root's place: the converter does not look beside a reference."""
    ref, seen = schema.get("$ref"), set()
    while isinstance(ref, str) and ref.startswith("#/") and ref not in seen:
        seen.add(ref)
        target: Any = schema
        for step in ref[2:].split("/"):
            target = target[step]
        beside = {key: value for key, value in schema.items() if key != "$ref"}
        schema = {**beside, **target}
        ref = target.get("$ref")
    return schema


def call_grammar(
    tools: Sequence[Mapping[str, Any]], style: CallStyle, argument_key: str, *, most_calls: int | None
) -> str:
    """The grammar of at least one call of these tools, written as the model's template has it."""
    shapes = []
    for tool in tools:
        function = tool["function"]
        shapes.append({
            "type": "object",
            "properties": {"name": {"const": function["name"]}, argument_key: _resolvable(function["parameters"])},
            "required": ["name", argument_key],
        })  # fmt: skip
    rules = schema_grammar(shapes[0] if len(shapes) == 1 else {"oneOf": shapes})
    rules = re.sub(r"(?m)^root ::=", "call ::=", rules)
    more = {"tagged": ' ( "\\n" one )*', "mistral": ' ( ", " call )*', "bare": ""}[style] if most_calls != 1 else ""
    root = {
        "tagged": f'root ::= one{more}\none ::= "<tool_call>\\n" call "\\n</tool_call>"',
        "mistral": f'root ::= "[TOOL_CALLS]" "[" call{more} "]"',
        "bare": "root ::= call",
    }[style]
    return f"{root}\n{rules}"


def _resolvable(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """The schema, with its local definitions where references from the new root find them."""
    if not any(key in schema for key in ("$defs", "definitions")):
        return schema
    text = json.dumps(schema)
    definitions = {**schema.get("definitions", {}), **schema.get("$defs", {})}

    def inline(node: Any, open_refs: tuple[str, ...]) -> Any:
        if isinstance(node, list):
            return [inline(item, open_refs) for item in node]
        if not isinstance(node, dict):
            return node
        ref = node.get("$ref")
        if isinstance(ref, str) and ref.rpartition("/")[2] in definitions:
            name = ref.rpartition("/")[2]
            if name in open_refs:
                raise InvalidRequest(f"the tool's schema refers to itself ({name})", provider="local")
            return inline(definitions[name], (*open_refs, name))
        return {key: inline(value, open_refs) for key, value in node.items() if key not in ("$defs", "definitions")}

    resolved: Mapping[str, Any] = inline(json.loads(text), ())
    return resolved
