"""Backpressure, leaving early, ownership of threads, over a scripted engine."""

from __future__ import annotations

import asyncio
import gc

import pytest

import exllm
from exllm.errors import StreamClosed
from exllm.local.provider import LocalProvider
from exllm.local.worker import HANDOFF_ITEMS
from tests.local.fake_engine import LONG, FakeEngine, Serve, Shelf
from tests.local.waiting import local_threads, still, until

# -- backpressure


async def test_a_full_ring_pauses_generation(serve: Serve, provider: LocalProvider) -> None:
    engine = serve(FakeEngine(LONG, is_endless=True))
    async with exllm.Client(ring_capacity=10) as client, client.stream("local/a", "Hi", max_tokens=500) as stream:
        await until(lambda: stream.stats.ring_high_water == 10)
        ahead = await still(lambda: engine.generated)
        assert ahead <= 10 + HANDOFF_ITEMS + 2  # one in the pump's hand, one in the thread's
        texts = [chunk.text async for chunk in stream]
    assert "".join(texts) == "word " * 500
    assert stream.stats.paused_s > 0
    await provider.loader.aclose()


# -- leaving early


async def test_leaving_a_stream_stops_generation_and_its_thread_before_control_returns(
    serve: Serve, client: exllm.Client
) -> None:
    engine = serve(FakeEngine(LONG, is_endless=True))
    async with client.stream("local/a", "Hi") as stream:
        async for _ in stream.text():
            break
    assert not local_threads()
    generated = engine.generated
    assert generated <= 256 + HANDOFF_ITEMS + 2
    assert (await client.chat("local/a", "Hi", max_tokens=2)).text == "word word "


async def test_cancelling_in_the_middle_of_a_token_does_not_wait_for_the_next(
    serve: Serve, client: exllm.Client
) -> None:
    engine = FakeEngine(LONG, is_endless=True)

    def step() -> None:
        if engine.generated == 3:
            engine.wait_for_abort()

    engine.step = step
    serve(engine)

    async def read() -> None:
        async with client.stream("local/a", "Hi") as stream:
            await stream.collect()

    reading = asyncio.create_task(read())
    await until(lambda: engine.generated == 3)
    reading.cancel()
    await asyncio.wait([reading])
    assert reading.cancelled()
    assert engine.generated == 3
    assert not local_threads()


@pytest.mark.parametrize("is_loaded", [False, True])
async def test_a_stream_may_be_cancelled_at_any_step(
    shelf: Shelf, client: exllm.Client, provider: LocalProvider, is_loaded: bool
) -> None:
    made: list[FakeEngine] = []

    def make(_name: str) -> FakeEngine:
        made.append(FakeEngine([b"a", b"b"]))
        return made[-1]

    shelf.add("a")
    shelf._make = make

    async def read() -> str:
        async with client.stream("local/a", "Hi") as stream:
            return (await stream.collect()).text

    for steps in range(50):
        if is_loaded:
            await provider.loader.load("a")
        task = asyncio.create_task(read())
        for _ in range(steps):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled() or task.result() == "ab"
        if not is_loaded:
            await provider.loader.unload("a")
    assert (await client.chat("local/a", "Hi")).text == "ab"
    await until(lambda: not local_threads())
    (loaded,) = provider.loader._models
    assert (loaded.users, loaded.turn.waiting) == (0, 0)
    assert [engine.is_closed for engine in made] == [engine is not loaded.engine for engine in made]
    assert not any(engine.used_after_close for engine in made)


async def test_cancelling_chat_stops_generation(serve: Serve, client: exllm.Client) -> None:
    engine = serve(FakeEngine(LONG, is_endless=True, context_tokens=10**9))
    chatting = asyncio.create_task(client.chat("local/a", "Hi"))
    await until(lambda: engine.generated)
    chatting.cancel()
    await asyncio.wait([chatting])
    generated = engine.generated
    assert not local_threads()
    await asyncio.sleep(0.02)
    assert engine.generated == generated


async def test_a_time_limit_stops_generation(serve: Serve, client: exllm.Client) -> None:
    serve(FakeEngine(LONG, is_endless=True, context_tokens=10**9))
    with pytest.raises(exllm.TotalTimeout):
        await client.chat("local/a", "Hi", timeout=0.1)
    assert not local_threads()


async def test_a_local_model_may_be_silent_for_long(serve: Serve, provider: LocalProvider) -> None:
    assert provider.timeouts.first_chunk == provider.timeouts.idle == float("inf")


async def test_a_stream_that_was_forgotten_frees_the_model(serve: Serve, provider: LocalProvider) -> None:
    serve(FakeEngine(LONG, is_endless=True))
    request = exllm.Request("local", "a", (exllm.Message("user", "Hi"),))
    chunks = provider.stream(request)
    await anext(chunks)
    del chunks
    gc.collect()
    await until(lambda: not local_threads())
    await provider.loader.aclose()


def test_a_loop_that_ends_with_a_stream_open_leaves_no_thread(serve: Serve, provider: LocalProvider) -> None:
    serve(FakeEngine(LONG, is_endless=True))
    kept = []

    async def leave() -> None:
        client = exllm.Client()
        stream = client.stream("local/a", "Hi")
        kept.append((client, stream))
        await stream.__aenter__()
        await anext(stream)

    asyncio.run(leave())
    assert not local_threads()
    asyncio.run(provider.loader.aclose())


async def test_closing_the_loader_ends_answers_with_an_error(serve: Serve, provider: LocalProvider) -> None:
    engine = serve(FakeEngine(LONG, is_endless=True, context_tokens=10**9))
    async with exllm.Client() as client, client.stream("local/a", "Hi") as stream:
        await anext(stream)
        await provider.loader.aclose()
        with pytest.raises(StreamClosed, match="loader of local models was closed") as caught:
            await stream.collect()
    assert caught.value.partial is not None
    assert engine.is_closed
    assert not engine.used_after_close
    assert not local_threads()


async def test_closing_the_loader_turns_away_those_in_line(serve: Serve, provider: LocalProvider) -> None:
    engine = serve(FakeEngine(LONG, is_endless=True, context_tokens=10**9))
    await provider.loader.load("a")
    async with exllm.Client() as client:
        tasks = [asyncio.create_task(client.chat("local/a", "Hi")) for _ in range(3)]
        await until(lambda: provider.loader._models[0].turn.waiting == 2)
        await provider.loader.aclose()
        outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [StreamClosed] * 3
    assert len(engine.prompts) == 1
