"""Ollama's own protocol against aimock, which gives calls no ids, counts no tokens, and has no thoughts of Ollama's."""

from __future__ import annotations

import pytest

import exllm
from exllm import Message, Response, Text, ToolCall, ToolCallDelta, ToolResult
from exllm.types.chunks import ProviderEvent
from tests.e2e.aimock.server import Aimock
from tests.e2e.test_aimock_answers import HELLO, LOOK, WAYS, WEATHER

pytestmark = pytest.mark.node

MODEL = "ollama/llama3.2"
CITIES = [
    ("get_weather", {"city": "Paris", "note": "a long note, so that its fragments are many"}),
    ("get_weather", {"city": "Oslo é"}),
]


async def _ask(aimock: Aimock, way: str, messages: object, **options: object) -> Response:
    async with aimock.client() as client:
        if way == "chat":
            return await client.chat(MODEL, messages, **options)  # type: ignore[arg-type]
        async with client.stream(MODEL, messages, **options) as stream:  # type: ignore[arg-type]
            texts = [chunk.text async for chunk in stream]
        assert "".join(texts) == stream.response.text
        return stream.response


@pytest.mark.shows("chat", "stream", providers=("ollama",))
@WAYS
async def test_text_arrives_whole(aimock: Aimock, way: str) -> None:
    reply = await _ask(aimock, way, "say hello")
    assert (reply.text, reply.finish_reason, reply.model) == (HELLO, "stop", "llama3.2")
    assert reply.usage.provenance == "reported"
    assert reply.created is not None


async def test_a_stream_is_many_pieces_and_ends_with_its_times(aimock: Aimock) -> None:
    async with aimock.client() as client, client.stream(MODEL, "say hello") as stream:
        chunks = [chunk async for chunk in stream]
    assert len([chunk for chunk in chunks if chunk.text]) == 4  # aimock cuts after 8 characters
    (metrics,) = [chunk for chunk in chunks if isinstance(chunk, ProviderEvent)]
    assert metrics.event == "metrics"
    assert metrics.data.keys() == {"total_duration", "load_duration", "prompt_eval_duration", "eval_duration"}


@WAYS
async def test_the_last_line_is_there_raw_on_request(aimock: Aimock, way: str) -> None:
    reply = await _ask(aimock, way, "say hello", include_raw=True)
    assert reply.raw["done"] is True
    assert reply.raw.keys() >= {"total_duration", "load_duration", "prompt_eval_count", "eval_count"}
    assert (await _ask(aimock, way, "say hello")).raw is None


async def test_ollama_receives_what_was_asked(aimock: Aimock) -> None:
    reply = await _ask(
        aimock, "stream", [Message("system", "Be kind."), Message("user", "say hello")],
        temperature=0.5, stop="END", seed=7, max_tokens=50, extra={"num_ctx": 4096},
    )  # fmt: skip
    arrived = await aimock.arrived(reply.request_id)
    body = arrived["body"]  # as aimock understood it, in OpenAI's words
    assert (arrived["method"], arrived["path"]) == ("POST", "/api/chat")
    assert body["messages"] == [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "say hello"}]
    assert (body["model"], body["stream"], body["temperature"]) == ("llama3.2", True, 0.5)
    assert body["max_tokens"] == 50


@pytest.mark.shows("tools", providers=("ollama",))
@WAYS
async def test_parallel_tool_calls_arrive_whole_each_with_an_id(aimock: Aimock, way: str) -> None:
    reply = await _ask(aimock, way, "two cities", tools=[WEATHER])
    assert [(call.name, call.parse_arguments()) for call in reply.tool_calls] == CITIES
    assert len({call.id for call in reply.tool_calls}) == 2
    assert all(call.id.startswith("call_") for call in reply.tool_calls)
    assert (reply.finish_reason, reply.text) == ("tool_calls", "")


async def test_ids_of_calls_are_not_those_of_an_answer_before(aimock: Aimock) -> None:
    first = await _ask(aimock, "stream", "two cities", tools=[WEATHER])
    second = await _ask(aimock, "stream", "two cities", tools=[WEATHER])
    assert not {call.id for call in first.tool_calls} & {call.id for call in second.tool_calls}


async def test_a_call_comes_in_one_piece(aimock: Aimock) -> None:
    async with aimock.client() as client, client.stream(MODEL, "two cities", tools=[WEATHER]) as stream:
        deltas = [chunk async for chunk in stream if isinstance(chunk, ToolCallDelta)]
    assert [(delta.call, delta.name) for delta in deltas] == [(0, "get_weather"), (1, "get_weather")]


@WAYS
async def test_text_before_a_tool_call_is_kept(aimock: Aimock, way: str) -> None:
    reply = await _ask(aimock, way, "text and tool", tools=[LOOK])
    (text, call) = reply.parts
    assert text == Text("Let me look.")
    assert isinstance(call, ToolCall)
    assert (call.name, call.arguments) == ("look", '{"at":"fox"}')
    assert reply.finish_reason == "tool_calls"


@WAYS
async def test_tool_results_go_back_and_the_answer_uses_them(aimock: Aimock, way: str) -> None:
    question = Message("user", "two cities")
    calls = await _ask(aimock, way, question, tools=[WEATHER])
    results = tuple(ToolResult(call.id, words) for call, words in zip(calls.tool_calls, ("21", "4"), strict=True))
    reply = await _ask(aimock, way, [question, calls.message, Message("tool", results)], tools=[WEATHER])
    assert reply.text == "21 degrees in Paris, 4 in Oslo."
    messages = (await aimock.arrived(reply.request_id))["body"]["messages"]
    assert [message["role"] for message in messages] == ["user", "assistant", "tool", "tool"]
    assert [message["content"] for message in messages[2:]] == ["21", "4"]


@WAYS
async def test_a_conversation_is_sent_whole(aimock: Aimock, way: str) -> None:
    history = [Message("user", "my name is Ada")]
    first = await _ask(aimock, way, history)
    assert first.text == "Hello Ada."
    history += [first.message, Message("user", "who am I")]
    assert (await _ask(aimock, way, history)).text == "You are Ada."


async def test_no_key_is_needed(aimock: Aimock) -> None:
    async with exllm.Client(config=exllm.config.Static({})) as client:
        reply = await client.chat(MODEL, "say hello", base_url=aimock.url)
    assert reply.text == HELLO
    assert "authorization" not in (await aimock.arrived(reply.request_id))["headers"]
