"""The programs of docs/live.md, run as they stand there."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import exllm
from exllm.live.audio import read_wav, write_wav
from tests.live import gemini, openai
from tests.live.scripted_server import Peer, ScriptedServer

PAGE = Path(__file__).parents[2] / "docs/live.md"
PCM = b"\1\0" * 240


@pytest.fixture
def page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the page defines, when its programs are read from the top to the end."""
    monkeypatch.chdir(tmp_path)
    write_wav("question.wav", b"\2\0" * 1_102, 11_025)  # 100 ms
    programs = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(), re.DOTALL | re.MULTILINE)
    assert len(programs) >= 7
    names: dict[str, Any] = {"__name__": "page"}
    for program in programs:
        # No postponed annotations of this module: FastAPI reads those of the page.
        exec(compile(program, str(PAGE), "exec", dont_inherit=True), names)
    return names


async def test_the_first_program_talks(
    page: dict[str, Any], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async def answer(peer: Peer) -> None:
        await gemini.set_up(peer)
        assert gemini.turn_text(await peer.receive()) == "Hello!"
        await peer.send(gemini.said("Hi there"), gemini.audio(PCM), gemini.COMPLETE)
        await peer.keep_receiving()

    played: list[tuple[bytes, int]] = []
    async with ScriptedServer(answer) as server:
        monkeypatch.setenv("GEMINI_API_KEY", gemini.KEY)
        monkeypatch.setenv("GEMINI_LIVE_URL", server.url)
        await page["talk"](lambda pcm, rate_hz: played.append((pcm, rate_hz)))
        await server.all_left()
    assert played == [(PCM, 24_000)]
    assert capsys.readouterr().out == "Hi there"


async def test_a_file_is_answered_with_a_file(page: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    async def answer(peer: Peer) -> None:
        setup = await gemini.set_up(peer)
        assert "outputAudioTranscription" in setup
        assert "activityStart" in (await peer.receive())["realtimeInput"]
        while "activityEnd" not in (await peer.receive())["realtimeInput"]:
            pass
        await peer.send(gemini.said("I heard it."), gemini.audio(PCM), gemini.COMPLETE)
        await peer.keep_receiving()

    async with ScriptedServer(answer) as server, gemini.client_for(server.url) as client:
        await page["answer_file"](client, "question.wav", "answer.wav")
        await server.all_left()
    assert read_wav("answer.wav") == (PCM, 24_000)
    assert capsys.readouterr().out == "I heard it."


async def test_the_sound_of_the_page_is_cut_and_brought_to_another_rate(page: dict[str, Any]) -> None:
    assert [len(piece) for piece in page["pieces"]] == [page["frames"].frame_bytes] * len(page["pieces"])
    assert read_wav("copy.wav") == (page["at_24_khz"], 24_000)
    assert len(page["at_24_khz"]) == 2 * -(-1_102 * 24_000 // 11_025)


async def test_the_tools_of_the_page_are_called(page: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    async def answer(peer: Peer) -> None:
        settings = await openai.set_up(peer)
        assert settings["tools"][0]["name"] == "weather"
        await openai.receive(peer, "response.create")
        call = {"id": "i1", "type": "function_call", "name": "weather", "call_id": "c1", "arguments": '{"city":"Oslo"}'}
        place = {"event_id": "e", "response_id": "r1", "output_index": 0, "item_id": "i1"}
        await peer.send(
            {"type": "response.created", "event_id": "e", "response": {"id": "r1", "status": "in_progress"}},
            {"type": "response.function_call_arguments.done", **place, **call, "id": None},
            {"type": "response.output_item.done", **place, "item": call},
            {
                "type": "response.done",
                "event_id": "e",
                "response": {"id": "r1", "status": "completed", "output": [call]},
            },
        )
        output = (await peer.receive_until("item"))["item"]
        assert (output["call_id"], output["output"]) == ("c1", '{"city":"Oslo","degrees":-3}')
        await openai.receive(peer, "response.create")
        await peer.send(*openai.begin("r2", "i2"), openai.said("r2", "i2", "Minus three."))
        await peer.send(*openai.done(peer, "r2", "i2", "Minus three."))
        await peer.keep_receiving()

    async with ScriptedServer(answer) as server, openai.client_for(server.url) as client:
        await page["ask"](client)
        await server.all_left()
    assert capsys.readouterr().out == 'weather {"city":"Oslo","degrees":-3}\nMinus three.'


async def test_what_else_the_page_defines_is_there(page: dict[str, Any]) -> None:
    assert isinstance(page["policy"], exllm.live.Reconnect)
    assert [route.path for route in page["app"].routes][-1] == "/live"
    waiting: list[Callable[..., Any]] = [page["translate"], page["talk_to_browser"], page["is_signed_in"]]
    assert all(callable(one) for one in waiting)
