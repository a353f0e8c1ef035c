"""Runs of three turns against aimock: every wire asks, calls, tells the results and asks again."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest

import exllm
from exllm import AskUser, Reasoning, Run, ToolCall, ToolFinished, ToolResult, ToolStarted, TurnStarted
from tests.e2e.aimock.server import Aimock
from tests.e2e.test_aimock_answers import ANTHROPIC, BEDROCK, GEMINI, OPENAI, RESPONSES, VERTEX
from tests.tools.kit import assert_valid, results

pytestmark = pytest.mark.node

OLLAMA, COHERE = "ollama/llama3.2", "cohere/command-a-03-2025"
EVERY = [OPENAI, RESPONSES, ANTHROPIC, BEDROCK, GEMINI, VERTEX, OLLAMA, COHERE]
MODELS = pytest.mark.parametrize("model", EVERY)
NO_TEXT_BESIDE_CALLS = {OLLAMA, COHERE}
"""aimock gives the calls of such an answer alone, or the text alone, in these dialects."""


@exllm.tool
async def get_weather(city: str) -> dict[str, Any]:
    """The weather of a city."""
    await asyncio.sleep(0.01 if city == "Paris" else 0)
    return {"city": city, "degrees": 21}


@exllm.tool
def book(city: str, days: int) -> str:
    """Book a trip."""
    return f"{days} days in {city}"


TOOLS = [get_weather, book]
CONTENTS = ['{"city":"Paris","degrees":21}', '{"city":"Oslo é","degrees":21}', "3 days in Paris"]


def _counts(usage: exllm.Usage) -> tuple[int | None, int | None]:
    return usage.input_tokens, usage.output_tokens


@MODELS
async def test_three_turns_with_parallel_calls_and_text_before_a_call(aimock: Aimock, model: str) -> None:
    async with aimock.client() as client:
        async with client.stream_run(model, "plan a trip", tools=TOOLS, max_tokens=2000) as stream:
            events = [event async for event in stream]
        run = stream.run
        arrived = (await aimock.arrived(run.response.request_id))["body"] if run.response else {}
    assert (run.status, run.text, run.turns) == ("completed", "Booked.", 3)
    assert [one.content for one in results(run)] == CONTENTS
    assert not any(one.is_error for one in results(run))
    assert_valid(run.messages)
    assert [event.turn for event in events if isinstance(event, TurnStarted)] == [1, 2, 3]
    assert sum(isinstance(event, ToolStarted) for event in events) == 3
    finished = [event.result.content for event in events if isinstance(event, ToolFinished)]
    assert sorted(map(str, finished)) == sorted(CONTENTS)
    text = "".join(event.text for event in events)
    assert text == ("Booked." if "Paris it is." not in text else "Paris it is. Booked.")
    if model not in NO_TEXT_BESIDE_CALLS:
        assert run.messages[3].text == "Paris it is. "
    assert all(content.split('"')[3 if "{" in content else 0] in str(arrived) for content in CONTENTS)
    if model not in (OLLAMA, COHERE):  # for which aimock does not count as it is told
        assert _counts(run.usage) == (60, 10)


@MODELS
async def test_run_and_its_stream_end_alike(aimock: Aimock, model: str) -> None:
    async with aimock.client() as client:
        run = await client.run(model, "plan a trip", tools=TOOLS, max_tokens=2000)
        async with client.stream_run(model, "plan a trip", tools=TOOLS, max_tokens=2000) as stream:
            streamed = await stream.collect()

    def said(one: Run) -> list[tuple[str, str, list[str], list[Any]]]:
        return [
            (message.role, message.text, [call.name for call in message.tool_calls],
             [part.content for part in message.parts if isinstance(part, ToolResult)])
            for message in one.messages
        ]  # fmt: skip

    assert said(run) == said(streamed)
    assert (run.usage, run.cost.total, run.status) == (streamed.usage, streamed.cost.total, streamed.status)


@MODELS
async def test_a_suspended_run_goes_on_with_a_new_client(aimock: Aimock, model: str) -> None:
    @exllm.tool(name="book")
    def ask(city: str, days: int) -> Any:
        return AskUser(f"{days} days in {city}?")

    async with aimock.client() as client:
        run = await client.run(model, "plan a trip", tools=[get_weather, ask], max_tokens=2000)
    assert (run.status, run.question, run.turns) == ("suspended", "3 days in Paris?", 2)
    run = msgspec.msgpack.decode(msgspec.msgpack.encode(run), type=Run)
    async with aimock.client() as client:
        run = await client.run(run, tools=TOOLS, answers="3 days in Paris")
    assert (run.status, run.text, run.turns) == ("completed", "Booked.", 3)
    assert [one.content for one in results(run)] == CONTENTS


async def test_thoughts_go_back_signed_between_turns(aimock: Aimock) -> None:
    @exllm.tool
    def look(at: str) -> str:
        """Looks."""
        return "42"

    async with aimock.client() as client:
        run = await client.run(ANTHROPIC, "think and look", tools=[look], thinking=1024, max_tokens=4000)
    assert (run.status, run.text, run.turns) == ("completed", "It is 42.", 2)
    thought, call = run.messages[1].parts
    assert isinstance(thought, Reasoning)
    assert thought.signature == "c2lnbmVk"
    assert isinstance(call, ToolCall)


@MODELS
async def test_a_tool_error_goes_back_to_the_model(aimock: Aimock, model: str) -> None:
    @exllm.tool(name="get_weather")
    def broken(city: str) -> str:
        raise LookupError(f"{city} has no station")

    async with aimock.client() as client:
        run = await client.run(model, "plan a trip", tools=[broken, book], max_tokens=2000)
    assert (run.status, run.turns) == ("completed", 3)
    assert [one.content for one in results(run)][:2] == [
        "LookupError: Paris has no station", "LookupError: Oslo é has no station",
    ]  # fmt: skip
