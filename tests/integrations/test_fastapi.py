"""Streams as responses: a real uvicorn between a fake provider and a real HTTP client."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

import aiohttp
import httpx
import pytest
from fastapi import Depends, FastAPI
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.middleware.base import RequestResponseEndpoint
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.testclient import TestClient
from starlette.types import Message

import exllm
from exllm.integrations.fastapi import (
    SSEResponse,
    TextResponse,
    client_lifespan,
    error_response,
    get_client,
    handle_error,
)
from exllm.streaming.sse import SSEDecoder
from tests.faults.dialects import OPENAI, TEXT, WORDS
from tests.faults.server import Behaviour, FaultServer, Peer
from tests.integrations.web import serving

KEY = "sk-test-0123456789"
SEEN_WITHIN_S = 0.1  # the specification's limit
Shared = Annotated[exllm.Client, Depends(get_client)]


def _config(upstream: FaultServer) -> exllm.config.ConfigSource:
    return exllm.config.Static({"openai": {"api_key": KEY, "base_url": upstream.url}})


def _app(upstream: FaultServer, **arguments: Any) -> FastAPI:
    once = exllm.RetryPolicy(attempts=1)
    app = FastAPI(lifespan=client_lifespan(config=_config(upstream), retry=once, **arguments))
    app.add_exception_handler(exllm.ExLLMError, handle_error)

    @app.get("/sse")
    async def sse(client: Shared, heartbeat_s: float | None = None) -> SSEResponse:
        return SSEResponse(client.stream(OPENAI.name, "Hi"), heartbeat_s=heartbeat_s, headers={"x-own": "yes"})

    @app.get("/text")
    async def text(client: Shared) -> TextResponse:
        return TextResponse(client.stream(OPENAI.name, "Hi"))

    @app.get("/chat")
    async def chat(client: Shared, model: str = OPENAI.name) -> dict[str, str]:
        reply = await client.chat(model, "Hi")
        return {"text": reply.text}

    return app


@asynccontextmanager
async def _web(*behaviours: Behaviour, **arguments: Any) -> AsyncIterator[tuple[FaultServer, httpx.AsyncClient]]:
    async with (
        FaultServer(*behaviours) as upstream,
        serving(_app(upstream, **arguments)) as url,
        httpx.AsyncClient(base_url=url, trust_env=False, timeout=10) as browser,
    ):
        yield upstream, browser


def _events(body: bytes) -> list[tuple[str, Any]]:
    decoder = SSEDecoder()
    return [(frame.event, json.loads(frame.data)) for frame in [*decoder.feed(body), *decoder.close()]]


async def _stall(peer: Peer) -> None:
    """The beginning of an answer, and then nothing for as long as the other side stays."""
    await peer.begin_stream()
    for frame in (*OPENAI.opening, OPENAI.text("The ")):
        await peer.chunk(frame)
    await asyncio.wait_for(peer.left(), 30)


async def _cut(peer: Peer) -> None:
    await peer.begin_stream()
    for frame in (*OPENAI.opening, OPENAI.text("The ")):
        await peer.chunk(frame)
    peer.reset()


# -- a whole answer


async def test_events_are_the_chunks_and_then_the_response() -> None:
    async with _web(OPENAI.reply()) as (_, browser):
        answer = await browser.get("/sse")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert answer.headers["cache-control"] == "no-cache"
    assert answer.headers["x-accel-buffering"] == "no"
    assert answer.headers["x-own"] == "yes"
    assert "content-length" not in answer.headers
    events = _events(answer.content)
    assert [data["text"] for name, data in events if name == "text_delta"] == list(WORDS)
    name, response = events[-1]
    assert name == "response"
    assert response["choices"][0]["message"]["content"] == TEXT


async def test_text_is_the_text_and_nothing_else() -> None:
    async with _web(OPENAI.reply(["Grüße ", "😀"])) as (_, browser):
        answer = await browser.get("/text")
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert answer.content == "Grüße 😀".encode()


async def test_an_empty_answer_is_an_empty_body() -> None:
    async with _web(OPENAI.reply([])) as (_, browser):
        answer = await browser.get("/text")
    assert (answer.status_code, answer.content) == (200, b"")


async def test_the_first_word_arrives_while_the_answer_is_still_being_made() -> None:
    async with _web(_stall) as (_, browser), browser.stream("GET", "/text") as answer:
        async with asyncio.timeout(10):
            assert await anext(answer.aiter_bytes()) == b"The "


async def test_a_starlette_application_needs_no_fastapi() -> None:
    ended: list[str] = []

    async def endpoint(request: Request) -> Response:
        stream = get_client(request).stream(OPENAI.name, "Hi")
        return TextResponse(stream, status_code=201, background=BackgroundTask(ended.append, "yes"))

    async with FaultServer(OPENAI.reply()) as upstream:
        app = Starlette(routes=[Route("/", endpoint)], lifespan=client_lifespan(config=_config(upstream)))
        async with serving(app) as url, httpx.AsyncClient(trust_env=False) as browser:
            answer = await browser.get(url)
    assert (answer.status_code, answer.text) == (201, TEXT)
    assert ended == ["yes"]


async def test_heartbeats_fill_the_silence_and_nothing_is_lost() -> None:
    async def pause(peer: Peer) -> None:
        await peer.begin_stream()
        for frame in OPENAI.frames():
            await peer.chunk(frame)
            await asyncio.sleep(0.08)
        await peer.end_stream()

    async with _web(pause) as (_, browser):
        answer = await browser.get("/sse", params={"heartbeat_s": 0.02})
    assert answer.content.count(b"\n:\n\n") >= 3
    events = _events(answer.content)
    assert "".join(data["text"] for name, data in events if name == "text_delta") == TEXT
    assert events[-1][0] == "response"


def test_a_heartbeat_needs_time() -> None:
    with pytest.raises(ValueError, match="heartbeat_s"):
        SSEResponse(exllm.Client().stream("mock", "Hi"), heartbeat_s=0)


# -- leaving early


@pytest.mark.parametrize("path", ["/sse", "/sse?heartbeat_s=0.5", "/text"])
async def test_a_client_that_goes_away_closes_the_upstream_at_once(path: str) -> None:
    async with _web(_stall) as (upstream, browser), aiohttp.ClientSession(str(browser.base_url)) as session:
        answer = await session.get(path)
        assert b"The" in await answer.content.readany()
        left_at = time.monotonic()
        answer.close()
        await upstream.all_left()
        assert upstream.left_at[0] - left_at < SEEN_WITHIN_S


async def test_behind_a_middleware_the_upstream_is_closed_too() -> None:
    async with FaultServer(_stall) as upstream:
        app = _app(upstream)

        @app.middleware("http")
        async def tag(request: Request, call_next: RequestResponseEndpoint) -> Response:
            answer = await call_next(request)
            answer.headers["x-tag"] = "1"
            return answer

        async with serving(app) as url, aiohttp.ClientSession() as session:
            answer = await session.get(f"{url}/sse")
            assert answer.headers["x-tag"] == "1"
            assert b"stream_start" in await answer.content.readany()
            answer.close()
            await upstream.all_left()


def test_an_application_can_be_tested_with_starlettes_test_client() -> None:
    async def endpoint(request: Request) -> Response:
        return SSEResponse(get_client(request).stream("mock", "Hi"))

    with TestClient(Starlette(routes=[Route("/", endpoint)], lifespan=client_lifespan())) as browser:
        assert _events(browser.get("/").content)[-1][0] == "response"


async def test_a_client_that_goes_away_before_the_first_chunk_closes_the_upstream_at_once() -> None:
    is_asked = asyncio.Event()

    async def silent(peer: Peer) -> None:
        is_asked.set()
        await asyncio.wait_for(peer.left(), 30)

    async with _web(silent) as (upstream, browser):
        asking = asyncio.create_task(browser.get("/sse"))
        await asyncio.wait_for(is_asked.wait(), 10)
        left_at = time.monotonic()
        asking.cancel()
        await asyncio.wait([asking])
        await upstream.all_left()
        assert upstream.left_at[0] - left_at < SEEN_WITHIN_S


async def test_a_client_that_goes_away_while_it_reads_nothing_closes_the_upstream() -> None:
    async def endless(peer: Peer) -> None:
        await peer.begin_stream()
        while True:
            await peer.chunk(OPENAI.text("word " * 1000))

    async with _web(endless) as (upstream, browser), aiohttp.ClientSession(str(browser.base_url)) as session:
        answer = await session.get("/text")
        sent = -1
        async with asyncio.timeout(30):
            while sent != upstream.bytes_sent:  # until every buffer on the way is full, and the provider waits
                sent = upstream.bytes_sent
                await asyncio.sleep(0.5)
        answer.close()
        await upstream.all_left()


# -- failing


async def test_a_server_that_fails_to_listen_is_told() -> None:
    async def receive() -> Message:
        raise RuntimeError("the server broke")

    async def send(_message: Message) -> None:
        await asyncio.sleep(0)

    with pytest.raises(RuntimeError, match="the server broke"):
        await TextResponse(exllm.Client().stream("mock", "Hi"))({"type": "http"}, receive, send)


async def _status_of(behaviour: Behaviour, path: str = "/sse", **arguments: Any) -> httpx.Response:
    async with _web(behaviour, **arguments) as (_, browser):
        return await browser.get(path)


@pytest.mark.parametrize("path", ["/sse", "/text", "/chat"])
@pytest.mark.parametrize(
    ("upstream", "status", "kind", "is_retryable"),
    [
        ("400 Bad Request", 400, "InvalidRequest", False),
        ("404 Not Found", 404, "NotFound", False),
        ("429 Too Many Requests", 429, "RateLimited", True),
        ("500 Internal Server Error", 502, "ServerError", True),
        ("529 Overloaded", 503, "Overloaded", True),
    ],
)
async def test_a_failure_before_the_first_chunk_is_a_status(
    path: str, upstream: str, status: int, kind: str, is_retryable: bool
) -> None:
    answer = await _status_of(OPENAI.refuse(upstream), path)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/json"
    assert answer.json() == {"error": {"type": kind, "message": "as the test wants", "retryable": is_retryable}}


@pytest.mark.parametrize("path", ["/sse", "/text", "/chat"])
async def test_a_rate_limit_carries_its_retry_after(path: str) -> None:
    answer = await _status_of(OPENAI.refuse("429 Too Many Requests", ("retry-after", "6.2")), path)
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "7")


@pytest.mark.parametrize("path", ["/sse", "/text", "/chat"])
async def test_a_wrong_key_is_the_servers_own_affair(path: str, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR, "exllm.integrations.fastapi"):
        answer = await _status_of(OPENAI.refuse("401 Unauthorized"), path)
    assert answer.status_code == 502
    assert answer.json()["error"]["message"] == "the server has no working access to this model"
    assert "as the test wants" in caplog.text
    assert KEY not in caplog.text + answer.text


@pytest.mark.parametrize("path", ["/sse", "/text"])
async def test_an_error_event_before_any_content_is_a_status(path: str) -> None:
    async def fail(peer: Peer) -> None:
        await peer.begin_stream()
        for frame in OPENAI.opening:
            await peer.chunk(frame)
        await asyncio.sleep(0.1)  # the upstream's head, with its 200, is long there
        await peer.chunk(OPENAI.error("no capacity", True))
        await peer.end_stream()

    answer = await _status_of(fail, path)
    assert (answer.status_code, answer.headers["content-type"]) == (502, "application/json")
    assert answer.json()["error"]["message"] == "no capacity"


@pytest.mark.parametrize("path", ["/sse", "/text"])
async def test_a_200_without_content_in_time_is_a_504(path: str) -> None:
    async def silent(peer: Peer) -> None:
        await peer.begin_stream()
        await asyncio.wait_for(peer.left(), 30)

    answer = await _status_of(silent, path, timeout=exllm.Timeouts(first_chunk=0.1))
    assert (answer.status_code, answer.json()["error"]["type"]) == (504, "FirstChunkTimeout")


async def test_nothing_in_time_is_a_504() -> None:
    async def silent(peer: Peer) -> None:
        await asyncio.wait_for(peer.left(), 30)

    answer = await _status_of(silent, timeout=exllm.Timeouts(first_chunk=0.05))
    assert (answer.status_code, answer.json()["error"]["type"]) == (504, "FirstChunkTimeout")


async def test_a_call_that_is_refused_unsent_is_a_status() -> None:
    async with _web(OPENAI.reply()) as (upstream, browser):
        unknown = await browser.get("/chat", params={"model": "nosuch/model"})
        assert upstream.requests == []
    assert unknown.status_code == 500


async def test_a_failure_midway_is_an_error_event_and_then_the_end() -> None:
    answer = await _status_of(_cut)
    assert answer.status_code == 200
    (*_, (before, _), (name, error)) = _events(answer.content)
    assert before == "text_delta"
    assert name == "error"
    assert (error["type"], error["retryable"]) == ("StreamInterrupted", True)


async def test_plain_text_that_breaks_off_is_no_whole_body() -> None:
    async with _web(_cut) as (_, browser), browser.stream("GET", "/text") as answer:
        pieces = answer.aiter_bytes()
        assert await anext(pieces) == b"The "
        with pytest.raises(httpx.RemoteProtocolError):
            await anext(pieces)


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (exllm.BudgetExceeded("over"), 402),
        (exllm.ConnectionFailed("refused"), 502),
        (exllm.ProtocolError("odd"), 502),
        (exllm.ContextLengthExceeded("too long"), 400),
        (exllm.UnsupportedOption("no"), 400),
        (exllm.MissingExtra("install it"), 500),
        (exllm.QuotaExceeded("empty"), 502),
        (exllm.TotalTimeout("late"), 504),
        (exllm.StreamInterrupted("cut"), 502),
    ],
)
def test_every_error_has_a_status(error: exllm.ExLLMError, status: int) -> None:
    assert error_response(error).status_code == status


async def test_other_errors_are_not_for_this_handler() -> None:
    with pytest.raises(KeyError):
        await handle_error(Request({"type": "http"}), KeyError("x"))


# -- the shared client


async def test_a_missing_lifespan_is_told() -> None:
    with pytest.raises(exllm.ConfigurationError, match="client_lifespan"):
        get_client(Request({"type": "http", "state": {}}))


async def test_all_requests_share_one_client() -> None:
    async with _web(OPENAI.reply()) as (upstream, browser):
        for _ in range(3):
            assert (await browser.get("/text")).text == TEXT
        assert upstream.accepted == 1
