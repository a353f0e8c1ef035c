"""A realtime session against a server that does what it is told."""

# ruff: noqa: SIM117, PT012, PT031, ASYNC110 - the blocks say what goes on while what is open
from __future__ import annotations

import asyncio
import base64
import gc
import json
import os
import struct
from array import array
from typing import Any

import pytest

import exllm
from exllm import live
from exllm.types.live_events import LiveEvent
from tests.live.events import names, next_of, until
from tests.live.gemini import COMPLETE, INTERRUPTED, KEY, MODEL, audio, client_for, heard, said, set_up, text, turn_text
from tests.live.scripted_server import Peer, ScriptedServer

STEREO = memoryview(bytes(8)).cast("B").cast("h", (2, 2))


async def answer_hello(peer: Peer) -> None:
    await set_up(peer)
    assert turn_text(await peer.receive()) == "Hello"
    await peer.send(text("Hi"), text(" there"), COMPLETE)


async def set_up_and_listen(peer: Peer) -> None:
    await set_up(peer)
    await peer.keep_receiving()


async def test_a_turn_goes_out_and_the_answer_comes_in() -> None:
    async with ScriptedServer(answer_hello) as server, client_for(server.url) as client:
        async with client.live(MODEL, modalities="text") as session:
            await session.send("Hello")
            events = await until(session, live.TurnComplete)
            assert "".join(event.text for event in events if isinstance(event, live.TextOut)) == "Hi there"
            assert isinstance(events[0], live.SessionStarted)
            assert [(message.role, message.text) for message in session.transcript] == [
                ("user", "Hello"),
                ("assistant", "Hi there"),
            ]
            assert (session.usage.input_tokens, session.usage.output_tokens) == (10, 5)
            stats = session.stats
            assert (stats.connections, stats.messages_in, stats.messages_out) == (1, 4, 2)
            assert stats.bytes_out > 0
            assert stats.ready_s is not None
        await server.all_left()
        assert server.peers[0].close_code == 1000
        assert KEY not in server.requests[0].path
        assert server.requests[0].headers["x-goog-api-key"] == KEY
        assert "permessage-deflate" not in server.requests[0].headers.get("sec-websocket-extensions", "")


async def test_binary_and_text_messages_are_the_same_events() -> None:
    async def answer(peer: Peer) -> None:
        await peer.receive()
        await peer.send({"setupComplete": {}}, binary=True)
        await peer.send(text("a"))
        await peer.send(text("b"), COMPLETE, binary=True)

    async with ScriptedServer(answer) as server, client_for(server.url) as client:
        async with client.live(MODEL) as session:
            events = await until(session, live.TurnComplete)
            assert [event.text for event in events if isinstance(event, live.TextOut)] == ["a", "b"]


async def test_an_event_without_a_name_arrives_as_it_is() -> None:
    async def answer(peer: Peer) -> None:
        await set_up(peer)
        await peer.send({"somethingNew": {"x": 1}})

    async with ScriptedServer(answer) as server, client_for(server.url) as client:
        async with client.live(MODEL) as session:
            event = await next_of(session, live.ProviderEvent)
            assert event.data == {"somethingNew": {"x": 1}} or "somethingNew" in str(event)


async def test_the_service_ends_the_session_in_good_order() -> None:
    async def answer(peer: Peer) -> None:
        await set_up(peer)
        await peer.send(text("bye"), COMPLETE)
        await peer.close(1000)

    async with ScriptedServer(answer) as server, client_for(server.url) as client:
        async with client.live(MODEL) as session:
            events = [event async for event in session]
            assert names(events)[-1] == "TurnComplete"
            assert session.error is None
            with pytest.raises(exllm.StreamClosed):
                await session.send("anyone?")


async def test_two_tasks_send_and_their_messages_do_not_mix() -> None:
    async with ScriptedServer(set_up_and_listen) as server, client_for(server.url) as client:
        async with client.live(MODEL) as session:

            async def say(who: str) -> None:
                for number in range(50):
                    await session.send(f"{who}{number}", complete=False)

            await asyncio.gather(say("a"), say("b"))
        await server.all_left()
    sent = [turn_text(message) for message in server.peers[0].received[1:]]
    assert sorted(sent) == sorted([f"{who}{number}" for who in "ab" for number in range(50)])
    for who in "ab":
        assert [words for words in sent if words[0] == who] == [f"{who}{number}" for number in range(50)]


async def test_what_is_no_time_and_no_image_is_refused_and_costs_nothing() -> None:
    async with ScriptedServer(set_up_and_listen) as server, client_for(server.url) as client:
        async with client.live(MODEL) as session:
            for wrong, error in ((-1, ValueError), (float("nan"), ValueError), ("1", TypeError), (True, TypeError)):
                with pytest.raises(error, match="played_ms is"):
                    await session.interrupt(wrong)  # type: ignore[arg-type]
            with pytest.raises(exllm.InvalidRequest, match=r"an image, got 0 bytes of 'image/jpeg'"):
                await session.send_video(b"")
            with pytest.raises(exllm.InvalidRequest, match=r"got 2 bytes of 'video/mp4'"):
                await session.send_video(b"ab", "video/mp4")
            with pytest.raises(TypeError, match="an image, as bytes, got str"):
                await session.send_video("frame.jpg")  # type: ignore[arg-type]
            with pytest.raises(TypeError, match="PCM of 16 bits, as bytes, got list"):
                await session.send_audio([1, 2])  # type: ignore[arg-type]
            await session.send("still here")
        await server.all_left()
    assert [turn_text(message) for message in server.peers[0].received[1:]] == ["still here"]


@pytest.mark.parametrize("rates_hz", [(48_000, 44_100, None), (48_000, None, 8_000), (8_000, 48_000, 8_000)])
async def test_when_the_rate_changes_nothing_is_lost_and_the_order_kept(rates_hz: tuple[int | None, ...]) -> None:
    async with ScriptedServer(set_up_and_listen) as server, client_for(server.url) as client:
        async with client.live(MODEL) as session:
            for number, rate_hz in enumerate(rates_hz):
                loud = (number + 1) * 8_000
                for _ in range(2):
                    await session.send_audio(loud.to_bytes(2, "little") * ((rate_hz or 16_000) // 20), rate_hz)
            await session.audio_end()
        await server.all_left()
    sent = [message["realtimeInput"] for message in server.peers[0].received[1:]]
    pcm = b"".join(base64.b64decode(one["audio"]["data"]) for one in sent if "audio" in one)
    samples = struct.unpack(f"<{len(pcm) // 2}h", pcm)
    assert len(samples) == 3 * 1_600
    for number in range(3):
        middle = samples[number * 1_600 + 100 : (number + 1) * 1_600 - 100]
        assert all(abs(value - (number + 1) * 8_000) <= 1 for value in middle)


async def test_a_session_says_what_and_how_it_is() -> None:
    async with ScriptedServer(set_up_and_listen) as server, client_for(server.url) as client:
        session = client.live(MODEL)
        assert repr(session) == f"<LiveSession {MODEL}, not entered>"
        async with session:
            assert repr(session) == f"<LiveSession {MODEL}, open>"
        assert repr(session) == f"<LiveSession {MODEL}, over>"


async def test_everything_that_can_be_said_goes_out_in_order() -> None:
    async with ScriptedServer(set_up_and_listen) as server, client_for(server.url) as client:
        async with client.live(MODEL, turn_detection="manual") as session:
            await session.activity_start()
            await session.send_audio(b"\1\0" * 160)
            await session.send_video(b"jpeg")
            await session.send_video(exllm.Image(data=b"png", media_type="image/png"))
            await session.send_text("look")
            await session.activity_end()
            await session.audio_end()
            await session.send_raw({"custom": 1})
            await session.respond()
        await server.all_left()
    received = server.peers[0].received[1:]
    kinds = [next(iter(message[next(iter(message))]), "") if "realtimeInput" in message else next(iter(message))
             for message in received]  # fmt: skip
    assert kinds == [
        "activityStart", "audio", "video", "video", "text", "activityEnd", "audioStreamEnd", "custom", "clientContent",
    ]  # fmt: skip
    assert received[1]["realtimeInput"]["audio"]["mimeType"] == "audio/pcm;rate=16000"
    assert received[3]["realtimeInput"]["video"]["mimeType"] == "image/png"


async def test_audio_of_another_rate_is_brought_to_the_services() -> None:
    async with ScriptedServer(set_up_and_listen) as server, client_for(server.url) as client:
        async with client.live(MODEL) as session:
            assert session.input_rate_hz == 16_000
            for _ in range(10):
                await session.send_audio(bytes(960), rate_hz=24_000)  # 20 ms
            await session.audio_end()
            assert session.stats.audio_out_bytes == 6_400  # 200 ms
        await server.all_left()
    pieces = [message["realtimeInput"]["audio"]["data"] for message in server.peers[0].received[1:-1]]
    assert sum(len(base64.b64decode(piece)) for piece in pieces) == 6_400


async def test_what_is_no_audio_is_refused() -> None:
    async with ScriptedServer(set_up_and_listen) as server, client_for(server.url) as client:
        async with client.live(MODEL) as session:
            with pytest.raises(ValueError, match="even number"):
                await session.send_audio(b"\0\0\0")
            with pytest.raises(TypeError):
                await session.send_audio("text")  # type: ignore[arg-type]
            with pytest.raises(TypeError, match="16 bits"):
                await session.send_audio(array("f", [0.5]))  # type: ignore[arg-type]
            with pytest.raises(ValueError, match="one channel"):
                await session.send_audio(STEREO)
            await session.send_audio(array("h", [1, 2]))  # type: ignore[arg-type]
            with pytest.raises(TypeError, match="rate_hz"):
                await session.send_audio(b"\0\0", rate_hz="16k")  # type: ignore[arg-type]
            with pytest.raises(exllm.InvalidRequest):
                await session.send_text("")
            with pytest.raises(exllm.InvalidRequest, match="manual"):
                await session.activity_start()
            await session.send("still here")


# -- what the consumer does not take


async def test_full_audio_ring_blocks_and_loses_nothing() -> None:
    pieces = [bytes([number % 256, 0]) * 50 for number in range(600)]

    async def answer(peer: Peer) -> None:
        await set_up(peer)
        await peer.send(*map(audio, pieces), COMPLETE)

    async with ScriptedServer(answer) as server, client_for(server.url) as client:
        async with client.live(MODEL, audio_capacity=8) as session:
            await asyncio.sleep(0.2)
            assert session.stats.waiting_audio == 8
            events = await until(session, live.TurnComplete)
            assert [event.data for event in events if isinstance(event, live.AudioOut)] == pieces
            stats = session.stats
            assert stats.audio_high_water == 8
            assert stats.paused_s > 0.1
            assert (stats.audio_dropped, stats.audio_overwritten) == (0, 0)


@pytest.mark.parametrize(("overflow", "kept"), [("drop", range(4)), ("overwrite", range(16, 20))])
async def test_audio_that_nobody_takes_is_lost_as_asked_and_nothing_else_is(overflow: Any, kept: range) -> None:
    pieces = [bytes([number, 0]) for number in range(20)]

    async def answer(peer: Peer) -> None:
        await set_up(peer)
        for number, piece in enumerate(pieces):
            await peer.send(audio(piece), said(f"{number} "))
        await peer.send(COMPLETE)

    async with ScriptedServer(answer) as server, client_for(server.url) as client:
        async with client.live(MODEL, audio_overflow=overflow, audio_capacity=4) as session:
            async with asyncio.timeout(3):
                while session.stats.events < 42:
                    await asyncio.sleep(0.01)
            events = await until(session, live.TurnComplete)
            heard_audio = [event.data[0] for event in events if isinstance(event, live.AudioOut)]
            assert heard_audio == list(kept)
            words = "".join(event.text for event in events if isinstance(event, live.OutputTranscript))
            assert words == "".join(f"{number} " for number in range(20))
            # What is left stands where it stood.
            first = next(place for place, event in enumerate(events) if isinstance(event, live.AudioOut))
            follower = events[first + 1]
            assert isinstance(follower, live.OutputTranscript)
            assert follower.text == f"{kept[0]} "
            stats = session.stats
            assert (stats.audio_dropped, stats.audio_overwritten) == ((16, 0) if overflow == "drop" else (0, 16))


async def test_text_is_never_dropped_however_much_waits() -> None:
    async def answer(peer: Peer) -> None:
        await set_up(peer)
        for number in range(3000):
            await peer.send(text(f"{number} "))
        await peer.send(COMPLETE)

    async with ScriptedServer(answer) as server, client_for(server.url) as client:
        async with client.live(MODEL, audio_overflow="overwrite") as session:
            await asyncio.sleep(0.3)
            stats = session.stats
            assert stats.waiting_events <= 1024
            events = await until(session, live.TurnComplete)
            words = [event.text for event in events if isinstance(event, live.TextOut)]
            assert words == [f"{number} " for number in range(3000)]
            assert session.stats.paused_s > 0


async def test_an_interruption_throws_away_the_audio_that_nobody_has_taken() -> None:
    async def answer(peer: Peer) -> None:
        await set_up(peer)
        await peer.send(*[audio(bytes([number, 0])) for number in range(10)], said("I was going to"), INTERRUPTED)
        await peer.send(COMPLETE, audio(b"\xff\0"), COMPLETE)

    async with ScriptedServer(answer) as server, client_for(server.url) as client:
        async with client.live(MODEL) as session:
            async with asyncio.timeout(3):
                while session.stats.audio_discarded < 10:
                    await asyncio.sleep(0.01)
            events = await until(session, live.Interrupted)
            assert not [event for event in events if isinstance(event, live.AudioOut)]
            assert [event.text for event in events if isinstance(event, live.OutputTranscript)] == ["I was going to"]
            assert (await next_of(session, live.AudioOut)).data == b"\xff\0"
            assert session.stats.audio_discarded == 10


async def test_what_still_comes_of_a_turn_that_the_application_interrupts_is_not_heard() -> None:
    async def answer(peer: Peer) -> None:
        await set_up(peer)
        await peer.send(audio(b"\1\0"))
        assert (await peer.receive())["clientContent"] == {"turnComplete": False}
        await peer.send(audio(b"\2\0"))
        await asyncio.sleep(0.05)
        await peer.send(INTERRUPTED, COMPLETE, audio(b"\3\0"), COMPLETE)

    async with ScriptedServer(answer) as server, client_for(server.url) as client:
        async with client.live(MODEL) as session:
            assert (await next_of(session, live.AudioOut)).data == b"\1\0"
            await session.interrupt()
            assert names(await until(session, live.TurnComplete)) == ["Interrupted", "TurnComplete"]
            assert (await next_of(session, live.AudioOut)).data == b"\3\0"
            assert session.stats.audio_discarded == 1


async def test_settings_that_two_tasks_change_are_both_changed() -> None:
    async with ScriptedServer(set_up_and_listen) as server, client_for(server.url) as client:
        async with client.live(MODEL) as session:
            await asyncio.gather(
                session.update(instructions="Be brief."), session.update(tools=[exllm.Tool("look", "Looks.")])
            )
            assert session.settings.instructions == "Be brief."
            assert [tool.name for tool in session.settings.tools] == ["look"]  # type: ignore[union-attr]
        await server.all_left()
    assert [sorted(message["contextUpdate"]) for message in server.peers[0].received[1:]] == [
        ["systemInstruction"], ["tools"],
    ]  # fmt: skip


async def test_send_audio_waits_while_the_socket_is_full() -> None:
    reads = asyncio.Event()

    async def slow(peer: Peer) -> None:
        await set_up(peer)
        await reads.wait()
        await peer.keep_receiving()

    async with ScriptedServer(slow, read_ahead=1) as server, client_for(server.url) as client:
        async with client.live(MODEL) as session:
            piece, sent = bytes(32_000), 0

            async def speak() -> None:
                nonlocal sent
                for _ in range(400):
                    await session.send_audio(piece)
                    sent += 1

            speaking = asyncio.create_task(speak())
            await asyncio.sleep(0.5)
            before = sent
            assert 0 < before < 400
            await asyncio.sleep(0.2)
            assert sent == before  # it waits
            assert 0 < session.stats.buffered_bytes < 200_000
            reads.set()
            await speaking
            assert session.stats.send_waited_s > 0.2
            assert session.stats.buffered_high_water < 200_000
        await server.all_left()
    assert sum("realtimeInput" in message for message in server.peers[0].received) == 400


# -- transcripts, recordings


async def test_the_transcript_has_what_both_said_in_order() -> None:
    async def answer(peer: Peer) -> None:
        await set_up(peer)
        await peer.send(heard("What is "), said("It is "), heard("the time?"), said("noon."), COMPLETE)
        await peer.send(heard("Thanks"), said("Wel"), INTERRUPTED, heard("Wait"), said("Yes?"), COMPLETE)

    async with ScriptedServer(answer) as server, client_for(server.url) as client:
        history = [exllm.Message("user", "Hi"), exllm.Message("assistant", "Hello")]
        async with client.live(MODEL, history=history, input_transcription=True, output_transcription=True) as session:
            await until(session, live.TurnComplete)
            await until(session, live.TurnComplete)
            assert [(message.role, message.text) for message in session.transcript] == [
                ("user", "Hi"), ("assistant", "Hello"),
                ("user", "What is the time?"), ("assistant", "It is noon."),
                ("user", "Thanks"), ("assistant", "Wel"), ("user", "Wait"), ("assistant", "Yes?"),
            ]  # fmt: skip


async def test_a_recording_holds_what_was_heard_and_is_closed_on_every_exit(tmp_path: Any) -> None:
    async def answer(peer: Peer) -> None:
        await set_up(peer)
        await peer.send(audio(b"\1\0" * 100), audio(b"\2\0" * 100), COMPLETE)

    path, left, failed = tmp_path / "out.wav", tmp_path / "left.wav", tmp_path / "failed.wav"
    async with ScriptedServer(answer) as server, client_for(server.url) as client:
        async with client.live(MODEL) as session:
            with session.record(path) as recording:
                await until(session, live.TurnComplete)
            assert recording.is_closed
            assert live.audio.read_wav(path) == (b"\1\0" * 100 + b"\2\0" * 100, 24_000)
        async with client.live(MODEL) as session:
            recording = session.record(left)
            await next_of(session, live.AudioOut)
        assert recording.is_closed
        assert live.audio.read_wav(left)[0] == b"\1\0" * 100
        with pytest.raises(RuntimeError, match="mine"):
            async with client.live(MODEL) as session:
                recording = session.record(failed)
                raise RuntimeError("mine")
        assert recording.is_closed
        assert live.audio.read_wav(failed) == (b"", 24_000)


# -- the end


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="a disk that is full")
async def test_a_recording_that_cannot_go_on_costs_neither_event_nor_session() -> None:
    async def answer(peer: Peer) -> None:
        await set_up(peer)
        await peer.send(*[audio(bytes(9_000)) for _ in range(4)], COMPLETE)

    async with ScriptedServer(answer) as server, client_for(server.url) as client:
        async with client.live(MODEL) as session:
            recording = session.record("/dev/full")
            events = await until(session, live.TurnComplete)
            assert sum(isinstance(event, live.AudioOut) for event in events) == 4
            assert recording.is_closed
            assert "No space left" in session.warnings[0]


async def test_aclose_from_another_task_ends_a_read_with_a_clear_error_and_the_socket() -> None:
    async with ScriptedServer(set_up_and_listen) as server, client_for(server.url) as client:
        async with client.live(MODEL) as session:

            async def listen() -> None:
                async for _ in session:
                    pass

            listening = asyncio.create_task(listen())
            await asyncio.sleep(0.05)
            began = asyncio.get_running_loop().time()
            await session.aclose()
            with pytest.raises(exllm.StreamClosed, match="closed"):
                await listening
            await server.all_left()
            assert server.peers[0].left_at is not None
            assert server.peers[0].left_at - began < 0.05
            await session.aclose()
            with pytest.raises(exllm.StreamClosed):
                await session.send("Hello")


async def test_a_cancelled_block_closes_the_socket_at_once() -> None:
    async with ScriptedServer(set_up_and_listen) as server, client_for(server.url) as client:

        async def talk() -> None:
            async with client.live(MODEL) as session:
                async for _ in session:
                    pass

        talking = asyncio.create_task(talk())
        await asyncio.sleep(0.1)
        began = asyncio.get_running_loop().time()
        talking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await talking
        await server.all_left()
        assert server.peers[0].left_at is not None
        assert server.peers[0].left_at - began < 0.02 + 0.03  # the server's own turn of the loop


async def test_a_server_that_never_says_goodbye_is_not_waited_for() -> None:
    async def deaf(peer: Peer) -> None:
        await set_up(peer)
        peer.connection.transport.pause_reading()
        await asyncio.sleep(1)
        peer.drop()

    async with ScriptedServer(deaf) as server, client_for(server.url) as client:
        session = client.live(MODEL)
        await session.__aenter__()
        began = asyncio.get_running_loop().time()
        await session.aclose()
        assert asyncio.get_running_loop().time() - began < 0.1


async def test_a_session_is_entered_once_and_used_within_its_block() -> None:
    async with ScriptedServer(set_up_and_listen) as server, client_for(server.url) as client:
        session = client.live(MODEL)
        for attempt in (session.send("x"), session.send_audio(b"\0\0"), session.__anext__(), session.update(voice="a")):
            with pytest.raises(exllm.StreamClosed, match="not entered"):
                await attempt
        async with session:
            pass
        with pytest.raises(exllm.StreamClosed):
            async with session:
                pass
        await server.all_left()


async def test_a_forgotten_session_warns_and_closes_its_socket() -> None:
    async with ScriptedServer(set_up_and_listen) as server, client_for(server.url) as client:
        session = client.live(MODEL)
        await session.__aenter__()
        with pytest.warns(ResourceWarning, match="abandoned"):
            del session
            gc.collect()
        await server.all_left()


async def test_events_round_trip_through_json() -> None:
    import msgspec

    async with ScriptedServer(answer_hello) as server, client_for(server.url) as client:
        async with client.live(MODEL) as session:
            await session.send("Hello")
            events = await until(session, live.TurnComplete)
    for event in events:
        assert msgspec.json.decode(msgspec.json.encode(event), type=LiveEvent) == event


async def test_settings_can_be_changed_while_the_session_runs() -> None:
    async with ScriptedServer(set_up_and_listen) as server, client_for(server.url) as client:
        async with client.live(MODEL, instructions="Be kind") as session:
            await session.update(instructions="Be brief")
            assert session.settings.instructions == "Be brief"
            with pytest.raises(TypeError, match="did you mean 'instructions'"):
                await session.update(instruction="x")
            with pytest.raises(exllm.UnsupportedOption):
                await session.update(voice="Kore")
            assert session.settings.voice is None
        await server.all_left()
    assert json.dumps(server.peers[0].received[1]).count("Be brief") == 1
