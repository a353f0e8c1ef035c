"""The examples with tools run as they are written, against a server that speaks OpenAI's protocol by a script."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

import msgspec
import pytest

import exllm
from tests.cli.command import environment
from tests.faults.server import FaultServer
from tests.tools.openai_script import Answer, script

FOLDER = Path(__file__).parents[2] / "examples"
LIMIT_S = 40.0


async def _run(name: str, *arguments: str, answers: tuple[Answer, ...], typed: str = "") -> tuple[str, FaultServer]:
    async with FaultServer(script(*answers)) as server:
        process = await asyncio.create_subprocess_exec(
            sys.executable, str(FOLDER / name), *arguments,
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
            env=environment(OPENAI_API_KEY="k", OPENAI_BASE_URL=server.url, PYTHONPATH=str(FOLDER.parent)),
        )  # fmt: skip
        out, err = await asyncio.wait_for(process.communicate(typed.encode()), LIMIT_S)
        assert (process.returncode, err) == (0, b""), err.decode()
        return out.decode(), server


async def test_tools_are_called_with_typed_arguments_and_mistakes_are_told() -> None:
    answers: tuple[Answer, ...] = (
        [("weather", {"place": {"city": "Oslo", "country": "Norway"}, "day": "2026-12-24"})],
        [("weather", {"place": {"city": "Oslo"}, "day": "2026-12-24"})],
        [("packing_list", {"sky": "rain"})],
        "An umbrella and boots.",
    )
    out, server = await _run("tools.py", "openai/m", "What shall I take?", answers=answers)
    lines = out.splitlines()
    assert lines[1].startswith("error   weather was not called: at $.place.country: ")
    assert lines[3] == 'result  {"city":"Oslo","day":"2026-12-24","sky":"rain","high":9}'
    assert lines[5] == 'result  ["umbrella","boots"]'
    assert lines[6:] == ["answer  An umbrella and boots.", "4 turns, 60 tokens"]
    names = [tool["function"]["name"] for tool in server.requests[0].json["tools"]]
    assert names == ["weather", "packing_list"]


async def test_tool_loop_shows_what_happens_as_it_happens() -> None:
    answers: tuple[Answer, ...] = ([("search", {"query": "fox"}), ("remove", {"title": "Old foxes"})], "Two on foxes.")
    out, _ = await _run("tool_loop.py", "openai/m", "Foxes?", answers=answers)
    assert out.startswith('Let me see.\n[search {"query": "fox"}]\n')
    assert "  ... shelf 3\n" in out
    assert '  -> ["Foxes of the north","Old foxes"]\n' in out
    assert "  -> remove was not called: this archive is read-only\n" in out
    assert out.endswith("Two on foxes.\ncompleted after 2 turns, 30 tokens, cost None\n")


async def test_human_in_the_loop_goes_on_in_another_process(tmp_path: Path) -> None:
    path = str(tmp_path / "run.json")
    answers: tuple[Answer, ...] = (
        [("ask_guest", {"question": "How many?"})],
        [("book_table", {"day": "Friday", "people": 4})],
        "Table 7 it is.",
    )
    out, _ = await _run("human_in_the_loop.py", "begin", path, "openai/m", "A table.", answers=answers)
    assert out == "suspended\n"
    out, _ = await _run("human_in_the_loop.py", "answer", path, answers=answers, typed="Four\n")
    assert out == "How many? suspended\n"
    out, server = await _run("human_in_the_loop.py", "answer", path, answers=answers, typed="yes\n")
    assert out.endswith("(yes or no) Table 7 it is.\n")
    assert len(server.requests) == 1
    run = msgspec.json.decode(await asyncio.to_thread(Path(path).read_bytes), type=exllm.Run)
    assert (run.status, run.turns, run.usage.total_tokens) == ("completed", 3, 45)
    assert '"k"' not in json.dumps(msgspec.to_builtins(run))


async def test_mcp_tools_are_called_beside_ones_own() -> None:
    pytest.importorskip("mcp", reason="needs the extra mcp")
    answers: tuple[Answer, ...] = ([("server_add", {"a": 1, "b": 2}), ("shout", {"text": "hi"})], "Three, HI.")
    out, server = await _run(
        "mcp_tools.py", "openai/m", "Add.", sys.executable, str(FOLDER.parent / "tests/tools/mcp_server.py"), "stdio",
        answers=answers,
    )  # fmt: skip
    assert out.splitlines()[0].startswith("tools: server_add, server_with_odd_name")
    assert out.splitlines()[-1] == "Three, HI."
    told = [message["content"] for message in server.requests[1].json["messages"] if message["role"] == "tool"]
    assert told == ["3", "HI"]
