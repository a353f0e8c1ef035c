"""What happens before a request is sent: TLS, connections that do not come about, addresses that make no sense."""

from __future__ import annotations

import math
import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
import trustme

import exllm
from exllm import Timeouts
from tests.faults.dialects import OPENAI, TEXT
from tests.faults.expect import client_for, fail
from tests.faults.server import FaultServer, Peer


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def server_tls(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    return context


async def test_a_private_authority_works_when_it_is_named(authority: trustme.CA, server_tls: ssl.SSLContext) -> None:
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    async with FaultServer(OPENAI.reply(), tls=server_tls) as server:
        async with client_for(OPENAI, server.url, ssl_context=trusting) as client:
            assert (await client.chat(OPENAI.name, "Hi")).text == TEXT
            async with client.stream(OPENAI.name, "Hi") as stream:
                async for _ in stream.text():
                    break
        await server.all_left()


async def test_an_unknown_authority_is_refused_for_good_and_the_message_says_how_to_trust_it(
    server_tls: ssl.SSLContext,
) -> None:
    async with FaultServer(OPENAI.reply(), tls=server_tls) as server:
        async with client_for(OPENAI, server.url) as client:
            for way in ("stream", "chat"):
                error, _ = await fail(client, OPENAI, way)  # type: ignore[arg-type]
                assert type(error) is exllm.ConnectionFailed
                assert not error.retryable
                assert "ssl_context" in error.message
                assert error.__cause__ is not None
        assert not server.requests
        server.failures.clear()


async def test_a_server_that_speaks_no_tls_is_a_failed_connection() -> None:
    async def behave(peer: Peer) -> None:
        raise AssertionError("no request can come through")

    async with FaultServer(behave) as server:
        async with client_for(OPENAI, server.url.replace("http:", "https:")) as client:
            error, _ = await fail(client, OPENAI, timeout=Timeouts(connect=1.0, total=3.0))
        assert isinstance(error, exllm.ConnectionFailed | exllm.RequestTimeout)
        server.failures.clear()


@pytest.fixture
def deaf_port() -> Iterator[int]:
    """A port that is open, whose queue is full: a connection to it neither stands nor fails."""
    with ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        port: int = listener.getsockname()[1]
        for _ in range(4):
            filler = stack.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(("127.0.0.1", port))
        time.sleep(0.05)
        yield port


@pytest.mark.parametrize("way", ["stream", "chat"])
async def test_a_connection_that_does_not_come_about_is_a_connect_timeout(deaf_port: int, way: str) -> None:
    async with client_for(OPENAI, f"http://127.0.0.1:{deaf_port}") as client:
        started = time.monotonic()
        error, _ = await fail(client, OPENAI, way, timeout=Timeouts(connect=0.2))  # type: ignore[arg-type]
        assert time.monotonic() - started < 2
    assert type(error) is exllm.ConnectTimeout
    assert error.retryable
    assert "0.2 s" in error.message


async def test_a_connection_may_take_for_ever() -> None:
    async with FaultServer(OPENAI.reply()) as server, client_for(OPENAI, server.url) as client:
        reply = await client.chat(OPENAI.name, "Hi", timeout=Timeouts(connect=math.inf))
    assert reply.text == TEXT


@pytest.mark.parametrize(
    "address", ["http://", "ftp://127.0.0.1", "127.0.0.1:80", "http://127.0.0.1:99999", "http://[::1"]
)
async def test_an_address_that_makes_no_sense_is_a_configuration_error(address: str) -> None:
    async with client_for(OPENAI, "http://127.0.0.1:1") as client:
        for way in ("stream", "chat"):
            error, _ = await fail(client, OPENAI, way, base_url=address)  # type: ignore[arg-type]
            assert type(error) is exllm.ConfigurationError, error
            assert not error.retryable
