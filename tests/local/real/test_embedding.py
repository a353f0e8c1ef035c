"""Embeddings of the real model, against llama-cpp-python's own."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import exllm
from exllm.local.loader import Loader
from tests.local.real.plain_weights import plain_weights

pytestmark = pytest.mark.local

TEXTS = ["Hello!", "What is exllm?", "A somewhat longer text, with a comma; and more. " * 5]


def unit(vector: list[float]) -> list[float]:
    length = math.sqrt(sum(number * number for number in vector))
    return [number / length for number in vector]


@pytest.fixture(scope="module", params=["mean", "cls", "last"])
def pooled(request: pytest.FixtureRequest, real_model: Path) -> Iterator[tuple[str, Any]]:
    """A way of pooling, and llama-cpp-python's `Llama` that pools so."""
    import llama_cpp

    kind = {"mean": 1, "cls": 2, "last": 3}[request.param]
    with plain_weights():
        made = llama_cpp.Llama(str(real_model), n_ctx=1024, embedding=True, pooling_type=kind, verbose=False)
    yield request.param, made
    made.close()


@pytest.mark.shows("embeddings", providers=("local",), by="itself")
async def test_vectors_are_llama_cpp_pythons(
    client: exllm.Client, loader: Loader, real_model: Path, pooled: tuple[str, Any]
) -> None:
    kind, oracle = pooled
    extra = {"n_ctx": 1024, "flash_attn": False, "use_extra_bufts": False, "pooling_type": kind, "normalize": False}
    reply = await client.embed(f"local/{real_model}", TEXTS, extra=extra)
    assert len(reply.vectors) == len(TEXTS)
    for text, vector in zip(TEXTS, reply.vectors, strict=True):
        theirs, tokens = oracle.embed(text, return_count=True)
        assert vector == pytest.approx(theirs, abs=1e-4)
        assert (await client.embed(f"local/{real_model}", text, extra=extra)).usage.input_tokens == tokens


async def test_a_model_made_to_chat_gives_the_mean_of_length_one(
    client: exllm.Client, loader: Loader, real_model: Path
) -> None:
    plain = await client.embed(f"local/{real_model}", TEXTS)
    mean = await client.embed(f"local/{real_model}", TEXTS, extra={"pooling_type": "mean", "normalize": False})
    assert plain.cost.total == 0.0
    for vector, raw in zip(plain.vectors, mean.vectors, strict=True):
        assert vector == pytest.approx(unit(raw), abs=1e-6)
        assert sum(number * number for number in vector) == pytest.approx(1.0, abs=1e-5)


async def test_the_order_of_texts_does_not_change_their_vectors(
    client: exllm.Client, loader: Loader, real_model: Path
) -> None:
    forth = await client.embed(f"local/{real_model}", TEXTS)
    back = await client.embed(f"local/{real_model}", TEXTS[::-1])
    for one, other in zip(forth.vectors, list(back.vectors)[::-1], strict=True):
        assert one == pytest.approx(other, abs=1e-6)


async def test_the_same_file_chats_and_embeds(client: exllm.Client, loader: Loader, real_model: Path) -> None:
    before = await client.chat(f"local/{real_model}", "Hello!", temperature=0, max_tokens=10)
    assert (await client.embed(f"local/{real_model}", "Hello!")).dimensions > 8
    after = await client.chat(f"local/{real_model}", "Hello!", temperature=0, max_tokens=10)
    assert before.text == after.text
    assert sorted(bool(model.options.embedding) for model in await loader.list_models() if model.loaded) == [
        False,
        True,
    ]


async def test_a_text_beyond_the_context_is_refused(client: exllm.Client, loader: Loader, real_model: Path) -> None:
    with pytest.raises(exllm.ContextLengthExceeded, match=r"inputs\[0\] is \d+ tokens and the context is 256"):
        await client.embed(f"local/{real_model}", "word " * 3000, extra={"n_ctx": 256})
