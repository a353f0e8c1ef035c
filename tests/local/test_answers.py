"""What the provider answers, over a scripted engine."""

from __future__ import annotations

import pytest

import exllm
from exllm.errors import ContextLengthExceeded, InvalidRequest, UnsupportedOption
from exllm.types.chunks import Finish, StreamStart, TextDelta, ToolCallDelta, UsageUpdate
from tests.local.fake_engine import LONG, FakeEngine, Serve

# -- answers


async def test_a_stream_begins_with_what_is_known_and_ends_with_exact_counts(
    serve: Serve, client: exllm.Client
) -> None:
    serve(FakeEngine())
    async with client.stream("local/a", "Hello") as stream:
        chunks = [chunk async for chunk in stream]
    assert [type(chunk) for chunk in chunks] == [
        StreamStart, UsageUpdate, TextDelta, TextDelta, TextDelta, UsageUpdate, Finish,
    ]  # fmt: skip
    prompt_tokens = len("user: Hello\n")
    usage = stream.response.usage
    assert (usage.input_tokens, usage.output_tokens, usage.total_tokens) == (prompt_tokens, 3, prompt_tokens + 3)
    assert usage.provenance == "reported"
    assert stream.response.text == "Good day."
    assert stream.response.finish_reason == "stop"
    assert stream.response.cost.total == 0.0
    assert (stream.response.model, stream.response.provider) == ("a", "local")


async def test_chat_folds_the_same_chunks(serve: Serve, client: exllm.Client) -> None:
    serve(FakeEngine())
    response = await client.chat("local/a", [exllm.Message("developer", "Be kind."), exllm.Message("user", "Hi")])
    assert (response.text, response.finish_reason, response.cost.total) == ("Good day.", "stop", 0.0)
    assert response.usage.input_tokens == len("system: Be kind.\nuser: Hi\n")


async def test_max_tokens_is_exact(serve: Serve, client: exllm.Client) -> None:
    serve(FakeEngine(LONG, is_endless=True))
    response = await client.chat("local/a", "Hi", max_tokens=7)
    assert (response.text, response.finish_reason, response.usage.output_tokens) == ("word " * 7, "length", 7)


async def test_an_answer_ends_with_the_context(serve: Serve, client: exllm.Client) -> None:
    prompt_tokens = len("user: Hi\n")
    serve(FakeEngine(LONG, is_endless=True, context_tokens=prompt_tokens + 4))
    response = await client.chat("local/a", "Hi", max_tokens=100)
    assert (response.usage.output_tokens, response.finish_reason) == (4, "length")


async def test_messages_that_do_not_fit_are_refused_with_the_counts(serve: Serve, client: exllm.Client) -> None:
    engine = serve(FakeEngine(context_tokens=9))
    with pytest.raises(ContextLengthExceeded, match="are 9 tokens and the context is 9"):
        await client.chat("local/a", "Hi")
    assert not engine.prompts


async def test_a_stop_sequence_ends_generation_and_is_not_shown(serve: Serve, client: exllm.Client) -> None:
    engine = serve(FakeEngine([b"one ", b"two ST", b"OP three"], is_endless=True))
    response = await client.chat("local/a", "Hi", stop=["STOP"])
    assert (response.text, response.finish_reason) == ("one two ", "stop")
    assert engine.generated == response.usage.output_tokens == 3


async def test_characters_split_over_tokens_arrive_whole(serve: Serve, client: exllm.Client) -> None:
    data = "naïve ☃ 🎉".encode()
    serve(FakeEngine([data[at : at + 1] for at in range(len(data))]))
    async with client.stream("local/a", "Hi") as stream:
        texts = [text async for text in stream.text()]
    assert texts == list("naïve ☃ 🎉")


async def test_log_probabilities_come_with_their_text(serve: Serve, client: exllm.Client) -> None:
    serve(FakeEngine(["é".encode()[:1], "é".encode()[1:], b"!"]))
    async with client.stream("local/a", "Hi", logprobs=True, top_logprobs=1) as stream:
        texts = [chunk async for chunk in stream if isinstance(chunk, TextDelta)]
    assert [(chunk.text, len(chunk.logprobs or ())) for chunk in texts] == [("é", 2), ("!", 1)]
    logprobs = stream.response.logprobs
    assert logprobs is not None
    assert bytes(byte for entry in logprobs for byte in entry.bytes or ()) == "é!".encode()
    assert logprobs[0].top[0].logprob == logprobs[0].logprob == -0.5


async def test_sampling_options_reach_the_engine(serve: Serve, client: exllm.Client) -> None:
    engine = serve(FakeEngine())
    await client.chat("local/a", "Hi", temperature=0.3, seed=5, frequency_penalty=0.2, extra={"repeat_penalty": 1.2})
    (used,) = engine.samplings
    assert (used.temperature, used.seed, used.frequency_penalty, used.repeat_penalty) == (0.3, 5, 0.2, 1.2)


async def test_json_mode_gives_the_engine_a_grammar(serve: Serve, client: exllm.Client) -> None:
    engine = serve(FakeEngine([b"{}"]))
    await client.chat("local/a", "Hi", response_format="json")
    assert "root   ::= object" in (engine.samplings[0].grammar or "")


async def test_the_bare_provider_means_the_bundled_model(client: exllm.Client) -> None:
    assert client.default_model("local") == "exllm-tiny"


@pytest.mark.shows("model list", providers=("local",), by="itself")
async def test_models_are_listed_for_the_client(serve: Serve, client: exllm.Client) -> None:
    serve(FakeEngine())
    await client.chat("local/a", "Hi")
    entry = next(entry for entry in await client.list_models("local") if entry.id == "a")
    assert (entry.provider, entry.raw["loaded"]) == ("local", True)


# -- tools


def _tool() -> exllm.Tool:
    return exllm.Tool("add", "Adds.", {"type": "object", "properties": {"a": {"type": "integer"}}})


async def test_a_tool_call_in_the_text_becomes_a_tool_call(serve: Serve, client: exllm.Client) -> None:
    engine = serve(
        FakeEngine(
            [b"<tool", b'_call>{"name": "add", ', b'"arguments": {"a": 1}}</tool_', b"call>"], call_style="tagged"
        )
    )
    async with client.stream("local/a", "Hi", tools=[_tool()]) as stream:
        chunks = [chunk async for chunk in stream]
    assert engine.prompts == ["[add]\nuser: Hi\n"]
    assert sum(isinstance(chunk, ToolCallDelta) for chunk in chunks) == 1
    (call,) = stream.response.tool_calls
    assert (call.name, call.parse_arguments(), stream.response.text) == ("add", {"a": 1}, "")
    assert stream.response.finish_reason == "tool_calls"


async def test_one_call_at_a_time_ends_the_answer_after_the_first(serve: Serve, client: exllm.Client) -> None:
    serve(
        FakeEngine([b'<tool_call>{"name": "add", "arguments": {}}</tool_call>'], is_endless=True, call_style="tagged")
    )
    response = await client.chat("local/a", "Hi", tools=[_tool()], parallel_tool_calls=False)
    assert len(response.tool_calls) == 1
    assert response.finish_reason == "tool_calls"


async def test_tools_are_not_offered_when_none_may_be_called(serve: Serve, client: exllm.Client) -> None:
    engine = serve(FakeEngine(call_style="tagged"))
    await client.chat("local/a", "Hi", tools=[_tool()], tool_choice="none")
    assert engine.prompts == ["user: Hi\n"]


@pytest.mark.parametrize(("tools", "choice"), [([], "required"), (["add"], "subtract")])
async def test_a_choice_that_no_tool_meets_is_refused(
    serve: Serve, client: exllm.Client, tools: list[str], choice: str
) -> None:
    engine = serve(FakeEngine(call_style="tagged"))
    with pytest.raises(InvalidRequest, match="tool_choice"):
        await client.chat("local/a", "Hi", tools=[_tool()] if tools else None, tool_choice=choice)
    assert not engine.prompts


async def test_a_template_without_tools_refuses_them(serve: Serve, client: exllm.Client) -> None:
    serve(FakeEngine())
    with pytest.raises(UnsupportedOption, match="knows no tools"):
        await client.chat("local/a", "Hi", tools=[_tool()])


async def test_pictures_are_refused(serve: Serve, client: exllm.Client) -> None:
    serve(FakeEngine())
    picture = exllm.Image(data=b"x", media_type="image/png")
    with pytest.raises(UnsupportedOption, match="text only; the messages hold Image"):
        await client.chat("local/a", exllm.Message("user", (picture,)))
