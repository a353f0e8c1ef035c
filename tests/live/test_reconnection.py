"""A session that loses its connection, or is about to."""

# ruff: noqa: SIM117, PT012, PERF401, ASYNC110 - the blocks say what goes on while what is open
from __future__ import annotations

import asyncio
from typing import Any

import pytest

import exllm
from exllm import live
from exllm.live import Reconnect
from tests.live.events import names, next_of, until
from tests.live.gemini import COMPLETE, MODEL, audio, client_for, go_away, handle, said, set_up, text, turn_text
from tests.live.scripted_server import Peer, Refusal, ScriptedServer

QUICK = Reconnect(base_s=0.01, cap_s=0.02)


async def serve_on(peer: Peer) -> None:
    """A connection that answers each turn with its own words."""
    await set_up(peer)
    while True:
        message = await peer.receive()
        if "clientContent" in message:
            await peer.send(text(f"you said {turn_text(message)}"), COMPLETE)


async def first_then_drop(peer: Peer) -> None:
    await set_up(peer)
    await peer.receive()
    await peer.send(text("one"), COMPLETE, handle("h1"))
    await asyncio.sleep(0.05)
    peer.drop()


async def test_a_dropped_connection_is_resumed_by_its_handle() -> None:
    async with ScriptedServer(first_then_drop, serve_on) as server, client_for(server.url) as client:
        async with client.live(MODEL, reconnect=QUICK) as session:
            await session.send("Hello")
            await until(session, live.TurnComplete)
            events = await until(session, live.Reconnected)
            assert names(events) == ["ResumptionUpdate", "Reconnecting", "SessionStarted", "Reconnected"]
            reconnected = events[-1]
            assert isinstance(reconnected, live.Reconnected)
            assert (reconnected.attempts, reconnected.resumed_by) == (1, "handle")
            started = events[-2]
            assert isinstance(started, live.SessionStarted)
            assert started.resumed
            await session.send("Still there?")
            assert (await next_of(session, live.TextOut)).text == "you said Still there?"
            assert session.resumption_handle == "h1"
            assert (session.stats.connections, session.stats.reconnects) == (2, 1)
            assert [message.text for message in session.transcript][:3] == ["Hello", "one", "Still there?"]
        setup = server.peers[1].received[0]["setup"]
        assert setup["sessionResumption"]["handle"] == "h1"


async def test_a_turn_that_was_cut_is_told_and_asked_again() -> None:
    async def cut(peer: Peer) -> None:
        await set_up(peer)
        await peer.send(handle("h1"))
        await peer.receive()
        await peer.send(audio(b"\1\0" * 10), said("The answer"))
        await asyncio.sleep(0.05)
        peer.drop()

    async with ScriptedServer(cut, serve_on) as server, client_for(server.url) as client:
        async with client.live(MODEL, reconnect=QUICK) as session:
            await session.send("Tell me")
            complete = await next_of(session, live.TurnComplete)
            assert (complete.status, complete.reason) == ("interrupted", "connection_lost")
            await next_of(session, live.Reconnected)
            # The service has not answered it under the handle: it is said again, once.
            assert (await next_of(session, live.TextOut)).text.startswith("you said Tell me")
        said_again = [turn_text(message) for message in server.peers[1].received if "clientContent" in message]
        assert len(said_again) == 1


async def test_a_go_away_moves_the_session_at_the_end_of_the_turn() -> None:
    async def leaving(peer: Peer) -> None:
        await set_up(peer)
        await peer.receive()
        await peer.send(handle("h1"), said("This is "), go_away(5.0))
        await asyncio.sleep(0.1)
        await peer.send(said("whole."), COMPLETE, handle("h2"))
        await peer.keep_receiving()

    async with ScriptedServer(leaving, serve_on) as server, client_for(server.url) as client:
        async with client.live(MODEL, reconnect=QUICK) as session:
            await session.send("Hello")
            events = await until(session, live.Reconnected)
            kinds = names(events)
            assert kinds.index("GoAway") < kinds.index("TurnComplete") < kinds.index("Reconnecting")
            complete = next(event for event in events if isinstance(event, live.TurnComplete))
            assert complete.status == "completed"
            words = "".join(event.text for event in events if isinstance(event, live.OutputTranscript))
            assert words == "This is whole."
            await session.send("Again")
            assert (await next_of(session, live.TextOut)).text == "you said Again"
        await server.all_left()
        assert server.peers[0].close_code == 1000  # left by us, before the time was over


async def test_a_go_away_in_a_turn_that_does_not_end_moves_the_session_before_the_time_is_over() -> None:
    async def leaving(peer: Peer) -> None:
        await set_up(peer)
        await peer.receive()
        await peer.send(handle("h1"), said("On and on"), go_away(0.4))
        await peer.keep_receiving()

    async with ScriptedServer(leaving, serve_on) as server, client_for(server.url) as client:
        async with client.live(MODEL, reconnect=QUICK) as session:
            await session.send("Hello")
            await next_of(session, live.GoAway)
            began = asyncio.get_running_loop().time()
            events = await until(session, live.Reconnected)
            assert asyncio.get_running_loop().time() - began < 0.4
            assert "TurnComplete" in names(events)


async def test_what_is_said_meanwhile_waits_and_goes_out_in_order() -> None:
    accepts = asyncio.Event()

    async def drop(peer: Peer) -> None:
        await set_up(peer)
        await peer.send(handle("h1"))
        await asyncio.sleep(0.05)
        peer.drop()

    async def late(peer: Peer) -> None:
        await accepts.wait()
        await set_up(peer)
        await peer.keep_receiving()

    async with ScriptedServer(drop, late) as server, client_for(server.url) as client:
        async with client.live(MODEL, reconnect=QUICK) as session:
            await next_of(session, live.Reconnecting)
            tasks = []
            for number in range(3):
                await session.send_audio(bytes([number, 0]) * 160)  # audio does not wait
                tasks.append(asyncio.create_task(session.send(f"turn {number}", complete=False)))
                await asyncio.sleep(0)
            cancelled = asyncio.create_task(session.send("never", complete=False))
            await asyncio.sleep(0.02)
            cancelled.cancel()
            assert session.stats.pending == 7
            assert not any(task.done() for task in tasks)
            accepts.set()
            await asyncio.gather(*tasks)
            await next_of(session, live.Reconnected)
            assert session.stats.pending == 0
            await session.send("after", complete=False)
        await server.all_left()
        sent = [next(iter(message)) for message in server.peers[1].received[1:]]
        assert sent == ["realtimeInput", "clientContent"] * 3 + ["clientContent"]
        words = [turn_text(message) for message in server.peers[1].received if "clientContent" in message]
        assert words == ["turn 0", "turn 1", "turn 2", "after"]


async def test_audio_that_waits_is_bounded_and_what_goes_is_counted() -> None:
    accepts = asyncio.Event()

    async def drop(peer: Peer) -> None:
        await set_up(peer)
        await peer.send(handle("h1"))
        await asyncio.sleep(0.02)
        peer.drop()

    async def late(peer: Peer) -> None:
        await accepts.wait()
        await set_up(peer)
        await peer.keep_receiving()

    async with ScriptedServer(drop, late) as server, client_for(server.url) as client:
        policy = Reconnect(base_s=0.01, cap_s=0.02, pending_audio_s=0.1)
        async with client.live(MODEL, reconnect=policy) as session:
            await next_of(session, live.Reconnecting)
            for number in range(20):
                await session.send_audio(bytes([number, 0]) * 320)  # 20 ms
            assert session.stats.pending == 5
            assert session.stats.pending_dropped_bytes == 15 * 640
            accepts.set()
            await next_of(session, live.Reconnected)
            await session.audio_end()
        await server.all_left()
        assert sum("audio" in message.get("realtimeInput", {}) for message in server.peers[1].received) == 5


async def test_a_drop_while_sending_loses_no_turn() -> None:
    async def drop_soon(peer: Peer) -> None:
        await set_up(peer)
        await peer.send(handle("h1"))
        await peer.receive_until("clientContent")
        peer.drop()

    async def rest(peer: Peer) -> None:
        await set_up(peer)
        await peer.keep_receiving()

    async with ScriptedServer(drop_soon, rest) as server, client_for(server.url) as client:
        async with client.live(MODEL, reconnect=QUICK) as session:
            await next_of(session, live.ResumptionUpdate)
            for number in range(30):
                await session.send(f"turn {number}.", complete=False)
                await session.send_audio(bytes(3200))
            await next_of(session, live.Reconnected)
            await session.send("end", complete=False)
        await server.all_left()
        words = "".join(turn_text(message) for message in server.peers[1].received if "clientContent" in message)
        assert words == "".join(f"turn {number}." for number in range(30)) + "end"


async def test_a_restart_of_the_server_is_waited_for() -> None:
    async with ScriptedServer(first_then_drop, Refusal(503), Refusal(503), serve_on) as server:
        async with client_for(server.url) as client, client.live(MODEL, reconnect=QUICK) as session:
            await session.send("Hello")
            events = await until(session, live.Reconnected)
            assert [event.attempt for event in events if isinstance(event, live.Reconnecting)] == [1, 2, 3]
            assert session.stats.connections == 2


async def test_when_no_try_is_left_the_session_is_lost_with_its_transcript() -> None:
    async def cut(peer: Peer) -> None:
        await set_up(peer)
        await peer.send(handle("h1"))
        await peer.receive()
        await peer.send(said("Half an ans"))
        await asyncio.sleep(0.05)
        peer.drop()

    async with ScriptedServer(cut, Refusal(503)) as server, client_for(server.url) as client:
        async with client.live(MODEL, reconnect=Reconnect(attempts=2, base_s=0.01, cap_s=0.02)) as session:
            await session.send("Hello")
            events: list[Any] = []
            with pytest.raises(exllm.SessionLost, match="2 tries") as caught:
                async for event in session:
                    events.append(event)
            assert sum(isinstance(event, live.Reconnecting) for event in events) == 2
            assert [message.text for message in caught.value.transcript] == ["Hello", "Half an ans"]
            assert isinstance(caught.value.__cause__, exllm.Overloaded)
            assert caught.value.provider == "gemini"
            assert session.error is caught.value
            with pytest.raises(exllm.SessionLost):
                await session.send("anyone?")


async def test_a_lost_session_has_the_unfinished_answer() -> None:
    async def cut(peer: Peer) -> None:
        await set_up(peer)
        await peer.receive()
        await peer.send(said("Half an ans"))
        await asyncio.sleep(0.05)
        await peer.close(1008, "models/x is not found for API version v1beta")

    async with ScriptedServer(cut) as server, client_for(server.url) as client:
        async with client.live(MODEL) as session:
            await session.send("Hello")
            with pytest.raises(exllm.NotFound) as caught:
                async for _ in session:
                    pass
            assert caught.value.partial is not None
            assert caught.value.partial.text == "Half an ans"
            assert caught.value.partial.finish_reason is None


async def spoken_turn(peer: Peer) -> None:
    """A turn of speech that nobody writes down."""
    await set_up(peer)
    await peer.receive()
    await peer.send(audio(bytes(200)), COMPLETE)


async def test_speech_that_nobody_can_tell_again_is_a_lost_session_and_not_a_new_one_in_silence() -> None:
    async def talk(peer: Peer) -> None:
        await spoken_turn(peer)
        await asyncio.sleep(0.02)
        peer.drop()

    async def listen(peer: Peer) -> None:
        await set_up(peer)
        await peer.keep_receiving()

    async with ScriptedServer(talk, listen) as server, client_for(server.url) as client:
        async with client.live(MODEL, reconnect=QUICK) as session:
            await session.send_audio(bytes(320))
            with pytest.raises(exllm.SessionLost, match="neither resume"):
                await until(session, live.Reconnected)
    async with ScriptedServer(talk, listen) as server, client_for(server.url) as client:
        async with client.live(MODEL, reconnect=Reconnect(anew=True)) as session:
            await session.send_audio(bytes(320))
            assert (await next_of(session, live.Reconnected)).resumed_by == "new"
    async with ScriptedServer(dropped_at_once, listen) as server, client_for(server.url) as client:
        async with client.live(MODEL, reconnect=QUICK) as session:  # nothing is lost
            assert (await next_of(session, live.Reconnected)).resumed_by == "new"


async def dropped_at_once(peer: Peer) -> None:
    await set_up(peer)
    peer.drop()


async def test_a_go_away_is_no_reason_to_lose_a_session_before_its_time() -> None:
    async def talk(peer: Peer) -> None:
        await spoken_turn(peer)
        await peer.send(go_away(50))
        await asyncio.sleep(0.5)  # it would be left after a quarter of a second
        await peer.send(handle("h1"))

    async def resumed(peer: Peer) -> None:
        assert (await set_up(peer))["sessionResumption"] == {"handle": "h1"}

    async with ScriptedServer(talk, resumed) as server, client_for(server.url) as client:
        async with client.live(MODEL, reconnect=QUICK) as session:
            await session.send_audio(bytes(320))
            events = await until(session, live.Reconnected)
            assert [name for name in names(events) if name in ("GoAway", "ResumptionUpdate", "Reconnecting")] == [
                "GoAway", "ResumptionUpdate", "Reconnecting",
            ]  # fmt: skip


async def test_a_go_away_does_not_cut_the_user_short() -> None:
    async def talk(peer: Peer) -> None:
        await set_up(peer)
        await peer.send(handle("h1"))
        for _ in range(20):
            await peer.receive()
        await peer.send(go_away(60))
        for _ in range(10):
            await peer.receive()
        await peer.send(said("Sunny."), COMPLETE)
        await peer.keep_receiving()

    async def resumed(peer: Peer) -> None:
        await set_up(peer)
        await peer.keep_receiving()

    async with ScriptedServer(talk, resumed) as server, client_for(server.url) as client:
        async with client.live(MODEL, reconnect=QUICK) as session:

            async def speak() -> None:
                for number in range(40):
                    await session.send_audio(bytes([number, 0]) * 1_600)  # 100 ms
                    await asyncio.sleep(0.04)

            speaking = asyncio.create_task(speak())
            events = await until(session, live.Reconnected)
            assert names(events).index("TurnComplete") < names(events).index("Reconnecting")
            await speaking
            async with asyncio.timeout(3):
                while session.stats.audio_out_bytes < 40 * 3_200:
                    await asyncio.sleep(0.01)
        await server.all_left()
    pieces = [
        message["realtimeInput"]["audio"]["data"]
        for peer in server.peers
        for message in peer.received
        if "realtimeInput" in message
    ]
    assert len(pieces) == len(set(pieces)) == 40


async def test_without_tries_a_drop_is_the_end() -> None:
    async with ScriptedServer(first_then_drop) as server, client_for(server.url) as client:
        async with client.live(MODEL, reconnect=Reconnect(attempts=0)) as session:
            await session.send("Hello")
            with pytest.raises(exllm.SessionLost) as caught:
                async for _ in session:
                    pass
            assert isinstance(caught.value.__cause__, exllm.ExLLMError)
            assert len(server.peers) == 1


async def test_a_refused_key_at_the_new_connection_is_not_tried_again() -> None:
    refusal = Refusal(401, '{"error": {"message": "revoked", "status": "UNAUTHENTICATED"}}')
    async with ScriptedServer(first_then_drop, refusal) as server, client_for(server.url) as client:
        async with client.live(MODEL, reconnect=QUICK) as session:
            await session.send("Hello")
            with pytest.raises(exllm.SessionLost, match="refuses") as caught:
                async for _ in session:
                    pass
            assert isinstance(caught.value.__cause__, exllm.AuthenticationError)
            assert len(server.requests) == 2


async def test_a_service_that_takes_the_connection_and_says_nothing_costs_its_time_and_no_more() -> None:
    async def silent(peer: Peer) -> None:
        await peer.receive()

    async with ScriptedServer(first_then_drop, silent) as server, client_for(server.url) as client:
        policy = Reconnect(attempts=9, within_s=0.3, base_s=0.01, cap_s=0.02)
        async with client.live(MODEL, reconnect=policy) as session:
            await session.send("Hello")
            began = asyncio.get_running_loop().time()
            with pytest.raises(exllm.SessionLost, match=r"within 0.3 s"):
                async for _ in session:
                    pass
            assert asyncio.get_running_loop().time() - began < 1.0


async def test_a_server_that_drops_each_new_connection_exhausts_the_budget() -> None:
    async def flap(peer: Peer) -> None:
        await set_up(peer)
        await peer.send(handle("h"))
        await asyncio.sleep(0.01)
        peer.drop()

    async with ScriptedServer(flap) as server, client_for(server.url) as client:
        async with client.live(MODEL, reconnect=Reconnect(attempts=4, base_s=0.01, cap_s=0.02)) as session:
            with pytest.raises(exllm.SessionLost):
                async for _ in session:
                    pass
            assert len(server.peers) == 5


async def test_a_turn_that_brings_every_connection_down_exhausts_the_budget() -> None:
    async def crash(peer: Peer) -> None:
        await set_up(peer)
        await peer.receive()
        await peer.send(said("I"))
        await asyncio.sleep(0.02)
        peer.drop()

    async with ScriptedServer(crash) as server, client_for(server.url) as client:
        async with client.live(MODEL, reconnect=Reconnect(attempts=3, base_s=0.01, cap_s=0.02)) as session:
            await session.send("Do the bad thing")
            with pytest.raises(exllm.SessionLost):
                async for _ in session:
                    pass
            assert len(server.peers) == 4


async def test_closing_while_it_reconnects_leaves_nothing() -> None:
    async def silent(peer: Peer) -> None:
        await peer.receive()

    async with ScriptedServer(first_then_drop, silent) as server, client_for(server.url) as client:
        async with client.live(MODEL, reconnect=QUICK) as session:
            await session.send("Hello")
            await next_of(session, live.Reconnecting)
            waiting = asyncio.create_task(session.send("meanwhile"))
            await asyncio.sleep(0.05)
        with pytest.raises(exllm.StreamClosed):
            await waiting
        await server.all_left()


@pytest.mark.parametrize(
    ("arguments", "error"),
    [({"attempts": "3"}, TypeError), ({"attempts": -1}, ValueError), ({"within_s": True}, TypeError)],
)
def test_a_budget_that_makes_no_sense_is_refused(arguments: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(error):
        Reconnect(**arguments)
