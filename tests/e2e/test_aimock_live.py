"""Whole realtime conversations with aimock's Gemini Live and OpenAI Realtime servers: one code for both."""

# ruff: noqa: SIM117 - the blocks say what goes on while what is open
from __future__ import annotations

from typing import Any

import pytest

import exllm
from exllm import live
from tests.e2e.aimock.server import Aimock
from tests.live.events import names, until

pytestmark = pytest.mark.node

MODELS = pytest.mark.parametrize("model", ["gemini/gemini-2.0-flash-live-001", "openai/gpt-realtime"])
GREETING = "Hello from aimock, é 😀 done."
ANSWER = "21 degrees in Paris, 4 in Oslo."


async def get_weather(city: str, note: str = "") -> dict[str, Any]:
    """The weather of a city."""
    return {"city": city, "degrees": 21 if city == "Paris" else 4}


def words_of(events: list[Any]) -> str:
    """What the model says, in text or as the transcript of its speech."""
    return "".join(event.text for event in events if isinstance(event, live.TextOut | live.OutputTranscript))


@MODELS
async def test_a_conversation_in_text(aimock: Aimock, model: str) -> None:
    async with aimock.client() as client:
        async with client.live(model, modalities="text", instructions="Be kind.") as session:
            await session.send("say hello")
            events = await until(session, live.TurnComplete)
            assert {"SessionStarted", "TextOut"} <= set(names(events))
            assert words_of(events) == GREETING
            await session.send("say hello again")
            assert words_of(await until(session, live.TurnComplete)) == GREETING
            roles = [message.role for message in session.transcript]
            assert roles == ["user", "assistant", "user", "assistant"]
            assert session.stats.connections == 1
            assert not session.warnings


@MODELS
async def test_the_session_makes_the_calls_and_the_model_uses_the_results(aimock: Aimock, model: str) -> None:
    async with aimock.client() as client:
        async with client.live(model, modalities="text", tools=[get_weather], auto_tools=True) as session:
            await session.send("two cities")
            finished: list[live.ToolFinished] = []
            while True:
                events = await until(session, live.TurnComplete)
                finished += [event for event in events if isinstance(event, live.ToolFinished)]
                if words_of(events):
                    break
            assert words_of(events) == ANSWER
            assert {one.name for one in finished} == {"get_weather"}
            assert sorted(one.result for one in finished) == [
                '{"city":"Oslo é","degrees":4}',
                '{"city":"Paris","degrees":21}',
            ]
            assert session.transcript[-1].text == ANSWER
            assert session.stats.tools_finished == 2


@MODELS
async def test_the_application_answers_the_calls(aimock: Aimock, model: str) -> None:
    async with aimock.client() as client:
        async with client.live(model, modalities="text", tools=[get_weather]) as session:
            await session.send("two cities")
            calls: list[live.ToolCall] = []
            async for event in session:
                if isinstance(event, live.ToolCall):
                    calls.append(event)
                if len(calls) == 2:
                    break
            assert [call.parse_arguments()["city"] for call in calls] == ["Paris", "Oslo é"]
            await session.tool_results({call: await get_weather(**call.parse_arguments()) for call in calls})
            events: list[Any] = []
            while not words_of(events):
                events = await until(session, live.TurnComplete)
            assert words_of(events) == ANSWER


@MODELS
async def test_the_server_is_not_there_any_more(aimock: Aimock, model: str) -> None:
    async with aimock.client() as client:
        with pytest.raises(exllm.ConnectionFailed):
            async with client.live(model, live_url="ws://127.0.0.1:9"):
                pytest.fail("it must not open")
