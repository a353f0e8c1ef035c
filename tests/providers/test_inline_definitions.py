"""Definitions of a schema stand where they are referred to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec
import pytest

import exllm
from exllm import Options
from exllm.providers import ProviderSpec, registry
from exllm.providers.inline_definitions import inlined
from exllm.types.message import Message
from exllm.types.request import Request

PLACE = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}


def _inlined(schema: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
    said: list[str] = []
    return inlined(schema, "f", said.append), said


def test_a_schema_without_definitions_stays_as_it_is() -> None:
    schema = {"type": "object", "properties": {"a": {"$ref": "https://example.org/a"}}}
    assert inlined(schema, "f", print) is schema


@pytest.mark.parametrize("place", ["$defs", "definitions"])
def test_a_definition_stands_where_it_is_referred_to(place: str) -> None:
    reference = {"$ref": f"#/{place}/Place"}
    schema = {
        "type": "object", place: {"Place": PLACE, "Places": {"type": "array", "items": reference}},
        "properties": {
            "to": {**reference, "description": "Where."}, "via": {"$ref": f"#/{place}/Places"},
            "or": {"anyOf": [reference, {"type": "null"}]},
        },
    }  # fmt: skip
    assert _inlined(schema) == (
        {
            "type": "object",
            "properties": {
                "to": {**PLACE, "description": "Where."},
                "via": {"type": "array", "items": PLACE},
                "or": {"anyOf": [PLACE, {"type": "null"}]},
            },
        },
        [],
    )


def test_what_contains_itself_ends_and_it_is_told() -> None:
    tree = {"type": "object", "properties": {"left": {"$ref": "#/$defs/Tree"}, "value": {"type": "integer"}}}
    written, said = _inlined({"properties": {"tree": {"$ref": "#/$defs/Tree"}}, "$defs": {"Tree": tree}})
    assert written == {
        "properties": {
            "tree": {"type": "object", "properties": {"left": {"type": "object"}, "value": {"type": "integer"}}}
        }
    }
    assert said == ["takes no schema that contains itself; f was sent as far as it goes"]


def test_references_to_nowhere_stay() -> None:
    schema = {"properties": {"a": {"$ref": "#/$defs/B"}}, "$defs": {"A": PLACE}}
    assert _inlined(schema) == ({"properties": {"a": {"$ref": "#/$defs/B"}}}, [])


def test_the_schema_given_is_not_changed() -> None:
    schema = {"properties": {"a": {"$ref": "#/$defs/A"}}, "$defs": {"A": PLACE}}
    before = msgspec.json.encode(schema)
    _inlined(schema)
    assert msgspec.json.encode(schema) == before


@dataclass
class Place:
    city: str


@exllm.tool
def travel(to: Place, via: list[Place]) -> str:
    """Travel.

    Args:
        to: Where to.
        via: Stops.
    """
    return ""


@pytest.mark.parametrize("provider", ["ollama", "cohere-v1"])
def test_the_server_is_told_what_a_nested_argument_is(provider: str) -> None:
    """Ollama's server drops references (``api/types.go``, `ToolProperty`), and Cohere's version 1 has no schemas."""
    assert "$defs" in travel.schema
    spec = registry.get(provider)
    assert isinstance(spec, ProviderSpec)
    request = Request(provider, "m", (Message("user", "Hi"),), Options(tools=(travel,)))
    http = registry.wire(spec.wire).build(request, spec)
    assert b"$ref" not in http.body
    (tool,) = msgspec.json.decode(http.body)["tools"]
    if provider == "ollama":
        properties = tool["function"]["parameters"]["properties"]
        assert properties["to"]["properties"]["city"] == {"type": "string"}
        assert properties["via"]["items"]["required"] == ["city"]
    else:
        types = {name: each["type"] for name, each in tool["parameter_definitions"].items()}
        assert types == {"to": "Dict", "via": "List[Dict]"}
        assert len(http.warnings) == 2
