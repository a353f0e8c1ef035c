"""Answers that are had at another address: who is asked with which key, and what ends when nobody listens any more."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

import exllm
from exllm.config import Static
from exllm.providers import replicate_predictions
from exllm.providers.wire import Elsewhere
from exllm.transport.elsewhere import call_for, stop_call
from exllm.transport.http import HttpCall
from tests.faults.dialects import REPLICATE, TEXT
from tests.faults.dialects.replicate_predictions import event, prediction
from tests.faults.expect import ONCE, open_connections
from tests.faults.server import Behaviour, FaultServer, Peer

KEY = "r8_secret-0123456789"
MODEL = REPLICATE.name
BASE = "https://api.example.org/v1"
ASKED = HttpCall(
    f"{BASE}/models/a/b/predictions",
    b"{}",
    {"content-type": "application/json", "authorization": f"Bearer {KEY}", "accept": "application/json"},
    secret=KEY,
)


@pytest.mark.parametrize(
    ("url", "goes_to", "has_key"),
    [
        ("/predictions/1", f"{BASE}/predictions/1", True),
        ("https://api.example.org/other", "https://api.example.org/other", True),
        ("https://stream.example.org/x", "https://stream.example.org/x", False),
        ("https://api.example.org:8443/x", "https://api.example.org:8443/x", False),
    ],
)
def test_the_key_goes_to_the_host_that_it_is_for_alone(url: str, goes_to: str, has_key: bool) -> None:
    call = call_for(Elsewhere(url, accept="text/event-stream"), ASKED, BASE, "authorization")
    assert (call.method, call.url, call.body) == ("GET", goes_to, b"")
    assert call.headers["accept"] == "text/event-stream"
    assert ("authorization" in call.headers) is has_key
    assert call.secrets == (KEY,)  # taken out of errors, wherever they come from


@pytest.mark.parametrize("url", ["http://api.example.org/x", "ftp://x/y", "file:///etc/passwd", "https://[x/", "x"])
def test_an_address_that_leaves_tls_or_is_none_is_refused(url: str) -> None:
    with pytest.raises(exllm.ProtocolError):
        call_for(Elsewhere(url), ASKED, BASE, "authorization")


def test_the_end_of_the_work_is_asked_for_below_the_base_url() -> None:
    call = stop_call("/predictions/1/cancel", ASKED, BASE)
    assert (call.method, call.url, call.body) == ("POST", f"{BASE}/predictions/1/cancel", b"")
    assert call.headers["authorization"] == f"Bearer {KEY}"


@asynccontextmanager
async def _served(*behaviours: Behaviour, **settings: object) -> AsyncIterator[tuple[FaultServer, exllm.Client]]:
    async with FaultServer(*behaviours, detour=REPLICATE.detour) as server:
        config = Static({"replicate": {"api_key": KEY, "base_url": server.url}})
        async with exllm.Client(config=config, retry=ONCE, **settings) as client:  # type: ignore[arg-type]
            yield server, client
            assert open_connections(client) == 0
        await server.all_left()


def _stopped(server: FaultServer) -> int:
    return sum(request.path.endswith("/cancel") for request in server.detoured)


async def _one_word_and_silence(peer: Peer) -> None:
    await peer.begin_stream()
    await peer.chunk(event("output", "one "))
    await peer.left()


async def _silence(peer: Peer) -> None:
    await peer.left()


async def test_a_stream_that_is_left_ends_the_work() -> None:
    async with _served(_one_word_and_silence) as (server, client):
        async with client.stream(MODEL, "Hi") as stream:
            async for _ in stream.text():
                break
        assert _stopped(server) == 1
        (cancel,) = [request for request in server.detoured if request.path.endswith("/cancel")]
        assert cancel.method == "POST"
        assert cancel.headers["authorization"] == f"Bearer {KEY}"


async def test_an_answer_that_came_to_its_end_has_no_work_to_end() -> None:
    async with _served(REPLICATE.reply()) as (server, client):
        async with client.stream(MODEL, "Hi") as stream:
            assert (await stream.collect()).text == TEXT
        async with client.stream(MODEL, "Hi") as stream:
            async for chunk in stream:
                if isinstance(chunk, exllm.Finish):
                    break
        assert (await client.chat(MODEL, "Hi")).text == TEXT
        assert _stopped(server) == 0


@pytest.mark.parametrize("behaviour", [_one_word_and_silence, _silence], ids=["in the answer", "before it"])
async def test_a_timeout_ends_the_work(behaviour: Behaviour) -> None:
    async with _served(behaviour) as (server, client):
        with pytest.raises(exllm.RequestTimeout):
            async with client.stream(MODEL, "Hi", timeout=exllm.Timeouts(first_chunk=0.1, idle=0.1)) as stream:
                await stream.collect()
        assert _stopped(server) == 1


async def test_a_cancelled_task_ends_the_work_and_leaves_no_task() -> None:
    is_asked = asyncio.Event()

    async def behave(peer: Peer) -> None:
        is_asked.set()
        await peer.left()

    async with _served(behave) as (server, client):
        before = asyncio.all_tasks()

        async def read() -> None:
            async with client.stream(MODEL, "Hi") as stream:
                await stream.collect()

        task = asyncio.create_task(read())
        await is_asked.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert _stopped(server) == 1
        assert not asyncio.all_tasks() - before - server.tasks


async def test_a_failed_attempt_ends_its_work_before_the_next_begins() -> None:
    async def cut(peer: Peer) -> None:
        await peer.begin_stream()
        peer.reset()

    async with _served(cut, REPLICATE.reply()) as (server, client):
        policy = exllm.RetryPolicy(attempts=2, base_s=0.001)
        config = client._settings.config
        async with exllm.Client(config=config, retry=policy) as patient, patient.stream(MODEL, "Hi") as stream:
            assert (await stream.collect()).text == TEXT
        paths = [request.path for request in server.detoured]
        assert [path.endswith("/cancel") for path in paths] == [False, True, False]


async def test_a_service_that_does_not_hear_the_end_holds_nobody_up() -> None:
    async def behave(peer: Peer) -> None:
        if peer.request.path.endswith("/cancel"):
            await peer.answer(b"no", "500 Internal Server Error")
        elif peer.request.method == "POST":
            await peer.answer(prediction(peer.server.url), "201 Created")
        else:
            await _one_word_and_silence(peer)

    async with FaultServer(behave) as server:
        config = Static({"replicate": {"api_key": KEY, "base_url": server.url}})
        async with exllm.Client(config=config, retry=ONCE) as client, client.stream(MODEL, "Hi") as stream:
            async for text in stream.text():
                assert text == "one "
                break
        await server.all_left()


async def test_a_whole_answer_is_asked_after_until_it_is_there() -> None:
    states = iter([("starting", None), ("processing", ["The "]), ("succeeded", [TEXT])])

    async def behave(peer: Peer) -> None:
        status, output = next(states)
        metrics = {"input_token_count": 9, "output_token_count": 5} if status == "succeeded" else None
        await peer.answer(prediction(peer.server.url, status, output=output, metrics=metrics), "201 Created")

    async with _served(behave) as (server, client):
        response = await client.chat(MODEL, "Hi")
    assert response.text == TEXT
    assert (response.usage.input_tokens, response.usage.output_tokens) == (9, 5)
    own = json.loads(prediction(server.url))["urls"]["get"].removeprefix(server.url)
    assert [(request.method, request.path) for request in server.requests[1:]] == [("GET", own)] * 2
    assert _stopped(server) == 0


async def test_a_whole_answer_that_is_given_up_ends_the_work() -> None:
    async def behave(peer: Peer) -> None:
        await peer.answer(prediction(peer.server.url, "processing"))

    async with _served(behave) as (server, client):
        with pytest.raises(exllm.TotalTimeout):
            await client.chat(MODEL, "Hi", timeout=0.8)
        assert _stopped(server) == 1


async def test_the_key_does_not_leave_with_the_stream() -> None:
    """The stream is at another port here, which is another service."""
    async with FaultServer(REPLICATE.reply()) as streams:

        async def create(peer: Peer) -> None:
            made = json.loads(prediction(streams.url))
            await peer.answer(json.dumps(made).encode(), "201 Created")

        async with FaultServer(create) as server:
            config = Static({"replicate": {"api_key": KEY, "base_url": server.url}})
            async with exllm.Client(config=config, retry=ONCE) as client:
                with pytest.raises(exllm.ProtocolError, match="https"):  # and this one is not even encrypted
                    async with client.stream(MODEL, "Hi") as stream:
                        await stream.collect()
    assert not streams.requests


async def test_a_stream_that_ends_before_the_work_begins_is_asked_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replicate_predictions, "STREAM_LASTS_S", 0.05)

    async def too_early(peer: Peer) -> None:
        await peer.begin_stream()
        await peer.chunk(b": hi\n\n")
        await asyncio.sleep(0.1)
        await peer.chunk(b":408: 408 Request Timeout\n\n")
        await peer.end_stream()

    async with _served(too_early, too_early, REPLICATE.reply()) as (server, client):
        async with client.stream(MODEL, "Hi") as stream:
            assert (await stream.collect()).text == TEXT
        assert stream.stats.attempts == 1
        assert len({request.path for request in server.requests}) == 1
        assert [request.method for request in server.requests] == ["GET"] * 3
        assert [request.method for request in server.detoured] == ["POST"]  # one prediction for all


async def test_a_stream_that_ends_in_the_middle_of_the_work_is_an_interruption(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replicate_predictions, "STREAM_LASTS_S", 0.05)

    async def halfway(peer: Peer) -> None:
        await peer.begin_stream()
        await peer.chunk(event("output", "one "))
        await asyncio.sleep(0.1)
        await peer.end_stream()

    async with _served(halfway) as (server, client):
        with pytest.raises(exllm.StreamInterrupted) as caught:
            async with client.stream(MODEL, "Hi") as stream:
                await stream.collect()
        assert caught.value.partial is not None
        assert caught.value.partial.text == "one "
        assert len(server.requests) == 1
        assert _stopped(server) == 1
