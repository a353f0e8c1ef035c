"""The examples run as they are written, with the mock in the place of the model."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from pathlib import Path

import httpx
import msgspec
import pytest
from websockets.asyncio.client import connect

import exllm
from exllm.live.audio import read_wav
from exllm.providers.mock import SENTENCE
from tests.cli.command import environment
from tests.faults.dialects import OPENAI, TEXT
from tests.faults.server import FaultServer
from tests.faults.server import Peer as ServerPeer
from tests.integrations.web import serving
from tests.live import gemini
from tests.live.scripted_server import Peer, ScriptedServer
from tests.media.pictures import picture

FOLDER = Path(__file__).parents[2] / "examples"
LIMIT_S = 30.0


async def _start(name: str, *arguments: str, **changes: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        str(FOLDER / name),
        *arguments,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=environment(**changes),
    )


async def _run(name: str, *arguments: str, **changes: str) -> str:
    process = await _start(name, *arguments, **changes)
    out, err = await asyncio.wait_for(process.communicate(), LIMIT_S)
    assert (process.returncode, err) == (0, b""), err.decode()
    return out.decode()


async def test_stream_to_terminal_shows_the_text_and_what_it_took() -> None:
    text, figures = (await _run("stream_to_terminal.py", "mock", "Hi")).splitlines()
    assert text == SENTENCE
    assert "tokens, first after" in figures


async def test_tee_to_file_shows_the_text_and_logs_every_chunk(tmp_path: Path) -> None:
    path = tmp_path / "answer.ndjson"
    assert await _run("tee_to_file.py", str(path), "mock", "Hi") == f"{SENTENCE}\n"
    chunks = [msgspec.json.decode(line, type=exllm.Chunk) for line in path.read_bytes().splitlines()]
    assert "".join(chunk.text for chunk in chunks) == SENTENCE


async def test_ask_about_images_sends_them(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(picture(8, 8))
    assert await _run("ask_about_images.py", "What is it?", "mock", str(tmp_path / "a.png")) == f"{SENTENCE}\n"


async def test_live_text_shows_the_words_and_keeps_the_sound(tmp_path: Path) -> None:
    async def answer(peer: Peer) -> None:
        await gemini.set_up(peer)
        await peer.receive()
        await peer.send(gemini.call("c1", "weather", city="Oslo"), gemini.COMPLETE)
        result = await peer.receive_until("toolResponse")
        assert result["toolResponse"]["functionResponses"][0]["response"]
        await peer.send(gemini.said("It is "), gemini.audio(bytes(480)), gemini.said("cold."), gemini.COMPLETE)
        await peer.keep_receiving()

    path = tmp_path / "answer.wav"
    async with ScriptedServer(answer) as server:
        out = await _run("live_text.py", str(path), "gemini", "Oslo?", GEMINI_API_KEY="k", GEMINI_LIVE_URL=server.url)
    lines = out.splitlines()
    assert lines[0] == "> Oslo?"
    assert lines[1].startswith("[weather: {")
    assert lines[2] == "It is cold."
    assert lines[3].startswith("[480 bytes of speech")
    assert read_wav(path) == (bytes(480), 24_000)


async def test_find_similar_puts_the_nearest_first() -> None:
    lines = (await _run("find_similar.py", "mock", "a cat on the roof")).splitlines()
    assert len(lines) == 4
    assert lines[0].endswith("The cat sleeps on the warm roof.")


async def test_several_providers_all_answer_or_say_why_not() -> None:
    async with FaultServer(OPENAI.reply()) as server:
        out = await _run(
            "several_providers.py", "Hi", "mock", "openai", "anthropic", OPENAI_API_KEY="k", OPENAI_BASE_URL=server.url
        )
    answers = dict(line.split(": ", 1) for line in out.splitlines() if line)
    assert len(answers) == 3
    assert any(name.startswith("mock ") and text == SENTENCE for name, text in answers.items())
    assert any(name.startswith("openai ") and text == TEXT for name, text in answers.items())
    assert "ANTHROPIC_API_KEY" in answers["anthropic"]


async def test_custom_provider_reaches_its_server() -> None:
    async with FaultServer(OPENAI.reply()) as server:
        out = await _run("custom_provider.py", f"{server.url}/v1", "my-model", "Hello!")
    assert out == f"{TEXT}\n"
    (request,) = server.requests
    assert (request.path, request.json["model"], request.json["max_tokens"]) == (
        "/v1/chat/completions",
        "my-model",
        200,
    )


async def test_batches_to_websocket_sends_the_answer_in_few_messages() -> None:
    process = await _start("batches_to_websocket.py", "mock", "0")
    assert process.stdout is not None
    try:
        url = (await asyncio.wait_for(process.stdout.readline(), LIMIT_S)).decode().strip()
        async with asyncio.timeout(LIMIT_S), connect(url, proxy=None) as socket:
            await socket.send("Hi")
            chunks: list[exllm.Chunk] = []
            messages = 0
            while not chunks or not any(isinstance(chunk, exllm.Finish) for chunk in chunks):
                message = await socket.recv()
                messages += 1
                chunks += msgspec.json.decode(message, type=list[exllm.Chunk])
    finally:
        process.kill()
        await process.communicate()
    assert "".join(chunk.text for chunk in chunks) == SENTENCE
    assert messages < len(chunks)


async def test_resumable_chat_hands_over_what_was_missed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EXAMPLE_MODEL", "mock")
    monkeypatch.syspath_prepend(str(FOLDER.parent))
    from examples.resumable_chat import app

    async with serving(app) as url, httpx.AsyncClient(base_url=url, trust_env=False) as browser:
        assert "EventSource" in (await browser.get("/")).text
        first = (await browser.get("/chat", params={"question": "Hi"})).text
        events = first.strip().split("\n\n")
        third = events[2].split("\n")[0].removeprefix("id: ")
        rest = (await browser.get("/chat", headers={"last-event-id": third})).text
    assert rest.strip().split("\n\n") == events[3:]


async def test_fastapi_app_streams_events_and_text(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EXAMPLE_MODEL", "mock")
    monkeypatch.syspath_prepend(str(FOLDER.parent))
    from examples.fastapi_app import app

    async with serving(app) as url, httpx.AsyncClient(base_url=url, trust_env=False) as browser:
        asked = {"question": "Hi"}
        assert (await browser.get("/text", params=asked)).text == SENTENCE
        assert (await browser.get("/answer", params=asked)).json()["answer"] == SENTENCE
        events = (await browser.get("/events", params=asked)).text.strip().split("\n\n")
    _id, name, data = events[-1].split("\n")
    assert name == "event: response"
    assert json.loads(data.removeprefix("data: "))["choices"][0]["message"]["content"] == SENTENCE


async def _run_against(text: str, name: str) -> str:
    """The output of an example whose model answers `text`."""

    async def answer(peer: ServerPeer) -> None:
        if OPENAI.is_streamed(peer.request):
            await peer.begin_stream()
            pieces = (text[at : at + 9] for at in range(0, len(text), 9))
            for frame in (*OPENAI.opening, *map(OPENAI.text, pieces), *OPENAI.closing):
                await peer.chunk(frame)
                await asyncio.sleep(0.01)  # so that they come one by one
            await peer.end_stream()
        else:
            await peer.answer(OPENAI.body(text))

    async with FaultServer(answer) as server:
        return await _run(name, "openai/gpt-4.1-mini", OPENAI_API_KEY="k", OPENAI_BASE_URL=server.url)


async def test_structured_output_prints_the_object() -> None:
    text = '{"product": "kettle", "stars": 5, "mood": "happy", "praise": ["fast", "good tea"]}'
    lines = (await _run_against(text, "structured_output.py")).splitlines()
    assert lines == ["kettle: 5 stars, happy", "+ fast", "+ good tea", "by schema, attempts: 1"]


async def test_partial_objects_show_the_object_while_it_grows() -> None:
    text = '{"title": "Pancakes", "minutes": 20, "steps": ["mix", "fry", "eat"]}'
    shown = (await _run_against(text, "partial_objects.py")).split("\r")
    assert len(shown) > 2
    assert any("(... min): " in line for line in shown)
    assert shown[-1] == "Pancakes (20 min): mix / fry / eat\n3 steps, all there and checked\n"


async def test_stream_items_prints_each() -> None:
    text = '{"value": [{"name": "Paris", "country": "France"}, {"name": "Basel", "country": "Switzerland"}]}'
    assert await _run_against(text, "stream_items.py") == "Paris, France\nBasel, Switzerland\n"


async def test_recover_stream_goes_on_after_ctrl_c(tmp_path: Path) -> None:
    async def slow(peer: ServerPeer) -> None:
        await peer.begin_stream()
        for frame in (*OPENAI.opening, OPENAI.text("Once upon "), OPENAI.text("a ti")):
            await peer.chunk(frame)
        await peer.left()

    arguments = ("recover_stream.py", str(tmp_path / "answers.db"), "openai/gpt-4.1-mini", "A story")
    async with FaultServer(slow, OPENAI.reply(["a time ", "there was."]), OPENAI.reply(["Another."])) as server:
        changes = {"OPENAI_API_KEY": "k", "OPENAI_BASE_URL": server.url}
        process = await _start(*arguments, **changes)
        assert process.stdout is not None
        assert await asyncio.wait_for(process.stdout.readexactly(14), LIMIT_S) == b"Once upon a ti"
        process.send_signal(signal.SIGINT)
        out, err = await asyncio.wait_for(process.communicate(), LIMIT_S)
        assert (process.returncode, out, err) == (0, b"\n[run it again to go on]\n", b"")
        first, second = (await _run(*arguments, **changes)).splitlines()
        assert first.startswith("[goes on with ")
        assert second == "Once upon a time there was."
        assert await _run(*arguments, **changes) == "Another.\n"  # nothing is left unfinished
