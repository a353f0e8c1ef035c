"""OpenAI's, Anthropic's and Gemini's protocols against aimock: text, tools, reasoning, several turns, usage."""

from __future__ import annotations

from urllib.parse import quote

import pytest

import exllm
from exllm import Message, ProviderPart, Reasoning, Response, Text, ToolCall, ToolCallDelta, ToolResult
from tests.e2e.aimock.server import KEY, Aimock

pytestmark = pytest.mark.node

OPENAI, ANTHROPIC = "openai/gpt-4.1-mini", "anthropic/claude-sonnet-4-5"
RESPONSES = "openai-responses/gpt-4.1-mini"
GEMINI, VERTEX = "gemini/gemini-2.5-flash", "vertex/gemini-2.5-flash"
BEDROCK = "bedrock/amazon.nova-lite-v1:0"
MODELS = pytest.mark.parametrize("model", [OPENAI, RESPONSES, ANTHROPIC, BEDROCK, GEMINI, VERTEX])
WAYS = pytest.mark.parametrize("way", ["chat", "stream"])
HELLO = "Hello from aimock, é 😀 done."
WEATHER = exllm.Tool(
    "get_weather", "The weather of a city.", {"type": "object", "properties": {"city": {"type": "string"}}}
)
LOOK = exllm.Tool("look", "Looks.", {"type": "object", "properties": {"at": {"type": "string"}}})
PARIS = ToolCall("call_paris", "get_weather", '{"city":"Paris","note":"a long note, so that its fragments are many"}')
OSLO = ToolCall("call_oslo", "get_weather", '{"city":"Oslo é"}')


async def _ask(aimock: Aimock, way: str, model: str, messages: object, **options: object) -> Response:
    """One answer by `way`. `max_tokens` is small, so that no wire turns a chat into a stream of its own accord."""
    options = {"max_tokens": 2000, **options}
    async with aimock.client() as client:
        if way == "chat":
            return await client.chat(model, messages, **options)  # type: ignore[arg-type]
        async with client.stream(model, messages, **options) as stream:  # type: ignore[arg-type]
            texts = [chunk.text async for chunk in stream]
        assert "".join(texts) == stream.response.text
        return stream.response


# -- text


@pytest.mark.shows("chat", "stream", "usage")
@MODELS
@WAYS
async def test_text_arrives_whole_with_its_usage(aimock: Aimock, model: str, way: str) -> None:
    reply = await _ask(aimock, way, model, "say hello")
    assert reply.text == HELLO
    assert reply.finish_reason == "stop"
    assert (reply.usage.input_tokens, reply.usage.output_tokens) == (7, 9)
    assert reply.usage.provenance == "reported"
    assert f"{reply.provider}/{reply.model}".startswith(model)


@MODELS
async def test_a_stream_is_many_pieces(aimock: Aimock, model: str) -> None:
    async with aimock.client() as client, client.stream(model, "say hello") as stream:
        texts = [text async for text in stream.text()]
    assert len(texts) == 4  # aimock cuts after 8 characters
    assert stream.stats.first_chunk_s is not None
    assert stream.stats.attempts == 1


@MODELS
@WAYS
async def test_an_answer_cut_for_length_says_so(aimock: Aimock, model: str, way: str) -> None:
    assert (await _ask(aimock, way, model, "say much")).finish_reason == "length"


@pytest.mark.shows("chat", "stream", "usage", providers=("openrouter",))
@WAYS
async def test_cached_and_reasoning_tokens_and_the_reported_cost_are_read(aimock: Aimock, way: str) -> None:
    """On OpenRouter's path, where aimock gives such details, and comments before the first event."""
    async with aimock.client() as client:
        arguments = {"api_key": KEY, "base_url": f"{aimock.url}/api/v1"}
        if way == "chat":
            reply = await client.chat("openrouter/openai/gpt-4.1-mini", "reuse the prompt", **arguments)  # type: ignore[arg-type]
        else:
            async with client.stream("openrouter/openai/gpt-4.1-mini", "reuse the prompt", **arguments) as stream:  # type: ignore[arg-type]
                reply = await stream.collect()
    usage = reply.usage
    assert reply.text == "Cached."
    assert (usage.input_tokens, usage.cached_input_tokens) == (100, 64)
    assert (usage.output_tokens, usage.reasoning_tokens) == (5, 2)
    assert usage.reported_cost_usd == 0.001


# -- what arrives


async def test_openai_receives_what_was_asked(aimock: Aimock) -> None:
    reply = await _ask(
        aimock, "stream", OPENAI, [Message("system", "Be kind."), Message("user", "say hello")],
        temperature=0.5, stop="END", seed=7, extra={"own_field": 1},
    )  # fmt: skip
    arrived = await aimock.arrived(reply.request_id)
    body = arrived["body"]
    assert (arrived["method"], arrived["path"]) == ("POST", "/v1/chat/completions")
    assert body["messages"] == [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "say hello"}]
    assert (body["model"], body["stream"], body["temperature"], body["seed"]) == ("gpt-4.1-mini", True, 0.5, 7)
    assert body["stop"] in ("END", ["END"])
    assert body["stream_options"] == {"include_usage": True}
    assert body["own_field"] == 1
    assert arrived["headers"]["user-agent"].startswith(f"exllm/{exllm.__version__} ")
    assert arrived["headers"]["content-type"] == "application/json"
    assert "authorization" in arrived["headers"]


async def test_the_responses_api_receives_what_was_asked(aimock: Aimock) -> None:
    reply = await _ask(
        aimock, "stream", RESPONSES, [Message("system", "Be kind."), Message("user", "say hello")],
        temperature=0.5, tools=[WEATHER], store=False,
    )  # fmt: skip
    arrived = await aimock.arrived(reply.request_id)
    body = arrived["body"]  # as aimock understood it, in the words of Chat Completions
    assert (arrived["method"], arrived["path"]) == ("POST", "/v1/responses")
    assert body["messages"] == [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "say hello"}]
    assert (body["model"], body["stream"], body["temperature"]) == ("gpt-4.1-mini", True, 0.5)
    assert [tool["function"]["name"] for tool in body["tools"]] == ["get_weather"]
    assert "authorization" in arrived["headers"]
    assert KEY not in str(reply)


async def test_anthropic_receives_what_was_asked(aimock: Aimock) -> None:
    reply = await _ask(
        aimock, "stream", ANTHROPIC, [Message("system", "Be kind."), Message("user", "say hello")], temperature=0.5
    )
    arrived = await aimock.arrived(reply.request_id)
    body, headers = arrived["body"], arrived["headers"]  # the body as aimock understood it, in OpenAI's words
    assert (arrived["method"], arrived["path"]) == ("POST", "/v1/messages")
    assert body["messages"] == [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "say hello"}]
    assert (body["model"], body["stream"], body["max_tokens"]) == ("claude-sonnet-4-5", True, 2000)
    assert body["temperature"] == 0.5
    assert headers["anthropic-version"] == "2023-06-01"
    assert "x-api-key" in headers
    assert KEY not in str(reply)


@pytest.mark.parametrize(
    ("model", "path"),
    [
        (GEMINI, "/v1beta/models/gemini-2.5-flash:streamGenerateContent?alt=sse"),
        (
            VERTEX,
            "/v1/projects/p/locations/global/publishers/google/models/gemini-2.5-flash:streamGenerateContent?alt=sse",
        ),
    ],
)
async def test_gemini_receives_what_was_asked(aimock: Aimock, model: str, path: str) -> None:
    reply = await _ask(
        aimock, "stream", model, [Message("system", "Be kind."), Message("user", "say hello")],
        temperature=0.5, top_p=0.5, top_k=3, tools=[WEATHER],
    )  # fmt: skip
    arrived = await aimock.arrived(reply.request_id)
    body, headers = arrived["body"], arrived["headers"]  # the body as aimock understood it, in OpenAI's words
    assert (arrived["method"], arrived["path"]) == ("POST", path)
    assert body["messages"] == [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "say hello"}]
    assert (body["model"], body["stream"], body["max_tokens"]) == ("gemini-2.5-flash", True, 2000)
    assert (body["temperature"], body["top_p"], body["top_k"]) == (0.5, 0.5, 3)
    assert [tool["function"]["name"] for tool in body["tools"]] == ["get_weather"]
    assert ("x-goog-api-key" if model == GEMINI else "authorization") in headers
    assert KEY not in str(reply)


async def test_bedrock_receives_what_was_asked(aimock: Aimock) -> None:
    model = "arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.anthropic.claude-sonnet-4-5-20250929-v1:0"
    messages = [Message("system", "Be kind."), Message("user", "say hello")]
    for way, path in (("chat", "converse"), ("stream", "converse-stream")):
        reply = await _ask(aimock, way, f"bedrock/{model}", messages, temperature=0.5)
        arrived = await aimock.arrived(reply.request_id)
        body = arrived["body"]  # as aimock understood it, in OpenAI's words
        assert (arrived["method"], arrived["path"]) == ("POST", f"/model/{quote(model, safe='')}/{path}")
        assert body["messages"] == [
            {"role": "system", "content": "Be kind."}, {"role": "user", "content": "say hello"}
        ]  # fmt: skip
        assert (body["model"], body["max_tokens"], body["temperature"]) == (quote(model, safe=""), 2000, 0.5)
        assert "authorization" in arrived["headers"]


@pytest.mark.shows("chat", "tools", providers=("bedrock-invoke",))
async def test_a_native_body_is_answered_by_bedrock(aimock: Aimock) -> None:
    """Whole answers only: aimock's streams of InvokeModel lack the envelope that the service sends."""
    model = "bedrock-invoke/anthropic.claude-sonnet-4-5-20250929-v1:0"
    reply = await _ask(aimock, "chat", model, "two cities", tools=[WEATHER])
    assert reply.tool_calls == (PARIS, OSLO)
    arrived = await aimock.arrived(reply.request_id)
    assert arrived["path"].endswith("-v1%3A0/invoke")
    assert [tool["function"]["name"] for tool in arrived["body"]["tools"]] == ["get_weather"]


# -- tools


@pytest.mark.shows("tools")
@MODELS
@WAYS
async def test_parallel_tool_calls_arrive_whole(aimock: Aimock, model: str, way: str) -> None:
    reply = await _ask(aimock, way, model, "two cities", tools=[WEATHER])
    assert reply.tool_calls == (PARIS, OSLO)
    assert reply.tool_calls[1].parse_arguments() == {"city": "Oslo é"}
    assert reply.finish_reason == "tool_calls"
    assert reply.text == ""


@pytest.mark.parametrize("model", [OPENAI, RESPONSES, ANTHROPIC, BEDROCK])  # Gemini's calls come whole
async def test_the_fragments_of_a_tool_call_join_to_its_arguments(aimock: Aimock, model: str) -> None:
    async with aimock.client() as client, client.stream(model, "two cities", tools=[WEATHER]) as stream:
        deltas = [chunk async for chunk in stream if isinstance(chunk, ToolCallDelta)]
    for number, call in enumerate((PARIS, OSLO)):
        mine = [delta for delta in deltas if delta.call == number]
        assert "".join(delta.arguments for delta in mine) == call.arguments
        assert (mine[0].id, mine[0].name) == (call.id, call.name)
    assert len([delta for delta in deltas if delta.call == 0]) > 3


@MODELS
@WAYS
async def test_a_tool_without_arguments_is_called_with_none(aimock: Aimock, model: str, way: str) -> None:
    reply = await _ask(aimock, way, model, "no arguments", tools=[exllm.Tool("now", "The time.")])
    (call,) = reply.tool_calls
    assert (call.name, call.parse_arguments()) == ("now", {})


@MODELS
@WAYS
async def test_text_before_a_tool_call_is_kept(aimock: Aimock, model: str, way: str) -> None:
    reply = await _ask(aimock, way, model, "text and tool", tools=[LOOK])
    assert reply.parts == (Text("Let me look."), ToolCall("call_look", "look", '{"at":"fox"}'))
    assert reply.finish_reason == "tool_calls"


@MODELS
@WAYS
async def test_tool_results_go_back_and_the_answer_uses_them(aimock: Aimock, model: str, way: str) -> None:
    question = Message("user", "two cities")
    calls = await _ask(aimock, way, model, question, tools=[WEATHER])
    results = Message("tool", (ToolResult("call_paris", "21 degrees"), ToolResult("call_oslo", "4 degrees")))
    reply = await _ask(aimock, way, model, [question, calls.message, results], tools=[WEATHER])
    assert reply.text == "21 degrees in Paris, 4 in Oslo."
    messages = (await aimock.arrived(reply.request_id))["body"]["messages"]
    called = [call["id"] for message in messages for call in message.get("tool_calls") or ()]
    assert called == ["call_paris", "call_oslo"]
    answered = [message for message in messages if message["role"] == "tool"]
    assert [message["tool_call_id"] for message in answered] == ["call_paris", "call_oslo"]
    said = ["21 degrees", "4 degrees"]
    if model in (GEMINI, VERTEX):  # there a result is an object
        said = [f'{{"output":"{words}"}}' for words in said]
    assert [message["content"] for message in answered] == said


# -- reasoning


@pytest.mark.shows("reasoning")
@WAYS
@pytest.mark.parametrize("model", ["openai/o3", "openai-responses/o3"])
async def test_reasoning_of_openais_models_is_apart_from_the_text(aimock: Aimock, model: str, way: str) -> None:
    reply = await _ask(aimock, way, model, "think")
    assert (reply.reasoning, reply.text) == ("Let me think step by step about it.", "42")


@pytest.mark.shows("reasoning")
@WAYS
@pytest.mark.parametrize("model", [GEMINI, VERTEX])
async def test_gemini_shows_its_thoughts_apart_from_the_text(aimock: Aimock, model: str, way: str) -> None:
    reply = await _ask(aimock, way, model, "think", thinking=True)
    assert (reply.reasoning, reply.text) == ("Let me think step by step about it.", "42")
    assert [type(part) for part in reply.parts] == [Reasoning, Text]


@pytest.mark.shows("reasoning", providers=("anthropic",))
@WAYS
async def test_thinking_comes_with_its_signature(aimock: Aimock, way: str) -> None:
    reply = await _ask(aimock, way, ANTHROPIC, "think", thinking=1024)
    assert reply.parts == (Reasoning("Let me think step by step about it.", signature="c2lnbmVk"), Text("42"))


@WAYS
async def test_redacted_thinking_is_kept(aimock: Aimock, way: str) -> None:
    reply = await _ask(aimock, way, ANTHROPIC, "in secret", thinking=1024)
    assert [part.redacted for part in reply.parts if isinstance(part, Reasoning)] == ["c2VjcmV0", None]
    assert (reply.reasoning, reply.text) == ("Openly.", "Done.")


@WAYS
async def test_thinking_goes_back_with_the_tool_result_as_anthropic_demands(aimock: Aimock, way: str) -> None:
    """aimock, as strict as Anthropic, refuses a tool loop whose thinking block or signature is lost."""
    question = Message("user", "think and look")
    first = await _ask(aimock, way, ANTHROPIC, question, thinking=1024, tools=[LOOK])
    assert [type(part) for part in first.parts] == [Reasoning, ToolCall]
    result = Message("tool", (ToolResult("call_think", "seen"),))
    reply = await _ask(aimock, way, ANTHROPIC, [question, first.message, result], thinking=1024, tools=[LOOK])
    assert reply.text == "It is 42."
    forgetful = Message("assistant", first.tool_calls)
    with pytest.raises(exllm.InvalidRequest, match="thinking"):
        await _ask(aimock, way, ANTHROPIC, [question, forgetful, result], thinking=1024, tools=[LOOK])


@WAYS
async def test_reasoning_comes_encrypted_and_goes_back_signed(aimock: Aimock, way: str) -> None:
    """aimock encrypts what it was asked to encrypt: with o3 we ask of our own accord."""
    question = Message("user", "think")
    first = await _ask(aimock, way, "openai-responses/o3", question)
    (thought, said) = first.parts
    assert isinstance(thought, Reasoning)
    assert (thought.text, said) == ("Let me think step by step about it.", Text("42"))
    assert thought.id
    assert thought.signature
    assert "encrypted" in thought.signature
    again = await _ask(aimock, way, "openai-responses/o3", [question, first.message, Message("user", "say hello")])
    assert (again.text, again.warnings) == (HELLO, ())


@WAYS
async def test_searches_of_the_provider_are_parts_that_go_back(aimock: Aimock, way: str) -> None:
    question = Message("user", "search it")
    first = await _ask(aimock, way, RESPONSES, question, web_search=True)
    searches = [part.data for part in first.parts if isinstance(part, ProviderPart) and part.data["type"] != "message"]
    assert [search["action"]["query"] for search in searches] == ["cats", "dogs"]
    assert (first.text, first.finish_reason) == ("Found.", "stop")
    again = await _ask(aimock, way, RESPONSES, [question, first.message, Message("user", "say hello")])
    assert (again.text, again.warnings) == (HELLO, ())


# -- several turns


@MODELS
@WAYS
async def test_a_conversation_is_sent_whole(aimock: Aimock, model: str, way: str) -> None:
    history = [Message("user", "my name is Ada")]
    first = await _ask(aimock, way, model, history)
    assert first.text == "Hello Ada."
    history += [first.message, Message("user", "who am I")]
    assert (await _ask(aimock, way, model, history)).text == "You are Ada."


@MODELS
async def test_the_system_message_is_heard(aimock: Aimock, model: str) -> None:
    messages = [{"role": "system", "content": "You are a pirate."}, {"role": "user", "content": "ahoy"}]
    assert (await _ask(aimock, "chat", model, messages)).text == "Arr."
