"""Sessions and what is around them: event loops, proxies, consumers that stay away."""

# ruff: noqa: SIM117 - the blocks say what goes on while what is open
from __future__ import annotations

import asyncio
import base64
import gc
import threading
import traceback
import warnings

import pytest

import exllm
import exllm.transport.websocket as transport
from exllm import live
from exllm.live import Reconnect
from tests.live.events import next_of, until
from tests.live.gemini import COMPLETE, KEY, MODEL, audio, client_for, said, set_up
from tests.live.scripted_server import Peer, ScriptedServer


async def greet(peer: Peer) -> None:
    await set_up(peer)
    await peer.send(said("Hi"), COMPLETE)
    await peer.keep_receiving()


def test_one_client_serves_three_loops_in_a_row_and_four_threads() -> None:
    client = client_for("ws://127.0.0.1:1")
    greetings = []

    async def talk() -> None:
        async with ScriptedServer(greet) as server, client.live(MODEL, live_url=server.url) as session:
            greetings.append((await next_of(session, live.OutputTranscript)).text)

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for _ in range(3):
            asyncio.run(talk())
        threads = [threading.Thread(target=lambda: asyncio.run(talk())) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(20)
        gc.collect()
    assert greetings == ["Hi"] * 7


def test_a_session_that_outlives_its_loop_is_closed_with_it() -> None:
    url: list[str] = []
    is_up, may_end = threading.Event(), threading.Event()
    codes: list[int | None] = []

    async def serve() -> None:
        async with ScriptedServer(greet) as server:
            url.append(server.url)
            is_up.set()
            while not may_end.is_set():  # noqa: ASYNC110 - an event of another thread
                await asyncio.sleep(0.01)
            await server.all_left()
            codes.append(server.peers[0].close_code)

    async def talk() -> live.LiveSession:
        session = client_for(url[0]).live(MODEL)
        await session.__aenter__()
        return session

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    try:
        assert is_up.wait(10)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            session = asyncio.run(talk())
            assert isinstance(session.error, exllm.StreamClosed)
            del session
            gc.collect()
    finally:
        may_end.set()
        thread.join(10)
    assert codes == [1000]


async def test_a_consumer_that_stays_away_does_not_cost_the_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "PING_S", 0.1)
    monkeypatch.setattr(transport, "PONG_S", 0.1)
    pieces = [bytes([number, 0]) * 5_000 for number in range(100)]

    async def answer(peer: Peer) -> None:
        await set_up(peer)
        await peer.send(*map(audio, pieces), COMPLETE)
        await peer.keep_receiving()

    async with ScriptedServer(answer) as server, client_for(server.url) as client:
        async with client.live(MODEL, audio_capacity=2, reconnect=Reconnect(attempts=0)) as session:
            await asyncio.sleep(0.6)  # longer than two pings; nobody reads the socket meanwhile
            events = await until(session, live.TurnComplete)
            assert [event.data for event in events if isinstance(event, live.AudioOut)] == pieces


class ConnectProxy:
    """An HTTP proxy that knows CONNECT, and who may use it."""

    def __init__(self, user: str = "") -> None:
        self._user = user
        self.heads: list[str] = []

    async def __aenter__(self) -> ConnectProxy:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_error: object) -> None:
        self._server.close()
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        self.heads.append(head)
        wanted = f"Basic {base64.b64encode(self._user.encode()).decode()}"
        if self._user and wanted not in head:
            writer.write(b"HTTP/1.1 407 Who are you\r\nContent-Length: 0\r\n\r\n")
            writer.close()
            return
        host, _, port = head.split()[1].partition(":")
        far_reader, far_writer = await asyncio.open_connection(host, int(port))
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        await asyncio.gather(_carry(reader, far_writer), _carry(far_reader, writer))


async def _carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
    except ConnectionError:
        pass
    finally:
        writer.close()


async def test_a_session_goes_through_the_clients_proxy() -> None:
    async with ScriptedServer(greet) as server, ConnectProxy("me:secret") as proxy:
        async with client_for(server.url, proxy=f"http://me:secret@127.0.0.1:{proxy.port}") as client:
            async with client.live(MODEL) as session:
                assert (await next_of(session, live.OutputTranscript)).text == "Hi"
        await server.all_left()
    assert proxy.heads[0].startswith(f"CONNECT {server.requests[0].headers['host']} ")
    assert KEY not in proxy.heads[0]


async def test_a_proxy_that_refuses_says_so_and_nobody_is_shown_its_password() -> None:
    async with ScriptedServer(greet) as server, ConnectProxy("me:secret") as proxy:
        async with client_for(server.url, proxy=f"http://me:wrong-word@127.0.0.1:{proxy.port}") as client:
            with pytest.raises(exllm.ConnectionFailed, match="407") as caught:
                async with client.live(MODEL):
                    pytest.fail("it must not open")
        assert "wrong-word" not in str(caught.value) + repr(caught.value.__cause__)
        assert not server.requests


async def test_a_proxy_that_is_none_is_told_without_its_password() -> None:
    async with client_for("ws://127.0.0.1:9", proxy="gopher://me:secret@proxy.test") as client:
        with pytest.raises(exllm.ConfigurationError, match="proxy") as caught:
            async with client.live(MODEL):
                pytest.fail("it must not open")
    assert "secret@" not in "".join(traceback.format_exception(caught.value))
