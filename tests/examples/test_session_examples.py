"""The examples with sessions run as they are written."""

from __future__ import annotations

import asyncio
import signal
import sys
from pathlib import Path

from exllm.providers.mock import SENTENCE
from exllm.sessions import SQLiteStore
from tests.cli.command import environment
from tests.faults.dialects import OPENAI
from tests.faults.server import FaultServer, Peer
from tests.tools.openai_script import script

FOLDER = Path(__file__).parents[2] / "examples"
LIMIT_S = 40.0


async def _start(name: str, *arguments: str, **changes: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable, str(FOLDER / name), *arguments, env=environment(OPENAI_API_KEY="k", **changes),
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip


async def _run(name: str, *arguments: str, typed: str = "", **changes: str) -> str:
    process = await _start(name, *arguments, **changes)
    out, err = await asyncio.wait_for(process.communicate(typed.encode()), LIMIT_S)
    assert (process.returncode, err) == (0, b""), err.decode()
    return out.decode()


async def test_sessions_asks_back_forks_and_undoes(tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    answers = ([("ask_guest", {"question": "Which day?"})], "Friday it is.", "Saturday it is.")
    async with FaultServer(script(*answers)) as server:  # type: ignore[arg-type]
        out = await _run("sessions.py", "openai/m", str(page), typed="Friday\n", OPENAI_BASE_URL=server.url)
    assert out == (
        "Which day? Friday it is.\nSaturday it is.\n0 messages here, 6 there\n15 tokens since the fork, cost None\n"
    )
    text = page.read_text()
    assert "ask_guest(…)" in text
    assert "Saturday it is." in text


async def test_session_in_sqlite_goes_on_in_the_next_process_and_after_a_kill(tmp_path: Path) -> None:
    path = str(tmp_path / "chats.db")
    assert await _run("session_in_sqlite.py", path, "Hi", "mock") == f"{SENTENCE}\n(2 messages)\n"
    assert await _run("session_in_sqlite.py", path, "And?") == f"{SENTENCE}\n(4 messages)\n"

    async def stall(peer: Peer) -> None:
        await peer.begin_stream()
        for frame in (*OPENAI.opening, OPENAI.text("The "), OPENAI.text("quick")):
            await peer.chunk(frame)
        await asyncio.wait_for(peer.left(), LIMIT_S)

    other = str(tmp_path / "other.db")
    async with FaultServer(stall) as server:
        process = await _start("session_in_sqlite.py", other, "Tell me", "openai/gpt-4.1", OPENAI_BASE_URL=server.url)
        assert process.stdout is not None
        assert await asyncio.wait_for(process.stdout.readexactly(9), LIMIT_S) == b"The quick"
        await asyncio.sleep(1.5)  # it is saved once a second
        process.send_signal(signal.SIGKILL)
        await process.communicate()
    session = await SQLiteStore(other).load("example")
    assert (session.status, session.text) == ("error", "The quick")
    async with FaultServer(OPENAI.reply([" brown fox."])) as server:
        out = await _run("session_in_sqlite.py", other, "And?", OPENAI_BASE_URL=server.url)
    assert out == "(going on) The quick brown fox.\n brown fox.\n(4 messages)\n"
