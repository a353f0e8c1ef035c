"""A browser at a realtime session: a real uvicorn between a scripted provider and a real WebSocket client."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Annotated, Any

import pytest
from fastapi import Depends, FastAPI
from starlette.websockets import WebSocket
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

import exllm
from exllm import live
from exllm.integrations.fastapi import client_lifespan, get_client
from exllm.integrations.live import RelayStats, relay_live
from tests.integrations.web import serving
from tests.live import gemini, openai
from tests.live.scripted_server import Behaviour, Peer, Refusal, ScriptedServer

Client = Annotated[exllm.Client, Depends(get_client)]
LIMIT_S = 20.0
AT_ONCE_S = 1.0  # a relay waits for 30 s where nothing moves
SECRET_TOOL = "the account holds 5 pounds"


def account() -> str:
    """What is in the account."""
    return SECRET_TOOL


ask_user = exllm.Tool("ask_user", "Ask the user.", {"type": "object", "properties": {}})


class Web:
    """The application under test: its address, and how each relay ended."""

    def __init__(self) -> None:
        self.url = ""
        self.ended: asyncio.Queue[RelayStats] = asyncio.Queue()

    @asynccontextmanager
    async def browser(self, **arguments: Any) -> AsyncIterator[ClientConnection]:
        async with connect(self.url, proxy=None, compression=None, close_timeout=2, **arguments) as socket:
            yield socket

    async def stats(self) -> RelayStats:
        return await asyncio.wait_for(self.ended.get(), LIMIT_S)


@asynccontextmanager
async def _web(
    *behaviours: Behaviour | Refusal,
    authorize: Callable[[WebSocket], bool | Awaitable[bool]] | None = None,
    origins: tuple[str, ...] | None = (),
    relay: dict[str, Any] | None = None,
    wire: Any = gemini,
    **settings: Any,
) -> AsyncIterator[tuple[ScriptedServer, Web]]:
    web = Web()
    app = FastAPI(lifespan=client_lifespan())

    @app.websocket("/live")
    async def talk(websocket: WebSocket, _own: Client) -> None:
        session = client.live(wire.MODEL, **settings)
        ended = await relay_live(websocket, session, authorize=authorize, origins=origins, **(relay or {}))
        web.ended.put_nowait(ended)

    async with (
        ScriptedServer(*behaviours) as server,
        wire.client_for(server.url) as client,
        serving(app, websockets=True) as url,
    ):
        web.url = f"{url.replace('http', 'ws')}/live"
        yield server, web


async def _until(socket: ClientConnection, kind: str) -> tuple[list[dict[str, Any]], bytes]:
    """The events up to one of `kind`, and the audio among them."""
    events: list[dict[str, Any]] = []
    pcm = b""
    async with asyncio.timeout(LIMIT_S):
        while not events or events[-1]["type"] != kind:
            data = await socket.recv()
            if isinstance(data, bytes):
                pcm += data
            else:
                events.append(json.loads(data))
    return events, pcm


async def _happens(condition: Callable[[], Any]) -> None:
    async with asyncio.timeout(LIMIT_S):
        while not condition():  # noqa: ASYNC110 - of another task's data
            await asyncio.sleep(0.01)


async def _close_of(socket: ClientConnection) -> tuple[int, list[dict[str, Any]]]:
    """The close code, and the events before it."""
    events = []
    async with asyncio.timeout(LIMIT_S):
        try:
            while True:
                data = await socket.recv()
                if isinstance(data, str):
                    events.append(json.loads(data))
        except ConnectionClosed:
            pass
    assert socket.close_code is not None
    return socket.close_code, events


async def _listen(peer: Peer) -> None:
    await gemini.set_up(peer)
    await peer.keep_receiving()


# -- a conversation


async def test_text_goes_out_and_speech_and_its_words_come_back() -> None:
    async def answer(peer: Peer) -> None:
        await gemini.set_up(peer)
        assert gemini.turn_text(await peer.receive()) == "Hello"
        await peer.send(
            gemini.said("Hi "), gemini.audio(b"\1\0" * 240), gemini.audio(b"\2\0" * 240), gemini.said("there"),
            gemini.COMPLETE,
        )  # fmt: skip
        await peer.keep_receiving()

    async with _web(answer) as (server, web):
        async with web.browser() as socket:
            ready = json.loads(await socket.recv())
            assert ready == {"type": "ready", "input_rate_hz": 16_000, "protocol": 1}
            await socket.send('{"type":"text","text":"Hello"}')
            events, pcm = await _until(socket, "turn_complete")
        ended = await web.stats()
        await server.all_left()
    assert pcm == b"\1\0" * 240 + b"\2\0" * 240
    assert [event["type"] for event in events] == [
        "turn_started", "output_transcript", "audio", "output_transcript", "turn_complete",
    ]  # fmt: skip
    assert events[2] == {"type": "audio", "rate_hz": 24_000, "turn": "", "item": ""}
    assert events[-1]["usage"]["output_tokens"] == 5
    assert ended.close_code == 1000
    assert (ended.messages_in, ended.bytes_in, ended.messages_out) == (1, 30, 8)
    assert ended.session.audio_in_bytes == 960


async def test_a_browsers_audio_reaches_the_provider_at_its_rate() -> None:
    async with _web(_listen) as (server, web), web.browser() as socket:
        await _until(socket, "ready")
        await socket.send(b"\1\0" * 160)
        await socket.send('{"type":"audio_format","rate_hz":48000}')
        for _ in range(10):
            await socket.send(bytes(1920))  # 20 ms
        await socket.send('{"type":"audio_end"}')
        await _happens(lambda: "audioStreamEnd" in str(server.peers[0].received[-1]))
    sent = [message["realtimeInput"] for message in server.peers[0].received[1:]]
    pcm = [base64.b64decode(one["audio"]["data"]) for one in sent if "audio" in one]
    assert pcm[0] == b"\1\0" * 160
    assert sum(map(len, pcm[1:])) == 2 * 3200  # 200 ms at 16 kHz
    assert {one["audio"]["mimeType"] for one in sent if "audio" in one} == {"audio/pcm;rate=16000"}


async def test_every_command_is_said() -> None:
    commands = [
        {"type": "activity_start"}, {"type": "realtime_text", "text": "look"},
        {"type": "video", "data": base64.b64encode(b"jpeg").decode()}, {"type": "activity_end"},
        {"type": "text", "text": "half", "complete": False},
    ]  # fmt: skip
    async with _web(_listen, turn_detection="manual") as (server, web), web.browser() as socket:
        await _until(socket, "ready")
        for command in commands:
            await socket.send(json.dumps(command))
        await _happens(lambda: len(server.peers[0].received) == 6)
    sent = server.peers[0].received[1:]
    assert [next(iter(message.get("realtimeInput", message))) for message in sent] == [
        "activityStart", "text", "video", "activityEnd", "clientContent",
    ]  # fmt: skip
    assert sent[2]["realtimeInput"]["video"] == {"data": base64.b64encode(b"jpeg").decode(), "mimeType": "image/jpeg"}
    assert sent[4]["clientContent"]["turnComplete"] is False


async def test_an_interruption_says_what_was_heard() -> None:
    async def answer(peer: Peer) -> None:
        await openai.set_up(peer)
        await openai.receive(peer, "response.create")
        await peer.send(*openai.begin("r1", "i1"), openai.audio("r1", "i1", bytes(48_000)))
        truncated = await openai.receive(peer, "conversation.item.truncate")
        assert (truncated["item_id"], truncated["audio_end_ms"]) == ("i1", 300)
        await peer.send(*openai.done(peer, "r1", "i1", "Well", "cancelled"))
        await peer.keep_receiving()

    async with _web(answer, wire=openai) as (_server, web), web.browser() as socket:
        await _until(socket, "ready")
        await socket.send('{"type":"text","text":"Go"}')
        events, _ = await _until(socket, "audio")
        assert events[-1] == {"type": "audio", "rate_hz": 24_000, "turn": "r1", "item": "i1"}
        await socket.send('{"type":"interrupt","played_ms":300}')
        events, _ = await _until(socket, "turn_complete")
        assert events[-1]["status"] == "interrupted"


async def test_a_provider_that_is_lost_and_found_again_is_told_without_the_reason() -> None:
    async def drop(peer: Peer) -> None:
        await gemini.set_up(peer)
        await peer.send(gemini.handle("h1"))
        peer.drop()

    async def go_on(peer: Peer) -> None:
        setup = await gemini.set_up(peer)
        assert setup["sessionResumption"]["handle"] == "h1"
        await peer.send(gemini.said("back"), gemini.COMPLETE)
        await peer.keep_receiving()

    async with _web(drop, go_on) as (_server, web), web.browser() as socket:
        events, _ = await _until(socket, "turn_complete")
    assert [event["type"] for event in events] == [
        "ready", "reconnecting", "reconnected", "turn_started", "output_transcript", "turn_complete",
    ]  # fmt: skip
    assert events[1] == {"type": "reconnecting", "attempt": 1, "wait_s": 0.0}


async def test_the_servers_tools_are_its_own_business_and_the_browsers_are_told() -> None:
    async def answer(peer: Peer) -> None:
        await gemini.set_up(peer)
        await peer.send(gemini.call("c1", "account"), gemini.call("c2", "ask_user"))
        results = [await peer.receive_until("toolResponse") for _ in range(2)]
        by_id = {one["id"]: one for result in results for one in result["toolResponse"]["functionResponses"]}
        assert SECRET_TOOL in json.dumps(by_id["c1"])
        assert "yes" in json.dumps(by_id["c2"])
        await peer.send(gemini.handle("h1"), gemini.COMPLETE)
        await peer.keep_receiving()

    async with _web(answer, tools=[account, ask_user], auto_tools=True) as (_server, web), web.browser() as socket:
        events, _ = await _until(socket, "tool_call")
        assert events[-1]["name"] == "ask_user"
        await socket.send('{"type":"tool_result","id":"c1","result":"a million"}')
        refused, _ = await _until(socket, "error")
        assert refused[-1]["error"]["type"] == "InvalidRequest"
        await socket.send('{"type":"tool_result","id":"c2","result":"yes"}')
        events += refused + (await _until(socket, "turn_complete"))[0]
    assert SECRET_TOOL not in json.dumps(events)
    assert {event["type"] for event in events} == {"ready", "turn_started", "tool_call", "error", "turn_complete"}


async def test_a_function_may_ask_the_user_and_the_browser_answers() -> None:
    @exllm.tool
    def book(hour: int) -> exllm.AskUser:
        """Book a table."""
        return exllm.AskUser(f"At {hour}: is that right?")

    async def answer(peer: Peer) -> None:
        await gemini.set_up(peer)
        await peer.send(gemini.call("c1", "book", hour=8))
        (result,) = (await peer.receive_until("toolResponse"))["toolResponse"]["functionResponses"]
        assert "yes, please" in json.dumps(result)
        await peer.send(gemini.COMPLETE)
        await peer.keep_receiving()

    async with _web(answer, tools=[book], auto_tools=True) as (_server, web), web.browser() as socket:
        events, _ = await _until(socket, "tool_waiting")
        assert events[-1] == {
            "type": "tool_waiting", "id": "c1", "name": "book", "kind": "question", "question": "At 8: is that right?",
        }  # fmt: skip
        await socket.send('{"type":"tool_result","id":"c1","result":"yes, please"}')
        await _until(socket, "turn_complete")


async def test_functions_that_nobody_would_call_are_a_mistake_of_the_application() -> None:
    async with exllm.Client() as client:
        session = client.live("gemini", tools=[account], api_key="k")
        with pytest.raises(exllm.ConfigurationError, match="auto_tools=True"):
            await relay_live(WebSocket({"type": "websocket", "headers": []}, _nothing, _nothing), session)


async def _nothing(*_: Any) -> Any:
    raise AssertionError("nothing is received or sent")


# -- who may come in


async def test_whoever_is_not_authorized_is_refused_before_a_session_is_opened() -> None:
    async def is_signed_in(websocket: WebSocket) -> bool:
        return websocket.cookies.get("session") == "good"

    async with _web(_listen, authorize=is_signed_in) as (server, web):
        with pytest.raises(InvalidStatus) as refused:
            async with web.browser():
                pass
        assert refused.value.response.status_code == 403
        assert (await web.stats()).close_code == 403
        assert not server.requests
        async with web.browser(additional_headers={"cookie": "session=good"}) as socket:
            await _until(socket, "ready")


@pytest.mark.parametrize(
    ("origins", "origin", "is_welcome"),
    [
        ((), "http://127.0.0.1:{port}", True),
        ((), "https://evil.example", False),
        ((), "null", False),
        (("https://app.example",), "https://app.example", True),
        (("https://app.example",), "http://127.0.0.1:{port}", False),
        (None, "https://evil.example", True),
    ],
)
async def test_pages_of_other_origins_are_refused(
    origins: tuple[str, ...] | None, origin: str, is_welcome: bool
) -> None:
    async with _web(_listen, origins=origins) as (server, web):
        port = web.url.split(":")[2].split("/")[0]
        try:
            async with web.browser(origin=origin.format(port=port)) as socket:
                await _until(socket, "ready")
                assert is_welcome
        except InvalidStatus:
            assert not is_welcome
        assert bool(server.requests) is is_welcome


async def test_why_a_page_was_refused_is_told_to_the_server_alone(caplog: pytest.LogCaptureFixture) -> None:
    async with _web(_listen) as (_server, web):
        with pytest.raises(InvalidStatus) as refused:
            async with web.browser(origin="https://front.example"):
                pass
    assert b"example" not in refused.value.response.body
    (told,) = [record.getMessage() for record in caplog.records if record.name == "exllm.integrations.live"]
    assert told.startswith("a page of the origin 'https://front.example' was refused; origins= allows the host")


@pytest.mark.parametrize(
    ("origins", "error", "words"),
    [
        (
            "https://app.example",
            TypeError,
            r"such as \['https://app.example'\]",
        ),  # else https://app.exam would be in it
        (["*"], ValueError, "origins=None lets all in"),
        (["app.example"], ValueError, "no origin"),
        (["https://app.example/"], ValueError, "no origin"),
        (["https://App.example"], ValueError, "no origin"),
    ],
)
async def test_origins_that_are_none_are_a_mistake_of_the_application(
    origins: Any, error: type[Exception], words: str
) -> None:
    async with exllm.Client() as client:
        session = client.live("gemini", api_key="k")
        with pytest.raises(error, match=words):
            await relay_live(
                WebSocket({"type": "websocket", "headers": []}, _nothing, _nothing), session, origins=origins
            )


# -- ends


async def test_a_browser_that_leaves_takes_its_session_with_it_at_once() -> None:
    async with _web(_listen) as (server, web):
        async with web.browser() as socket:
            await _until(socket, "ready")
            left_at = asyncio.get_running_loop().time()
        await server.all_left()
        peer_left_at = server.peers[0].left_at
        assert peer_left_at is not None
        assert peer_left_at - left_at < AT_ONCE_S
        assert (await web.stats()).close_code == 1000


async def test_a_browser_that_vanishes_before_the_session_is_there_is_noticed() -> None:
    async def never(peer: Peer) -> None:
        await peer.keep_receiving()

    async with _web(never) as (server, web):
        async with web.browser() as socket:
            await _happens(lambda: server.peers and server.peers[0].received)
            socket.transport.abort()
        ended = await web.stats()
        assert ended.close_code in (1005, 1006)
        await server.all_left()


async def test_a_browser_that_leaves_while_it_is_authorized_opens_no_session() -> None:
    asked, may = asyncio.Event(), asyncio.Event()

    async def slowly(_websocket: WebSocket) -> bool:
        asked.set()
        await may.wait()
        return True

    async with _web(_listen, authorize=slowly) as (server, web):
        opening = asyncio.create_task(web.browser().__aenter__())
        await asyncio.wait_for(asked.wait(), LIMIT_S)
        opening.cancel()
        await asyncio.wait([opening])
        may.set()
        assert (await web.stats()).close_code in (1005, 1006)
        await server.all_left()


async def test_a_browser_that_leaves_while_a_call_is_made_ends_the_call() -> None:
    began, ended = asyncio.Event(), asyncio.Event()

    async def slow() -> str:
        """Takes its time."""
        began.set()
        try:
            await asyncio.sleep(60)
        finally:
            ended.set()
        return ""

    async def answer(peer: Peer) -> None:
        await gemini.set_up(peer)
        await peer.send(gemini.call("c1", "slow"))
        await peer.keep_receiving()

    async with _web(answer, tools=[slow], auto_tools=True) as (server, web):
        async with web.browser():
            await asyncio.wait_for(began.wait(), LIMIT_S)
        await asyncio.wait_for(ended.wait(), AT_ONCE_S)
        await server.all_left()
        assert (await web.stats()).close_code == 1000


async def test_a_browser_with_an_open_microphone_that_leaves_while_the_provider_is_lost_is_noticed_at_once() -> None:
    async def drop(peer: Peer) -> None:
        await gemini.set_up(peer)
        await peer.send(gemini.handle("h1"))
        peer.drop()

    async def silence(peer: Peer) -> None:
        await peer.keep_receiving()

    async with _web(drop, silence) as (server, web):
        async with web.browser() as socket:
            await _until(socket, "reconnecting")
            await socket.send('{"type":"text","text":"Are you there?"}')  # waits for the new connection
            for _ in range(150):
                await socket.send(bytes(640))  # 3 seconds of sound
            left_at = asyncio.get_running_loop().time()
        await web.stats()
        assert asyncio.get_running_loop().time() - left_at < AT_ONCE_S
        await server.all_left()


async def test_a_browser_that_leaves_in_the_middle_of_an_answer_that_it_does_not_read_is_noticed_at_once() -> None:
    async with _web(_flood, audio_capacity=4) as (server, web):
        async with web.browser(max_queue=1) as socket:
            await _settled(lambda: getattr(server.peers[0], "sent", 0) if server.peers else 0)
            left_at = asyncio.get_running_loop().time()
            socket.transport.abort()
            await web.stats()
            assert asyncio.get_running_loop().time() - left_at < AT_ONCE_S
        await server.all_left()


async def test_a_provider_that_cannot_be_reached_is_told_without_its_address(caplog: pytest.LogCaptureFixture) -> None:
    async with _web(_listen, live_url="ws://127.0.0.1:9") as (_server, web), web.browser() as socket:
        code, events = await _close_of(socket)
    assert code == 1013
    assert events == [
        {
            "type": "error",
            "error": {"type": "ConnectionFailed", "message": "the model cannot be reached", "retryable": True},
        }
    ]
    (told,) = [record.getMessage() for record in caplog.records if record.name == "exllm.integrations.live"]
    assert "cannot connect to ws://127.0.0.1:9" in told
    assert gemini.KEY not in caplog.text


async def test_a_session_that_ends_in_good_order_closes_with_1000() -> None:
    async def bye(peer: Peer) -> None:
        await gemini.set_up(peer)
        await peer.send(gemini.said("bye"), gemini.COMPLETE)
        await peer.close(1000)

    async with _web(bye) as (_server, web), web.browser() as socket:
        code, events = await _close_of(socket)
    assert code == 1000
    assert events[-1]["type"] == "turn_complete"


async def test_a_bad_key_is_not_the_browsers_business(caplog: pytest.LogCaptureFixture) -> None:
    refusal = Refusal(403, '{"error":{"code":403,"message":"API key expired","status":"PERMISSION_DENIED"}}')
    async with _web(refusal) as (_server, web), web.browser() as socket:
        code, events = await _close_of(socket)
    assert code == 1011
    (told,) = events
    assert told["error"]["message"] == "the server has no working access to this model"
    assert "key" not in json.dumps(told)
    assert gemini.KEY not in caplog.text


async def test_a_lost_session_is_told_without_its_words() -> None:
    async def drop(peer: Peer) -> None:
        await gemini.set_up(peer)
        peer.drop()

    reconnect = live.Reconnect(attempts=0)
    async with _web(drop, reconnect=reconnect) as (_server, web), web.browser() as socket:
        code, events = await _close_of(socket)
    assert code == 1013
    assert events[-1]["error"]["type"] == "SessionLost"
    assert "127.0.0.1" not in json.dumps(events)


async def test_a_relay_has_its_time() -> None:
    async with _web(_listen, relay={"max_duration_s": 0.2}) as (server, web), web.browser() as socket:
        code, events = await _close_of(socket)
        assert (code, events[-1]["error"]["type"]) == (1008, "TimeIsOver")
        await server.all_left()


# -- bad input


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ("{", 1007),
        ('{"type":"text"}', 1007),
        ('{"type":"text","text":1}', 1007),
        ('{"type":"nothing"}', 1007),
        ('{"type":"text","text":"a","tools":[]}', 1007),
        ('{"type":"audio_format","rate_hz":0}', 1007),
        ('{"type":"audio_format","rate_hz":191999}', 1007),  # a filter for it would be large
        ('{"type":"video","data":"*"}', 1007),
        (f'{{"type":"tool_result","id":"c1","result":{"[" * 8000 + "]" * 8000}}}', 1007),
        (b"\1\2\3", 1007),
        (bytes(16386), 1009),
        ("x" * 16386, 1009),
    ],
)
async def test_what_is_no_command_ends_the_relay_with_a_reason(message: str | bytes, code: int) -> None:
    async with _web(_listen, relay={"max_message_bytes": 16384}) as (server, web), web.browser() as socket:
        await _until(socket, "ready")
        await socket.send(message)
        closed, events = await _close_of(socket)
        assert closed == code
        assert events[-1]["type"] == "error"
        await server.all_left()


async def test_what_the_provider_cannot_be_told_is_an_error_and_no_end() -> None:
    async with _web(_listen) as (server, web), web.browser() as socket:
        await _until(socket, "ready")
        for command in (
            {"type": "activity_start"},
            {"type": "realtime_text", "text": ""},
            {"type": "interrupt", "played_ms": -1},
            {"type": "video", "data": ""},
            {"type": "video", "data": "aaaa", "media_type": "text/html"},
        ):
            await socket.send(json.dumps(command))
            events, _ = await _until(socket, "error")
            assert events[-1]["error"]["type"] in ("InvalidRequest", "UnsupportedOption")
        await socket.send('{"type":"text","text":"still here"}')
        await _happens(lambda: len(server.peers[0].received) == 2)


# -- backpressure


async def _flood(peer: Peer) -> None:
    await gemini.set_up(peer)
    peer.sent = 0  # type: ignore[attr-defined]
    piece = gemini.audio(bytes(48_000))
    while peer.sent < 1000:  # type: ignore[attr-defined] # 48 MB of sound
        await peer.send(piece)
        peer.sent += 1  # type: ignore[attr-defined]


async def _settled(count: Callable[[], int]) -> int:
    """A number, once it stays the same."""
    last = -1
    async with asyncio.timeout(LIMIT_S):
        while count() != last or last <= 0:
            last = count()
            await asyncio.sleep(0.3)
    return last


async def test_a_browser_that_does_not_read_stops_the_provider() -> None:
    async with _web(_flood, audio_capacity=4) as (server, web), web.browser(max_queue=1) as socket:
        sent = await _settled(lambda: getattr(server.peers[0], "sent", 0) if server.peers else 0)
        assert sent < 900  # what fits into the sockets, no more
        pieces = 0
        async with asyncio.timeout(LIMIT_S):
            while pieces < sent + 20:  # it reads again: the provider goes on, and nothing is missing
                data = await socket.recv()
                if isinstance(data, bytes):
                    assert len(data) == 48_000
                    pieces += 1
        await socket.close()
        ended = await web.stats()
    assert ended.browser_waited_s > 0.2
    assert ended.session.paused_s > 0.2
    assert ended.session.audio_dropped == ended.session.audio_overwritten == 0


async def test_a_browser_that_does_not_read_loses_audio_where_the_session_says_so() -> None:
    async with _web(_flood, audio_capacity=4, audio_overflow="overwrite") as (server, web):
        async with web.browser(max_queue=1) as socket:
            await _happens(lambda: server.peers and getattr(server.peers[0], "sent", 0) == 1000)
            socket.transport.abort()
        ended = await web.stats()
    assert ended.session.audio_overwritten > 100


async def test_a_browser_that_never_reads_is_left() -> None:
    impatient = {"send_timeout_s": 0.3}
    async with _web(_flood, audio_capacity=4, relay=impatient) as (server, web), web.browser(max_queue=1):
        ended = await web.stats()
        assert ended.close_code == 1008
        await server.all_left()


async def test_a_provider_that_does_not_read_stops_the_browser() -> None:
    leave = asyncio.Event()

    async def deaf(peer: Peer) -> None:
        await gemini.set_up(peer)
        await leave.wait()

    async with _web(deaf, relay={"send_timeout_s": 1.5}) as (server, web), web.browser() as socket:
        await _until(socket, "ready")
        sent = 0
        try:
            with contextlib.suppress(TimeoutError):
                while True:
                    async with asyncio.timeout(0.5):
                        await socket.send(bytes(32_000))
                        sent += 1
            assert 0 < sent < 2000  # it waits: neither side keeps what nobody takes
            assert len(server.peers[0].received) == 1
            code, events = await _close_of(socket)
            assert (code, events[-1]["error"]["type"]) == (1013, "Stalled")
        finally:
            leave.set()  # else the provider's end waits for itself
        assert (await web.stats()).session_waited_s > 1


async def test_a_server_that_stops_ends_its_relays() -> None:
    async with contextlib.AsyncExitStack() as stack:
        async with _web(_listen) as (server, web):
            socket = await stack.enter_async_context(web.browser())
            await _until(socket, "ready")
        code, _ = await _close_of(socket)
        assert code == 1012  # the service restarts
        assert (await web.stats()).close_code == 1012
        await server.all_left()


async def test_a_relay_that_is_cancelled_takes_its_session_with_it() -> None:
    relays: list[asyncio.Task[Any]] = []

    def remember(_websocket: WebSocket) -> bool:
        task = asyncio.current_task()
        assert task is not None
        relays.append(task)
        return True

    async with _web(_listen, authorize=remember) as (server, web), web.browser() as socket:
        await _until(socket, "ready")
        relays[0].cancel()
        await server.all_left()
        await asyncio.wait(relays)
        assert not [task for task in asyncio.all_tasks() if "exllm" in task.get_name()]
