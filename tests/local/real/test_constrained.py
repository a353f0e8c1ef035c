"""Answers of a real model by grammar, schema, template and tool."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Literal

import msgspec
import pytest

import exllm
from exllm.local.tokens import count_tokens

pytestmark = pytest.mark.local


# -- held to a grammar


class _Answer(msgspec.Struct, forbid_unknown_fields=True):
    color: str
    count: int
    tags: list[str]
    note: str | None = None


SCHEMA = {
    "type": "object",
    "properties": {
        "color": {"enum": ["red", "green"]},
        "count": {"type": "integer"},
        "tags": {"type": "array", "items": {"enum": ["a", "b"]}, "maxItems": 3},
        "note": {"anyOf": [{"type": "string", "maxLength": 10}, {"type": "null"}]},
    },
    "required": ["color", "count", "tags"],
    "additionalProperties": False,
}


@pytest.mark.parametrize("seed", range(5))
async def test_an_answer_by_schema_is_json_of_that_schema(client: exllm.Client, model: str, seed: int) -> None:
    wrapped: Any = SCHEMA if seed % 2 else {"name": "answer", "schema": SCHEMA, "strict": True}
    response = await client.chat(
        model, "Describe a ball.", response_format=wrapped, seed=seed, temperature=1.0, max_tokens=400
    )
    assert response.finish_reason == "stop"
    answer = msgspec.json.decode(response.text, type=_Answer)
    assert answer.color in ("red", "green")
    assert set(answer.tags) <= {"a", "b"}


async def test_what_the_grammar_does_not_enforce_is_a_warning(client: exllm.Client, model: str) -> None:
    schema = {"type": "object", "properties": {"n": {"type": "integer", "minimum": 3}}, "required": ["n"]}
    options: dict[str, Any] = {"response_format": schema, "max_tokens": 40, "temperature": 0}
    whole = await client.chat(model, "A number.", **options)
    async with client.stream(model, "A number.", **options) as stream:
        await stream.collect()
    (warning,) = whole.warnings
    assert "minimum" in warning
    assert stream.response.warnings == whole.warnings


class _Point(msgspec.Struct):
    x: Literal[1, 2]
    y: Literal["up", "down"]


class _Line(msgspec.Struct):
    points: tuple[_Point, _Point]


async def test_the_schema_of_a_type_with_references_is_followed(client: exllm.Client, model: str) -> None:
    schema = msgspec.json.schema(_Line)
    assert "$ref" in schema
    response = await client.chat(model, "A line, please.", response_format=schema, temperature=1.0, max_tokens=200)
    assert msgspec.json.decode(response.text, type=_Line).points


async def test_messages_of_which_the_template_makes_nothing_are_refused(client: exllm.Client, model: str) -> None:
    with pytest.raises(exllm.InvalidRequest, match="no prompt"):
        await client.chat(model, "Hi", extra={"chat_template": "{# nothing #}"})


LEAVING = """
import asyncio, sys, exllm
client = exllm.Client()
stream = client.stream(sys.argv[1], "Tell me a story.", max_tokens=900)
loop = asyncio.new_event_loop()
loop.run_until_complete(stream.__aenter__())
print(loop.run_until_complete(anext(stream)).model)
"""


def test_a_process_that_ends_in_the_middle_of_an_answer_ends_well(real_model: Path) -> None:
    begun = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", LEAVING, f"local/{real_model}"], capture_output=True, text=True, timeout=50, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == real_model.stem
    assert time.monotonic() - begun < 40


@pytest.mark.parametrize("seed", range(5))
async def test_json_mode_gives_an_object_or_is_cut_by_max_tokens(client: exllm.Client, model: str, seed: int) -> None:
    response = await client.chat(model, "Hello!", response_format="json", seed=seed, temperature=1.0, max_tokens=400)
    assert response.text.startswith("{")
    if response.finish_reason == "stop":
        assert isinstance(json.loads(response.text), dict)
    else:
        assert response.finish_reason == "length"


async def test_a_grammar_of_ones_own_is_followed(client: exllm.Client, model: str) -> None:
    response = await client.chat(model, "Yes or no?", extra={"grammar": 'root ::= "yes" | "no"'})
    assert response.text in ("yes", "no")


async def test_a_grammar_with_an_error_is_refused(client: exllm.Client, model: str) -> None:
    with pytest.raises(exllm.InvalidRequest, match="grammar"):
        await client.chat(model, "Hi", extra={"grammar": "root ::= ("})


async def test_a_schema_that_no_grammar_can_express_is_refused(client: exllm.Client, model: str) -> None:
    with pytest.raises(exllm.InvalidRequest, match="JSON Schema"):
        await client.chat(model, "Hi", response_format={"type": "mystery"})
    with pytest.raises(exllm.InvalidRequest, match="JSON Schema"):
        await client.chat(model, "Hi", response_format={"$ref": "https://example.com/schema.json"})


# -- templates and tools

TOOL_TEMPLATE = (
    "{{ bos_token }}{% if tools %}Tools: {{ tools | tojson }} Answer with <tool_call>.{% endif %}"
    "{% for message in messages %}<|user|>{{ message['content'] }}<|end|>{% endfor %}<|assistant|>"
)
TOOLS = [
    exllm.Tool("add", "Adds.", {
        "type": "object",
        "properties": {"a": {"enum": [1, 2, 3]}, "b": {"$ref": "#/$defs/Number"}},
        "required": ["a", "b"],
        "$defs": {"Number": {"enum": [7, 8]}},
    }),
    exllm.Tool("stop", "Stops.", {"type": "object", "properties": {}}),
]  # fmt: skip


@pytest.mark.shows("tools", providers=("local",), by="itself")
@pytest.mark.parametrize(("choice", "names"), [("add", {"add"}), ("required", {"add", "stop"})])
async def test_a_call_that_is_required_is_made_and_valid(
    client: exllm.Client, model: str, choice: str, names: set[str]
) -> None:
    response = await client.chat(
        model, "Please.", tools=TOOLS, tool_choice=choice, parallel_tool_calls=False, temperature=0.5, seed=1,
        max_tokens=300, extra={"chat_template": TOOL_TEMPLATE},
    )  # fmt: skip
    assert response.finish_reason == "tool_calls"
    (call,) = response.tool_calls
    assert call.name in names
    if call.name == "add":
        assert call.parse_arguments()["a"] in (1, 2, 3)
        assert call.parse_arguments()["b"] in (7, 8)


async def test_the_models_own_template_refuses_tools_it_does_not_know(client: exllm.Client, model: str) -> None:
    with pytest.raises(exllm.UnsupportedOption, match="knows no tools"):
        await client.chat(model, "Hi", tools=TOOLS)


async def test_a_named_chat_format_takes_the_templates_place(client: exllm.Client, model: str) -> None:
    by_name = await count_tokens(model, [exllm.Message("user", "Hi")], chat_format="chatml")
    assert (await client.chat(model, "Hi", max_tokens=1, extra={"chat_format": "chatml"})).usage.input_tokens == by_name
    with pytest.raises(exllm.InvalidRequest, match="no chat format 'chatmk'"):
        await client.chat(model, "Hi", extra={"chat_format": "chatmk"})


async def test_a_broken_template_is_refused(client: exllm.Client, model: str) -> None:
    for template in ("{% if %}", "{{ raise_exception('roles must alternate') }}"):
        with pytest.raises(exllm.InvalidRequest, match="chat template"):
            await client.chat(model, "Hi", extra={"chat_template": template})
