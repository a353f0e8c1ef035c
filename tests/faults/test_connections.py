"""Connections that are refused, reset, silent, redirected, or never closed."""

from __future__ import annotations

import asyncio
import socket
import time

import pytest

import exllm
from exllm import Timeouts
from exllm.providers import ProviderSpec, registry
from exllm.streaming.pump import READ_AHEAD_AFTER_S
from tests.faults.dialects import DIALECTS, TEXT, WORDS, Dialect
from tests.faults.expect import WAYS, Way, client_for, fail, open_connections, served
from tests.faults.server import REQUEST_ID, FaultServer, Peer

ways = pytest.mark.parametrize("way", WAYS)


# -- refused and reset


@ways
async def test_refused(dialect: Dialect, way: Way) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    async with client_for(dialect, f"http://127.0.0.1:{port}") as client:
        error, _ = await fail(client, dialect, way)
    assert type(error) is exllm.ConnectionFailed
    assert error.retryable
    assert (error.status, error.request_id, error.partial) == (None, None, None)
    assert isinstance(error.__cause__, OSError)
    assert f"127.0.0.1:{port}" in error.message


@ways
@pytest.mark.parametrize("sent", [b"", b"HTTP/1.1 200 OK\r\ncontent-ty"], ids=["before", "within"])
@pytest.mark.parametrize("is_reset", [True, False], ids=["reset", "closed"])
async def test_cut_in_the_headers(dialect: Dialect, way: Way, sent: bytes, is_reset: bool) -> None:
    async def behave(peer: Peer) -> None:
        await peer.send(sent)
        if is_reset:
            peer.reset()

    async with served(dialect, behave) as (_, client):
        error, _ = await fail(client, dialect, way)
    assert type(error) is exllm.ConnectionFailed
    assert error.retryable
    assert (error.status, error.request_id, error.partial) == (None, None, None)
    assert error.__cause__ is not None


@pytest.mark.parametrize("words", [0, 1, 3])
async def test_reset_in_the_middle_of_a_frame(dialect: Dialect, words: int) -> None:
    async def behave(peer: Peer) -> None:
        await peer.begin_stream()
        for frame in (*dialect.opening, *map(dialect.text, WORDS[:words])):
            await peer.chunk(frame)
        await peer.send(b"1000\r\n" + dialect.text("never whole")[:-9])
        await asyncio.sleep(0.02)
        peer.reset()

    async with served(dialect, behave) as (_, client):
        error, seen = await fail(client, dialect)
    assert type(error) is exllm.StreamInterrupted
    assert error.retryable
    assert error.request_id == REQUEST_ID
    assert error.__cause__ is not None
    assert seen == "".join(WORDS[:words])


@pytest.mark.parametrize("is_reset", [True, False], ids=["reset", "closed"])
async def test_what_came_before_the_cut_is_not_lost_on_a_slow_consumer(dialect: Dialect, is_reset: bool) -> None:
    """The connection is gone long before anybody has read what came through it."""
    words = [f"{number} " for number in range(100)]

    async def behave(peer: Peer) -> None:
        await peer.begin_stream()
        for frame in (*dialect.opening, *map(dialect.text, words)):
            await peer.chunk(frame)
            await asyncio.sleep(0)
        if is_reset:
            await asyncio.sleep(0.02)
            peer.reset()

    async with (
        served(dialect, behave, ring_capacity=4) as (server, client),
        client.stream(dialect.name, "Hi") as stream,
    ):
        texts = stream.text()
        seen = [await anext(texts)]
        await server.all_left()
        await asyncio.sleep(READ_AHEAD_AFTER_S + 0.05)
        assert stream.stats.paused_s > 0  # it was read ahead for, as far as there is room
        with pytest.raises(exllm.StreamInterrupted) as caught:  # noqa: PT012 - a loop that ends with an error
            async for text in texts:
                seen.append(text)  # noqa: PERF401
    assert seen == words
    assert caught.value.partial is not None
    assert caught.value.partial.text == "".join(words)


@ways
async def test_reset_in_a_whole_body(dialect: Dialect, way: Way) -> None:
    async def behave(peer: Peer) -> None:
        body = dialect.body(TEXT)
        await peer.head(headers=(("content-type", "application/json"), ("content-length", str(len(body)))))
        await peer.send(body[:20])
        await asyncio.sleep(0.02)
        peer.reset()

    async with served(dialect, behave) as (_, client):
        error, _ = await fail(client, dialect, way)
    assert type(error) is exllm.StreamInterrupted
    assert error.retryable
    assert error.__cause__ is not None


# -- silence


@ways
async def test_stall_before_the_first_byte(dialect: Dialect, way: Way) -> None:
    async def behave(peer: Peer) -> None:
        await peer.left()

    limits = Timeouts(first_chunk=0.2) if way == "stream" else Timeouts(total=0.2)
    async with served(dialect, behave) as (server, client):
        started = time.monotonic()
        error, _ = await fail(client, dialect, way, timeout=limits)
        assert time.monotonic() - started < 2
        await server.all_left()
        assert len(server.requests) == 1
    assert type(error) is (exllm.FirstChunkTimeout if way == "stream" else exllm.TotalTimeout)
    assert isinstance(error, TimeoutError)
    assert error.retryable
    assert (error.status, error.partial) == (None, None)
    assert "0.2 s" in error.message


async def test_stall_after_the_head_is_a_first_chunk_timeout(dialect: Dialect) -> None:
    async def behave(peer: Peer) -> None:
        await peer.begin_stream()
        await peer.left()

    async with served(dialect, behave) as (server, client):
        error, _ = await fail(client, dialect, timeout=Timeouts(first_chunk=0.2))
        await server.all_left()
    assert type(error) is exllm.FirstChunkTimeout
    assert error.request_id == REQUEST_ID


@pytest.mark.parametrize("limits", [Timeouts(idle=0.2), Timeouts(idle=0.2, first_chunk=0.6)], ids=["long", "short"])
async def test_stall_midway(dialect: Dialect, limits: Timeouts) -> None:
    async def behave(peer: Peer) -> None:
        await peer.begin_stream()
        for frame in (*dialect.opening, *map(dialect.text, WORDS[:2])):
            await peer.chunk(frame)
        await peer.left()

    async with served(dialect, behave) as (server, client):
        started = time.monotonic()
        error, seen = await fail(client, dialect, timeout=limits)
        assert time.monotonic() - started < 2
        await server.all_left()
    assert type(error) is exllm.IdleTimeout
    assert error.retryable
    assert error.request_id == REQUEST_ID
    assert seen == "".join(WORDS[:2])


@ways
async def test_total_limits_an_answer_that_never_stops(dialect: Dialect, way: Way) -> None:
    async def behave(peer: Peer) -> None:
        if dialect.is_streamed(peer.request):
            await peer.begin_stream()
            for frame in dialect.opening:
                await peer.chunk(frame)
            while True:
                await peer.chunk(dialect.text("more "))
                await asyncio.sleep(0.02)
        else:
            await peer.head(headers=(("content-type", "application/json"), ("content-length", "100000")))
            while True:
                await peer.send(b" ")
                await asyncio.sleep(0.02)

    async with served(dialect, behave) as (server, client):
        started = time.monotonic()
        error, seen = await fail(client, dialect, way, timeout=0.3)
        assert time.monotonic() - started < 2
        await server.all_left()
    assert type(error) is exllm.TotalTimeout
    assert error.retryable
    assert ("more more" in seen) == (way == "stream")


@pytest.mark.parametrize("words", [0, 2])
async def test_q05_pings_do_not_count_as_life(dialect: Dialect, words: int) -> None:
    """A server that sends nothing but pings, three for each limit, trips the limits."""

    async def behave(peer: Peer) -> None:
        await peer.begin_stream()
        if words:
            for frame in (*dialect.opening, *map(dialect.text, WORDS[:words])):
                await peer.chunk(frame)
        while True:
            for frame in (*dialect.ping, *dialect.silence):
                await peer.chunk(frame)
            await asyncio.sleep(0.1)

    async with served(dialect, behave) as (server, client):
        started = time.monotonic()
        error, seen = await fail(client, dialect, timeout=Timeouts(first_chunk=0.3, idle=0.3))
        assert 0.27 < time.monotonic() - started < 2
        await server.all_left()
    assert type(error) is (exllm.IdleTimeout if words else exllm.FirstChunkTimeout)
    assert seen == "".join(WORDS[:words])


async def test_a_slow_consumer_is_not_taken_for_a_silent_provider(dialect: Dialect) -> None:
    async def behave(peer: Peer) -> None:
        await peer.stream(dialect.frames([f"{number} " for number in range(50)]))

    limits = Timeouts(idle=0.15, first_chunk=0.15)
    texts = []
    async with (
        served(dialect, behave, ring_capacity=4) as (_, client),
        client.stream(dialect.name, "Hi", timeout=limits) as stream,
    ):
        async for text in stream.text():
            if len(texts) in (1, 20):
                await asyncio.sleep(0.3)  # longer than it takes to be read ahead for, and the limit after it
            texts.append(text)
    assert "".join(texts) == "".join(f"{number} " for number in range(50))


# -- redirects


@ways
@pytest.mark.parametrize("status", ["301 Moved Permanently", "302 Found", "307 Temporary Redirect", "308 Permanent"])
async def test_a_redirect_on_the_same_host_is_followed_with_everything(dialect: Dialect, way: Way, status: str) -> None:
    async def redirect(peer: Peer) -> None:
        await peer.redirect("/elsewhere/here?x=1", status)

    async with served(dialect, redirect, dialect.reply()) as (server, client):
        if way == "chat":
            response = await client.chat(dialect.name, "Hi")
        else:
            async with client.stream(dialect.name, "Hi") as stream:
                response = await stream.collect()
    assert response.text == TEXT
    first, second = server.requests
    assert second.path == "/elsewhere/here?x=1"
    assert (second.method, second.body) == (first.method, first.body)
    spec = registry.get(dialect.provider)
    assert isinstance(spec, ProviderSpec)
    auth = spec.auth.header
    assert second.headers[auth] == first.headers[auth]


@ways
async def test_a_redirect_to_another_host_is_refused_and_the_key_stays(dialect: Dialect, way: Way) -> None:
    async with FaultServer(dialect.reply()) as other:

        async def redirect(peer: Peer) -> None:
            await peer.redirect(f"{other.url}/v1")

        async with served(dialect, redirect) as (_, client):
            error, _ = await fail(client, dialect, way)
        assert other.requests == []
    assert type(error) is exllm.ConfigurationError
    assert not error.retryable
    assert "base_url" in error.message


@ways
@pytest.mark.parametrize("location", ["http://[::1", "http://127.0.0.1:99999/", "", "ftp://127.0.0.1/x"])
async def test_a_redirect_to_nowhere_is_one_of_our_errors(dialect: Dialect, way: Way, location: str) -> None:
    async def redirect(peer: Peer) -> None:
        await peer.redirect(location)

    async with served(dialect, redirect) as (_, client):
        error, _ = await fail(client, dialect, way)
    assert isinstance(error, exllm.ProtocolError | exllm.ConfigurationError)
    assert not error.retryable


async def test_redirects_in_a_circle_end(dialect: Dialect) -> None:
    async def redirect(peer: Peer) -> None:
        await peer.redirect("/again")

    async with served(dialect, redirect) as (server, client):
        error, _ = await fail(client, dialect)
    assert type(error) is exllm.ProtocolError
    assert 2 < len(server.requests) < 10


# -- a server that never closes

with_terminal_event = pytest.mark.parametrize(
    "dialect", [each for each in DIALECTS if not each.ends_with_body], ids=lambda dialect: dialect.provider
)
without_terminal_event = pytest.mark.parametrize(
    "dialect", [each for each in DIALECTS if each.ends_with_body], ids=lambda dialect: dialect.provider
)


@with_terminal_event
async def test_an_answer_is_over_at_its_terminal_event_though_the_server_never_closes(dialect: Dialect) -> None:
    async def behave(peer: Peer) -> None:
        await peer.begin_stream()
        for frame in dialect.frames():
            await peer.chunk(frame)
        await peer.left()

    async with served(dialect, behave) as (server, client):
        for _ in range(3):
            async with client.stream(dialect.name, "Hi") as stream:
                response = await stream.collect()
            assert response.text == TEXT
            assert response.finish_reason == "stop"
            assert open_connections(client) == 0
        await server.all_left()


@without_terminal_event
async def test_an_answer_that_ends_with_its_body_is_not_over_before_though_nothing_is_missing(dialect: Dialect) -> None:
    """Some servers give a reason to finish with every event, so that one of them ends nothing."""

    async def behave(peer: Peer) -> None:
        await peer.begin_stream()
        for frame in dialect.frames():
            await peer.chunk(frame)
        await peer.left()

    async with served(dialect, behave) as (server, client):
        error, seen = await fail(client, dialect, timeout=Timeouts(idle=0.2))
        await server.all_left()
    assert type(error) is exllm.IdleTimeout
    assert seen == TEXT


@with_terminal_event
async def test_what_follows_the_terminal_event_is_not_read_for_long(dialect: Dialect) -> None:
    async def behave(peer: Peer) -> None:
        await peer.begin_stream()
        for frame in dialect.frames():
            await peer.chunk(frame)
        while True:
            await peer.chunk(b": and on it goes\n\n" * 1000)

    async with served(dialect, behave) as (server, client):
        started = time.monotonic()
        async with client.stream(dialect.name, "Hi") as stream:
            assert (await stream.collect()).text == TEXT
        assert time.monotonic() - started < 1
        await server.all_left()


async def test_a_connection_that_was_read_to_its_end_is_used_again(dialect: Dialect) -> None:
    async with served(dialect, dialect.reply()) as (server, client):
        for _ in range(5):
            async with client.stream(dialect.name, "Hi") as stream:
                await stream.collect()
            await client.chat(dialect.name, "Hi")
        assert server.accepted == 1
        assert len(server.requests) == 10


async def test_a_pooled_connection_that_the_server_has_closed_costs_a_retry_and_no_error(dialect: Dialect) -> None:
    async def answer_and_close(peer: Peer) -> None:
        await dialect.reply()(peer)
        peer.keep_open = False

    policy = exllm.RetryPolicy(attempts=3, base_s=0.01)
    async with served(dialect, answer_and_close, retry=policy) as (_, client):
        for _ in range(5):
            async with client.stream(dialect.name, "Hi") as stream:
                assert (await stream.collect()).text == TEXT
