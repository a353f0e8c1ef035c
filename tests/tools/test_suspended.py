"""Runs that wait for somebody: as data, in this process and in another."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest

import exllm
from exllm import AskUser, Deny, Image, Message, Pending, Run, RunSuspended, Tool, ToolResult
from tests.cli.command import environment
from tests.tools.kit import assert_valid, call, double, model, results, weather


@exllm.tool
async def ask_date() -> Any:
    """Ask when."""
    return AskUser("On which day?")


@exllm.tool(manual=True)
def pay(amount: int) -> str:
    raise AssertionError("nobody calls this")


@exllm.tool(needs_approval=True)
def delete(path: str) -> str:
    """Delete a file."""
    return f"deleted {path}"


TOOLS = [ask_date, pay, delete, double]
DELETE = call("delete", '{"path": "a.txt"}')


def stored(run: Run) -> Run:
    return msgspec.json.decode(msgspec.json.encode(run), type=Run)


async def test_a_question_suspends_the_run_and_its_answer_is_the_result() -> None:
    async with model([call("ask_date"), call("double", '{"number": 1}')], "Booked.") as (client, mock):
        run = await client.run("mock/m", "Book a table", tools=TOOLS)
        assert (run.status, run.question, len(mock.requests)) == ("suspended", "On which day?", 1)
        assert run.pending == (Pending(call("ask_date"), "question", "On which day?"),)
        assert [result.content for result in run.results] == ["2"]  # the other call was made
        run = await client.run(stored(run), tools=TOOLS, answers="Tuesday")
    assert (run.status, run.text, run.turns, run.question) == ("completed", "Booked.", 2, None)
    assert [one.content for one in results(run)] == ["Tuesday", "2"]
    assert_valid(run.messages)


async def test_a_question_may_be_raised_from_deep_down() -> None:
    def deep() -> None:
        raise AskUser("Sure?")

    @exllm.tool
    def outer() -> None:
        deep()

    async with model(call("outer")) as (client, _):
        run = await client.run("mock/m", "Hi", tools=[outer])
    assert run.question == "Sure?"


async def test_the_messages_of_a_suspended_run_are_valid_for_another_request() -> None:
    async with model([call("ask_date"), call("double", '{"number": 1}')], "Never mind.") as (client, _):
        run = await client.run("mock/m", "Book a table", tools=TOOLS)
        assert_valid(run.messages)
        assert "no answer to this call yet" in str(results(run)[0].content)
        other = await client.run("mock/m", [*run.messages, "Forget it."], tools=TOOLS)
    assert other.text == "Never mind."


async def test_a_manual_call_is_made_by_you() -> None:
    picture = Image(data=b"\x89PNG", media_type="image/png")
    answers: list[Any] = ["paid", {"receipt": 7}, ["see", picture], ToolResult("x", "declined", is_error=True), None]
    contents = ["paid", '{"receipt":7}', (exllm.Text("see"), picture), "declined", "null"]
    for answer, content in zip(answers, contents, strict=True):
        async with model(call("pay", '{"amount": 5}'), "Thanks.") as (client, _):
            run = await client.run("mock/m", "Pay", tools=TOOLS)
            assert [pending.kind for pending in run.pending] == ["manual"]
            run = await client.run(run, tools=TOOLS, answers={"id_pay": answer})
        assert results(run)[0].content == content
        assert results(run)[0].is_error is isinstance(answer, ToolResult)


async def test_a_tool_without_a_handler_is_manual_but_its_arguments_are_checked() -> None:
    described = Tool("look", "", {"type": "object", "required": ["at"], "properties": {"at": {"type": "string"}}})
    async with model(call("look", "{}", "a"), call("look", '{"at": "it"}', "b")) as (client, _):
        run = await client.run("mock/m", "Hi", tools=[described])
    assert (run.turns, run.pending[0].call.id) == (2, "b")
    assert results(run)[0].content == "look was not called: at $: `at` is missing"


@pytest.mark.parametrize(
    ("answer", "content"),
    [
        (True, "deleted a.txt"),
        (False, "delete was not called: the user does not allow it"),
        (Deny("keep it"), "delete was not called: keep it"),
    ],
)
async def test_approval_is_waited_for_and_then_the_call_is_made_or_denied(answer: Any, content: str) -> None:
    async with model([DELETE, call("double", '{"number": 1}')], "Done.") as (client, mock):
        run = await client.run("mock/m", "Clean up", tools=TOOLS)
        assert (run.status, run.pending[0].kind) == ("suspended", "approval")
        run = await client.run(stored(run), tools=TOOLS, answers={"id_delete": answer})
    assert (run.status, len(mock.requests)) == ("completed", 2)
    assert [one.content for one in results(run)] == [content, "2"]


async def test_a_given_conversation_that_ends_with_a_call_waits_for_approval_once() -> None:
    async with model("Done.") as (client, _):
        run = await client.run("mock/m", ["Clean up", Message.of("assistant", [DELETE])], tools=TOOLS)
        assert (run.status, run.turns) == ("suspended", 0)
        run = await client.run(stored(run), tools=TOOLS, answers=True)
    assert (run.status, run.turns, results(run)[0].content) == ("completed", 1, "deleted a.txt")


async def test_approve_may_leave_it_open() -> None:
    async with model([DELETE], "Done.") as (client, _):
        run = await client.run("mock/m", "Clean up", tools=TOOLS, approve=lambda _context: None)
        assert run.pending[0].kind == "approval"
        run = await client.run(run, tools=TOOLS, answers=True, approve=lambda _context: False)
    assert results(run)[0].content == "deleted a.txt"  # it was approved; nobody is asked again


async def test_some_answers_leave_the_run_suspended_on_the_others_without_asking_the_model() -> None:
    async with model([call("ask_date"), DELETE, call("pay", '{"amount": 1}')], "Done.") as (client, mock):
        run = await client.run("mock/m", "Hi", tools=TOOLS)
        run = await client.run(stored(run), tools=TOOLS, answers={"id_delete": True})
        assert (run.status, len(mock.requests)) == ("suspended", 1)
        assert [result.content for result in run.results] == ["deleted a.txt"]
        run = await client.run(stored(run), tools=TOOLS)  # no answer: as it was
        assert [pending.call.name for pending in run.pending] == ["ask_date", "pay"]
        run = await client.run(run, tools=TOOLS, answers={"id_ask_date": "Monday", "id_pay": "paid"})
    assert (run.status, run.turns) == ("completed", 2)
    assert [one.content for one in results(run)] == ["Monday", "deleted a.txt", "paid"]


async def test_an_approved_call_may_ask_again_or_halt() -> None:
    @exllm.tool(needs_approval=True)
    def careful() -> Any:
        return AskUser("Really?")

    @exllm.tool(needs_approval=True)
    def final() -> Any:
        return exllm.Halt("over")

    async with model([call("careful"), call("final")]) as (client, _):
        run = await client.run("mock/m", "Hi", tools=[careful, final])
        run = await client.run(run, tools=[careful, final], answers={"id_careful": True})
        assert (run.status, run.question) == ("suspended", "Really?")
        run = await client.run(run, tools=[careful, final], answers={"id_final": True})
    assert (run.status, run.value) == ("halted", "over")
    assert_valid(run.messages)


async def test_answers_that_cannot_be_meant_are_refused() -> None:
    async with model([call("ask_date"), DELETE], "Done.") as (client, mock):
        run = await client.run("mock/m", "Hi", tools=TOOLS)
        with pytest.raises(
            ValueError, match="has \\['nope'\\], but the run waits for \\['id_ask_date', 'id_delete'\\]"
        ):
            await client.run(run, tools=TOOLS, answers={"nope": 1})
        with pytest.raises(ValueError, match="several calls wait"):
            await client.run(run, tools=TOOLS, answers="Tuesday")
        with pytest.raises(TypeError, match="waits for approval: answer True, False or"):
            await client.run(run, tools=TOOLS, answers={"id_delete": "yes"})
        with pytest.raises(exllm.ConfigurationError, match="'delete' was approved, but that tool is not in tools"):
            await client.run(run, tools=[double], answers={"id_delete": True})
        assert len(mock.requests) == 1
        failed = msgspec.structs.replace(run, status="failed", history=run.messages, pending=(), results=())
        with pytest.raises(ValueError, match="the run is failed and waits for none"):
            await client.run(failed, tools=TOOLS, answers="Tuesday")


async def test_a_step_of_a_suspended_run_ends_with_its_turn() -> None:
    async with model([call("ask_date")], "Done.") as (client, mock):
        run = await client.step("mock/m", "Hi", tools=TOOLS)
        assert run.status == "suspended"
        run = await client.step(run, tools=TOOLS, answers="Monday")
        assert (run.status, len(mock.requests)) == ("running", 1)
        run = await client.step(run, tools=TOOLS)
    assert run.status == "completed"


async def test_the_stream_ends_with_the_suspended_run() -> None:
    async with model([call("ask_date")], "Done.") as (client, _), client.stream_run("mock/m", "Hi", tools=TOOLS) as run:
        events = [event async for event in run]
    assert isinstance(events[-1], RunSuspended)
    assert events[-1].run == run.run
    assert sum(isinstance(event, RunSuspended) for event in events) == 1


async def test_a_suspended_run_on_its_last_turn_may_be_answered() -> None:
    async with model([call("ask_date")], "Done.") as (client, _):
        run = await client.run("mock/m", "Hi", tools=TOOLS, max_turns=1)
        run = await client.run(run, tools=TOOLS, answers="Monday")
        assert run.status == "max_turns"
        run = await client.run(run, tools=TOOLS, max_turns=2)
    assert (run.status, run.text) == ("completed", "Done.")


OTHER_PROCESS = """
import asyncio, sys
import msgspec
import exllm
from exllm.testing import MockProvider
from tests.tools.test_suspended import TOOLS

async def main(path, form):
    data = open(path, "rb").read()
    run = getattr(msgspec, form).decode(data, type=exllm.Run)
    assert run.question == "On which day?"
    with MockProvider("Booked for Tuesday.") as mock:
        async with exllm.Client() as client:
            run = await client.run(run, tools=TOOLS, answers={"id_ask_date": "Tuesday", "id_delete": True})
    assert len(mock.requests) == 1
    assert mock.requests[0].messages == run.messages[:-1]
    open(path, "wb").write(getattr(msgspec, form).encode(run))

asyncio.run(main(*sys.argv[1:]))
"""


@pytest.mark.parametrize("form", ["json", "msgpack"])
async def test_a_run_goes_on_in_another_process(tmp_path: Path, form: str) -> None:
    codec: Any = getattr(msgspec, form)
    path = tmp_path / "run"
    async with model([call("ask_date"), DELETE, call("double", '{"number": 3}')]) as (client, _):
        run = await client.run("mock/m", "Book a table", tools=TOOLS, temperature=0.2)
    path.write_bytes(codec.encode(run))
    root = str(Path(__file__).parents[2])
    done = await asyncio.to_thread(
        subprocess.run, [sys.executable, "-c", OTHER_PROCESS, str(path), form],
        cwd=root, env=environment(PYTHONPATH=root), capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    run = codec.decode(path.read_bytes(), type=Run)
    assert (run.status, run.text, run.turns) == ("completed", "Booked for Tuesday.", 2)
    assert [one.content for one in results(run)] == ["Tuesday", "deleted a.txt", "6"]
    assert run.messages[0] == Message("user", "Book a table")
    assert run.options == {"temperature": 0.2}
    assert_valid(run.messages)


async def test_weather_needs_nobody() -> None:
    async with model(call("weather", '{"city": "Oslo"}'), "Rain.") as (client, _):
        run = await client.run("mock/m", "Hi", tools=[weather, delete])
    assert run.status == "completed"
