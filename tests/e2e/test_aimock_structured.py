"""Objects over the providers' protocols, answered by aimock."""

from __future__ import annotations

import pytest

import exllm
from tests.e2e.aimock.server import Aimock
from tests.structured.types import Mood, Person

pytestmark = pytest.mark.node

BY_SCHEMA = [
    "openai/gpt-4.1-mini", "openai-responses/gpt-4.1-mini", "anthropic/claude-sonnet-4-5", "gemini/gemini-2.5-flash",
    "vertex/gemini-2.5-flash", "ollama/llama3.2",
]  # fmt: skip
BY_TOOL = ["anthropic/claude-3-haiku-20240307", "bedrock/anthropic.claude-3-haiku-20240307-v1:0", "openai/gpt-4-turbo"]
ADA, BOB = Person("Ada", 36), Person("Bob", 7, Mood.BAD)


@pytest.mark.parametrize("model", BY_SCHEMA)
@pytest.mark.parametrize("way", ["chat", "stream"])
async def test_the_providers_own_schema_mode_is_used(aimock: Aimock, model: str, way: str) -> None:
    async with aimock.client() as client:
        if way == "chat":
            response = await client.chat(model, "introduce Ada", response_model=Person, max_tokens=2000)
        else:
            async with client.stream(model, "introduce Ada", response_model=Person) as stream:
                grown = [person async for person in stream.partial()]
            response = stream.response
            assert grown[-1] == ADA
    assert response.parsed == ADA
    assert response.structured == exllm.Structured("schema")


@pytest.mark.parametrize("model", BY_TOOL)
@pytest.mark.parametrize("way", ["chat", "stream"])
async def test_a_model_without_a_schema_mode_is_made_to_call_a_tool(aimock: Aimock, model: str, way: str) -> None:
    async with aimock.client() as client:
        if way == "chat":
            response = await client.chat(model, "introduce Ada by tool", response_model=Person, max_tokens=2000)
        else:
            response = await client.stream(model, "introduce Ada by tool", response_model=Person).collect()
    assert response.parsed == ADA
    assert response.structured == exllm.Structured("tool")
    assert response.finish_reason == "stop"
    assert not response.tool_calls


@pytest.mark.parametrize("model", [*BY_SCHEMA[:4], "openai/gpt-4.1-mini"])
async def test_what_is_wrong_goes_back_and_the_next_answer_counts(aimock: Aimock, model: str) -> None:
    async with aimock.client() as client:
        response = await client.chat(model, "introduce Bob badly", response_model=Person, max_tokens=2000)
    assert response.parsed == BOB
    assert response.structured is not None
    assert response.structured.attempts == 2
    assert (response.usage.input_tokens, response.usage.output_tokens) == (40, 17)
    assert response.cost.total is None or response.cost.total > 0


@pytest.mark.parametrize("model", BY_SCHEMA[:4])
async def test_an_answer_that_was_cut_off_is_a_truncation(aimock: Aimock, model: str) -> None:
    async with aimock.client() as client:
        with pytest.raises(exllm.StructuredOutputTruncated) as caught:
            await client.chat(model, "introduce half of Ada", response_model=Person, max_tokens=2000)
    assert caught.value.raw == '{"name": "Ad'


@pytest.mark.parametrize("model", BY_SCHEMA[:4])
async def test_items_of_a_list_come_one_by_one(aimock: Aimock, model: str) -> None:
    async with aimock.client() as client:
        stream = client.stream(model, "list them all", response_model=list[Person])
        people = [person async for person in stream.items("$[*]", Person)]
    assert people == [Person("Ada", 36, Mood.GOOD), Person("Bob", 7)] == stream.response.parsed
