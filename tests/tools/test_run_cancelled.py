"""Q21: cancelled at every await, a run leaves nothing behind, and a conversation that the next request may hold."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

import exllm
from exllm import Message, Run, ToolContext
from exllm.testing import MockProvider, Wait
from tests.cancel_at import CancelAt
from tests.faults.dialects import OPENAI
from tests.faults.expect import open_connections, served
from tests.faults.server import Peer
from tests.tools.kit import assert_valid, call, results
from tests.tools.openai_script import Answer, frames

MOST_STEPS = 400
Way = Callable[[exllm.Client, str, list[exllm.Tool]], Awaitable[None]]


class Tools:
    """Two tools that take a while, and count what they did."""

    def __init__(self) -> None:
        self.running = 0
        self.made: list[str] = []
        self.tools = [exllm.tool(self._wait, name="wait"), exllm.tool(self._quick, name="quick")]

    async def _wait(self, context: ToolContext) -> str:
        self.running += 1
        try:
            await asyncio.sleep(0.001)
            await asyncio.sleep(0)
            self.made.append(context.call_id)
            return "waited"
        finally:
            self.running -= 1

    async def _quick(self, context: ToolContext) -> str:
        self.made.append(context.call_id)
        return "quick"


async def _run(client: exllm.Client, model: str, tools: list[exllm.Tool]) -> Run:
    return await client.run(model, "Hi", tools=tools)


async def _stream(client: exllm.Client, model: str, tools: list[exllm.Tool]) -> Run:
    stream = client.stream_run(model, "Hi", tools=tools)
    try:
        async with stream:
            async for event in stream:
                assert_valid(stream.run.messages), event
    except asyncio.CancelledError as error:
        error.run = stream.run  # type: ignore[attr-defined]
        raise
    return stream.run


async def _unowned(client: exllm.Client, model: str, tools: list[exllm.Tool]) -> Run:
    stream = client.stream_run(model, "Hi", tools=tools)
    try:
        async for _event in stream:
            pass
    except asyncio.CancelledError as error:
        error.run = stream.run  # type: ignore[attr-defined]
        raise
    return stream.run


async def _hooked(client: exllm.Client, model: str, tools: list[exllm.Tool]) -> Run:
    async def approve(_context: ToolContext) -> bool:
        await asyncio.sleep(0)
        return True

    async def hook(_context: ToolContext, *_result: Any) -> None:
        await asyncio.sleep(0)

    return await client.run(
        model, "Hi", tools=tools, approve=approve, before_call=hook, after_call=hook, concurrency=1, run_timeout=30
    )  # fmt: skip


WAYS = pytest.mark.parametrize("way", [_run, _stream, _unowned, _hooked], ids=lambda way: way.__name__)


async def _cancel_everywhere(
    way: Callable[..., Any], client: exllm.Client, model: str, tools: Tools, late: int, check: Callable[[], Any]
) -> list[Run]:
    """The runs that were cancelled, one for each await."""
    cut: list[Run] = []
    for step in range(1, MOST_STEPS):
        tools.made.clear()
        work = CancelAt(way(client, model, tools.tools), step, late)
        try:
            whole = await work
        except asyncio.CancelledError as error:
            task = asyncio.current_task()
            assert task is not None
            task.uncancel()
            run: Run = error.run  # type: ignore[attr-defined]
            assert run.status in ("cancelled", "completed")  # it may have been over, but not left
            assert tools.running == 0
            assert_valid(run.messages)
            done = {one.call_id for one in results(run) if not one.is_error}
            assert done <= set(tools.made)
            check()
            cut.append(run)
        else:
            if work.steps < step:
                assert (whole.status, whole.text) == ("completed", "All done.")
                return cut
            try:  # it was cancelled when it had ended already, and that is still to come
                for _ in range(late + 2):
                    await asyncio.sleep(0)
            except asyncio.CancelledError:
                task = asyncio.current_task()
                assert task is not None
                task.uncancel()
    raise AssertionError("the run does not end")


@pytest.mark.parametrize("late", [0, 1, 2])
@WAYS
async def test_q21_cancelled_at_every_await(way: Callable[..., Any], late: int) -> None:
    tools = Tools()

    def answer(request: Any) -> Any:
        if any(message.role == "tool" for message in request.messages):
            return ["All ", Wait(0.001), "done."]
        return ["Let me ", Wait(0.001), "see. ", call("wait", "{}", "a"), call("quick", "", "b"), call("wait", "", "c")]

    with MockProvider(answer) as mock:
        async with exllm.Client() as client:
            before = asyncio.all_tasks()

            def check() -> None:
                assert not asyncio.all_tasks() - before
                assert mock.open_answers == 0

            cut = await _cancel_everywhere(way, client, "mock/m", tools, late, check)
            # every phase was hit: the first answer, the calls, the second answer
            assert {len(run.messages) for run in cut} >= {1, 3}
            assert any(run.turns == 1 and run.text.startswith("All") for run in cut)
            partly = [run for run in cut if len({one.is_error for one in results(run)}) == 2]
            assert partly, "never cancelled while some calls were done and others were not"
            for run in cut[:: max(1, len(cut) // 10)]:
                again = await client.run("mock/m", [*run.messages, Message("user", "And now?")], tools=tools.tools)
                assert again.text == "All done."
                if run.status != "completed":
                    assert (await client.run(run, tools=tools.tools)).text == "All done."


@pytest.mark.parametrize("late", [0, 1])
@pytest.mark.parametrize("way", [_run, _stream], ids=lambda way: way.__name__)
async def test_q21_cancelled_at_every_await_over_http(way: Callable[..., Any], late: int) -> None:
    asyncio.get_running_loop().set_debug(late == 0)
    tools = Tools()

    async def behave(peer: Peer) -> None:
        messages = peer.request.json["messages"]
        answered = {message["tool_call_id"] for message in messages if message["role"] == "tool"}
        asked = {one["id"] for message in messages for one in message.get("tool_calls", ())}
        assert answered == asked, "an orphan call was sent"
        answer: Answer = "All done." if asked else [("wait", {}), ("quick", {})]
        await peer.begin_stream()
        for frame in frames(answer):
            await peer.chunk(frame)
            await asyncio.sleep(0.0005)
        await peer.end_stream()

    async with served(OPENAI, behave) as (server, client):
        before = asyncio.all_tasks()

        def check() -> None:
            left = {repr(task) for task in asyncio.all_tasks() - before - server.tasks}
            assert not {task for task in left if "_accept_connection2" not in task}
            assert open_connections(client) == 0

        cut = await _cancel_everywhere(way, client, OPENAI.name, tools, late, check)
        assert len(cut) > 10
        for run in cut[::5]:  # the server looks for orphans
            assert (await client.run(run.model, [*run.messages, "And?"], tools=tools.tools)).text == "All done."


async def test_a_timeout_around_a_run_leaves_the_run_on_its_cause() -> None:
    tools = Tools()
    with MockProvider([call("quick"), Wait(60)]):
        async with exllm.Client() as client:
            with pytest.raises(TimeoutError) as failure:
                async with asyncio.timeout(0.05):
                    await client.run("mock/m", "Hi", tools=tools.tools)
    run: Run = failure.value.__cause__.run  # type: ignore[union-attr]
    assert (run.status, tools.made) == ("cancelled", [])
    assert_valid(run.messages)


async def test_a_cancelled_run_does_not_wait_for_a_thread() -> None:
    import threading

    go_on = threading.Event()

    def stuck() -> None:
        go_on.wait(10)

    begun = asyncio.Event()
    with MockProvider(call("stuck")):
        async with exllm.Client() as client, client.stream_run("mock/m", "Hi", tools=[stuck]) as stream:
            async for event in stream:
                if isinstance(event, exllm.ToolStarted):
                    begun.set()
                    break
            began_at = asyncio.get_running_loop().time()
            await stream.aclose()
            assert asyncio.get_running_loop().time() - began_at < 1
    go_on.set()
    assert begun.is_set()
    assert "cut off; whether it took effect is not known" in str(results(stream.run)[0].content)
