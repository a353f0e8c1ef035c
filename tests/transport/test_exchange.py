"""Requests past aiohttp's session: the same bytes, and the session wherever somebody counts on it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

import exllm
from exllm.transport import exchange
from exllm.transport.http import HttpCall, HttpTransport
from exllm.transport.sessions import TransportSettings
from tests.faults.dialects import OPENAI, TEXT
from tests.faults.expect import client_for
from tests.faults.server import FaultServer, Peer

HEADERS = {"content-type": "application/json", "accept": "*/*", "user-agent": "exllm/1", "authorization": "Bearer k"}


@pytest.fixture
async def transport() -> AsyncIterator[HttpTransport]:
    made = HttpTransport(TransportSettings())
    yield made
    await made.aclose()


def test_this_aiohttp_has_what_it_builds_on() -> None:
    assert exchange.IS_AVAILABLE


@pytest.mark.parametrize(
    "call",
    [
        HttpCall("/v1/chat", b'{"a": 1}', HEADERS),
        HttpCall("/v1/models?limit=10&after=a%2Fb", b"", HEADERS, "GET"),
        HttpCall("/model/us.anthropic%3Av1%3A0/converse", b"{}", {**HEADERS, "X-Title": "Grüße"}),
        HttpCall("", b"{}", HEADERS),
    ],
    ids=lambda call: call.url or "root",
)
async def test_it_sends_what_the_session_would_send(
    transport: HttpTransport, call: HttpCall, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def behave(peer: Peer) -> None:
        await peer.answer(b"{}")

    async with FaultServer(behave) as server:
        for is_available in (True, False):
            monkeypatch.setattr(exchange, "IS_AVAILABLE", is_available)
            response = await transport.send(HttpCall(server.url + call.url, call.body, call.headers, call.method))
            assert isinstance(response, exchange.Exchange) is is_available
            assert await response.read() == b"{}"
        ours, sessions = server.requests
        assert (ours.method, ours.path, ours.body) == (sessions.method, sessions.path, sessions.body)
        assert ours.headers == sessions.headers
        await transport.aclose()
        await server.all_left()


async def test_a_header_cannot_smuggle_in_another(transport: HttpTransport) -> None:
    async with FaultServer(OPENAI.reply()) as server:
        for value in ("a\r\nX-Evil: 1", "a\nX-Evil: 1", "a\0b"):
            with pytest.raises(exllm.ConfigurationError):
                await transport.send(HttpCall(server.url, b"{}", {**HEADERS, "x-title": value}))
        assert server.requests == []
        await transport.aclose()
        await server.all_left()


async def test_early_hints_are_not_the_answer(transport: HttpTransport) -> None:
    async def behave(peer: Peer) -> None:
        await peer.head("103 Early Hints", (("link", "</style.css>"),))
        await peer.answer(b"[1]")

    async with FaultServer(behave) as server:
        response = await transport.send(HttpCall(server.url, b"{}", HEADERS))
        assert (response.status, await response.read()) == (200, b"[1]")
        await transport.aclose()
        await server.all_left()


async def test_a_large_request_is_left_to_the_session() -> None:
    prompt = "word " * 100_000
    async with FaultServer(OPENAI.reply()) as server, client_for(OPENAI, server.url) as client:
        assert (await client.chat(OPENAI.name, prompt)).text == TEXT
        assert server.requests[0].json["messages"][0]["content"] == prompt


async def test_who_replaces_the_sessions_requests_is_heard(monkeypatch: pytest.MonkeyPatch) -> None:
    """As aioresponses and other mocks do it."""
    seen: list[str] = []
    original = aiohttp.ClientSession._request

    async def replaced(self: aiohttp.ClientSession, method: str, url: Any, **kwargs: Any) -> aiohttp.ClientResponse:
        seen.append(f"{method} {url}")
        return await original(self, method, url, **kwargs)

    monkeypatch.setattr(aiohttp.ClientSession, "_request", replaced)
    async with FaultServer(OPENAI.reply()) as server, client_for(OPENAI, server.url) as client:
        assert (await client.chat(OPENAI.name, "Hi")).text == TEXT
        assert seen == [f"POST {server.url}/chat/completions"]


async def test_who_watches_the_sessions_requests_sees_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """As instrumentation libraries do it: they add their hooks to every session that is made."""
    seen: list[str] = []
    original = aiohttp.ClientSession.__init__

    async def note(_session: aiohttp.ClientSession, _context: object, params: aiohttp.TraceRequestStartParams) -> None:
        seen.append(params.url.path)

    def instrumented(self: aiohttp.ClientSession, *args: object, **kwargs: object) -> None:
        hooks = aiohttp.TraceConfig()
        hooks.on_request_start.append(note)
        original(self, *args, trace_configs=[hooks], **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(aiohttp.ClientSession, "__init__", instrumented)
    async with FaultServer(OPENAI.reply()) as server, client_for(OPENAI, server.url) as client:
        await client.chat(OPENAI.name, "Hi")
    assert seen == ["/chat/completions"]
