"""`exllm sessions` and `exllm chat --session`."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import msgspec
import pytest

from exllm import Message, Session
from exllm.sessions import FileStore, SQLiteStore, from_json
from tests.cli.command import Terminal, run, to
from tests.faults.dialects import OPENAI
from tests.faults.server import FaultServer, Peer


def _echo(peer: Peer) -> object:
    return OPENAI.reply([f"{len(peer.request.json['messages'])}."])(peer)


async def test_a_conversation_goes_on_by_its_name(tmp_path: Path) -> None:
    kept = ("--session", "trip", "--store", str(tmp_path / "s.db"))
    async with FaultServer(_echo) as server:  # type: ignore[arg-type]
        first = await run(*to(server), *kept, "-s", "Be brief.", "-o", "top_p=0.5", "Hi")
        assert (first.code, first.out, first.err) == (0, "2.\n", "")
        second = await run("chat", *kept, "-o", f"base_url={server.url}", "And?")
        assert (second.code, second.out) == (0, "4.\n"), second.err
        bodies = [request.json for request in server.requests]
    assert [message["content"] for message in bodies[1]["messages"]] == ["Be brief.", "Hi", "2.", "And?"]
    assert bodies[0]["model"] == bodies[1]["model"]
    assert (bodies[0]["top_p"], "top_p" in bodies[1]) == (0.5, False)
    (info,) = await SQLiteStore(tmp_path / "s.db").list()
    assert (info.name, info.messages, info.status) == ("trip", 4, "completed")

    listed = await run("sessions", "list", "--store", str(tmp_path / "s.db"))
    assert listed.out.split("\t")[:2] == ["trip", info.id]
    as_json = json.loads((await run("sessions", "list", "--json", "--store", str(tmp_path / "s.db"))).out)
    assert as_json[0]["messages"] == 4
    shown = await run("sessions", "show", "trip", "--store", str(tmp_path / "s.db"))
    assert shown.out.startswith("# trip\n")
    assert "## User\n\nAnd?\n\n## Assistant\n\n4.\n" in shown.out
    by_id = await run("sessions", "delete", info.id, "--store", str(tmp_path / "s.db"))
    assert (by_id.code, by_id.err) == (0, f"deleted {info.id}\n")
    assert (await run("sessions", "list", "--store", str(tmp_path / "s.db"))).out == ""


async def test_a_name_with_line_ends_is_one_field_of_a_list(tmp_path: Path) -> None:
    await SQLiteStore(tmp_path / "s.db").save(Session("mock/m", name="To\tOslo\nand back", id="a"))
    listed = await run("sessions", "list", "--store", str(tmp_path / "s.db"))
    assert listed.out.startswith("To Oslo and back\ta\tmock/m\t")
    assert listed.out.count("\n") == 1


async def test_without_a_store_it_is_kept_in_the_users_folder(tmp_path: Path) -> None:
    async with FaultServer(OPENAI.reply(["Hello."])) as server:
        assert (await run(*to(server), "--session", "a", "--json", "Hi", XDG_DATA_HOME=str(tmp_path))).code == 0
        result = await run(*to(server), "--session", "a", "Hi", EXLLM_SESSIONS=str(tmp_path / "other.db"))
        assert result.out == "Hello.\n"
    path = tmp_path / "exllm" / "sessions.db"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert len(await SQLiteStore(path).list()) == len(await SQLiteStore(tmp_path / "other.db").list()) == 1


@pytest.mark.parametrize(("name", "begin"), [("a.md", "# T\n"), ("a.html", "<!DOCTYPE html>"), ("a.json", "{\n")])
async def test_export_writes_what_the_ending_says(tmp_path: Path, name: str, begin: str) -> None:
    store = FileStore(tmp_path / "kept")
    session = await store.save(Session("mock/m", name="T", history=(Message("user", "Hi"),)))
    where = ("--store", str(tmp_path / "kept"))
    result = await run("sessions", "export", "T", "-o", str(tmp_path / name), *where)
    assert (result.code, result.out, result.err) == (0, "", "")
    text = (tmp_path / name).read_text()
    assert text.startswith(begin)
    if name == "a.json":
        assert from_json(text) == msgspec.structs.replace(session, revision="")
    same = await run("sessions", "export", session.id, "-f", {"md": "markdown"}.get(name[2:], name[2:]), *where)
    assert same.out == text


async def test_what_cannot_be_is_said_in_a_line(tmp_path: Path) -> None:
    store = SQLiteStore(tmp_path / "s.db")
    for _ in range(2):
        await store.save(Session("mock/m", name="twin"))
    where = ("--store", str(tmp_path / "s.db"))
    for arguments, words in (
        (("sessions", "show", "none"), "there is no session 'none'"),
        (("sessions", "show", "twin"), "several sessions are named 'twin'; say which by its id: "),
        (("sessions", "export", "twin", "-o", "x.pdf"), "say which format x.pdf is to have"),
        (("chat", "--session", "twin", "Hi"), "several sessions are named 'twin'"),
    ):
        result = await run(*arguments, *where)
        assert result.code == 1
        assert words in result.err
        assert "Traceback" not in result.err
    for arguments in (("chat", *where, "Hi"), ("chat", "--session", "a", "-o", "n=2", *where, "Hi")):
        assert (await run(*arguments)).code == 2


async def test_a_failed_answer_is_kept_as_far_as_it_came(tmp_path: Path) -> None:
    async def cut(peer: Peer) -> None:
        await peer.begin_stream()
        for frame in (*OPENAI.opening, OPENAI.text("The "), OPENAI.text("quick ")):
            await peer.chunk(frame)
        peer.reset()

    async with FaultServer(cut) as server:
        result = await run(*to(server), "--session", "a", "--store", str(tmp_path / "s.db"), "Hi")
        assert result.code == 1
        assert result.out == "The quick \n"
    (info,) = await SQLiteStore(tmp_path / "s.db").list()
    assert info.status == "error"
    assert (await SQLiteStore(tmp_path / "s.db").load(info.id)).text == "The quick "


async def test_a_conversation_at_a_terminal_is_kept(tmp_path: Path) -> None:
    kept = ("--session", "talk", "--store", str(tmp_path / "s.db"))
    async with FaultServer(_echo) as server, Terminal(*to(server), *kept) as terminal:  # type: ignore[arg-type]
        await terminal.shows("> ")
        terminal.type("Hi\r")
        await terminal.shows("1.")
        await terminal.shows("> ", 2)
        terminal.type("And?\r")
        await terminal.shows("3.")
        await terminal.shows("> ", 3)
        terminal.type("\x04")
        assert await terminal.ends() == 0
    (info,) = await SQLiteStore(tmp_path / "s.db").list()
    assert (info.name, info.messages) == ("talk", 4)
