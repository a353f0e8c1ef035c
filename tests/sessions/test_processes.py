"""Sessions and processes: killed in the middle, gone on with by another, written by two at once."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

import pytest

from exllm import Message, Session
from exllm.sessions import FileStore, SQLiteStore
from tests.cli.command import environment
from tests.sessions.kit import TOOLS
from tests.tools.kit import assert_valid, call, model

ROOT = Path(__file__).parents[2]
LIMIT_S = 60.0

STREAMS = """
import asyncio, sys
import exllm
from exllm.providers.mock_script import Wait
from exllm.testing import MockProvider
from tests.tools.kit import call, double

async def main(path, id):
    with MockProvider(["Let me see.", call("double", '{"number": 4}')], ["One two three", Wait(60), "four"]):
        async with exllm.Client() as client:
            chat = client.conversation(exllm.Session("mock/m", id=id), store=path, tools=[double])
            async with chat.stream("Count") as turn:
                async for event in turn:
                    print(event.text, flush=True)

asyncio.run(main(*sys.argv[1:]))
"""

REPLIES = """
import asyncio, sys
import exllm
from exllm.testing import MockProvider
from tests.sessions.kit import TOOLS

async def main(path, id):
    with MockProvider("Booked for Tuesday.") as mock:
        async with exllm.Client() as client:
            async with client.conversation(id, store=path, tools=TOOLS) as chat:
                assert chat.session.question == "On which day?"
                reply = await chat.reply({"id_ask_date": "Tuesday", "id_delete": True})
        assert len(mock.requests) == 1
        print(reply.text)

asyncio.run(main(*sys.argv[1:]))
"""

WRITES = """
import asyncio, sys, time
import exllm
from exllm import Message, SessionConflict
from exllm.sessions import SQLiteStore
import msgspec

async def main(path, name, seconds):
    store = SQLiteStore(path)
    own = await store.save(exllm.Session("mock/m", id=name))
    until = time.monotonic() + float(seconds)
    written = 0
    async def write_own(number):
        nonlocal own
        said = (*own.history, Message("user", f"{name}.{number}"))
        own = await store.save(msgspec.structs.replace(own, history=said))
    async def write_shared(number):
        while True:
            try:
                shared = await store.load("shared")
                said = (*shared.history, Message("user", f"{name}.{number}"))
                await store.save(msgspec.structs.replace(shared, history=said))
                return
            except SessionConflict:
                await asyncio.sleep(0.001)
    async def write_new(number):
        await store.save(exllm.Session("mock/m", id=f"{name}-{number}"))
    while time.monotonic() < until:
        await asyncio.gather(write_own(written), write_shared(written), write_new(written))
        written += 1
    print(written)

asyncio.run(main(*sys.argv[1:]))
"""


async def _start(program: str, *arguments: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable, "-c", program, *arguments, cwd=str(ROOT), env=environment(PYTHONPATH=str(ROOT)),
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip


async def _finish(process: asyncio.subprocess.Process, limit_s: float = LIMIT_S) -> str:
    out, err = await asyncio.wait_for(process.communicate(), limit_s)
    assert process.returncode == 0, err.decode()
    return out.decode()


@pytest.mark.parametrize("kind", ["sqlite", "file"])
async def test_a_killed_process_leaves_what_had_arrived(tmp_path: Path, kind: str) -> None:
    store = SQLiteStore(tmp_path / "s.db") if kind == "sqlite" else FileStore(tmp_path / "folder")
    path = tmp_path / "s.db" if kind == "sqlite" else f"{tmp_path}/folder/"
    process = await _start(STREAMS, str(path), "killed")
    assert process.stdout is not None
    try:
        async with asyncio.timeout(LIMIT_S):
            while b"three" not in await process.stdout.readline():
                pass
            await asyncio.sleep(1.5)  # it is saved once a second
    finally:
        os.kill(process.pid, signal.SIGKILL)
        await process.communicate()
    session = await store.load("killed")
    assert session.status == "error"
    assert session.error == "the turn is not finished: it is under way, or its process ended"
    assert session.partial is not None
    assert session.partial.text == "One two three"
    assert [message.role for message in session.messages] == ["user", "assistant", "tool", "assistant"]
    assert_valid(session.messages)

    async with model(" four five.") as (client, mock), client.conversation("killed", store=store) as chat:
        reply = await chat.continue_()
    assert reply.text == "One two three four five."
    assert (await store.load("killed")).status == "completed"
    assert [message.text for message in mock.requests[0].messages][:2] == ["Count", "Let me see."]
    assert len(await store.list()) == 1


async def test_a_session_that_waits_goes_on_in_another_process(tmp_path: Path) -> None:
    path = str(tmp_path / "s.db")
    async with model([call("ask_date"), call("delete", '{"path": "a"}')]) as (client, _):
        chat = client.conversation(Session("mock/m", id="waits"), store=path, tools=TOOLS)
        await chat.send("Book", temperature=0.2)
    assert await _finish(await _start(REPLIES, path, "waits")) == "Booked for Tuesday.\n"
    session = await SQLiteStore(path).load("waits")
    assert (session.status, session.text, session.pending) == ("completed", "Booked for Tuesday.", ())
    assert_valid(session.messages)
    assert session.usage.output_tokens == chat.session.usage.output_tokens + 3  # type: ignore[operator]


async def _write_from_two_processes(path: Path, seconds: float) -> int:
    store = SQLiteStore(path)
    await store.save(Session("mock/m", id="shared"))
    processes = [await _start(WRITES, str(path), name, str(seconds)) for name in ("a", "b")]
    counts = [int(await _finish(process, seconds + LIMIT_S)) for process in processes]
    expected = []
    for name, count in zip(("a", "b"), counts, strict=True):
        own = [f"{name}.{number}" for number in range(count)]
        expected += own
        assert [message.text for message in (await store.load(name)).history] == own
        assert (await store.load(name)).history[-1:] == (Message("user", own[-1]),)
    shared = [message.text for message in (await store.load("shared")).history]
    assert sorted(shared) == sorted(expected), "something was lost, or written twice"
    assert [text for text in shared if text[0] == "a"] == [text for text in expected if text[0] == "a"]
    assert len(await store.list()) == 3 + sum(counts)
    return min(counts)


async def test_two_processes_write_one_file_and_nothing_is_lost(tmp_path: Path) -> None:
    assert await _write_from_two_processes(tmp_path / "s.db", 3.0) > 5


@pytest.mark.slow
@pytest.mark.timeout(240)
async def test_two_processes_write_one_file_for_a_minute_and_nothing_is_lost(tmp_path: Path) -> None:
    assert await _write_from_two_processes(tmp_path / "s.db", 60.0) > 100


async def test_many_processes_open_a_new_file_at_once(tmp_path: Path) -> None:
    path = str(tmp_path / "new.db")
    opens = "import asyncio, exllm, sys; asyncio.run(exllm.sessions.SQLiteStore(sys.argv[1]).save(exllm.Session('m')))"
    await asyncio.gather(*[_finish(process) for process in [await _start(opens, path) for _ in range(6)]])
    assert len(await SQLiteStore(path).list()) == 6
