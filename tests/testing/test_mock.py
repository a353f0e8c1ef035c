from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncGenerator, Iterator

import pytest

import exllm
from exllm.providers.mock import SENTENCE
from exllm.testing import MockProvider, Wait


@pytest.fixture
async def client() -> AsyncGenerator[exllm.Client, None]:
    async with exllm.Client() as client:
        yield client


async def chunks_of(mock: MockProvider, **options: object) -> tuple[list[exllm.Chunk], exllm.Response]:
    with mock:
        async with exllm.Client() as client, client.stream(mock.name, "Hi there", **options) as stream:  # type: ignore[arg-type]
            return [chunk async for chunk in stream], stream.response


@pytest.mark.shows("chat", "stream", "usage", providers=("mock",), by="itself")
async def test_without_configuration_it_answers_with_a_fixed_sentence_word_by_word(client: exllm.Client) -> None:
    async with client.stream("mock/anything", "Hi") as stream:
        texts = [text async for text in stream.text()]
    assert "".join(texts) == SENTENCE
    assert len(texts) == len(SENTENCE.split())
    assert stream.response.finish_reason == "stop"
    assert stream.response.model == "anything"
    assert (await client.chat("mock", "Hi")).text == SENTENCE


async def test_an_application_is_tested_in_three_lines() -> None:
    with MockProvider("Paris.", name="openai") as mock:
        reply = await exllm.chat("openai/gpt-4.1-mini", "What is the capital of France?", temperature=0)
    assert reply.text == "Paris."
    assert mock.requests[0].options.temperature == 0
    assert mock.requests[0].messages[0].text == "What is the capital of France?"


def test_it_takes_the_place_of_a_provider_and_gives_it_back() -> None:
    before = exllm.providers.get("openai")
    own = exllm.providers.register({"name": "acme", "wire": "openai_chat", "base_url": "https://acme.example/v1"})
    try:
        with MockProvider(name="openai") as outer, MockProvider(name="acme"), MockProvider(name="openai") as inner:
            assert exllm.providers.get("openai") is inner
            assert exllm.providers.get("acme") is not own
            del outer
        assert exllm.providers.get("openai") is before
        assert exllm.providers.get("acme") is own
    finally:
        exllm.providers.unregister("acme")


async def test_text_keeps_its_white_space() -> None:
    text = "  two  spaces,\na line\n\n and a tail \n"
    _, response = await chunks_of(MockProvider(text))
    assert response.text == text


async def test_an_empty_answer_is_an_answer() -> None:
    chunks, response = await chunks_of(MockProvider(""))
    assert [type(chunk) for chunk in chunks] == [exllm.StreamStart, exllm.UsageUpdate, exllm.Finish]
    assert response.text == ""


@pytest.mark.shows("tools", providers=("mock",), by="itself")
async def test_tool_calls_come_in_fragments_and_say_why_the_answer_ended() -> None:
    first = exllm.ToolCall("1", "weather", '{"city": "Oslo", "days": 3}')
    second = exllm.ToolCall("2", "time")
    chunks, response = await chunks_of(MockProvider(["Let me look. ", first, second]))
    assert response.tool_calls == (first, second)
    assert response.text == "Let me look. "
    assert response.finish_reason == "tool_calls"
    assert sum(isinstance(chunk, exllm.ToolCallDelta) for chunk in chunks) > 4


@pytest.mark.shows("reasoning", providers=("mock",), by="itself")
async def test_reasoning_and_refusal_become_their_parts() -> None:
    thought = exllm.Reasoning("I should not.", signature="s1")
    _, response = await chunks_of(MockProvider([thought, exllm.Refusal("No, thank you.")]))
    assert response.parts == (thought, exllm.Refusal("No, thank you."))
    assert response.finish_reason == "refusal"


async def test_a_response_is_answered_again() -> None:
    with MockProvider([exllm.Reasoning("hm"), "Hello ", exllm.ToolCall("1", "f", "{}")]):
        recorded = await exllm.chat("mock/m", "x")
    _, response = await chunks_of(MockProvider(recorded))
    assert response.choices == recorded.choices
    assert response.usage == recorded.usage


async def test_several_choices_of_a_response_all_come() -> None:
    choices = tuple(
        exllm.Choice(exllm.Message("assistant", text), index, "stop") for index, text in enumerate(("one", "two"))
    )
    _, response = await chunks_of(MockProvider(exllm.Response(choices)))
    assert [choice.message.text for choice in response.choices] == ["one", "two"]


async def test_scripted_chunks_are_handed_out_as_they_are() -> None:
    script = [
        exllm.StreamStart("id-1", "m"),
        exllm.TextDelta("a"),
        exllm.TextDelta("b", index=1),
        exllm.UsageUpdate(exllm.Usage(1, 2, 3, provenance="reported")),
        exllm.Finish("length"),
        exllm.Finish("stop", 1),
    ]
    chunks, response = await chunks_of(MockProvider(script))
    assert chunks == script
    assert response.finish_reason == "length"


async def test_usage_is_counted_in_words_unless_given() -> None:
    _, counted = await chunks_of(MockProvider("three words here"))
    assert counted.usage == exllm.Usage(2, 3, 5, provenance="reported")
    given = exllm.Usage(7, 8, 15, provenance="reported")
    _, fixed = await chunks_of(MockProvider("x", usage=given))
    assert fixed.usage == given
    _, scripted = await chunks_of(MockProvider(["x", given], usage=exllm.Usage()))
    assert scripted.usage == given
    assert scripted.cost.total == 0.0


async def test_delays_hold_back_what_follows(client: exllm.Client) -> None:
    loop = asyncio.get_running_loop()
    with MockProvider(["now ", Wait(0.05), "later"]):
        async with client.stream("mock", "Hi") as stream:
            started = loop.time()
            texts = [(text, loop.time() - started) async for text in stream.text()]
    assert texts[1][1] >= 0.05
    with MockProvider("a b c", delay_s=0.01):
        started = loop.time()
        await client.chat("mock", "Hi")
        assert loop.time() - started >= 0.05


@pytest.mark.parametrize("words", [1, 2, 3])
async def test_an_error_after_so_many_words_carries_them(client: exllm.Client, words: int) -> None:
    said = " ".join(["one", "two", "three"][:words])
    with MockProvider([said, exllm.ServerError("broke")]):
        with pytest.raises(exllm.ServerError) as caught:
            async with client.stream("mock/m", "Hi") as stream:
                await stream.collect()
        assert caught.value.partial is not None
        assert caught.value.partial.text == said
        assert caught.value.partial.finish_reason is None
        with pytest.raises(exllm.ServerError):
            await exllm.Client(retry=exllm.RetryPolicy(attempts=1)).chat("mock/m", "Hi")


@pytest.mark.shows("errors", providers=("mock",), by="itself")
async def test_an_error_before_the_first_chunk_is_retried_by_turns() -> None:
    policy = exllm.RetryPolicy(attempts=3, base_s=0.001)
    for way in ("chat", "stream"):
        mock = MockProvider(exllm.RateLimited("wait"), exllm.Overloaded("busy"), "Hello!")
        with mock:
            async with exllm.Client(retry=policy) as client:
                if way == "chat":
                    response = await client.chat("mock", "Hi")
                else:
                    async with client.stream("mock", "Hi") as stream:
                        response = await stream.collect()
        assert response.text == "Hello!"
        assert len(mock.requests) == 3


async def test_an_error_is_a_fresh_one_each_time(client: exllm.Client) -> None:
    error = exllm.InvalidRequest("no", status=400)
    seen = []
    with MockProvider(error):
        for _ in range(2):
            with pytest.raises(exllm.InvalidRequest) as caught:
                await client.chat("mock/m", "Hi")
            seen.append(caught.value)
    assert seen[0] is not seen[1]
    assert error.provider is None
    assert seen[0].status == 400


async def test_a_foreign_exception_leaves_as_one_of_ours_with_its_cause(client: exllm.Client) -> None:
    with MockProvider(["some ", ValueError("odd")]):
        with pytest.raises(exllm.ProtocolError) as streamed:
            async with client.stream("mock/m", "Hi") as stream:
                await stream.collect()
        with pytest.raises(exllm.ProtocolError) as whole:
            await client.chat("mock/m", "Hi")
    for caught in (streamed.value, whole.value):
        assert isinstance(caught.__cause__, ValueError)
        assert caught.provider == "mock"
        assert not caught.retryable


async def test_handlers_see_the_request_and_may_be_of_any_kind(client: exllm.Client) -> None:
    def plain(request: exllm.Request) -> str:
        return request.messages[-1].text.upper()

    async def waiting(request: exllm.Request) -> list[exllm.Chunk | str]:
        await asyncio.sleep(0)
        return ["you said ", request.messages[-1].text]

    def generator(request: exllm.Request) -> Iterator[str]:
        yield from ("a ", "b ", request.model)

    async def stepping(request: exllm.Request) -> AsyncGenerator[str, None]:
        yield "one "
        await asyncio.sleep(0)
        yield "two"

    for handler, expected in ((plain, "HI"), (waiting, "you said hi"), (generator, "a b m"), (stepping, "one two")):
        with MockProvider(handler):
            assert (await client.chat("mock/m", "hi")).text == expected
            async with client.stream("mock/m", "hi") as stream:
                assert (await stream.collect()).text == expected


async def test_answers_come_in_turn_and_the_last_one_stays(client: exllm.Client) -> None:
    with MockProvider(exllm.ToolCall("1", "weather", "{}"), "It rains.") as mock:
        assert (await client.chat("mock", "Weather?")).tool_calls[0].name == "weather"
        assert [(await client.chat("mock", "And?")).text for _ in range(2)] == ["It rains.", "It rains."]
        mock.answer("New.")
        assert (await client.chat("mock", "Now?")).text == "New."
    assert [request.messages[0].text for request in mock.requests] == ["Weather?", "And?", "And?", "Now?"]


async def test_an_early_break_closes_the_answer(client: exllm.Client) -> None:
    with MockProvider(["a b c ", Wait(30), "d"]) as mock:
        async with client.stream("mock", "Hi") as stream:
            async for _ in stream.text():
                assert mock.open_answers == 1
                break
        assert mock.open_answers == 0


async def test_options_that_it_was_told_not_to_take_are_refused_or_dropped() -> None:
    with MockProvider(options={"temperature"}) as mock:
        async with exllm.Client() as client:
            with pytest.raises(exllm.UnsupportedOption):
                await client.chat("mock", "Hi", seed=1)
        assert not mock.requests
        async with exllm.Client(drop_unsupported=True) as client:
            whole = await client.chat("mock", "Hi", seed=1, temperature=1)
            async with client.stream("mock", "Hi", seed=1, temperature=1) as stream:
                streamed = await stream.collect()
        assert len(whole.warnings) == 1
        assert "seed" in whole.warnings[0]
        assert streamed.warnings == whole.warnings
        assert mock.requests[0].options == exllm.Options(temperature=1)


@pytest.mark.parametrize("answer", [object(), 5, lambda request: None, ["a", 5]])
async def test_an_answer_that_makes_no_sense_is_an_error(client: exllm.Client, answer: object) -> None:
    with MockProvider(answer), pytest.raises(exllm.ExLLMError):  # type: ignore[arg-type]
        await client.chat("mock", "Hi")


def test_exllm_testing_needs_no_pytest() -> None:
    code = "import sys; sys.modules['pytest'] = None; import exllm.testing; exllm.testing.MockProvider('x')"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
