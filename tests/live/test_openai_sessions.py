"""The same session over OpenAI's protocol: turns have names, and a lost connection is rebuilt from the conversation."""

# ruff: noqa: SIM117, ASYNC110 - the blocks say what goes on while what is open
from __future__ import annotations

import asyncio

import pytest

from exllm import live
from exllm.live import Reconnect
from tests.live.events import names, next_of, until
from tests.live.openai import KEY, MODEL, SPEECH, audio, begin, client_for, done, function_call, receive, said, set_up
from tests.live.scripted_server import Peer, ScriptedServer

QUICK = Reconnect(base_s=0.01, cap_s=0.02)


async def test_a_turn_goes_out_and_speech_comes_in() -> None:
    async def answer(peer: Peer) -> None:
        await set_up(peer)
        await receive(peer, "response.create")
        await peer.send(*begin("r1", "i1"), audio("r1", "i1", b"\1\0" * 10), said("r1", "i1", "Hi"))
        await peer.send(*done(peer, "r1", "i1", "Hi"))
        await peer.keep_receiving()

    async with ScriptedServer(answer) as server, client_for(server.url) as client:
        async with client.live(MODEL, voice="marin") as session:
            await session.send("Hello")
            events = await until(session, live.TurnComplete)
            (piece,) = [event for event in events if isinstance(event, live.AudioOut)]
            assert (piece.data, piece.rate_hz, piece.turn, piece.item) == (b"\1\0" * 10, 24_000, "r1", "i1")
            assert [(message.role, message.text) for message in session.transcript] == [
                ("user", "Hello"),
                ("assistant", "Hi"),
            ]
            assert session.usage.total_tokens == 15
            assert session.input_rate_hz == 24_000
        assert server.requests[0].headers["authorization"] == f"Bearer {KEY}"
        assert server.requests[0].path == "/v1/realtime?model=gpt-realtime"


async def test_an_interruption_throws_away_the_audio_of_its_own_turn_alone() -> None:
    async def answer(peer: Peer) -> None:
        await set_up(peer)
        await receive(peer, "response.create")
        await peer.send(*begin("r1", "i1"), audio("r1", "i1", b"\1\0"), *done(peer, "r1", "i1", "one"))
        await peer.send(*begin("r2", "i2"), *[audio("r2", "i2", bytes(4_800)) for _ in range(5)], SPEECH)
        await peer.send(audio("r2", "i2", bytes(4_800)))  # was on its way
        await peer.send(*done(peer, "r2", "i2", "tw", "cancelled"))
        await peer.keep_receiving()

    async with ScriptedServer(answer) as server, client_for(server.url) as client:
        async with client.live(MODEL) as session:
            await session.send("Hello")
            async with asyncio.timeout(3):
                while session.stats.audio_discarded < 6:
                    await asyncio.sleep(0.01)
            events = await until(session, live.Interrupted)
            assert [event.turn for event in events if isinstance(event, live.AudioOut)] == ["r1"]
            rest = await until(session, live.TurnComplete)
            assert "AudioOut" not in names(rest)
            complete = rest[-1]
            assert isinstance(complete, live.TurnComplete)
            assert complete.status == "interrupted"
            await session.interrupt(played_ms=120.8)  # as a JitterBuffer counts; the service takes whole numbers
            await session.send("end", complete=False)
        await server.all_left()
    truncated = next(m for m in server.peers[0].received if m["type"] == "conversation.item.truncate")
    assert (truncated["item_id"], truncated["audio_end_ms"]) == ("i2", 120)
    assert isinstance(truncated["audio_end_ms"], int)


async def test_what_still_comes_after_the_application_interrupts_is_not_heard() -> None:
    async def answer(peer: Peer) -> None:
        await set_up(peer)
        await receive(peer, "response.create")
        await peer.send(*begin("r1", "i1"), *[audio("r1", "i1", bytes(480)) for _ in range(3)])
        await receive(peer, "response.cancel")
        await peer.send(*[audio("r1", "i1", bytes(480)) for _ in range(3)], *done(peer, "r1", "i1", "x", "cancelled"))
        await receive(peer, "response.create")
        await peer.send(*begin("r2", "i2"), audio("r2", "i2", bytes(480)), *done(peer, "r2", "i2", "y"))
        await peer.keep_receiving()

    async with ScriptedServer(answer) as server, client_for(server.url) as client:
        async with client.live(MODEL) as session:
            await session.send("Hello")
            await next_of(session, live.AudioOut)
            await session.interrupt()
            assert "AudioOut" not in names(await until(session, live.TurnComplete))
            await session.send("Again")
            assert (await next_of(session, live.AudioOut)).turn == "r2"
            assert session.stats.audio_discarded == 5


async def test_g711_goes_out_in_its_own_rate() -> None:
    async def listen(peer: Peer) -> None:
        await set_up(peer)
        await peer.keep_receiving()

    async with ScriptedServer(listen) as server, client_for(server.url) as client:
        async with client.live(MODEL, audio_format="g711_ulaw", turn_detection="manual") as session:
            assert session.input_rate_hz == 8_000
            await session.send_audio(bytes(640), rate_hz=16_000)  # 20 ms
            await session.activity_end()
            assert session.stats.audio_out_bytes == 160
            await session.send_audio(b"\xff" * 160)  # is G.711 already
        await server.all_left()


async def test_a_lost_conversation_is_told_again_and_the_answer_asked_for() -> None:
    async def cut(peer: Peer) -> None:
        await set_up(peer)
        await receive(peer, "response.create")
        await peer.send(*begin("r1", "i1"), said("r1", "i1", "Oslo"), *done(peer, "r1", "i1", "Oslo"))
        await receive(peer, "response.create")
        await peer.send(*begin("r2", "i2"), said("r2", "i2", "Par"))
        await asyncio.sleep(0.05)
        peer.drop()

    told: list[str] = []

    async def go_on(peer: Peer) -> None:
        await set_up(peer)
        await receive(peer, "response.create")
        items = [message["item"] for message in peer.received if message["type"] == "conversation.item.create"]
        told.extend(f"{item['role']}: {item['content'][0].get('text')}" for item in items)
        await peer.send(*begin("r3", "i3"), said("r3", "i3", "Paris"), *done(peer, "r3", "i3", "Paris"))
        await peer.keep_receiving()

    async with ScriptedServer(cut, go_on) as server, client_for(server.url) as client:
        async with client.live(MODEL, reconnect=QUICK) as session:
            await session.send("Norway?")
            await until(session, live.TurnComplete)
            await session.send("France?")
            events = await until(session, live.Reconnected)
            lost = next(event for event in events if isinstance(event, live.TurnComplete))
            assert (lost.status, lost.reason) == ("interrupted", "connection_lost")
            reconnected = events[-1]
            assert isinstance(reconnected, live.Reconnected)
            assert reconnected.resumed_by == "replay"
            events = await until(session, live.TurnComplete)
            assert "".join(event.text for event in events if isinstance(event, live.OutputTranscript)) == "Paris"
            assert "Reconnecting" not in names(events)
    assert told[:3] == ["user: Norway?", "assistant: Oslo", "user: France?"]


async def test_what_only_listens_is_told_by_hand_where_a_turn_ends_if_the_service_does_not_hear_it() -> None:
    async def write_down(peer: Peer) -> None:
        asked = await peer.receive()
        asked["session"]["audio"]["input"]["turn_detection"] = None
        await peer.send({"type": "session.updated", "event_id": "e", "session": asked["session"]})
        await receive(peer, "input_audio_buffer.commit")
        heard = {"item_id": "u1", "content_index": 0, "transcript": "hello"}
        await peer.send({"type": "conversation.item.input_audio_transcription.completed", "event_id": "e", **heard})
        await peer.keep_receiving()

    async with ScriptedServer(write_down) as server, client_for(server.url) as client:
        async with client.live("openai", kind="transcription") as session:
            await session.send_audio(bytes(480))
            await session.audio_end()
            assert (await next_of(session, live.InputTranscript)).text == "hello"
    assert [message["type"] for message in server.peers[0].received[1:]] == [
        "input_audio_buffer.append",
        "input_audio_buffer.commit",
    ]


async def test_what_only_listens_goes_on_without_being_told_what_was_said() -> None:
    async def write_down(peer: Peer) -> None:
        await set_up(peer)
        item = {"id": "u1", "type": "message", "role": "user", "content": [{"type": "input_audio"}]}
        heard = {"item_id": "u1", "content_index": 0, "transcript": "hello"}
        await peer.send(
            {"type": "conversation.item.added", "event_id": "e", "item": item},
            {"type": "conversation.item.input_audio_transcription.completed", "event_id": "e", **heard},
        )
        await asyncio.sleep(0.02)
        peer.drop()

    async def go_on(peer: Peer) -> None:
        assert (await set_up(peer))["type"] == "transcription"
        await peer.keep_receiving()

    async with ScriptedServer(write_down, go_on) as server, client_for(server.url) as client:
        async with client.live("openai", kind="transcription", reconnect=QUICK) as session:
            assert (await next_of(session, live.Reconnected)).resumed_by == "new"
            await session.send_audio(bytes(480))
            assert [message.text for message in session.transcript] == ["hello"]
            async with asyncio.timeout(3):
                while session.stats.audio_out_bytes < 480:
                    await asyncio.sleep(0.01)
        await server.all_left()
    assert [message["type"] for message in server.peers[1].received[1:]] == ["input_audio_buffer.append"]


@pytest.mark.parametrize("interrupts", [True, False])
async def test_speech_over_an_answer_that_is_complete_and_not_taken_interrupts_it(interrupts: bool) -> None:
    async def answer(peer: Peer) -> None:
        await set_up(peer)
        await peer.send(*begin("r1", "i1"), *[audio("r1", "i1", bytes(100)) for _ in range(5)])
        await peer.send(*done(peer, "r1", "i1", "A long answer."), SPEECH)
        await peer.send(*begin("r2", "i2"), audio("r2", "i2", b"\1\0"), *done(peer, "r2", "i2", "Yes?"))

    async with ScriptedServer(answer) as server, client_for(server.url) as client:
        detection = live.TurnDetection(interrupts=interrupts)
        async with client.live(MODEL, turn_detection=detection) as session:
            async with asyncio.timeout(3):
                while session.stats.audio_in_bytes < 502:
                    await asyncio.sleep(0.01)
            events = [*await until(session, live.TurnComplete), *await until(session, live.TurnComplete)]
            heard = [event.data for event in events if isinstance(event, live.AudioOut)]
            cut = [event for event in events if isinstance(event, live.Interrupted)]
            if interrupts:
                assert heard == [b"\1\0"]
                assert cut == [live.Interrupted("r1", "i1")]
                assert session.stats.audio_discarded == 5
            else:
                assert heard == [*[bytes(100)] * 5, b"\1\0"]
                assert cut == []


async def test_a_response_that_the_services_own_forestalls_is_asked_for_after_that() -> None:
    async def answer(peer: Peer) -> None:
        await set_up(peer)
        await receive(peer, "response.create")
        code = "conversation_already_has_active_response"
        await peer.send(*begin("heard", "i1"))
        await peer.send({"type": "error", "event_id": "e", "error": {"type": "invalid_request_error", "code": code}})
        await peer.send(*done(peer, "heard", "i1", "Hm?"))
        assert (await receive(peer, "response.create"))["response"] == {"instructions": "Be brief."}
        await peer.send(*begin("asked", "i2"), *done(peer, "asked", "i2", "Yes."))

    async with ScriptedServer(answer) as server, client_for(server.url) as client:
        async with client.live(MODEL) as session:
            await session.respond(instructions="Be brief.")
            turns = [(await next_of(session, live.TurnComplete)).turn for _ in range(2)]
            assert turns == ["heard", "asked"]


async def test_what_is_answered_beside_the_conversation_is_not_in_its_transcript() -> None:
    async def answer(peer: Peer) -> None:
        def beside(kind: str, status: str) -> dict[str, object]:
            response = {"id": "r9", "status": status, "conversation_id": None, "metadata": {"topic": "mood"}}
            return {"type": f"response.{kind}", "event_id": "e", "response": response}

        await set_up(peer)
        await receive(peer, "response.create")
        await peer.send(*begin("r1", "i1"), said("r1", "i1", "It is "))
        assert (await receive(peer, "response.create"))["response"]["conversation"] == "none"
        await peer.send(beside("created", "in_progress"), said("r9", "i9", "calm"), beside("done", "completed"))
        await peer.send(said("r1", "i1", "warm."), *done(peer, "r1", "i1", "It is warm."))
        await peer.keep_receiving()

    async with ScriptedServer(answer) as server, client_for(server.url) as client:
        async with client.live(MODEL) as session:
            await session.send("Weather?")
            await next_of(session, live.OutputTranscript)
            await session.respond(conversation="none", input="Is the user calm?", metadata={"topic": "mood"})
            first = await until(session, live.TurnComplete)
            assert live.TurnStarted("r9", beside=True) in first
            assert [event.text for event in first if isinstance(event, live.OutputTranscript)] == ["calm"]
            second = await until(session, live.TurnComplete)
            assert [event.turn for event in (first[-1], second[-1]) if isinstance(event, live.TurnComplete)] == [
                "r9",
                "r1",
            ]
            assert [message.text for message in session.transcript] == ["Weather?", "It is warm."]


async def test_a_turn_goes_on_while_another_beside_it_ends() -> None:
    async def lose(peer: Peer) -> None:
        await set_up(peer)
        response = {"id": "r9", "status": "completed", "conversation_id": None}
        await receive(peer, "response.create")
        await peer.send(*begin("r1", "i1"), said("r1", "i1", "It is "))
        await peer.send({"type": "response.created", "event_id": "e", "response": response})
        await peer.send(said("r9", "i9", "calm"), {"type": "response.done", "event_id": "e", "response": response})
        for other in ("r7", "r8"):
            await peer.send({"type": "response.created", "event_id": "e", "response": {**response, "id": other}})
        peer.drop()

    async def go_on(peer: Peer) -> None:
        await set_up(peer)
        await peer.keep_receiving()

    async with ScriptedServer(lose, go_on) as server, client_for(server.url) as client:
        async with client.live(MODEL, reconnect=QUICK) as session:
            await session.send("Weather?")
            assert (await next_of(session, live.TurnComplete)).turn == "r9"
            lost = [await next_of(session, live.TurnComplete) for _ in range(3)]
            assert [turn.turn for turn in lost] == ["r7", "r8", "r1"]
            assert {turn.reason for turn in lost} == {"connection_lost"}
            await next_of(session, live.Reconnected)


async def test_a_call_beside_the_conversation_is_made_and_its_result_stays_beside_it() -> None:
    async def mood(word: str) -> str:
        return f"noted: {word}"

    async def answer(peer: Peer) -> None:
        await set_up(peer)
        response = {"id": "r9", "status": "completed", "conversation_id": None}
        await receive(peer, "response.create")
        await peer.send(*begin("r1", "i1"), said("r1", "i1", "It is "))
        call = function_call("c9", "mood", '{"word": "calm"}')
        await peer.send(
            {"type": "response.created", "event_id": "e", "response": response},
            {"type": "response.output_item.done", "event_id": "e", "response_id": "r9", "item": call},
            {"type": "response.done", "event_id": "e", "response": {**response, "output": [call]}},
        )
        assert (await peer.receive())["item"]["content"][0]["text"] == "And?"  # nothing before it
        await peer.send(said("r1", "i1", "warm."), *done(peer, "r1", "i1", "It is warm."))
        await peer.keep_receiving()

    async with ScriptedServer(answer) as server, client_for(server.url) as client:
        async with client.live(MODEL, tools=[mood], auto_tools=True) as session:
            await session.send("Weather?")
            assert (await next_of(session, live.ToolFinished)).result == "noted: calm"
            await session.send("And?", complete=False)
            while (await next_of(session, live.TurnComplete)).turn != "r1":
                pass
            assert [(said.role, said.text) for said in session.transcript] == [
                ("user", "Weather?"),
                ("assistant", "It is warm."),
                ("user", "And?"),
            ]
            assert len(session.warnings) == 1


async def test_what_was_answered_beside_the_conversation_is_nothing_to_lose() -> None:
    async def lose(peer: Peer) -> None:
        await set_up(peer)
        response = {"id": "r9", "status": "completed", "conversation_id": None}
        await receive(peer, "response.create")
        await peer.send({"type": "response.created", "event_id": "e", "response": response})
        await peer.send(said("r9", "i9", "calm"), {"type": "response.done", "event_id": "e", "response": response})
        peer.drop()

    async def go_on(peer: Peer) -> None:
        await set_up(peer)
        await peer.keep_receiving()

    async with ScriptedServer(lose, go_on) as server, client_for(server.url) as client:
        async with client.live(MODEL, reconnect=QUICK) as session:
            await session.respond(conversation="none", input="Say: calm")
            assert (await next_of(session, live.TurnComplete)).turn == "r9"
            await next_of(session, live.Reconnected)
