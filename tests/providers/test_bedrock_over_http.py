"""Recorded answers of Bedrock over sockets: path, headers, body, framing, transport and client together."""

from __future__ import annotations

from typing import Any

import pytest

import exllm
from exllm.config import Static
from tests.faults.server import REQUEST_ID, FaultServer, Peer
from tests.providers.bedrock_recordings import Recording, Recordings, summary, told_error

RECORDED = {provider: Recordings(provider) for provider in ("bedrock", "bedrock-invoke")}
CASES = [(provider, name) for provider, each in RECORDED.items() for name in each.all if "imported" not in name]
KEY = "bedrock-api-key-0123456789"
REASONS = {400: "Bad Request", 403: "Forbidden"}


async def play(peer: Peer, recording: Recording) -> None:
    """Send a recorded response, cut into awkward pieces."""
    if recording.streaming:
        await peer.begin_stream("application/vnd.amazon.eventstream")
        for at in range(0, len(recording.body), 97):
            await peer.chunk(recording.body[at : at + 97])
        await peer.end_stream()
        return
    status = f"{recording.status} {REASONS.get(recording.status, 'OK')}"
    error = recording.headers.get("x-amzn-errortype")
    await peer.answer(recording.body, status, "application/json", *([("x-amzn-errortype", error)] if error else []))


async def call(provider: str, recording: Recording, server: FaultServer) -> exllm.Response:
    config = Static({provider: {"api_key": KEY, "base_url": server.url, "region": "us-east-1"}})
    model = f"{provider}/{recording.model}"
    async with exllm.Client(config=config, retry=exllm.RetryPolicy(attempts=1)) as client:
        if not recording.streaming:
            return await client.chat(model, "Hi")
        async with client.stream(model, "Hi") as stream:
            texts = [text async for text in stream.text()]
        assert "".join(texts) == stream.response.text
        return stream.response


@pytest.mark.parametrize(("provider", "name"), CASES)
async def test_a_recorded_exchange_over_the_wire(provider: str, name: str) -> None:
    recorded = RECORDED[provider]
    recording, expected = recorded.load(name), recorded.expected[name]

    async def behave(peer: Peer) -> None:
        await play(peer, recording)

    async with FaultServer(behave) as server:
        if name in recorded.errors and recording.model == "does-not-exist" and provider == "bedrock-invoke":
            with pytest.raises(exllm.ConfigurationError):  # nobody knows what such a model speaks
                await call(provider, recording, server)
            assert not server.requests
            return
        if name in recorded.errors:
            with pytest.raises(exllm.ExLLMError) as caught:
                await call(provider, recording, server)
            found: dict[str, Any] = told_error(caught.value)
            assert {**found, "request_id": None} == {**expected, "request_id": None}
        else:
            response = await call(provider, recording, server)
            assert summary(response) == expected
            assert response.request_id == REQUEST_ID
        (request,) = server.requests
    _, _, model, operation = request.path.split("/")
    assert model == recording.model.replace(":", "%3A").replace("/", "%2F")
    kinds = {"bedrock": ("converse", "converse-stream"), "bedrock-invoke": ("invoke", "invoke-with-response-stream")}
    assert operation == kinds[provider][recording.streaming]
    assert request.headers["authorization"] == f"Bearer {KEY}"
    wanted = "application/vnd.amazon.eventstream" if recording.streaming else "application/json"
    assert request.headers["accept"] == wanted


async def test_counts_that_stand_in_headers_alone_are_read() -> None:
    async def behave(peer: Peer) -> None:
        body = b'{"outputs": [{"text": "Hello", "stop_reason": "stop"}]}'
        counts = {"input-token-count": "7", "output-token-count": "3", "cache-read-input-token-count": "2"}
        headers = [(f"X-Amzn-Bedrock-{name}", count) for name, count in counts.items()]
        await peer.answer(body, "200 OK", "application/json", *headers)

    async with FaultServer(behave) as server:
        config = Static({"bedrock-invoke": {"api_key": KEY, "base_url": server.url}})
        async with exllm.Client(config=config) as client:
            response = await client.chat("bedrock-invoke/mistral-7b", "Hi")
    assert response.text == "Hello"
    assert response.usage == exllm.Usage(9, 3, 12, cached_input_tokens=2, provenance="reported")


@pytest.mark.parametrize("provider", RECORDED)
async def test_a_short_name_is_told_as_the_model_that_answers(provider: str) -> None:
    recording = RECORDED["bedrock"].load("bedrock__bedrock-converse__testnovainvokemodel-test-nova-converse__0")

    async def behave(peer: Peer) -> None:
        await play(peer, recording)

    async with FaultServer(behave) as server:
        config = Static({provider: {"api_key": KEY, "base_url": server.url}})
        async with exllm.Client(config=config) as client:
            response = await client.chat(f"{provider}/nova-micro", "Hi")
    assert response.model == "us.amazon.nova-micro-v1:0"
    assert server.requests[0].path.startswith("/model/us.amazon.nova-micro-v1%3A0/")
