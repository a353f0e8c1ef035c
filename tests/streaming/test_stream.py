from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncGenerator

import msgspec
import pytest

import exllm
from exllm.testing import MockProvider, Wait
from tests.faults.dialects import DIALECTS, TEXT, Dialect
from tests.faults.expect import served

SCRIPT = [exllm.Reasoning("hm"), "One ", exllm.TextDelta("two "), exllm.ToolCall("1", "f", "{}"), "three."]


@pytest.fixture
async def client() -> AsyncGenerator[exllm.Client, None]:
    async with exllm.Client() as client:
        yield client


# -- iterating


async def test_nothing_is_asked_before_the_first_step(client: exllm.Client) -> None:
    with MockProvider() as mock:
        stream = client.stream("mock", "Hi")
        texts = stream.text()
        await asyncio.sleep(0.01)
        assert not mock.requests
        await anext(texts)
        assert len(mock.requests) == 1
        await stream.aclose()


async def test_all_ways_to_iterate_share_one_position(client: exllm.Client) -> None:
    with MockProvider("a b c d e f"):
        async with client.stream("mock", "Hi") as stream:
            assert isinstance(await anext(stream), exllm.StreamStart)
            async for text in stream.text():
                assert text == "a"
                break
            async for chunk in stream:
                assert chunk.text == " b"
                break
            async for batch in stream.batches(max_size=1):
                assert [chunk.text for chunk in batch] == [" c"]
                break
            assert [text async for text in stream.text()][-1] == " f"


async def test_a_stream_that_is_over_stays_over(client: exllm.Client) -> None:
    with MockProvider("a"):
        async with client.stream("mock", "Hi") as stream:
            assert [chunk async for chunk in stream]
            assert [chunk async for chunk in stream] == []
            assert [text async for text in stream.text()] == []
            with pytest.raises(StopAsyncIteration):
                await anext(stream)
        assert (await stream.collect()).text == "a"


async def test_text_is_that_of_the_first_choice_and_never_empty(client: exllm.Client) -> None:
    script = [exllm.TextDelta("a"), exllm.TextDelta("x", index=1), exllm.TextDelta(""), exllm.TextDelta("b")]
    with MockProvider(script):
        async with client.stream("mock", "Hi") as stream:
            assert [text async for text in stream.text()] == ["a", "b"]
        assert [choice.message.text for choice in stream.response.choices] == ["ab", "x"]


async def test_events_are_server_sent_events_that_end_with_the_response(client: exllm.Client) -> None:
    with MockProvider(SCRIPT):
        async with client.stream("mock", "Hi") as stream:
            events = [event async for event in stream.events()]
    frames = [event.decode().removesuffix("\n\n").split("\n") for event in events]
    assert all(len(frame) == 2 and event.endswith(b"\n\n") for frame, event in zip(frames, events, strict=True))
    names = [frame[0].removeprefix("event: ") for frame in frames]
    assert names[0] == "stream_start"
    assert names[-2:] == ["finish", "response"]
    *datas, last = [frame[1].removeprefix("data: ").encode() for frame in frames]
    chunks = [msgspec.json.decode(data, type=exllm.Chunk) for data in datas]
    assert "".join(chunk.text for chunk in chunks) == stream.response.text
    assert msgspec.json.decode(last, type=exllm.Response) == stream.response


async def test_a_failure_is_the_last_event_and_does_not_raise(client: exllm.Client) -> None:
    with MockProvider(["a", exllm.Overloaded("no\nroom")]):
        async with client.stream("mock", "Hi") as stream:
            events = [event async for event in stream.events()]
    assert events[-1] == b'event: error\ndata: {"type":"Overloaded","message":"no\\nroom","retryable":true}\n\n'
    assert isinstance(stream.error, exllm.Overloaded)


# -- results


async def test_the_response_grows_and_is_final_at_the_end(client: exllm.Client) -> None:
    with MockProvider("a b"):
        async with client.stream("mock/m", "Hi") as stream:
            await anext(stream)
            assert stream.response.finish_reason is None
            await stream.collect()
            final = stream.response
        assert final.finish_reason == "stop"
        assert (final.text, final.model, final.provider) == ("a b", "m", "mock")
        assert stream.response == final
        assert stream.response.stats == stream.stats


async def test_without_accumulation_no_content_is_kept(client: exllm.Client) -> None:
    with MockProvider(SCRIPT):
        async with client.stream("mock", "Hi", accumulate=False) as stream:
            assert "".join([text async for text in stream.text()]) == "One two three."
        assert stream.response.parts == ()
        assert stream.response.finish_reason == "tool_calls"
        assert stream.response.usage.output_tokens


async def test_the_figures_tell_where_the_time_went(client: exllm.Client) -> None:
    with MockProvider([Wait(0.1), "a ", Wait(0.1), "b"], usage=exllm.Usage(1, 10, 11, provenance="reported")):
        async with client.stream("mock", "Hi") as stream:
            async for _ in stream.text():
                await asyncio.sleep(0.15)
    stats = stream.stats
    assert stats.first_chunk_s is not None
    assert stats.duration_s is not None
    assert 0.09 < stats.first_chunk_s < stats.duration_s
    assert stats.waiting_for_network_s > 0.09
    assert stats.waiting_for_consumer_s > 0.09
    assert stats.chunks == 5
    assert stats.attempts == 1
    assert stats.dropped == 0
    assert stats.inter_chunk_p50_s is not None
    assert stats.inter_chunk_p95_s is not None
    assert stats.inter_chunk_p50_s <= stats.inter_chunk_p95_s


@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.provider)
async def test_the_providers_own_object_is_kept_on_request(dialect: Dialect) -> None:
    async with served(dialect, dialect.reply()) as (_, client):
        async with client.stream(dialect.name, "Hi", include_raw=True) as stream:
            assert isinstance((await stream.collect()).raw, dict)
        assert isinstance((await client.chat(dialect.name, "Hi", include_raw=True)).raw, dict)
        response = await client.chat(dialect.name, "Hi")
        assert response.raw is None
        assert response.text == TEXT
        assert response.request_id == "req-7"


# -- failing


async def test_what_came_before_a_failure_is_handed_out_first(client: exllm.Client) -> None:
    with MockProvider(["a b c", exllm.ServerError("broke")]):
        async with client.stream("mock", "Hi") as stream:
            await asyncio.sleep(0.01)  # the failure is known before anybody has read
            seen = []
            with pytest.raises(exllm.ServerError) as caught:  # noqa: PT012
                async for text in stream.text():
                    seen.append(text)  # noqa: PERF401
            assert "".join(seen) == "a b c"
            with pytest.raises(exllm.ServerError) as again:
                await anext(stream)
        assert again.value is caught.value is stream.error


async def test_a_failure_before_the_answer_is_raised_on_entering() -> None:
    config = exllm.config.Static({dialect.provider: dict(dialect.settings) for dialect in DIALECTS})
    async with exllm.Client(config=config, retry=exllm.RetryPolicy(attempts=1)) as client:
        for dialect in DIALECTS:
            with pytest.raises(exllm.ConnectionFailed):
                # A key of the form that IBM takes for a token, and not for a key to exchange.
                async with client.stream(dialect.name, "Hi", api_key="a.b.c", base_url="http://127.0.0.1:1"):
                    pytest.fail("entered")


# -- ending


async def test_an_unowned_stream_closes_itself_at_its_end(client: exllm.Client) -> None:
    with MockProvider("a b") as mock:
        stream = client.stream("mock", "Hi")
        assert "".join([chunk.text async for chunk in stream]) == "a b"
        assert mock.open_answers == 0
        assert (await client.stream("mock", "Hi").collect()).text == "a b"
        gc.collect()


async def test_a_stream_may_be_entered_after_it_was_begun(client: exllm.Client) -> None:
    with MockProvider(["a", Wait(0.01), " b"]):
        stream = client.stream("mock", "Hi")
        assert isinstance(await anext(stream), exllm.StreamStart)
        async with stream:
            assert [text async for text in stream.text()] == ["a", " b"]


async def test_a_closed_stream_cannot_be_entered(client: exllm.Client) -> None:
    with MockProvider("a"):
        stream = client.stream("mock", "Hi")
        await stream.aclose()
        with pytest.raises(exllm.StreamClosed):
            async with stream:
                await anext(stream)


async def test_a_forgotten_stream_warns(client: exllm.Client) -> None:
    with MockProvider(["a", Wait(30)]) as mock:
        stream = client.stream("mock", "Hi")
        await anext(stream)
        with pytest.warns(ResourceWarning, match="abandoned"):
            del stream
        await asyncio.sleep(0.01)
        assert mock.open_answers == 0
