"""The examples of realtime sessions, with a scripted server in the place of the model."""

from __future__ import annotations

import asyncio
import base64
import sys
from pathlib import Path

from tests.cli.command import environment
from tests.live import gemini
from tests.live.scripted_server import Peer, ScriptedServer

FOLDER = Path(__file__).parents[2] / "examples"
LIMIT_S = 40.0

SOUND_CARD = '''
"""A sound card of threads: the microphone hears a hum, and what the loudspeaker plays goes to a file."""
import os, threading, time

class PortAudioError(Exception): ...

class _Stream:
    def __init__(self, callback, samplerate, channels, dtype, blocksize):
        assert (channels, dtype) == (1, "int16")
        self.callback, self.frames, self.period = callback, blocksize, blocksize / samplerate
        self.stopped = threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)
    def start(self): self.thread.start()
    def close(self): self.stopped.set(); self.thread.join()
    def run(self):
        while not self.stopped.wait(self.period): self.once()

class RawInputStream(_Stream):
    def once(self): self.callback(b"\\1\\2" * self.frames, self.frames, None, None)

class RawOutputStream(_Stream):
    def once(self):
        out = bytearray(2 * self.frames)
        self.callback(memoryview(out), self.frames, None, None)
        with open(os.environ["PLAYED"], "ab") as file: file.write(out)
'''


async def _run(name: str, *arguments: str, stdin: bytes = b"", **changes: str) -> tuple[int, str, str]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(FOLDER / name),
        *arguments,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=environment(GEMINI_API_KEY=gemini.KEY, **changes),
    )
    out, err = await asyncio.wait_for(process.communicate(stdin), LIMIT_S)
    assert process.returncode is not None
    return process.returncode, out.decode(), err.decode()


async def _moves(peer: Peer) -> None:
    await gemini.set_up(peer)
    await peer.receive()
    await peer.send(gemini.call("c1", "look_up", event="meeting"))
    assert "Thursday" in str(await peer.receive_until("toolResponse"))
    await peer.send(gemini.call("c2", "move", event="meeting", day="Friday"))
    answer = await peer.receive_until("toolResponse")
    words = "It is moved." if "moved" in str(answer) else "It stays."
    await peer.send(gemini.said(words), gemini.COMPLETE)
    await peer.keep_receiving()


async def test_live_tools_asks_before_it_moves_anything() -> None:
    for typed, words in ((b"y\n", "It is moved."), (b"n\n", "It stays.")):
        async with ScriptedServer(_moves) as server:
            code, out, err = await _run("live_tools.py", stdin=typed, GEMINI_LIVE_URL=server.url)
        assert (code, err) == (0, "")
        assert "[look_up: " in out
        assert "[move meeting to Friday? y/n] " in out
        assert words in out


async def test_live_microphone_hears_speaks_and_is_silent_when_it_is_interrupted(tmp_path: Path) -> None:
    tone = b"\3\4" * 24_000  # a second

    async def talk(peer: Peer) -> None:
        await gemini.set_up(peer)
        for _ in range(10):
            await peer.receive_until("realtimeInput")
        await peer.send(gemini.said("A long story"), *[gemini.audio(tone)] * 10)
        await asyncio.sleep(1)
        await peer.send(gemini.INTERRUPTED, gemini.COMPLETE)
        await asyncio.sleep(0.5)
        await peer.close(1000)

    card, played = tmp_path / "card", tmp_path / "played"
    card.mkdir()
    (card / "sounddevice.py").write_text(SOUND_CARD)
    async with ScriptedServer(talk) as server:
        code, out, err = await _run(
            "live_microphone.py", PYTHONPATH=str(card), PLAYED=str(played), GEMINI_LIVE_URL=server.url
        )
        sent = [message["realtimeInput"]["audio"] for message in server.peers[0].received[1:]]
    assert (code, err) == (0, "")
    assert "A long story -" in out
    pcm = b"".join(base64.b64decode(piece["data"]) for piece in sent)
    assert {piece["mimeType"] for piece in sent} == {"audio/pcm;rate=16000"}
    assert len(pcm) > 1000
    assert any(pcm)
    heard = played.read_bytes()
    tone_bytes = 2 * sum(1 for at in range(0, len(heard), 2) if heard[at : at + 2] == b"\3\4")
    assert 0.1 * 48_000 < tone_bytes < 5 * 48_000  # some of the ten seconds, then silence
    assert heard.endswith(bytes(960))


async def test_live_microphone_says_what_it_needs(tmp_path: Path) -> None:
    (tmp_path / "sounddevice.py").write_text("raise ImportError('no')")
    code, _, err = await _run("live_microphone.py", PYTHONPATH=str(tmp_path))
    assert (code, err.strip()) == (1, 'This example needs sounddevice: pip install "exllm[audio]"')
    (tmp_path / "sounddevice.py").write_text("raise OSError('PortAudio library not found')")
    code, _, err = await _run("live_microphone.py", PYTHONPATH=str(tmp_path))
    assert code == 1
    assert err.startswith("PortAudio library not found. On Debian")
