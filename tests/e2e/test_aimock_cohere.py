"""Cohere's own protocol against aimock, which plans for tools in streams only, and has no thoughts of Cohere's."""

from __future__ import annotations

import pytest

from exllm import Message, Reasoning, Response, Text, ToolCall, ToolCallDelta, ToolResult
from exllm.types.chunks import UsageUpdate
from tests.e2e.aimock.server import Aimock
from tests.e2e.test_aimock_answers import HELLO, LOOK, OSLO, PARIS, WAYS, WEATHER

pytestmark = pytest.mark.node

MODEL = "cohere/command-a-03-2025"
PLAN = Reasoning("I will use the requested tool.", id="tool_plan")


async def _ask(aimock: Aimock, way: str, messages: object, **options: object) -> Response:
    async with aimock.client() as client:
        if way == "chat":
            return await client.chat(MODEL, messages, **options)  # type: ignore[arg-type]
        async with client.stream(MODEL, messages, **options) as stream:  # type: ignore[arg-type]
            texts = [chunk.text async for chunk in stream]
        assert "".join(texts) == stream.response.text
        return stream.response


@pytest.mark.shows("chat", "stream", "usage", providers=("cohere",))
@WAYS
async def test_text_arrives_whole_with_its_usage(aimock: Aimock, way: str) -> None:
    reply = await _ask(aimock, way, "say hello")
    assert (reply.text, reply.finish_reason) == (HELLO, "stop")
    assert (reply.usage.input_tokens, reply.usage.output_tokens) == (7, 9)
    assert reply.usage.provenance == "reported"
    assert reply.id is not None


async def test_a_stream_is_many_pieces_and_ends_with_what_is_billed(aimock: Aimock) -> None:
    async with aimock.client() as client, client.stream(MODEL, "say hello") as stream:
        chunks = [chunk async for chunk in stream]
    assert len([chunk for chunk in chunks if chunk.text]) == 4  # aimock cuts after 8 characters
    (counts,) = [chunk.usage for chunk in chunks if isinstance(chunk, UsageUpdate)]
    assert (counts.billed_input_tokens, counts.billed_output_tokens) == (7, 9)


@WAYS
async def test_an_answer_cut_for_length_says_so(aimock: Aimock, way: str) -> None:
    reply = await _ask(aimock, way, "say much")
    assert (reply.finish_reason, reply.choices[0].raw_finish_reason) == ("length", "MAX_TOKENS")


async def test_cohere_receives_what_was_asked(aimock: Aimock) -> None:
    reply = await _ask(
        aimock, "stream", [Message("system", "Be kind."), Message("user", "say hello")], temperature=0.5, max_tokens=50
    )
    arrived = await aimock.arrived(reply.request_id)
    body = arrived["body"]  # as aimock understood it, in OpenAI's words
    assert (arrived["method"], arrived["path"]) == ("POST", "/v2/chat")
    assert body["messages"] == [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "say hello"}]
    assert (body["model"], body["stream"], body["temperature"]) == ("command-a-03-2025", True, 0.5)
    assert "authorization" in arrived["headers"]


@pytest.mark.shows("tools", providers=("cohere",))
@WAYS
async def test_parallel_tool_calls_arrive_whole(aimock: Aimock, way: str) -> None:
    reply = await _ask(aimock, way, "two cities", tools=[WEATHER])
    assert reply.tool_calls == (PARIS, OSLO)
    assert (reply.finish_reason, reply.text) == ("tool_calls", "")


async def test_the_fragments_of_a_tool_call_join_to_its_arguments(aimock: Aimock) -> None:
    async with aimock.client() as client, client.stream(MODEL, "two cities", tools=[WEATHER]) as stream:
        deltas = [chunk async for chunk in stream if isinstance(chunk, ToolCallDelta)]
    for number, call in enumerate((PARIS, OSLO)):
        mine = [delta for delta in deltas if delta.call == number]
        assert "".join(delta.arguments for delta in mine) == call.arguments
        assert (mine[0].id, mine[0].name) == (call.id, call.name)
    assert len([delta for delta in deltas if delta.call == 0]) > 3


async def test_text_and_plan_before_a_tool_call_are_kept(aimock: Aimock) -> None:
    look = ToolCall("call_look", "look", '{"at":"fox"}')
    streamed = await _ask(aimock, "stream", "text and tool", tools=[LOOK])
    assert streamed.parts == (Text("Let me look."), PLAN, look)
    assert streamed.finish_reason == "tool_calls"
    assert (await _ask(aimock, "chat", "text and tool", tools=[LOOK])).parts == (Text("Let me look."), look)


@WAYS
async def test_tool_results_go_back_and_the_answer_uses_them(aimock: Aimock, way: str) -> None:
    question = Message("user", "two cities")
    calls = await _ask(aimock, way, question, tools=[WEATHER])
    results = Message("tool", (ToolResult("call_paris", "21 degrees"), ToolResult("call_oslo", "4 degrees")))
    reply = await _ask(aimock, way, [question, calls.message, results], tools=[WEATHER])
    assert reply.text == "21 degrees in Paris, 4 in Oslo."
    messages = (await aimock.arrived(reply.request_id))["body"]["messages"]
    assert [call["id"] for call in messages[1]["tool_calls"]] == ["call_paris", "call_oslo"]
    assert [message["tool_call_id"] for message in messages[2:]] == ["call_paris", "call_oslo"]
    assert [message["content"] for message in messages[2:]] == ["21 degrees", "4 degrees"]


@WAYS
async def test_a_conversation_is_sent_whole(aimock: Aimock, way: str) -> None:
    history = [Message("user", "my name is Ada")]
    first = await _ask(aimock, way, history)
    assert first.text == "Hello Ada."
    history += [first.message, Message("user", "who am I")]
    assert (await _ask(aimock, way, history)).text == "You are Ada."
