"""What the mock embeds."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

import exllm
from exllm.testing import MockProvider


def similarity(one: Sequence[float], other: Sequence[float]) -> float:
    return sum(a * b for a, b in zip(one, other, strict=True))


@pytest.mark.shows("embeddings", providers=("mock",), by="itself")
async def test_texts_that_share_words_are_near_to_each_other() -> None:
    async with exllm.Client() as client:
        inputs = ["The cat sat on the mat.", "the CAT, on the mat, sat", "the cat and the mat", "Stock prices fell", ""]
        reply = await client.embed("mock", inputs)
    cat, same, near, far, empty = reply.vectors
    assert similarity(cat, same) == pytest.approx(1.0)
    assert similarity(cat, near) > 0.4 > abs(similarity(cat, far))
    assert len(empty) == reply.dimensions == 64
    assert all(similarity(vector, vector) == pytest.approx(1.0) for vector in reply.vectors)
    assert (reply.usage.input_tokens, reply.cost.total) == (6 + 6 + 5 + 3, 0.0)


async def test_a_vector_is_the_same_on_every_machine() -> None:
    async with exllm.Client() as client:
        reply = await client.embed("mock", "hello", dimensions=3)
    assert reply.vector == pytest.approx([0.18819, 0.68137, 0.70733], abs=1e-5)


async def test_it_takes_the_place_of_a_provider_and_remembers_what_was_asked() -> None:
    with MockProvider(name="openai") as mock:
        async with exllm.Client() as client:
            reply = await client.embed("openai/text-embedding-3-small", ["a", "b"], dimensions=8, task_type="query")
    assert (len(reply.vectors), reply.dimensions) == (2, 8)
    assert (reply.provider, reply.model) == ("openai", "text-embedding-3-small")
    (request,) = mock.embedding_requests
    assert (request.inputs, request.dimensions, request.task_type) == (("a", "b"), 8, "query")
    assert not mock.requests


async def test_vectors_can_be_given_and_errors_as_well() -> None:
    def vector(text: str) -> list[float]:
        if text == "bad":
            raise exllm.RateLimited("slow down")
        return [float(len(text)), 0.0]

    with MockProvider(name="mine", vectors=vector):
        async with exllm.Client() as client:
            assert (await client.embed("mine", ["a", "bb"])).vectors == [[1.0, 0.0], [2.0, 0.0]]
            with pytest.raises(exllm.RateLimited, match="slow down") as caught:
                await client.embed("mine", ["a", "bad"])
    assert caught.value.provider == "mine"


async def test_it_takes_its_time() -> None:
    with MockProvider(name="mine", delay_s=5):
        async with exllm.Client() as client:
            with pytest.raises(exllm.TotalTimeout):
                await client.embed("mine", "a", timeout=0.02)
