"""`Response.cost` of real calls over HTTP, whole and streamed."""

from __future__ import annotations

import json
from typing import Any

import pytest

import exllm
from exllm.config import Static
from tests.faults.server import FaultServer, Peer

USAGE = {"prompt_tokens": 2_000, "completion_tokens": 500, "prompt_tokens_details": {"cached_tokens": 1_024}}


def _client(url: str, provider: str = "openai") -> exllm.Client:
    return exllm.Client(config=Static({provider: {"api_key": "sk-test", "base_url": url}}))


async def _ask(model: str, answered: str, usage: dict[str, Any], *, stream: bool) -> exllm.Response:
    choice = {"index": 0, "finish_reason": "stop"}
    body = {"id": "x", "object": "chat.completion", "model": answered, "usage": usage}

    async def behave(peer: Peer) -> None:
        if stream:
            await peer.begin_stream()
            for part in (
                {"choices": [{**choice, "delta": {"role": "assistant", "content": "Hi"}}]},
                {"choices": []},
            ):
                await peer.chunk(b"data: " + json.dumps({**body, **part}).encode() + b"\n\n")
            await peer.chunk(b"data: [DONE]\n\n")
            await peer.end_stream()
        else:
            text = json.dumps({**body, "choices": [{**choice, "message": {"role": "assistant", "content": "Hi"}}]})
            await peer.head(headers=(("content-type", "application/json"), ("content-length", str(len(text)))))
            await peer.send(text.encode())

    provider = model.partition("/")[0]
    async with FaultServer(behave) as server, _client(server.url, provider) as client:
        if not stream:
            return await client.chat(model, "Hi")
        async with client.stream(model, "Hi") as running:
            return await running.collect()


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
async def test_q17_a_response_costs_what_its_usage_says_with_its_parts(stream: bool) -> None:
    cost = (await _ask("openai/gpt-4o", "gpt-4o-2024-08-06", USAGE, stream=stream)).cost
    assert cost.input == pytest.approx(976 * 2.5e-6)
    assert cost.cached_input == pytest.approx(1_024 * 1.25e-6)
    assert cost.output == pytest.approx(500 * 10e-6)
    assert cost.total == pytest.approx(0.00872)
    assert cost.source == "catalog"


async def test_the_model_that_answered_is_billed_and_the_tier_that_it_answered_in() -> None:
    cheaper = await _ask("openai/gpt-4o", "gpt-4o-mini-2024-07-18", USAGE, stream=False)
    assert cheaper.cost.total == pytest.approx(976 * 0.15e-6 + 1_024 * 0.075e-6 + 500 * 0.6e-6)
    dearer = await _ask("openai/gpt-4o", "gpt-4o", {**USAGE, "service_tier": "priority"}, stream=True)
    assert dearer.cost.total == pytest.approx(976 * 4.25e-6 + 1_024 * 2.125e-6 + 500 * 17e-6)


async def test_an_unknown_model_is_answered_without_a_cost_and_with_the_reason() -> None:
    response = await _ask("openai/gpt-99", "gpt-99", USAGE, stream=False)
    assert response.text == "Hi"
    assert response.cost.total is None
    assert response.cost.reason == "the model catalog does not know openai/gpt-99"


async def test_a_local_server_costs_nothing() -> None:
    response = await _ask("lmstudio/any", "any", USAGE, stream=True)
    assert (response.cost.total, response.cost.source) == (0.0, "local")


async def test_what_the_provider_states_goes_first() -> None:
    response = await _ask("openrouter/openai/gpt-4o", "openai/gpt-4o", {**USAGE, "cost": 0.5}, stream=True)
    assert (response.cost.total, response.cost.source) == (0.5, "provider")
