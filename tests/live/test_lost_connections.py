"""What goes on while a connection is lost."""

# ruff: noqa: SIM117, ASYNC110 - the blocks say what goes on while what is open
from __future__ import annotations

import asyncio
from typing import Any

import pytest

import exllm
import exllm.transport.websocket as transport
from exllm import live
from exllm.live import Reconnect
from tests.live import gemini, openai
from tests.live.events import names, next_of, speak, until
from tests.live.scripted_server import Peer, Refusal, ScriptedServer

QUICK = Reconnect(base_s=0.01, cap_s=0.02)


async def listen(peer: Peer) -> None:
    await gemini.set_up(peer)
    await peer.keep_receiving()


async def test_a_call_that_the_service_has_not_completed_is_told_again_before_its_result() -> None:
    """The arguments were whole when the connection broke, the item was not."""
    gone = asyncio.Event()

    async def slow() -> str:
        """Is not done before the connection is gone."""
        await gone.wait()
        return "fine"

    async def cut(peer: Peer) -> None:
        await openai.set_up(peer)
        await openai.receive(peer, "response.create")
        item = openai.function_call("c1", "slow", "", "in_progress")
        done = {"response_id": "r1", "item_id": item["id"], "call_id": "c1", "name": "slow", "arguments": "{}"}
        await peer.send(
            {"type": "response.created", "response": {"id": "r1", "status": "in_progress"}},
            {"type": "response.output_item.added", "response_id": "r1", "output_index": 0, "item": item},
            {"type": "response.function_call_arguments.done", "output_index": 0, **done},
        )
        await asyncio.sleep(0.02)
        peer.drop()

    async def go_on(peer: Peer) -> None:
        await openai.set_up(peer)
        gone.set()
        await openai.receive(peer, "response.create")
        await peer.send(*openai.begin("r2", "i2"), *openai.done(peer, "r2", "i2", "Fine."))
        await peer.keep_receiving()

    async with ScriptedServer(cut, go_on) as server, openai.client_for(server.url) as client:
        async with client.live(openai.MODEL, tools=[slow], auto_tools=True, reconnect=QUICK) as session:
            await session.send("How is it?")
            async with asyncio.timeout(3):
                await until(session, live.Reconnected)
                await until(session, live.TurnComplete)
        await server.all_left()
    items = [message["item"] for message in server.peers[1].received if message["type"] == "conversation.item.create"]
    told = [item["type"] for item in items]
    assert told == ["message", "function_call", "function_call_output"]


async def test_a_result_that_comes_while_there_is_no_connection_is_told_once_after_its_call() -> None:
    gone, accepts = asyncio.Event(), asyncio.Event()

    async def slow() -> str:
        """Is done while there is no connection."""
        await gone.wait()
        return "fine"

    async def cut(peer: Peer) -> None:
        await openai.set_up(peer)
        await openai.receive(peer, "response.create")
        item = openai.function_call("c1", "slow")
        await peer.send(
            {"type": "response.created", "response": {"id": "r1", "status": "in_progress"}},
            {"type": "response.output_item.done", "response_id": "r1", "output_index": 0, "item": item},
            *openai.added(peer, item),
            {"type": "response.done", "response": {"id": "r1", "status": "completed", "output": [item]}},
        )
        await asyncio.sleep(0.02)
        peer.drop()

    async def go_on(peer: Peer) -> None:
        await accepts.wait()
        await openai.set_up(peer)
        await openai.receive(peer, "response.create")
        await peer.send(*openai.begin("r2", "i2"), *openai.done(peer, "r2", "i2", "Fine."))
        await peer.keep_receiving()

    async with ScriptedServer(cut, go_on) as server, openai.client_for(server.url) as client:
        async with client.live(openai.MODEL, tools=[slow], auto_tools=True, reconnect=QUICK) as session:
            await session.send("How is it?")
            async with asyncio.timeout(3):
                await until(session, live.Reconnecting)
                gone.set()
                while not session.stats.pending:
                    await asyncio.sleep(0.01)
                accepts.set()
                events = await until(session, live.Reconnected)
                events += await until(session, live.ToolFinished)
                await until(session, live.TurnComplete)
            assert sum(isinstance(event, live.ToolFinished) for event in events) == 1
        await server.all_left()
    received = server.peers[1].received[1:]
    kinds = [message["item"]["type"] if "item" in message else message["type"] for message in received]
    assert kinds == ["message", "function_call", "function_call_output", "response.create"]


@pytest.mark.parametrize("wire", [gemini, openai])
async def test_settings_that_change_while_there_is_no_connection_are_those_of_all_later_ones(wire: Any) -> None:
    accepts = asyncio.Event()
    settings: list[Any] = []

    async def cut(peer: Peer) -> None:
        settings.append(await wire.set_up(peer))
        await asyncio.sleep(0.02)
        peer.drop()

    async def late(peer: Peer) -> None:
        await accepts.wait()
        settings.append(await wire.set_up(peer))
        settings.append(await peer.receive())
        peer.drop()

    async def last(peer: Peer) -> None:
        settings.append(await wire.set_up(peer))
        await peer.keep_receiving()

    async with ScriptedServer(cut, late, last) as server, wire.client_for(server.url) as client:
        async with client.live(wire.MODEL, instructions="Be kind.", reconnect=QUICK) as session:
            await next_of(session, live.Reconnecting)
            changing = asyncio.create_task(session.update(instructions="Be brief."))
            given_up = asyncio.create_task(session.update(instructions="Be silent."))
            wrong = asyncio.create_task(session.update(voice="Kore" if wire is gemini else "", kind="transcription"))
            await asyncio.sleep(0.02)
            given_up.cancel()
            assert session.settings.instructions == "Be kind."
            accepts.set()
            await next_of(session, live.Reconnected)
            await changing
            with pytest.raises(exllm.UnsupportedOption):
                await wrong
            assert session.settings.instructions == "Be brief."
            await next_of(session, live.Reconnected)
        await server.all_left()
    kinds = ["brief" if "brief" in str(one) else "kind" if "kind" in str(one) else "" for one in settings]
    assert kinds == ["kind", "kind", "brief", "brief"]


async def test_a_server_that_restarts_twice_within_a_turn_costs_no_event_and_no_turn() -> None:
    async def cut(peer: Peer) -> None:
        await openai.set_up(peer)
        await openai.receive(peer, "response.create")
        number = len(server.peers)
        await peer.send(*openai.begin(f"r{number}", f"i{number}"), openai.said(f"r{number}", f"i{number}", "Par"))
        await asyncio.sleep(0.02)
        await peer.close(1012, "restart")

    async def go_on(peer: Peer) -> None:
        await openai.set_up(peer)
        await openai.receive(peer, "response.create")
        await peer.send(*openai.begin("r9", "i9"), openai.said("r9", "i9", "Paris"))
        await peer.send(*openai.done(peer, "r9", "i9", "Paris"))
        await peer.keep_receiving()

    async with ScriptedServer(cut, Refusal(503), cut, Refusal(503), go_on) as server:
        async with openai.client_for(server.url) as client, client.live(openai.MODEL, reconnect=QUICK) as session:
            await session.send("France?")
            async with asyncio.timeout(3):
                events = [event for _ in range(3) for event in await until(session, live.TurnComplete)]
            statuses = [event.status for event in events if isinstance(event, live.TurnComplete)]
            assert statuses == ["interrupted", "interrupted", "completed"]
            assert [event.attempt for event in events if isinstance(event, live.Reconnecting)] == [1, 2, 3, 4]
            assert names(events).count("Reconnected") == 2
            words = [event.text for event in events if isinstance(event, live.OutputTranscript)]
            assert words == ["Par", "Par", "Paris"]
        await server.all_left()
    for peer in (server.peers[1], server.peers[2]):
        items = [message["item"] for message in peer.received if message["type"] == "conversation.item.create"]
        assert [item["content"][0]["text"] for item in items if item["role"] == "user"] == ["France?"]
        assert sum(message["type"] == "response.create" for message in peer.received) == 1


async def test_what_is_sent_through_a_full_socket_that_breaks_arrives_in_order() -> None:
    async def deaf(peer: Peer) -> None:
        await gemini.set_up(peer)
        await peer.send(gemini.handle("h1"))
        peer.connection.transport.pause_reading()
        await asyncio.sleep(0.2)
        peer.drop()

    async with ScriptedServer(deaf, listen, read_ahead=1) as server, gemini.client_for(server.url) as client:
        async with client.live(gemini.MODEL, reconnect=QUICK) as session:
            await next_of(session, live.ResumptionUpdate)
            big = "x" * 300_000

            async def say(number: int) -> None:
                await session.send(f"{number} {big}" if number < 20 else str(number), complete=False)

            speaking = [asyncio.create_task(say(number)) for number in range(40)]
            await until(session, live.Reconnected)
            await asyncio.gather(*speaking)
        await server.all_left()
    sent = [message["clientContent"]["turns"] for message in server.peers[1].received if "clientContent" in message]
    numbers = [int(turn["parts"][0]["text"].split(" ")[0]) for turns in sent for turn in turns]
    assert numbers == sorted(numbers)
    assert numbers[-20:] == list(range(20, 40))
    assert any("not told again" in words for words in session.warnings) or numbers == list(range(40))


async def test_a_peer_that_is_gone_without_a_word_while_the_socket_is_full_is_noticed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(transport, "PING_S", 0.1)
    monkeypatch.setattr(transport, "PONG_S", 0.1)

    noticed = asyncio.Event()

    async def gone(peer: Peer) -> None:
        await gemini.set_up(peer)
        await peer.send(gemini.handle("h1"))
        peer.connection.transport.pause_reading()
        await noticed.wait()
        peer.drop()

    async with ScriptedServer(gone, listen, read_ahead=1) as server, gemini.client_for(server.url) as client:
        async with client.live(gemini.MODEL, reconnect=Reconnect(base_s=0.01, pending_audio_s=1000)) as session:
            speaking = asyncio.create_task(speak(session, 300))
            async with asyncio.timeout(5):
                await until(session, live.Reconnected)
            monkeypatch.undo()
            noticed.set()
            await speaking
            await session.audio_end()
        async with asyncio.timeout(3):
            await server.all_left()
    numbers = [message["realtimeInput"]["audio"]["data"] for message in server.peers[1].received[1:-1]]
    assert len(numbers) > 10
    assert session.stats.pending_dropped_bytes == 0


async def test_an_announcement_within_a_turn_that_nobody_listens_to_costs_nothing_but_the_connection() -> None:
    async def leaving(peer: Peer) -> None:
        await gemini.set_up(peer)
        await peer.receive()
        await peer.send(gemini.handle("h1"), gemini.go_away(0.2))
        for number in range(40):
            await peer.send(gemini.audio(bytes([number, 0])), gemini.said(f"{number} "))
        await asyncio.sleep(0.1)
        peer.drop()

    async with ScriptedServer(leaving, listen) as server, gemini.client_for(server.url) as client:
        async with client.live(gemini.MODEL, audio_capacity=4, reconnect=QUICK) as session:
            await session.send("Hello")
            await asyncio.sleep(0.3)  # the time is over, and nobody has read the announcement
            events = await until(session, live.Reconnected)
            heard = [event.data[0] for event in events if isinstance(event, live.AudioOut)]
            words = "".join(event.text for event in events if isinstance(event, live.OutputTranscript))
            assert heard == list(range(40))
            assert words == "".join(f"{number} " for number in range(40))
            kinds = names(events)
            assert kinds.index("GoAway") < kinds.index("TurnComplete") < kinds.index("Reconnecting")


async def test_a_session_that_nobody_reads_can_be_closed_after_its_connection_broke() -> None:
    async def talk(peer: Peer) -> None:
        await gemini.set_up(peer)
        for _ in range(50):
            await peer.send(gemini.audio(bytes(2)))
        peer.drop()

    async with ScriptedServer(talk) as server, gemini.client_for(server.url) as client:
        async with client.live(gemini.MODEL, audio_capacity=2):
            await asyncio.sleep(0.05)
            began = asyncio.get_running_loop().time()
        assert asyncio.get_running_loop().time() - began < 0.9  # who waits for tasks that do not end needs a second
        await server.all_left()


async def test_pictures_of_a_lost_conversation_are_told_again() -> None:
    async def cut(peer: Peer) -> None:
        await openai.set_up(peer)
        await openai.receive(peer, "response.create")
        await peer.send(*openai.begin("r1", "i1"), *openai.done(peer, "r1", "i1", "A cat."))
        await asyncio.sleep(0.02)
        peer.drop()

    async def go_on(peer: Peer) -> None:
        await openai.set_up(peer)
        await peer.keep_receiving()

    async with ScriptedServer(cut, cut, go_on) as server, openai.client_for(server.url) as client:
        async with client.live(openai.MODEL, reconnect=QUICK) as session:
            picture = exllm.Image(data=b"png", media_type="image/png")
            await session.send([exllm.Message.of("user", ["What is this?", picture])])
            await until(session, live.Reconnected)
            await session.send("And now?")
            await until(session, live.Reconnected)
            await session.send("end", complete=False)
        await server.all_left()
    for peer in server.peers[1:]:
        first, second = [message["item"] for message in peer.received if "item" in message][:2]
        assert first["content"] == [
            {"type": "input_text", "text": "What is this?"},
            {"type": "input_image", "image_url": "data:image/png;base64,cG5n"},
        ]
        assert second["role"] == "assistant"


@pytest.mark.parametrize("more", range(4))
async def test_a_consumer_that_stays_away_does_not_use_up_the_time_for_a_new_connection(
    more: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("exllm.live.queue.EVENT_CAPACITY", 4)

    async def talk(peer: Peer) -> None:
        await gemini.set_up(peer)
        await peer.send(gemini.handle("h1"), *[{"new": number} for number in range(more)])
        await asyncio.sleep(0.02)
        peer.drop()

    async def cut(peer: Peer) -> None:
        await gemini.set_up(peer)
        await once.wait()
        peer.drop()

    once = asyncio.Event()
    async with ScriptedServer(talk, cut, listen) as server, gemini.client_for(server.url) as client:
        policy = Reconnect(within_s=0.5, base_s=0.01)
        async with client.live(gemini.MODEL, reconnect=policy) as session, asyncio.timeout(5):
            await asyncio.sleep(0.7)
            await until(session, live.Reconnected)
            once.set()
            await until(session, live.Reconnected)  # what both losses cost together is within the limit


def asks(wire: Any, messages: list[Any]) -> int:
    """How often an answer is asked for."""
    if wire is gemini:
        return sum(message.get("clientContent", {}).get("turnComplete", False) for message in messages)
    return sum(message.get("type") == "response.create" for message in messages)


@pytest.mark.parametrize("tries", [1, 2])
@pytest.mark.parametrize("wire", [gemini, openai])
async def test_an_answer_that_is_interrupted_while_the_session_reconnects_is_not_asked_for_again(
    wire: Any, tries: int
) -> None:
    interrupted = asyncio.Event()
    told: list[Any] = []

    async def answer(peer: Peer, words: str) -> None:
        if wire is gemini:
            await peer.send(gemini.said(words), gemini.GENERATED, gemini.COMPLETE)
        else:
            name = f"r{len(server.peers)}"
            await peer.send(*openai.begin(name, "i"), *openai.done(peer, name, "i", words))

    async def cut(peer: Peer) -> None:
        await wire.set_up(peer)
        if wire is gemini:
            await peer.send(gemini.handle("h1"))
            await peer.receive()
            await peer.send(gemini.audio(bytes(2)), gemini.said("Once upon"))
        else:
            await openai.receive(peer, "response.create")
            await peer.send(*openai.begin("r1", "i1"), openai.audio("r1", "i1", bytes(2)))
            await peer.send(openai.said("r1", "i1", "Once upon"))
        peer.drop()

    async def no_answer(peer: Peer) -> None:
        await peer.receive()
        await interrupted.wait()
        peer.drop()

    async def go_on(peer: Peer) -> None:
        await interrupted.wait()
        await wire.set_up(peer)
        while "Norway" not in str(message := await peer.receive()):
            told.append(message)
        await answer(peer, "Oslo")
        await peer.keep_receiving()

    behaviours = [cut, *[no_answer] * (tries - 1), go_on]
    async with ScriptedServer(*behaviours) as server, wire.client_for(server.url) as client:
        async with client.live(wire.MODEL, reconnect=QUICK) as session, asyncio.timeout(5):
            await session.send("Tell a story")
            await next_of(session, live.Reconnecting)
            while len(server.peers) < 2 or (tries == 2 and not server.peers[1].received):
                await asyncio.sleep(0.01)
            interrupting = asyncio.create_task(session.interrupt())
            await asyncio.sleep(0)
            interrupted.set()
            await next_of(session, live.Reconnected)
            await interrupting
            await session.send("Norway?")
            await next_of(session, live.TurnComplete)
        await server.all_left()
    assert len(server.peers) == tries + 1
    assert "Once upon" in str(told)
    assert asks(wire, told) == 0
    assert asks(wire, server.peers[-1].received) == 1


@pytest.mark.parametrize("wire", [gemini, openai])
async def test_what_was_asked_while_there_was_no_connection_is_answered_after_an_interruption(wire: Any) -> None:
    said = asyncio.Event()

    async def cut(peer: Peer) -> None:
        await wire.set_up(peer)
        if wire is gemini:
            await peer.send(gemini.handle("h1"))
        peer.drop()

    async def go_on(peer: Peer) -> None:
        await said.wait()
        await wire.set_up(peer)
        await peer.keep_receiving()

    async with ScriptedServer(cut, go_on) as server, wire.client_for(server.url) as client:
        async with client.live(wire.MODEL, reconnect=QUICK) as session, asyncio.timeout(5):
            await next_of(session, live.Reconnecting)
            asking = asyncio.create_task(session.send("Norway?"))
            while not session.stats.pending:
                await asyncio.sleep(0.01)
            interrupting = asyncio.create_task(session.interrupt())
            while session.stats.pending < 2:
                await asyncio.sleep(0.01)
            said.set()
            await asyncio.gather(asking, interrupting)
            await session.send("end", complete=False)
        await server.all_left()
    assert asks(wire, server.peers[1].received) == 1


async def test_an_answer_is_not_asked_for_again_when_it_is_interrupted_after_its_connection_was_left() -> None:
    interrupted = asyncio.Event()

    async def leaving(peer: Peer) -> None:
        await gemini.set_up(peer)
        await peer.send(gemini.handle("h1"))
        await peer.receive()
        await peer.send(gemini.go_away(0.1), gemini.audio(bytes(2)), gemini.said("Once upon"))

    async def go_on(peer: Peer) -> None:
        await interrupted.wait()
        await listen(peer)

    async with ScriptedServer(leaving, go_on) as server, gemini.client_for(server.url) as client:
        async with client.live(gemini.MODEL, reconnect=QUICK) as session, asyncio.timeout(5):
            await session.send("Tell a story")
            await next_of(session, live.Reconnecting)
            interrupting = asyncio.create_task(session.interrupt())
            await asyncio.sleep(0)
            interrupted.set()
            await interrupting
            await session.send("end", complete=False)
        await server.all_left()
    told = server.peers[1].received
    assert "Once upon" in str(told)
    assert "end" in str(told[-1])
    assert asks(gemini, told) == 0


@pytest.mark.parametrize("event_capacity", [1024, 3])
@pytest.mark.parametrize("wire", ["gemini", "openai"])
async def test_one_task_that_takes_events_and_sends_does_not_wait_for_itself(
    wire: str, event_capacity: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The ring is full, so nobody notices that the connection is lost; who could take from it waits for a new one."""
    monkeypatch.setattr("exllm.live.queue.EVENT_CAPACITY", event_capacity)
    pieces = 12

    async def play(peer: Peer) -> None:
        if wire == "gemini":
            await gemini.set_up(peer)
            sound = [gemini.audio(bytes([number, 0])) for number in range(pieces)]
            await peer.send(gemini.handle("h"), *[gemini.said("la")] * 5, *sound)
        else:
            await openai.set_up(peer)
            sound = [openai.audio("r", "i", bytes([number, 0])) for number in range(pieces)]
            await peer.send(*openai.begin("r", "i"), *[openai.said("r", "i", "la")] * 5, *sound)
        await asyncio.sleep(0.02)
        peer.drop()

    async def go_on(peer: Peer) -> None:
        if wire == "gemini":
            await gemini.set_up(peer)
            await peer.send(gemini.handle("h2"))
            await peer.receive_until("clientContent")
            await peer.send(gemini.text("Yes"), gemini.COMPLETE)
            await peer.keep_receiving()
        else:
            await openai.set_up(peer)
            await openai.receive(peer, "response.create")
            await peer.send(*openai.begin("r2", "i2"), *openai.done(peer, "r2", "i2", "Yes"))
            await peer.keep_receiving()

    module = gemini if wire == "gemini" else openai
    policy = Reconnect(base_s=0.01, cap_s=0.02, anew=True)
    heard: list[int] = []
    events: list[Any] = []
    async with ScriptedServer(play, go_on) as server, module.client_for(server.url) as client:
        async with client.live(module.MODEL, audio_capacity=2, reconnect=policy) as session, asyncio.timeout(5):
            await asyncio.sleep(0.1)  # the ring is full, and the connection gone
            assert session.stats.waiting_audio == 2 or event_capacity == 3
            while not session.stats.reconnects:  # a system may take some more for a socket that is gone
                await session.send("Are you there?")
                await asyncio.sleep(0.01)
            stats = session.stats
            async for event in session:
                events.append(event)
                if isinstance(event, live.AudioOut):
                    heard.append(event.data[0])
                elif isinstance(event, live.TurnComplete) and event.status != "interrupted":
                    break
    assert heard == list(range(pieces))
    order = [name for name in names(events) if name in ("AudioOut", "Reconnecting", "Reconnected", "TurnComplete")]
    assert order == ["AudioOut"] * pieces + ["TurnComplete", "Reconnecting", "Reconnected", "TurnComplete"]
    assert (stats.reconnects, stats.waiting_audio) == (1, pieces)
