"""The Interactions API against aimock: text, tools, several turns, what arrives, event ids."""

from __future__ import annotations

import aiohttp
import pytest

import exllm
from exllm import Message, Response, Text, ToolResult
from exllm.providers import ProviderSpec, registry
from exllm.providers.gemini_interactions import WIRE
from exllm.streaming.sse import SSEDecoder
from exllm.types.request import Request
from tests.e2e.aimock.server import KEY, Aimock
from tests.e2e.test_aimock_answers import HELLO, LOOK, OSLO, PARIS, WEATHER

pytestmark = pytest.mark.node

MODEL = "gemini-interactions/gemini-2.5-flash"
WAYS = pytest.mark.parametrize("way", ["chat", "stream"])


async def _ask(aimock: Aimock, way: str, messages: object, **options: object) -> Response:
    async with aimock.client() as client:
        if way == "chat":
            return await client.chat(MODEL, messages, **options)  # type: ignore[arg-type]
        async with client.stream(MODEL, messages, **options) as stream:  # type: ignore[arg-type]
            return await stream.collect()


@pytest.mark.shows("chat", "stream", "usage", providers=("gemini-interactions",))
@WAYS
async def test_text_arrives_whole_with_its_usage(aimock: Aimock, way: str) -> None:
    reply = await _ask(aimock, way, "say hello")
    assert (reply.text, reply.finish_reason) == (HELLO, "stop")
    assert (reply.usage.input_tokens, reply.usage.output_tokens, reply.usage.provenance) == (7, 9, "reported")
    assert reply.id is not None
    assert reply.id.startswith("aimock-int-")


@pytest.mark.shows("tools", providers=("gemini-interactions",))
@WAYS
async def test_calls_are_read_and_their_results_go_back(aimock: Aimock, way: str) -> None:
    question = Message("user", "two cities")
    first = await _ask(aimock, way, [question], tools=[WEATHER])
    assert (first.tool_calls, first.finish_reason) == ((PARIS, OSLO), "tool_calls")
    results = Message("tool", (ToolResult(PARIS.id, "21"), ToolResult(OSLO.id, "4")))
    again = await _ask(aimock, way, [question, first.message, results], tools=[WEATHER])
    assert again.text == "21 degrees in Paris, 4 in Oslo."
    body = (await aimock.arrived(again.request_id))["body"]  # as aimock understood it: it takes no notice of calls
    assert [(each["role"], each["content"]) for each in body["messages"]] == [
        ("user", "two cities"), ("tool", "21"), ("tool", "4")
    ]  # fmt: skip
    assert [tool["function"]["name"] for tool in body["tools"]] == ["get_weather"]


@WAYS
async def test_words_before_a_call_stay_before_it(aimock: Aimock, way: str) -> None:
    reply = await _ask(aimock, way, "text and tool", tools=[LOOK])
    assert [type(part) for part in reply.parts] == [Text, exllm.ToolCall]
    assert (reply.text, reply.finish_reason) == ("Let me look.", "tool_calls")


@WAYS
async def test_what_was_asked_arrives(aimock: Aimock, way: str) -> None:
    messages = [Message("system", "Be kind."), Message("user", "say hello")]
    reply = await _ask(aimock, way, messages, temperature=0.5, max_tokens=50, tools=[WEATHER])
    arrived = await aimock.arrived(reply.request_id)
    body, headers = arrived["body"], arrived["headers"]
    assert (arrived["method"], arrived["path"]) == ("POST", "/v1beta/interactions")
    assert body["messages"] == [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "say hello"}]
    assert (body["model"], body["temperature"], body["max_tokens"]) == ("gemini-2.5-flash", 0.5, 50)
    assert headers["api-revision"] == "2026-05-20"
    assert "x-goog-api-key" in headers


@WAYS
async def test_a_conversation_goes_on(aimock: Aimock, way: str) -> None:
    asked = Message("user", "my name is Ada")
    first = await _ask(aimock, way, [asked])
    again = await _ask(aimock, way, [asked, first.message, Message("user", "who am I")])
    assert (first.text, again.text) == ("Hello Ada.", "You are Ada.")


async def test_the_id_of_the_last_event_is_known_while_a_stream_runs(aimock: Aimock) -> None:
    """aimock numbers its events, as the API does where a stream can be resumed."""
    spec = registry.get("gemini-interactions")
    assert isinstance(spec, ProviderSpec)
    request = Request("gemini-interactions", "gemini-2.5-flash", (Message("user", "say hello"),), stream=True)
    http = WIRE.build(request, spec)
    decoder, framing, seen = WIRE.decoder(request, spec), SSEDecoder(), []
    url, headers = aimock.base_url("gemini-interactions") + http.path, {"x-goog-api-key": KEY}
    async with aiohttp.ClientSession() as session, session.post(url, data=http.body, headers=headers) as response:
        for frame in framing.feed(await response.read()):
            decoder.feed([frame])
            seen.append(decoder.last_event_id)
    assert decoder.finished
    assert decoder.interaction_id is not None
    numbers = [int(str(each).removeprefix("evt_")) for each in seen]
    assert numbers == list(range(numbers[0], numbers[0] + len(seen)))
