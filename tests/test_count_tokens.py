"""`Client.count_tokens` against a loopback server, and what stands in where nobody counts."""

from __future__ import annotations

import asyncio
import json
import struct
from pathlib import Path
from typing import Any

import pytest

import exllm
from exllm.config import Static
from exllm.context import estimate_tokens
from tests.faults.expect import KEY, ONCE
from tests.faults.server import FaultServer, Peer

NAMES = ("openai", "anthropic", "gemini", "groq", "openai-responses")
HELLO = [exllm.Message("user", "What is the capital of France?")]


def client_of(server: FaultServer | None = None, **more: Any) -> exllm.Client:
    url = server.url if server is not None else "http://127.0.0.1:9"
    config = Static({name: {"api_key": KEY, "base_url": url} for name in NAMES})
    return exllm.Client(**{"config": config, "retry": ONCE, **more})


async def test_the_providers_own_number_is_the_number() -> None:
    seen: list[tuple[str, str, dict[str, Any]]] = []

    async def counts(peer: Peer) -> None:
        seen.append((peer.request.method, peer.request.path, json.loads(peer.request.body)))
        await peer.answer(b'{"input_tokens": 14}')

    async with FaultServer(counts) as server, client_of(server) as client:
        count = await client.count_tokens("anthropic/claude-haiku-4-5", HELLO, tools=[{"name": "f"}], max_tokens=5)
    assert (count.tokens, count.how, count.low, count.high, count.is_exact) == (14, "provider", 14, 14, True)
    ((method, path, body),) = seen
    assert (method, path) == ("POST", "/v1/messages/count_tokens")
    assert set(body) == {"model", "messages", "tools"}


async def test_the_estimate_alone_asks_nobody_and_needs_no_key() -> None:
    async with exllm.Client(config=Static({})) as client:
        count = await client.count_tokens("anthropic/claude-haiku-4-5", HELLO, local=True)
    assert count.how == "estimate"
    assert count.low <= 14 <= count.high
    assert count.tokens == estimate_tokens("anthropic/claude-haiku-4-5", HELLO).tokens


async def test_a_refusal_is_raised_or_estimated_and_told() -> None:
    async def refuses(peer: Peer) -> None:
        await peer.answer(
            b'{"type": "error", "error": {"type": "authentication_error", "message": "invalid x-api-key"}}', status=401
        )

    async with FaultServer(refuses) as server, client_of(server) as client:
        with pytest.raises(exllm.AuthenticationError) as caught:
            await client.count_tokens("anthropic/claude-haiku-4-5", HELLO)
        assert (caught.value.provider, caught.value.model) == ("anthropic", "claude-haiku-4-5")
        count = await client.count_tokens("anthropic/claude-haiku-4-5", HELLO, fallback=True)
    assert count.how == "estimate"
    assert count.reason is not None
    assert "invalid x-api-key" in count.reason
    assert KEY not in count.reason


async def test_without_a_key_nothing_is_counted_unless_an_estimate_will_do() -> None:
    async with exllm.Client(config=Static({})) as client:
        with pytest.raises(exllm.ConfigurationError, match="no key for Anthropic"):
            await client.count_tokens("anthropic/claude-haiku-4-5", HELLO)
        count = await client.count_tokens("anthropic/claude-haiku-4-5", HELLO, fallback=True)
    assert count.reason is not None
    assert "no key" in count.reason


async def test_it_is_asked_again_as_the_retry_policy_says() -> None:
    tries = 0

    async def busy(peer: Peer) -> None:
        nonlocal tries
        tries += 1
        if tries == 1:
            await peer.answer(b'{"error": {"code": 503, "message": "busy", "status": "UNAVAILABLE"}}', status=503)
        else:
            await peer.answer(b'{"totalTokens": 8}')

    policy = exllm.RetryPolicy(attempts=2, base_s=0.001)
    async with FaultServer(busy) as server, client_of(server, retry=policy) as client:
        assert (await client.count_tokens("gemini/gemini-2.5-flash", HELLO)).tokens == 8
    assert tries == 2


async def test_a_provider_that_takes_too_long_is_a_total_timeout() -> None:
    async def silent(peer: Peer) -> None:
        await asyncio.sleep(5)

    async with FaultServer(silent) as server, client_of(server) as client:
        with pytest.raises(exllm.TotalTimeout, match=r"no number of tokens within 0\.05 s"):
            await client.count_tokens("anthropic/m", HELLO, timeout=0.05)


async def test_who_cannot_count_is_estimated_for_and_it_says_so() -> None:
    async with client_of() as client:
        count = await client.count_tokens("groq/llama-3.3-70b-versatile", HELLO)
        assert count.how == "estimate"
        assert count.reason == "groq has no way to count them before the call"


def png(width: int, height: int) -> bytes:
    return b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + struct.pack(">II", width, height) + b"\x08\x02\0\0\0"


async def test_an_image_in_a_file_is_read_and_counted(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(png(1024, 1024))
    message = exllm.Message("user", ["What?", exllm.Image(path=path)])  # type: ignore[list-item]
    async with client_of() as client:
        whole = await client.count_tokens("openai/gpt-4o", [message], local=True)
        without = await client.count_tokens("openai/gpt-4o", "What?", local=True)
    assert whole.tokens - without.tokens == 765
    assert whole.uncounted == ()
    assert estimate_tokens("openai/gpt-4o", [message]).uncounted == ("images in a file: their size is not known",)


async def test_a_client_that_validates_refuses_before_it_sends() -> None:
    async with client_of(validate_context=True) as client:
        with pytest.raises(exllm.ContextLengthExceeded, match="the window of gpt-4o holds 128,000") as caught:
            await client.chat("openai/gpt-4o", "word " * 300_000)
        assert (caught.value.provider, caught.value.model) == ("openai", "gpt-4o")
        with pytest.raises(exllm.ContextLengthExceeded):
            client.stream("openai/gpt-4o", "word " * 300_000)
        with pytest.raises(exllm.ConnectionFailed):  # what fits is sent
            await client.chat("openai/gpt-4o", "hi")
    async with client_of() as client:
        with pytest.raises(exllm.ConnectionFailed):  # and so is all, unless it was asked for
            await client.chat("openai/gpt-4o", "word " * 300_000)


async def test_a_wrong_option_is_an_error_before_anything_is_asked() -> None:
    async with client_of() as client:
        with pytest.raises(TypeError, match="unknown option 'toolz'"):
            await client.count_tokens("anthropic/m", HELLO, toolz=[])  # type: ignore[call-arg]
