"""A run of answers and tools in each dialect."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ag_ui.core import Event
from pydantic import TypeAdapter

import exllm
from exllm import TextDelta, ToolCall
from exllm.sse import DIALECTS
from exllm.streaming.sse import SSEDecoder
from tests.sse.answers import mock


@exllm.tool
def weather(city: str) -> dict[str, Any]:
    """The weather."""
    if city == "Nowhere":
        raise ValueError("no such city")
    return {"city": city, "celsius": 4}


@exllm.tool
def ask(question: str) -> exllm.AskUser:
    """Ask the user."""
    return exllm.AskUser(question)


async def told(dialect: Any, *answers: Any) -> list[Any]:
    with mock(*answers):
        async with exllm.Client() as client, client.stream_run("mocked", "Hi", tools=[weather, ask]) as run:
            data = b"".join([data async for data in run.to_sse(dialect)])
    decoder = SSEDecoder()
    frames = [*decoder.feed(data), *decoder.close()]
    return [json.loads(frame.data) for frame in frames if frame.data != b"[DONE]"]


LOOKED_UP = (
    [TextDelta("Let me look. "), ToolCall("c1", "weather", '{"city": "Oslo"}')],
    "It is 4 degrees.",
)


@pytest.mark.parametrize("dialect", DIALECTS)
async def test_all_text_of_the_run_is_there(dialect: Any) -> None:
    assert json.dumps(await told(dialect, *LOOKED_UP)).count("degrees.") >= 1


async def test_vercel_has_steps_and_results() -> None:
    events = await told("vercel", *LOOKED_UP)
    kinds = [event["type"] for event in events if not event["type"].endswith("-delta")]
    assert kinds == [
        "start", "start-step", "text-start", "text-end", "tool-input-start", "tool-input-available",
        "tool-output-available", "finish-step", "start-step", "text-start", "text-end", "finish-step", "finish",
    ]  # fmt: skip
    assert next(e for e in events if e["type"] == "tool-output-available") == {
        "type": "tool-output-available", "toolCallId": "c1", "output": {"city": "Oslo", "celsius": 4},
    }  # fmt: skip


async def test_vercel_ends_the_step_of_a_run_that_waits_and_begins_one_where_it_goes_on() -> None:
    waiting = [
        TextDelta("Hm. "),
        ToolCall("c1", "weather", '{"city": "Oslo"}'),
        ToolCall("q1", "ask", '{"question": "?"}'),
    ]
    assert [e["type"] for e in await told("vercel", waiting)][-2:] == ["finish-step", "finish"]
    with mock(waiting, "So it is."):
        async with exllm.Client() as client:
            async with client.stream_run("mocked", "Hi", tools=[weather, ask]) as run:
                halted = await run.collect()
            async with client.stream_run(halted, tools=[weather, ask], answers={"q1": "Yes."}) as again:
                data = b"".join([data async for data in again.to_sse("vercel")])
    decoder = SSEDecoder()
    kinds = [json.loads(f.data)["type"] for f in [*decoder.feed(data), *decoder.close()] if f.data != b"[DONE]"]
    steps = [kind for kind in kinds if kind.endswith("-step")]
    assert steps == ["start-step", "finish-step"] * (len(steps) // 2)
    assert kinds[:2] == ["start", "start-step"]
    assert kinds[-1] == "finish"


async def test_vercel_tells_errors_of_tools() -> None:
    events = await told("vercel", ToolCall("c1", "weather", '{"city": "Nowhere"}'), "Hm.")
    (error,) = [event for event in events if event["type"] == "tool-output-error"]
    assert "no such city" in error["errorText"]


async def test_ag_ui_has_steps_and_results() -> None:
    events = await told("ag-ui", *LOOKED_UP)
    for event in events:
        TypeAdapter(Event).validate_python(event)
    result = next(event for event in events if event["type"] == "TOOL_CALL_RESULT")
    assert (result["toolCallId"], json.loads(result["content"])) == ("c1", {"city": "Oslo", "celsius": 4})
    assert [event["stepName"] for event in events if event["type"] == "STEP_FINISHED"] == ["turn 1", "turn 2"]
    assert events[-1]["outcome"] == {"type": "success"}


@pytest.mark.parametrize("dialect", ["openai", "anthropic"])
async def test_calls_that_were_made_are_not_handed_on(dialect: Any) -> None:
    events = await told(dialect, *LOOKED_UP)
    assert "weather" not in json.dumps(events)
    text = json.dumps(events)
    assert "Let me look. " in text.replace('look. "', "look. ")


async def test_calls_that_wait_for_the_user_are_handed_on() -> None:
    waiting = ToolCall("q1", "ask", '{"question": "Which one?"}')
    events = await told("openai", waiting)
    (call,) = [call for e in events for c in e.get("choices", []) for call in c["delta"].get("tool_calls", [])]
    assert (call["id"], call["function"]["name"]) == ("q1", "ask")
    assert events[-2]["choices"][0]["finish_reason"] == "tool_calls"
    anthropic = await told("anthropic", waiting)
    assert anthropic[-2]["delta"]["stop_reason"] == "tool_use"
    assert any(event.get("content_block", {}).get("id") == "q1" for event in anthropic)
    vercel = await told("vercel", waiting)
    assert vercel[-1]["finishReason"] == "tool-calls"
    ag_ui = await told("ag-ui", waiting)
    assert ag_ui[-1]["outcome"] == {"type": "success", "pendingToolCallIds": ["q1"]}
