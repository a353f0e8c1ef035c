"""Embeddings of local models, over a scripted engine that counts letters."""

from __future__ import annotations

import asyncio
import threading

import pytest

import exllm
from exllm.local.settings import LoadOptions
from tests.local.fake_engine import FakeEngine, Serve, Shelf
from tests.local.waiting import local_threads, until

RAW = {"normalize": False}


async def test_each_text_has_a_vector_in_the_order_of_the_texts(serve: Serve, client: exllm.Client) -> None:
    serve(FakeEngine())
    reply = await client.embed("local/a", ["aab", "c", "abc" * 20], extra=RAW)
    assert reply.vectors == [[2, 1, 0], [0, 0, 1], [20, 20, 20]]
    assert (reply.provider, reply.model, reply.cost.total) == ("local", "a", 0.0)
    assert reply.usage == exllm.Usage(input_tokens=64, total_tokens=64, provenance="reported")


async def test_vectors_are_of_length_one_unless_told_otherwise(serve: Serve, client: exllm.Client) -> None:
    serve(FakeEngine())
    reply = await client.embed("local/a", ["aaabbbb", "ddd"])
    assert reply.vectors[0] == pytest.approx([0.6, 0.8, 0.0])
    assert reply.vectors[1] == [0.0, 0.0, 0.0]


async def test_more_texts_than_are_handed_over_at_once(serve: Serve, client: exllm.Client) -> None:
    serve(FakeEngine())
    reply = await client.embed("local/a", ["a" * number for number in range(1, 200)], extra=RAW)
    assert [vector[0] for vector in reply.vectors] == list(range(1, 200))


async def test_a_model_is_loaded_for_it_apart_from_the_one_that_chats(
    serve: Serve, shelf: Shelf, client: exllm.Client
) -> None:
    serve(FakeEngine())
    await client.chat("local/a", "Hi")
    await client.embed("local/a", "a")
    await client.embed("local/a", "b", extra={"n_ctx": 512})
    await client.embed("local/a", "c")
    await client.chat("local/a", "Hi")
    assert shelf.options == [LoadOptions(), LoadOptions(embedding=True), LoadOptions(embedding=True, n_ctx=512)]


async def test_what_is_loaded_to_embed_does_not_count_tokens_for_chat(serve: Serve, client: exllm.Client) -> None:
    serve(FakeEngine())
    await client.embed("local/a", "a")
    loaded = [model for model in await exllm.providers.get("local").loader.list_models() if model.loaded]  # type: ignore[union-attr]
    assert [model.options.embedding for model in loaded] == [True]
    assert await exllm.providers.get("local").loader.acquire_loaded("a") is None  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"dimensions": 3}, "local takes no dimensions"),
        ({"task_type": "query"}, "local takes no task_type"),
        ({"encoding_format": "int8"}, r"float \| base64, got 'int8'"),
    ],
)
async def test_what_a_local_model_cannot_take_is_said(
    serve: Serve, shelf: Shelf, client: exllm.Client, options: dict[str, object], words: str
) -> None:
    serve(FakeEngine())
    with pytest.raises(exllm.UnsupportedOption, match=words):
        await client.embed("local/a", "a", **options)  # type: ignore[arg-type]
    assert not shelf.opened


async def test_what_it_cannot_take_is_dropped_on_request(serve: Serve, client: exllm.Client) -> None:
    serve(FakeEngine())
    async with exllm.Client(drop_unsupported=True) as dropping:
        reply = await dropping.embed("local/a", "a", dimensions=3, encoding_format="base64")
    assert reply.warnings == ("local takes no dimensions; it was dropped",)


async def test_a_wrong_setting_is_told_with_those_there_are(serve: Serve, client: exllm.Client) -> None:
    serve(FakeEngine())
    for wrong in ("normalise", "temperature", "embedding"):
        with pytest.raises(exllm.InvalidRequest, match=f"no setting '{wrong}'"):
            await client.embed("local/a", "a", extra={wrong: True})
    with pytest.raises(exllm.InvalidRequest, match="no setting 'embedding'"):
        await client.chat("local/a", "a", extra={"embedding": True})
    with pytest.raises(exllm.InvalidRequest, match="pooling_type"):
        await client.embed("local/a", "a", extra={"pooling_type": "max"})


async def test_a_text_that_does_not_fit_is_named_and_nothing_is_embedded(serve: Serve, client: exllm.Client) -> None:
    engine = serve(FakeEngine(context_tokens=4))
    with pytest.raises(exllm.ContextLengthExceeded, match=r"inputs\[1\] is 5 tokens and the context is 4") as caught:
        await client.embed("local/a", ["aaaa", "aaaaa"])
    assert (caught.value.provider, caught.value.model) == ("local", "a")
    with pytest.raises(exllm.InvalidRequest, match=r"inputs\[0\] holds nothing"):
        await client.embed("local/a", "")
    assert engine.generated == 0


async def test_calls_for_one_model_wait_for_their_turn(serve: Serve, client: exllm.Client) -> None:
    serve(FakeEngine(step=lambda: threading.Event().wait(0.001)))  # it asserts that it is alone
    replies = await asyncio.gather(*(client.embed("local/a", ["a" * number] * 5, extra=RAW) for number in range(1, 6)))
    assert [reply.vectors[4][0] for reply in replies] == [1, 2, 3, 4, 5]


async def test_giving_up_ends_the_thread_and_frees_the_model(serve: Serve, client: exllm.Client) -> None:
    engine = FakeEngine()
    engine.step = engine.wait_for_abort
    serve(engine)
    with pytest.raises(exllm.TotalTimeout):
        await client.embed("local/a", ["a"] * 100, timeout=0.1)
    task = asyncio.create_task(client.embed("local/a", ["a"] * 100))
    await until(lambda: bool(local_threads()))
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not local_threads()
    engine.step = None
    assert len((await client.embed("local/a", ["a"] * 3)).vectors) == 3
    assert engine.generated == 3
