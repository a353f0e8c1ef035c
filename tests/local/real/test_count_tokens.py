"""`Client.count_tokens` of a local model is what the call then reports."""

from __future__ import annotations

import pytest

import exllm

pytestmark = pytest.mark.local


async def test_the_count_is_the_usage_of_the_call(client: exllm.Client, model: str) -> None:
    messages = [exllm.Message("system", "Be terse."), exllm.Message("user", "What is exllm? Wie heißt du? 日本")]
    count = await client.count_tokens(model, messages)
    response = await client.chat(model, messages, max_tokens=1)
    assert (count.tokens, count.how, count.is_exact) == (response.usage.input_tokens, "local", True)
    assert (await client.count_tokens(model, messages, local=True)).how == "estimate"
