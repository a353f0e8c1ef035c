"""`exllm live` against a scripted provider."""

from __future__ import annotations

import asyncio
import base64
import os
import signal
import time
from pathlib import Path

import pytest

from exllm.live.audio import read_wav, write_wav
from tests.cli.command import Result, Terminal, finish, run, start
from tests.live import gemini, openai
from tests.live.scripted_server import Behaviour, Peer, Refusal, ScriptedServer

PCM = b"\1\0" * 240
EMPTY = "a file without sound"


async def _echo(peer: Peer) -> None:
    """Says what it was told, in words and sound, turn by turn."""
    await gemini.set_up(peer)
    while True:
        text = gemini.turn_text(await peer.receive_until("clientContent"))
        await peer.send(gemini.said("You said "), gemini.audio(PCM), gemini.said(f"{text}."), gemini.COMPLETE)


async def _stall(peer: Peer) -> None:
    await gemini.set_up(peer)
    await peer.receive()
    await peer.send(gemini.said("Well, "), gemini.audio(PCM))
    await peer.keep_receiving()


def _settings(server: ScriptedServer) -> dict[str, str]:
    return {"GEMINI_API_KEY": gemini.KEY, "GEMINI_LIVE_URL": server.url}


async def _live(behaviour: Behaviour | Refusal, *arguments: str, stdin: bytes | None = None) -> Result:
    async with ScriptedServer(behaviour) as server:
        return await run("live", gemini.MODEL, *arguments, stdin=stdin, **_settings(server))


async def test_a_prompt_is_answered_on_stdout_and_nothing_else_anywhere() -> None:
    assert await _live(_echo, "Hello", "there") == (0, "You said Hello there.\n", "")


async def test_every_line_of_the_input_is_a_turn() -> None:
    result = await _live(_echo, stdin="One\n\nzwölf".encode())
    assert result == (0, "You said One.\nYou said zwölf.\n", "")


async def test_the_speech_goes_into_a_file(tmp_path: Path) -> None:
    path = tmp_path / "out.wav"
    result = await _live(_echo, "--wav", str(path), "--stats", "Hi")
    assert result.out == "You said Hi.\n"
    assert read_wav(path) == (PCM, 24_000)
    assert result.err.startswith(f"{gemini.MODEL} · tokens: 10 in, 5 out")
    assert "first audio" in result.err
    assert str(path) in result.err


async def test_settings_reach_the_service() -> None:
    async with ScriptedServer(_echo) as server:
        arguments = ("--voice", "Kore", "-s", "Be brief.", "-o", "temperature=0.5", "Hi")
        assert (await run("live", gemini.MODEL, *arguments, **_settings(server))).code == 0
        setup = server.peers[0].received[0]["setup"]
    assert setup["systemInstruction"]["parts"] == [{"text": "Be brief."}]
    assert setup["generationConfig"]["temperature"] == 0.5
    assert "Kore" in str(setup["generationConfig"]["speechConfig"])
    assert "outputAudioTranscription" in setup


async def test_answers_in_text_alone() -> None:
    async def answer(peer: Peer) -> None:
        setup = await gemini.set_up(peer)
        assert setup["generationConfig"]["responseModalities"] == ["TEXT"]
        await peer.receive()
        await peer.send(gemini.text("plain"), gemini.COMPLETE)
        await peer.keep_receiving()

    assert (await _live(answer, "--text", "Hi")).out == "plain\n"


async def test_a_sound_file_is_spoken_in_real_time_as_one_turn(tmp_path: Path) -> None:
    path = tmp_path / "in.wav"
    write_wav(path, b"\2\0" * 8_000, 16_000)  # half a second
    heard: list[float] = []

    async def answer(peer: Peer) -> None:
        await gemini.set_up(peer)
        assert "activityStart" in (await peer.receive())["realtimeInput"]
        while "activityEnd" not in (await peer.receive())["realtimeInput"]:
            heard.append(time.monotonic())
        await peer.send(gemini.heard("a hum"), gemini.said("I heard it."), gemini.COMPLETE)
        await peer.keep_receiving()

    async with ScriptedServer(answer) as server:
        result = await run("live", gemini.MODEL, "--input", str(path), **_settings(server))
        pieces = [message["realtimeInput"]["audio"] for message in server.peers[0].received[2:-1]]
    assert result == (0, "I heard it.\n", "a hum\n")
    pcm = b"".join(base64.b64decode(piece["data"]) for piece in pieces)
    assert pcm == b"\2\0" * 8_000
    assert 0.3 < heard[-1] - heard[0] < 5


@pytest.mark.parametrize("rate_hz", [8_000, 11_025, 44_100])
async def test_a_sound_file_of_any_rate_is_spoken(tmp_path: Path, rate_hz: int) -> None:
    path = tmp_path / "in.wav"
    write_wav(path, b"\2\0" * (rate_hz // 10), rate_hz)

    async def answer(peer: Peer) -> None:
        await gemini.set_up(peer)
        while "activityEnd" not in (await peer.receive())["realtimeInput"]:
            pass
        await peer.send(gemini.said("I heard it."), gemini.COMPLETE)
        await peer.keep_receiving()

    async with ScriptedServer(answer) as server:
        result = await run("live", gemini.MODEL, "--input", str(path), **_settings(server))
        pieces = [message["realtimeInput"]["audio"] for message in server.peers[0].received[2:-1]]
    assert result == (0, "I heard it.\n", "")
    assert abs(sum(len(base64.b64decode(piece["data"])) for piece in pieces) - 2 * 1_600) <= 2


async def test_openai_takes_the_same_words() -> None:
    async def answer(peer: Peer) -> None:
        settings = await openai.set_up(peer)
        assert settings["audio"]["output"]["voice"] == "marin"
        await openai.receive(peer, "response.create")
        await peer.send(*openai.begin("r1", "i1"), openai.said("r1", "i1", "Hello."))
        await peer.send(*openai.done(peer, "r1", "i1", "Hello."))
        await peer.keep_receiving()

    async with ScriptedServer(answer) as server:
        result = await run("live", openai.MODEL, "--voice", "marin", "Hi", OPENAI_LIVE_URL=server.url)
    assert result == (0, "Hello.\n", "")


async def test_a_turn_that_calls_a_tool_is_followed_by_its_answer_and_then_by_the_next_turn() -> None:
    async def answer(peer: Peer) -> None:
        await openai.set_up(peer)
        await openai.receive(peer, "response.create")
        call = {"id": "i1", "type": "function_call", "name": "look", "call_id": "c1", "arguments": "{}"}
        place = {"event_id": "e", "response_id": "r1", "output_index": 0}
        await peer.send(
            {"type": "response.created", "event_id": "e", "response": {"id": "r1", "status": "in_progress"}},
            {"type": "response.output_item.done", **place, "item": call},
            {
                "type": "response.done",
                "event_id": "e",
                "response": {"id": "r1", "status": "completed", "output": [call]},
            },
        )
        for number in (2, 3):
            await openai.receive(peer, "response.create")
            response, item = f"r{number}", f"i{number}"
            await peer.send(*openai.begin(response, item), openai.said(response, item, f"Answer {number}."))
            await peer.send(*openai.done(peer, response, item, f"Answer {number}."))
        await peer.keep_receiving()

    async with ScriptedServer(answer) as server:
        result = await run("live", openai.MODEL, stdin=b"One\nTwo\n", OPENAI_LIVE_URL=server.url)
        said = [message["item"] for message in server.peers[0].received if "item" in message]
    assert result == (0, "Answer 2.\nAnswer 3.\n", "tool call: look({})\n")
    assert [item["type"] for item in said] == ["message", "function_call_output", "message"]


async def _write_down(peer: Peer, *told: dict[str, object]) -> None:
    settings = await openai.set_up(peer)
    assert settings["type"] == "transcription"
    await openai.receive(peer, "input_audio_buffer.commit")
    await peer.send(*told)
    await peer.keep_receiving()


async def test_a_transcription_prints_what_is_said_in_a_file(tmp_path: Path) -> None:
    path = tmp_path / "in.wav"
    write_wav(path, b"\2\0" * 4_800, 24_000)
    place = {"event_id": "e", "item_id": "u1", "content_index": 0}

    async def answer(peer: Peer) -> None:
        kind = "conversation.item.input_audio_transcription"
        await _write_down(
            peer,
            {"type": f"{kind}.delta", **place, "delta": "To be "},
            {"type": f"{kind}.completed", **place, "transcript": "To be or not to be."},
        )

    arguments = ("-o", "kind=transcription", "-o", "language=en", "--input", str(path))
    async with ScriptedServer(answer) as server:
        result = await run("live", "openai", *arguments, OPENAI_LIVE_URL=server.url)
    assert result == (0, "To be or not to be.\n", "")


async def test_a_transcription_that_failed_is_a_failure(tmp_path: Path) -> None:
    path = tmp_path / "in.wav"
    write_wav(path, b"\2\0" * 4_800, 24_000)

    async def answer(peer: Peer) -> None:
        failed = {"type": "conversation.item.input_audio_transcription.failed", "event_id": "e", "item_id": "u1"}
        await _write_down(peer, {**failed, "content_index": 0, "error": {"message": "nothing was understood"}})

    async with ScriptedServer(answer) as server:
        arguments = ("-o", "kind=transcription", "--input", str(path))
        result = await run("live", "openai", *arguments, OPENAI_LIVE_URL=server.url)
    assert (result.code, result.out) == (1, "")
    assert "error: nothing was understood" in result.err


@pytest.mark.parametrize("heard", ["input_audio_buffer.append", "input_audio_buffer.commit"])
async def test_a_transcription_whose_connection_is_lost_is_a_failure(tmp_path: Path, heard: str) -> None:
    path = tmp_path / "in.wav"
    write_wav(path, b"\2\0" * 4_800, 24_000)

    async def drop(peer: Peer) -> None:
        await openai.set_up(peer)
        await openai.receive(peer, heard)
        peer.drop()

    async with ScriptedServer(drop) as server:
        arguments = ("-o", "kind=transcription", "--input", str(path))
        result = await run("live", "openai", *arguments, OPENAI_LIVE_URL=server.url)
    assert (result.code, result.out) == (1, "")
    assert result.err.startswith("error: ")
    assert len(server.requests) == 1


# -- failures


async def test_a_refused_key_is_told_with_a_hint_and_without_the_key() -> None:
    refusal = Refusal(403, '{"error":{"code":403,"message":"no","status":"PERMISSION_DENIED"}}')
    result = await _live(refusal, "Hi")
    assert result.code == 1
    assert result.err.startswith("error: ")
    assert "hint: check the key in GEMINI_API_KEY" in result.err
    assert gemini.KEY not in result.err
    assert "Traceback" not in result.err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--input", "/nowhere.wav"), "cannot read /nowhere.wav"),
        (("--input", __file__), "is no WAV file"),
        (("--input", EMPTY), "is empty: there is nothing to say"),
        (("--wav", "-", "Hi"), "--wav writes to a file"),
        (("--input", "a.wav", "Hi"), "exclude each other"),
        (("--text", "--wav", "a.wav", "Hi"), "exclude each other"),
        (("-o", "temprature=1", "Hi"), "did you mean 'temperature'"),
        (("-o", "api_key=x", "Hi"), "a key on the command line"),
        (("-o", "kind=transcription", "Hi"), "it wants --input, and no --wav"),
        (("-o", "kind=transcription", "--input", "a.wav", "--wav", "b.wav"), "it wants --input, and no --wav"),
        (("-o", "kind=translation", "--input", "a.wav"), "kind=translation has no turns"),
        (("-o", "turn_detection=server", "--input", "a.wav"), "turn_detection cannot be set with it"),
    ],
)
async def test_wrong_usage_is_told(tmp_path: Path, arguments: tuple[str, ...], words: str) -> None:
    write_wav(tmp_path / "empty.wav", b"", 16_000)
    arguments = tuple(str(tmp_path / "empty.wav") if one == EMPTY else one for one in arguments)
    result = await run("live", gemini.MODEL, *arguments, GEMINI_API_KEY="k", COLUMNS="300")
    assert result.code == 2
    assert words in result.err


async def test_a_model_without_realtime_sessions_is_told() -> None:
    result = await run("live", "anthropic", "Hi")
    assert result.code == 1
    assert "Anthropic has no realtime sessions; these have: " in result.err
    assert {"gemini", "openai", "xai"} <= set(result.err.split(": ")[-1].split(" (")[0].split(", "))


async def test_an_output_that_cannot_be_written_is_told_before_anything_is_sent(tmp_path: Path) -> None:
    async with ScriptedServer(_echo) as server:
        result = await run("live", gemini.MODEL, "--wav", str(tmp_path / "no" / "a.wav"), "Hi", **_settings(server))
        assert not server.requests
    assert result.code == 1
    assert "cannot write the output" in result.err


async def test_a_file_is_kept_until_there_is_speech_for_it(tmp_path: Path) -> None:
    path = tmp_path / "out.wav"
    write_wav(path, b"\3\0" * 5_000, 16_000)
    refusal = Refusal(403, '{"error":{"code":403,"message":"no","status":"PERMISSION_DENIED"}}')
    assert (await _live(refusal, "--wav", str(path), "Hi")).code == 1
    assert read_wav(path) == (b"\3\0" * 5_000, 16_000)
    assert (await _live(_echo, "--wav", str(path), "Hi")).code == 0
    assert read_wav(path) == (PCM, 24_000)
    assert path.stat().st_size == 44 + len(PCM)


async def test_a_session_that_the_service_ends_is_told() -> None:
    async def bye(peer: Peer) -> None:
        await gemini.set_up(peer)
        await peer.receive()
        await peer.close(1000)

    result = await _live(bye, "Hi")
    assert "the service ended the session" in result.err
    assert result.code == 1  # there was no answer


async def test_an_answer_that_was_cut_is_shown_and_is_a_failure() -> None:
    async def drop(peer: Peer) -> None:
        await gemini.set_up(peer)
        await peer.send(gemini.handle("h1"))
        await peer.receive()
        await peer.send(gemini.said("Well, "))
        peer.drop()

    async def resume(peer: Peer) -> None:
        await gemini.set_up(peer)
        await peer.keep_receiving()

    async with ScriptedServer(drop, resume) as server:
        result = await run("live", gemini.MODEL, "Hi", **_settings(server))
    assert (result.code, result.out) == (1, "Well, \n")
    assert "the answer is interrupted: connection_lost" in result.err


async def test_a_server_that_is_not_there_and_a_key_that_is_not_there_are_told() -> None:
    result = await run("live", gemini.MODEL, "Hi", GEMINI_API_KEY=gemini.KEY, GEMINI_LIVE_URL="ws://127.0.0.1:9")
    assert (result.code, result.out) == (1, "")
    assert result.err.startswith("error: cannot connect to ws://127.0.0.1:9")
    assert "hint: this may pass; try again" in result.err
    assert gemini.KEY not in result.err
    result = await run("live", gemini.MODEL, "Hi")
    assert (result.code, result.out) == (1, "")
    assert "set GEMINI_API_KEY" in result.err


async def test_a_reader_that_leaves_ends_the_session() -> None:
    async def endless(peer: Peer) -> None:
        await gemini.set_up(peer)
        await peer.receive()
        while True:
            await peer.send(gemini.said("on and on\n" * 100))

    async with ScriptedServer(endless) as server:
        process = await start("live", gemini.MODEL, "Hi", **_settings(server))
        assert process.stdout is not None
        await asyncio.wait_for(process.stdout.readexactly(10), 20)
        process.stdout._transport.close()  # type: ignore[attr-defined]
        assert await asyncio.wait_for(process.wait(), 20) == 141
        await server.all_left()


async def test_an_input_that_ends_at_once_is_no_failure() -> None:
    assert await _live(_echo, stdin=b"") == (0, "", "")


async def test_a_lost_connection_is_made_again_and_told() -> None:
    async def drop(peer: Peer) -> None:
        await gemini.set_up(peer)
        await peer.send(gemini.handle("h1"))
        await peer.receive()
        peer.drop()

    async def go_on(peer: Peer) -> None:
        await gemini.set_up(peer)
        await peer.send(gemini.said("Here."), gemini.COMPLETE)
        await peer.keep_receiving()

    async with ScriptedServer(drop, go_on) as server:
        result = await run("live", gemini.MODEL, "Hi", **_settings(server))
    assert result.out == "Here.\n"
    assert "connecting again (1)" in result.err
    assert "connected again" in result.err


async def test_ctrl_c_ends_at_once_and_finishes_the_file(tmp_path: Path) -> None:
    path = tmp_path / "out.wav"
    async with ScriptedServer(_stall) as server:
        process = await start("live", gemini.MODEL, "--wav", str(path), "--stats", "Hi", **_settings(server))
        assert process.stdout is not None
        assert await asyncio.wait_for(process.stdout.readexactly(6), 20) == b"Well, "
        await asyncio.sleep(0.2)
        os.kill(process.pid, signal.SIGINT)
        result = await finish(process)
        await server.all_left()
    assert result.code == 130
    assert "Traceback" not in result.err
    assert "total" in result.err
    assert read_wav(path) == (PCM, 24_000)


# -- at a terminal


async def test_a_conversation_at_a_terminal() -> None:
    async with ScriptedServer(_echo) as server, Terminal("live", gemini.MODEL, **_settings(server)) as terminal:
        await terminal.shows("> ")
        terminal.type("One\n")
        await terminal.shows("You said One.")
        await terminal.shows("> ", 2)
        terminal.type("Two\n")
        await terminal.shows("You said Two.")
        await terminal.shows("> ", 3)
        terminal.type("\x04")
        assert await terminal.ends() == 0
        await server.all_left()
    assert "tokens: 20 in, 10 out" in terminal.text
    assert len(server.peers) == 1


async def test_ctrl_c_at_the_prompt_ends_the_conversation() -> None:
    async with ScriptedServer(_echo) as server, Terminal("live", gemini.MODEL, **_settings(server)) as terminal:
        await terminal.shows("> ")
        terminal.type("\x03")
        assert await terminal.ends() == 130
        await server.all_left()
    assert "Traceback" not in terminal.seen
    assert "Fatal" not in terminal.seen
