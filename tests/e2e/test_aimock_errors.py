"""Errors and faults that aimock injects: each is the right exception, and no text that had arrived is lost."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

import exllm
from exllm.providers import ProviderSpec, registry
from tests.e2e.aimock.server import KEY, Aimock

pytestmark = pytest.mark.node

MODELS = pytest.mark.parametrize(
    "model",
    [
        "openai/gpt-4.1-mini",
        "openai-responses/gpt-4.1-mini",
        "anthropic/claude-sonnet-4-5",
        "bedrock/anthropic.claude-sonnet-4-5-20250929-v1:0",
        "gemini/gemini-2.5-flash",
        "gemini-interactions/gemini-2.5-flash",
        "vertex/gemini-2.5-flash",
        "ollama/llama3.2",
        "cohere/command-a-03-2025",
        "azure/gpt-4.1-mini",
        "azure-deployments/gpt-4.1-mini",
        "openrouter/openai/gpt-4.1-mini",
    ],
)
WAYS = pytest.mark.parametrize("way", ["chat", "stream"])
CUT = "This stream is going to be cut in the middle of the text"


async def _ask(client: exllm.Client, way: str, model: str, prompt: str, **arguments: Any) -> exllm.Response:
    if way == "chat":
        return await client.chat(model, prompt, **arguments)
    async with client.stream(model, prompt, **arguments) as stream:
        return await stream.collect()


async def _fail(
    aimock: Aimock, way: str, model: str, prompt: str, *, max_tokens: int = 500, **arguments: object
) -> exllm.ExLLMError:
    """The error that `prompt` leads to."""
    async with aimock.client(**arguments) as client:
        ask = _ask(client, way, model, prompt, max_tokens=max_tokens)
        with pytest.raises(exllm.ExLLMError) as caught:
            await ask
    error = caught.value
    assert (error.provider, error.model) == tuple(model.split("/", 1))
    return error


# -- error answers


@pytest.mark.shows("errors")
@MODELS
@WAYS
@pytest.mark.parametrize(
    ("prompt", "kind", "status", "message", "is_retryable"),
    [
        ("wrong request", exllm.InvalidRequest, 400, "No such field", False),
        ("wrong key", exllm.AuthenticationError, 401, "No such key", False),
        ("wrong model", exllm.NotFound, 404, "No such model", False),
        ("too fast", exllm.RateLimited, 429, "Slow down", True),
        ("break down", exllm.ServerError, 500, "Something broke", True),
        ("drop", exllm.ServerError, 500, "Chaos: request dropped", True),
        ("too busy", exllm.Overloaded, 529, "Overloaded", True),
    ],
)
async def test_an_error_answer_is_the_right_exception_with_its_facts(
    aimock: Aimock, model: str, way: str, prompt: str,
    kind: type[exllm.ExLLMError], status: int, message: str, is_retryable: bool,
) -> None:  # fmt: skip
    error = await _fail(aimock, way, model, prompt)
    assert type(error) is kind
    assert (error.status, error.message, error.retryable) == (status, message, is_retryable)
    assert error.request_id
    assert error.partial is None


@MODELS
@WAYS
async def test_a_rate_limit_says_how_long_to_wait(aimock: Aimock, model: str, way: str) -> None:
    assert (await _fail(aimock, way, model, "too fast")).retry_after_s == 7


@MODELS
@WAYS
async def test_a_request_that_failed_before_its_answer_is_sent_again(aimock: Aimock, model: str, way: str) -> None:
    """aimock counts the requests for one fixture per test id, here one for each model and way."""
    provider = model.split("/")[0]
    spec = registry.get(provider)
    assert isinstance(spec, ProviderSpec)
    name = f"again-{provider}-{way}"
    registry.register(msgspec.structs.replace(spec, name=name, aliases=(), headers={**spec.headers, "x-test-id": name}))
    try:
        async with aimock.client(retry=exllm.RetryPolicy(attempts=2, base_s=0.01)) as client:
            to = {"api_key": KEY, "base_url": aimock.base_url(provider), "max_tokens": 50}
            reply = await _ask(client, way, f"{name}/m", "impatient", **to)
    finally:
        registry.unregister(name)
    assert reply.text == "Now it is your turn."
    if reply.stats is not None:
        assert reply.stats.attempts == 2


# -- answers that break off


@MODELS
@pytest.mark.parametrize("prompt", ["cut by chunks", "cut by time"])
async def test_a_stream_cut_short_is_an_error_that_holds_what_had_come(aimock: Aimock, model: str, prompt: str) -> None:
    seen = ""

    async def read() -> None:
        nonlocal seen
        async for text in stream.text():
            seen += text

    async with aimock.client() as client, client.stream(model, prompt) as stream:
        with pytest.raises(exllm.StreamInterrupted) as caught:
            await read()
    error = caught.value
    assert seen
    assert seen != CUT
    assert CUT.startswith(seen)
    assert error.partial is not None
    assert (error.partial.text, error.partial.finish_reason) == (seen, None)
    assert error.partial.usage.provenance != "reported"
    assert stream.response.text == seen


@MODELS
@WAYS
async def test_a_connection_closed_without_an_answer_is_a_failed_connection(
    aimock: Aimock, model: str, way: str
) -> None:
    error = await _fail(aimock, way, model, "hang up")
    assert type(error) is exllm.ConnectionFailed
    assert error.retryable
    assert error.partial is None


@MODELS
async def test_a_stream_cut_before_its_first_byte_is_a_failed_connection(aimock: Aimock, model: str) -> None:
    assert type(await _fail(aimock, "stream", model, "cut at once")) is exllm.ConnectionFailed


@MODELS
@WAYS
async def test_an_answer_that_is_no_json_is_a_protocol_error(aimock: Aimock, model: str, way: str) -> None:
    error = await _fail(aimock, way, model, "garble")
    assert type(error) is exllm.ProtocolError
    assert not error.retryable
    assert "malformed" in error.message


# -- time


@MODELS
async def test_a_late_first_chunk_trips_its_limit(aimock: Aimock, model: str) -> None:
    error = await _fail(aimock, "stream", model, "late", timeout=exllm.Timeouts(first_chunk=0.2))
    assert type(error) is exllm.FirstChunkTimeout
    assert error.partial is None


@MODELS
async def test_a_silence_in_the_middle_trips_its_limit_and_keeps_the_text(aimock: Aimock, model: str) -> None:
    error = await _fail(aimock, "stream", model, "slow", timeout=exllm.Timeouts(first_chunk=5, idle=0.3))
    assert type(error) is exllm.IdleTimeout


@MODELS
async def test_the_whole_call_has_a_limit(aimock: Aimock, model: str) -> None:
    assert type(await _fail(aimock, "stream", model, "slow", timeout=0.4)) is exllm.TotalTimeout


@MODELS
async def test_an_answer_at_the_pace_of_a_model_arrives_piece_by_piece(aimock: Aimock, model: str) -> None:
    async with aimock.client() as client, client.stream(model, "at a walk") as stream:
        assert (await stream.collect()).text == "One step after the other."
    stats = stream.stats
    assert stats.first_chunk_s is not None
    assert stats.duration_s is not None
    assert stats.first_chunk_s >= 0.1  # aimock waits 120 ms, give or take a fifth, before the first piece
    assert stats.duration_s >= stats.first_chunk_s + 0.03  # and 20 ms before each of the others
