"""Streams of a real model: the same text as chat, paused, and given up."""

from __future__ import annotations

import asyncio
import contextlib
import math
import threading
import time
from pathlib import Path
from typing import Any

import pytest

import exllm
from exllm.local.engine import Aborted
from exllm.local.llama_engine import LlamaEngine
from exllm.local.loader import Loader
from exllm.local.settings import LoadOptions, Sampling
from exllm.local.worker import HANDOFF_ITEMS
from tests.local.real.prompts import PROMPTS
from tests.local.waiting import local_threads, still, until

pytestmark = pytest.mark.local


# -- streams


@pytest.mark.parametrize("prompt", PROMPTS)
async def test_the_stream_gives_what_chat_gives(client: exllm.Client, model: str, prompt: str) -> None:
    whole = await client.chat(model, prompt, temperature=0, max_tokens=50)
    async with client.stream(model, prompt, temperature=0, max_tokens=50) as stream:
        texts = [text async for text in stream.text()]
    assert "".join(texts) == whole.text
    assert stream.response.usage == whole.usage
    assert len(texts) > 1 or len(whole.text) < 8


async def test_the_same_seed_gives_the_same_text_and_another_seed_another(client: exllm.Client, model: str) -> None:
    async def text(seed: int) -> str:
        return (await client.chat(model, PROMPTS[0], temperature=1.0, seed=seed, max_tokens=40)).text

    assert await text(1) == await text(1)
    assert len({await text(seed) for seed in range(2, 8)}) > 1


async def test_a_full_ring_pauses_generation(model: str, loader: Loader) -> None:
    async with exllm.Client(ring_capacity=8) as client:
        await client.chat(model, "Hello!", max_tokens=1)
        engine: Any = loader._models[0].engine
        options: dict[str, Any] = {"seed": 3, "max_tokens": 300, "logit_bias": _never_ending(loader)}
        async with client.stream(model, PROMPTS[0], **options) as stream:
            await until(lambda: stream.stats.ring_high_water == 8)
            evaluated = await still(lambda: len(engine._evaluated))
            prompt_tokens = stream.response.usage.input_tokens
            assert prompt_tokens is not None
            assert evaluated - prompt_tokens <= 8 + HANDOFF_ITEMS + 8  # a chunk may be several tokens of one character
            text = "".join([piece async for piece in stream.text()])
        assert text == (await client.chat(model, PROMPTS[0], **options)).text
        assert stream.stats.paused_s > 0


def _never_ending(loader: Loader) -> dict[str, float]:
    """A bias against all tokens that end an answer."""
    engine: Any = loader._models[0].engine
    return {str(token): -math.inf for token in range(engine._vocabulary_tokens) if engine.is_end(token)}


async def test_leaving_early_stops_within_a_token(client: exllm.Client, model: str, loader: Loader) -> None:
    await client.chat(model, "Hello!", max_tokens=1)
    engine: Any = loader._models[0].engine
    options: dict[str, Any] = {"logit_bias": _never_ending(loader), "max_tokens": 900}
    async with client.stream(model, PROMPTS[0], **options) as stream:
        async for _ in stream.text():
            break
    assert not local_threads()
    evaluated = len(engine._evaluated)
    assert evaluated < 700
    await asyncio.sleep(0.05)
    assert len(engine._evaluated) == evaluated


def test_a_long_prompt_is_given_up_in_the_middle_of_a_batch(real_model: Path) -> None:
    engine = LlamaEngine(real_model, LoadOptions(n_batch=1000))
    try:
        prompt = list(range(300, 1200))
        begun = time.perf_counter()
        engine.begin(prompt, Sampling())
        whole_s = time.perf_counter() - begun
        timer = threading.Timer(whole_s / 10, engine.abort)
        timer.start()
        with pytest.raises(Aborted):
            _evaluate_for_ever(engine, prompt)
        timer.join()
        assert not engine._evaluated  # the one batch that there was did not end
        engine.clear_abort()
        engine.begin(prompt, Sampling())
        assert len(engine._evaluated) == len(prompt)
    finally:
        engine.close()


def _evaluate_for_ever(engine: LlamaEngine, prompt: list[int]) -> None:
    while True:  # once is enough, unless the machine is slow to start the timer
        prompt = prompt[1:] + prompt[:1]
        engine.begin(prompt, Sampling())


async def test_the_engine_is_right_after_a_cancelled_prompt(client: exllm.Client, model: str, loader: Loader) -> None:
    before = (await client.chat(model, PROMPTS[0], temperature=0, max_tokens=30)).text
    for delay_s in (0.0, 0.002, 0.01, 0.03):
        with contextlib.suppress(exllm.TotalTimeout):
            await client.chat(model, "word " * 900, max_tokens=5, timeout=delay_s or 1e-6)
        assert (await client.chat(model, PROMPTS[0], temperature=0, max_tokens=30)).text == before
