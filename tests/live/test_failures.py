"""What goes wrong with a session leaves as one of our errors, with what to do, and without the key."""

# ruff: noqa: SIM117, PT012, PERF401 - the blocks say what goes on while what is open
from __future__ import annotations

import asyncio
import json
import logging
import pickle
import ssl
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import trustme

import exllm
from exllm import live
from exllm.config import Static
from exllm.live import Reconnect
from tests.live.events import next_of, until
from tests.live.gemini import COMPLETE, KEY, MODEL, client_for, set_up, text
from tests.live.scripted_server import Peer, Refusal, ScriptedServer

NO_TRIES = Reconnect(attempts=0)


def google_error(status: str, message: str) -> str:
    return json.dumps({"error": {"message": message, "status": status}})


REFUSALS: dict[str, tuple[Refusal, type[exllm.ExLLMError], str]] = {
    "401": (Refusal(401, google_error("UNAUTHENTICATED", f"bad key {KEY}")), exllm.AuthenticationError, "bad key"),
    "403": (Refusal(403, google_error("PERMISSION_DENIED", "not yours")), exllm.PermissionDenied, "not yours"),
    "404": (Refusal(404, ""), exllm.NotFound, "base URL"),
    "429": (
        Refusal(429, google_error("RESOURCE_EXHAUSTED", "slow"), (("Retry-After", "7"),)),
        exllm.RateLimited,
        "slow",
    ),
    "500": (Refusal(500, "<html>oops</html>"), exllm.ServerError, ""),
    "503": (Refusal(503, ""), exllm.Overloaded, ""),
    "a redirect": (Refusal(302, "", (("Location", "ws://127.0.0.1:9/"),)), exllm.ConfigurationError, "live_url"),
    "a page": (Refusal(200, "hello"), exllm.ProtocolError, "WebSocket"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSALS)
async def test_a_refused_handshake_says_why(name: str) -> None:
    refusal, kind, words = REFUSALS[name]
    async with ScriptedServer(refusal) as server, client_for(server.url) as client:
        with pytest.raises(kind) as caught:
            async with client.live(MODEL):
                pytest.fail("it must not open")
        error = caught.value
        assert type(error) is kind
        assert words in error.message
        assert error.provider == "gemini"
        if refusal.status >= 400:
            assert error.status == refusal.status
        if name == "429":
            assert error.retry_after_s == 7
        assert_no_key(error)


def assert_no_key(error: BaseException | None) -> None:
    while error is not None:
        shown = [str(error), repr(error), repr(getattr(error, "body", "")), repr(error.args)]
        assert not any(KEY in one for one in shown), shown
        error = error.__cause__


async def close_before_ready(peer: Peer) -> None:
    await peer.receive()
    await peer.close(1007, "API key not valid. Please pass a valid API key.")


async def drop_before_ready(peer: Peer) -> None:
    await peer.receive()
    peer.drop()


def after_setup(*messages: str | bytes) -> Callable[[Peer], Awaitable[None]]:
    async def behave(peer: Peer) -> None:
        await set_up(peer)
        await peer.send(text("before"))
        for message in messages:
            await peer.send_raw(message)

    return behave


def close_with(code: int, reason: str = "") -> Callable[[Peer], Awaitable[None]]:
    async def behave(peer: Peer) -> None:
        await set_up(peer)
        await peer.send(text("before"))
        await peer.close(code, reason)

    return behave


OPENING: dict[str, tuple[Callable[[Peer], Awaitable[None]], type[exllm.ExLLMError]]] = {
    "a bad key told by a close": (close_before_ready, exllm.AuthenticationError),
    "a drop": (drop_before_ready, exllm.ConnectionFailed),
}


@pytest.mark.parametrize("name", OPENING)
async def test_a_session_that_does_not_open_says_why(name: str) -> None:
    behaviour, kind = OPENING[name]
    async with ScriptedServer(behaviour) as server, client_for(server.url) as client:
        with pytest.raises(kind) as caught:
            async with client.live(MODEL):
                pytest.fail("it must not open")
        assert caught.value.provider == "gemini"
        await server.all_left()


RUNNING: dict[str, tuple[Callable[[Peer], Awaitable[None]], type[exllm.ExLLMError], str]] = {
    "malformed JSON": (after_setup("{nonsense"), exllm.ProtocolError, ""),
    "JSON of the wrong shape": (after_setup('{"serverContent": 5}'), exllm.ProtocolError, ""),
    "a list": (after_setup("[1]"), exllm.ProtocolError, ""),
    "bytes that are no UTF-8": (after_setup(b'{"a": "\xff"}'), exllm.ProtocolError, ""),
    "a message that is too large": (after_setup(" " * 200_000 + "{}"), exllm.FrameTooLarge, "100000 bytes"),
    "a quota": (close_with(1011, "You exceeded your current quota"), exllm.QuotaExceeded, "billing"),
    "an unknown model": (close_with(1008, "models/x is not found"), exllm.NotFound, "model"),
    "a modality": (close_with(1007, "Cannot extract voices from a non-audio request."), exllm.InvalidRequest, "modali"),
    "a drop": (close_with(1012), exllm.SessionLost, ""),
}


@pytest.mark.parametrize("name", RUNNING)
async def test_a_session_that_fails_hands_out_what_came_before_and_then_says_why(name: str) -> None:
    behaviour, kind, words = RUNNING[name]
    async with ScriptedServer(behaviour) as server, client_for(server.url, max_frame_bytes=100_000) as client:
        async with client.live(MODEL, reconnect=NO_TRIES) as session:
            events = []
            with pytest.raises(exllm.ExLLMError) as caught:
                async for event in session:
                    events.append(event)
            error = caught.value
            assert type(error) is kind, error
            assert words in error.message
            assert [event.text for event in events if isinstance(event, live.TextOut)] == ["before"]
            assert error.partial is not None
            assert error.partial.text == "before"
            assert error.provider == "gemini"
            assert type(pickle.loads(pickle.dumps(error))) is kind
        await server.all_left()


async def test_text_that_is_no_utf_8_breaks_the_protocol() -> None:
    async def behave(peer: Peer) -> None:
        await set_up(peer)
        peer.connection.protocol.send_text(b"\xff\xfe")
        peer.connection.send_data()
        await peer.keep_receiving()

    async with ScriptedServer(behave) as server, client_for(server.url) as client:
        async with client.live(MODEL, reconnect=NO_TRIES) as session:
            with pytest.raises(exllm.ProtocolError, match="WebSocket protocol"):
                await until(session, live.TurnComplete)


async def test_a_service_that_does_not_answer_the_setup_is_given_up() -> None:
    async def silent(peer: Peer) -> None:
        await peer.keep_receiving()

    async with ScriptedServer(silent) as server, client_for(server.url) as client:
        began = asyncio.get_running_loop().time()
        with pytest.raises(exllm.FirstChunkTimeout, match=r"within 0.1 s"):
            async with client.live(MODEL, timeout=exllm.Timeouts(first_chunk=0.1)):
                pytest.fail("it must not open")
        with pytest.raises(exllm.TotalTimeout, match=r"within 0.1 s"):
            async with client.live(MODEL, timeout=0.1):
                pytest.fail("it must not open")
        assert asyncio.get_running_loop().time() - began < 1
        await server.all_left()


async def test_a_silent_service_trips_the_idle_limit_and_pings_do_not_help() -> None:
    async def pinging(peer: Peer) -> None:
        await set_up(peer)
        while True:
            await peer.connection.ping()
            await asyncio.sleep(0.05)

    async with ScriptedServer(pinging) as server, client_for(server.url) as client:
        async with client.live(MODEL, timeout=exllm.Timeouts(idle=0.2)) as session:
            with pytest.raises(exllm.IdleTimeout, match=r"0.2 s"):
                await until(session, live.TurnComplete)


async def test_a_dead_connection_is_noticed_by_our_pings(monkeypatch: pytest.MonkeyPatch) -> None:
    import exllm.transport.websocket as transport

    monkeypatch.setattr(transport, "PING_S", 0.4)
    monkeypatch.setattr(transport, "PONG_S", 0.6)

    async def dead(peer: Peer) -> None:
        await set_up(peer)
        peer.connection.transport.pause_reading()
        await asyncio.sleep(3)
        peer.drop()

    async def alive(peer: Peer) -> None:
        await set_up(peer)
        await asyncio.sleep(1.5)
        peer.connection.transport.pause_reading()  # answers to pings take a while
        await asyncio.sleep(0.5)
        peer.connection.transport.resume_reading()
        await asyncio.sleep(0.5)
        await peer.send(text("late"), COMPLETE)

    async with ScriptedServer(dead) as server, client_for(server.url) as client:
        async with client.live(MODEL, reconnect=NO_TRIES) as session:
            began = asyncio.get_running_loop().time()
            with pytest.raises(exllm.SessionLost):
                await until(session, live.TurnComplete)
            assert 0.9 < asyncio.get_running_loop().time() - began < 2.2
    async with ScriptedServer(alive) as server, client_for(server.url) as client:
        async with client.live(MODEL, reconnect=NO_TRIES) as session:
            assert (await next_of(session, live.TextOut)).text == "late"


async def test_nobody_listens() -> None:
    async with ScriptedServer(Refusal(500)) as server:
        url = server.url
    async with client_for(url) as client:
        with pytest.raises(exllm.ConnectionFailed, match="cannot connect"):
            async with client.live(MODEL):
                pytest.fail("it must not open")


async def test_a_server_that_speaks_something_else() -> None:
    async def chatter(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"SSH-2.0-OpenSSH_9.6\r\n")
        await reader.read(100)
        writer.close()

    server = await asyncio.start_server(chatter, "127.0.0.1", 0)
    async with server, client_for(f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}") as client:
        with pytest.raises((exllm.ProtocolError, exllm.ConnectionFailed)):
            async with client.live(MODEL):
                pytest.fail("it must not open")


async def test_a_connection_that_cannot_be_made_in_time() -> None:
    async def mute(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.read(1000):
            pass
        writer.close()

    server = await asyncio.start_server(mute, "127.0.0.1", 0)
    async with server, client_for(f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}") as client:
        with pytest.raises(exllm.ConnectTimeout, match=r"within 0.1 s"):
            async with client.live(MODEL, timeout=exllm.Timeouts(connect=0.1)):
                pytest.fail("it must not open")


async def test_tls_works_with_a_private_authority_that_is_named_and_not_otherwise() -> None:
    authority, context = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)

    async def answer(peer: Peer) -> None:
        await set_up(peer)
        await peer.send(COMPLETE)

    async with ScriptedServer(answer, tls=context) as server:
        async with client_for(server.url, ssl_context=trusting) as client, client.live(MODEL) as session:
            await next_of(session, live.TurnComplete)
            await session.send("bye", complete=False)
            await session.aclose()
            await session.aclose()
            assert session.stats.buffered_bytes == 0
            assert session.stats.bytes_out > 0
        async with client_for(server.url) as client:
            with pytest.raises(exllm.ConnectionFailed, match="ssl_context"):
                async with client.live(MODEL):
                    pytest.fail("it must not open")


async def test_the_first_connection_is_tried_as_often_as_the_retry_policy_says() -> None:
    async def answer(peer: Peer) -> None:
        await set_up(peer)
        await peer.send(COMPLETE)

    policy = exllm.RetryPolicy(attempts=3, base_s=0.01)
    async with ScriptedServer(Refusal(503), Refusal(429), answer) as server:
        async with client_for(server.url, retry=policy) as client, client.live(MODEL) as session:
            await next_of(session, live.TurnComplete)
            assert len(server.requests) == 3
    async with ScriptedServer(Refusal(503)) as server, client_for(server.url, retry=policy) as client:
        with pytest.raises(exllm.Overloaded) as caught:
            async with client.live(MODEL):
                pytest.fail("it must not open")
        assert caught.value.attempts == 3


async def test_a_short_lived_token_travels_in_the_query_and_is_seen_nowhere(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    token = "auth_tokens/0123456789abcdef0123456789abcdef"

    async def close(peer: Peer) -> None:
        await set_up(peer)
        await peer.close(1008, f"token {token} is spent")

    async with ScriptedServer(close, Refusal(403, f"no {token}")) as server, client_for(server.url) as client:
        async with client.live(MODEL, api_key=token, reconnect=NO_TRIES) as session:
            assert token not in repr(session)
            with pytest.raises(exllm.ExLLMError) as caught:
                await until(session, live.TurnComplete)
        assert token not in str(caught.value) + repr(caught.value.__cause__)
        with pytest.raises(exllm.PermissionDenied) as refused:
            async with client.live(MODEL, api_key=token):
                pytest.fail("it must not open")
        assert token not in str(refused.value) + str(refused.value.body)
    assert "access_token=auth_tokens%2F0123456789abcdef" in server.requests[0].path
    assert "Constrained" in server.requests[0].path
    assert "x-goog-api-key" not in server.requests[0].headers
    # The server of this test, in the same process, logs what it hears; the client does not.
    assert not any(token in record.getMessage() for record in caplog.records if "server" not in record.name)


async def test_the_key_is_in_no_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)

    async def answer(peer: Peer) -> None:
        await set_up(peer)
        await peer.send(COMPLETE)

    async with ScriptedServer(answer) as server, client_for(server.url) as client, client.live(MODEL) as session:
        await next_of(session, live.TurnComplete)
        assert KEY not in repr(session) + repr(session._call) + repr(session._engine)
    ours = [record for record in caplog.records if "server" not in record.name]
    assert not any(KEY in record.getMessage() for record in ours)


async def test_a_wire_that_fails_in_an_unforeseen_way_is_one_of_our_errors(monkeypatch: pytest.MonkeyPatch) -> None:
    from exllm.providers.gemini_live_protocol import GeminiLiveProtocol

    async def answer(peer: Peer) -> None:
        await set_up(peer)
        await peer.receive()
        await peer.send(text("x"))

    def broken(*_arguments: Any) -> list[Any]:
        raise ZeroDivisionError("a bug")

    async with ScriptedServer(answer) as server, client_for(server.url) as client:
        async with client.live(MODEL) as session:
            monkeypatch.setattr(GeminiLiveProtocol, "receive", broken)
            await session.send("go")
            with pytest.raises(exllm.ProtocolError, match="unforeseen way: ZeroDivisionError"):
                await until(session, live.TurnComplete)


async def test_a_gateway_that_is_configured_gets_the_sessions_too() -> None:
    async def answer(peer: Peer) -> None:
        await set_up(peer)
        await peer.send(COMPLETE)

    async with ScriptedServer(answer) as server:
        config = Static({"gemini": {"api_key": KEY, "base_url": server.url.replace("ws://", "http://") + "/v1beta"}})
        async with exllm.Client(config=config) as client, client.live(MODEL) as session:
            await next_of(session, live.TurnComplete)
        assert server.requests[0].path.startswith("/ws/google.ai.")
