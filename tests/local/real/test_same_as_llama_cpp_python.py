"""The provider with a real model, against llama-cpp-python's own high-level interface on the same file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import exllm
from exllm.local.loader import Loader
from exllm.local.tokens import count_tokens
from exllm.testing.conformance import ProviderConformance
from tests.local.real.plain_weights import plain_weights
from tests.local.real.prompts import PROMPTS

pytestmark = pytest.mark.local


def _ask(oracle: Any, messages: list[dict[str, str]], **options: Any) -> dict[str, Any]:
    oracle.reset()
    answer: dict[str, Any] = oracle.create_chat_completion(messages, temperature=0, **options)
    return answer


# -- the same as llama-cpp-python itself


@pytest.mark.parametrize("prompt", PROMPTS)
async def test_text_and_counts_equal_llama_cpp_pythons_at_temperature_0(
    client: exllm.Client, model: str, oracle: Any, prompt: str
) -> None:
    theirs = _ask(oracle, [{"role": "user", "content": prompt}], max_tokens=60)
    ours = await client.chat(model, prompt, temperature=0, max_tokens=60)
    assert ours.text == theirs["choices"][0]["message"]["content"]
    assert ours.finish_reason == theirs["choices"][0]["finish_reason"]
    assert ours.usage.input_tokens == theirs["usage"]["prompt_tokens"]
    assert ours.usage.output_tokens == theirs["usage"]["completion_tokens"]
    assert ours.cost.total == 0.0


async def test_a_conversation_with_a_system_message_equals_llama_cpp_pythons(
    client: exllm.Client, model: str, oracle: Any
) -> None:
    messages = [
        {"role": "system", "content": "Answer in one sentence."},
        {"role": "user", "content": "Hello!"},
        {"role": "assistant", "content": "Hello! How can I help you?"},
        {"role": "user", "content": "What is exllm?"},
    ]
    theirs = _ask(oracle, messages, max_tokens=40)
    ours = await client.chat(model, messages, temperature=0, max_tokens=40)
    assert ours.text == theirs["choices"][0]["message"]["content"]
    assert ours.usage.input_tokens == theirs["usage"]["prompt_tokens"]


async def test_a_stop_sequence_cuts_where_llama_cpp_python_cuts(client: exllm.Client, model: str, oracle: Any) -> None:
    whole = (await client.chat(model, PROMPTS[0], temperature=0, max_tokens=60)).text
    stop = whole[len(whole) // 2 : len(whole) // 2 + 4]
    theirs = _ask(oracle, [{"role": "user", "content": PROMPTS[0]}], max_tokens=60, stop=[stop])
    ours = await client.chat(model, PROMPTS[0], temperature=0, max_tokens=60, stop=[stop])
    assert ours.text == theirs["choices"][0]["message"]["content"] == whole[: whole.index(stop)]
    assert ours.finish_reason == "stop"


async def test_log_probabilities_equal_llama_cpp_pythons(client: exllm.Client, model: str, real_model: Path) -> None:
    import llama_cpp

    with plain_weights():
        oracle = llama_cpp.Llama(str(real_model), n_ctx=1024, logits_all=True, verbose=False)
    try:
        theirs = _ask(
            oracle, [{"role": "user", "content": "Hello!"}], max_tokens=8, logprobs=True, top_logprobs=3
        )["choices"][0]["logprobs"]["content"]  # fmt: skip
    finally:
        oracle.close()
    ours = (await client.chat(model, "Hello!", temperature=0, max_tokens=8, logprobs=True, top_logprobs=3)).logprobs
    assert ours is not None
    assert [entry.token for entry in ours] == [entry["token"] for entry in theirs]
    for mine, its in zip(ours, theirs, strict=True):
        assert mine.logprob == pytest.approx(its["logprob"], abs=1e-3)
        assert mine.top[0].logprob >= mine.top[1].logprob >= mine.top[2].logprob
        assert mine.top[0].token == mine.token  # temperature 0


# -- counting


async def test_tokens_are_counted_as_a_call_counts_them_whether_loaded_or_not(
    client: exllm.Client, model: str, loader: Loader, oracle: Any
) -> None:
    messages = [exllm.Message("system", "Be brief."), exllm.Message("user", "Tell me about ☃.")]
    await loader.unload(model)
    cold = await count_tokens(model, messages, loader=loader)
    assert not loader._models
    called = (await client.chat(model, messages, max_tokens=1)).usage.input_tokens
    assert cold == called == await count_tokens(model, messages, loader=loader)
    text = "Once upon a time ☃"
    assert await count_tokens(model, text, loader=loader) == len(oracle.tokenize(text.encode(), False, False))
    assert await count_tokens(model, "", loader=loader) == 0


class TestConformance(ProviderConformance):
    prompt = PROMPTS[0]
    options = {"temperature": 0, "max_tokens": 30}  # noqa: RUF012
    refused_option = {"n": 2}  # noqa: RUF012
    failing_model = "local/absent"
    failing_error = exllm.NotFound

    @pytest.fixture(autouse=True)
    def _use(self, model: str) -> None:
        self.model = model
