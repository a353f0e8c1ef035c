"""`exllm` at a terminal: colour, safety, and conversations."""

from __future__ import annotations

import asyncio
import re

from tests.cli.command import KEY, Terminal, to
from tests.faults.dialects import OPENAI, TEXT
from tests.faults.server import FaultServer, Peer

DIM, RED = "\x1b[2m", "\x1b[31m"


async def _stall(peer: Peer) -> None:
    await peer.begin_stream()
    for frame in (*OPENAI.opening, OPENAI.text("The quick ")):
        await peer.chunk(frame)
    await asyncio.wait_for(peer.left(), 30)


async def test_the_answer_is_followed_by_dim_figures() -> None:
    async with FaultServer(OPENAI.reply()) as server, Terminal(*to(server), "Tell me") as terminal:
        assert await terminal.ends() == 0
    lines = terminal.text.splitlines()
    assert lines[0] == TEXT
    assert lines[1].startswith("openai/gpt-4.1-mini · tokens: 9 in, 5 out")
    assert f"{DIM}openai/gpt-4.1-mini" in terminal.seen


async def test_a_failure_is_red() -> None:
    async with FaultServer(OPENAI.refuse("401 Unauthorized")) as server, Terminal(*to(server), "Hi") as terminal:
        assert await terminal.ends() == 1
    assert f"{RED}error: " in terminal.seen
    assert KEY not in terminal.seen


async def test_no_color_means_none() -> None:
    for changes in ({"NO_COLOR": "1"}, {"TERM": "dumb"}):
        async with (
            FaultServer(OPENAI.refuse("401 Unauthorized")) as server,
            Terminal(*to(server), "Hi", **changes) as screen,
        ):
            assert await screen.ends() == 1
        assert "error: " in screen.seen
        assert "\x1b[" not in screen.seen


async def test_an_answer_cannot_control_the_terminal() -> None:
    words = ["\x1b]0;title\x07", "safe\x9b31m\r", "\ttab\nline"]
    async with FaultServer(OPENAI.reply(words)) as server, Terminal(*to(server), "--no-stats", "Go") as terminal:
        assert await terminal.ends() == 0
    assert terminal.seen.replace("\r\n", "\n") == "]0;titlesafe31m\ttab\nline\n"


async def test_ctrl_c_stops_the_answer_on_a_line_of_its_own() -> None:
    async with FaultServer(_stall) as server, Terminal(*to(server), "Go") as terminal:
        await terminal.shows("The quick ")
        terminal.type("\x03")
        assert await terminal.ends() == 130
        await server.all_left()
    assert "Traceback" not in terminal.seen
    assert "cut off" in terminal.text
    assert terminal.text.endswith("\n")


async def test_a_conversation_remembers_what_was_said() -> None:
    async with (
        FaultServer(OPENAI.reply(["First."]), OPENAI.reply(["Second."])) as server,
        Terminal(*to(server), "-s", "Be brief.") as terminal,
    ):
        await terminal.shows("> ")
        terminal.type("One?\n")
        await terminal.shows("First.")
        await terminal.shows("> ", 2)
        terminal.type("Two?\n")
        await terminal.shows("Second.")
        await terminal.shows("> ", 3)
        terminal.type("\x04")
        assert await terminal.ends() == 0
    assert server.requests[1].json["messages"] == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "One?"},
        {"role": "assistant", "content": "First."},
        {"role": "user", "content": "Two?"},
    ]
    assert server.accepted == 1  # one connection serves the whole conversation


async def test_ctrl_c_in_a_conversation_stops_the_answer_and_keeps_what_had_come() -> None:
    async with FaultServer(_stall, OPENAI.reply(["Second."])) as server, Terminal(*to(server)) as terminal:
        await terminal.shows("> ")
        terminal.type("One?\n")
        await terminal.shows("The quick ")
        terminal.type("\x03")
        await terminal.shows("> ", 2)
        terminal.type("Two?\n")
        await terminal.shows("Second.")
        await terminal.shows("> ", 3)
        terminal.type("\x04")
        assert await terminal.ends() == 0
    assert [message["content"] for message in server.requests[1].json["messages"]] == ["One?", "The quick ", "Two?"]


async def test_a_turn_that_fails_leaves_no_trace_in_the_conversation() -> None:
    refuse = OPENAI.refuse("400 Bad Request")
    async with FaultServer(refuse, OPENAI.reply(["Fine."])) as server, Terminal(*to(server)) as terminal:
        await terminal.shows("> ")
        terminal.type("One?\n")
        await terminal.shows("error: ")
        await terminal.shows("> ", 2)
        terminal.type("\n")  # an empty line asks nothing
        terminal.type("Two?\n")
        await terminal.shows("Fine.")
        await terminal.shows("> ", 4)
        terminal.type("\x04")
        assert await terminal.ends() == 0
    assert [message["content"] for message in server.requests[1].json["messages"]] == ["Two?"]


async def test_ctrl_c_at_the_prompt_asks_again() -> None:
    async with Terminal("chat", "-m", "mock") as terminal:
        await terminal.shows("> ")
        terminal.type("half a quest\x0c")  # Ctrl-L: the line editor, once it listens, shows its line again
        await terminal.shows("> half a quest", 2)
        terminal.type("\x03")
        await terminal.shows("> ", 3)
        terminal.type("\x04")
        assert await terminal.ends() == 0
    assert "Traceback" not in terminal.seen


async def test_tables_are_drawn_and_no_name_is_cut_short() -> None:
    async with Terminal("providers", COLUMNS="130") as terminal:
        assert await terminal.ends() == 0
    assert re.search(r"^anthropic +Anthropic +anthropic_messages +needs ANTHROPIC_API_KEY +claude", terminal.text, re.M)
    assert "…" not in terminal.text
    assert "documentation" not in terminal.text
    assert "\x1b]8;" in terminal.seen  # the names are links
    assert KEY not in terminal.seen


async def test_a_wide_terminal_shows_the_addresses_of_the_documentation() -> None:
    async with Terminal("providers", COLUMNS="400") as terminal:
        assert await terminal.ends() == 0
    assert "documentation" in terminal.text
    assert re.search(r"^openai +OpenAI .* ready .* https://platform\.openai\.com/", terminal.text, re.M)
