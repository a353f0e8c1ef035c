"""Tools that do what no tool should."""

from __future__ import annotations

import asyncio
import gc
import time
from typing import Any

import pytest

import exllm
from exllm import live
from tests.live import gemini, openai
from tests.live.events import next_of, until
from tests.live.scripted_server import Peer, ScriptedServer


def nested(depth: int) -> list[Any]:
    """A list in a list in a list."""
    inner: list[Any] = []
    for _ in range(depth):
        inner = [inner]
    return inner


RESULTS: dict[str, Any] = {
    "half of a surrogate pair": "\ud800",
    "bytes": b"\xff",
    "not a number": float("nan"),
    "a set": {1, 2},
    "an object": object(),
    "nothing": None,
    "a deep list": nested(5_000),
    "a class": int,
}


@pytest.mark.parametrize("name", RESULTS)
@pytest.mark.parametrize("wire", [gemini, openai])
async def test_whatever_a_tool_returns_the_model_gets_an_answer(
    name: str, wire: Any, caplog: pytest.LogCaptureFixture
) -> None:
    def give() -> Any:
        """Gives."""
        return RESULTS[name]

    async def ask(peer: Peer) -> None:
        await wire.set_up(peer)
        if wire is gemini:
            await peer.send(gemini.call("c1", "give"))
            await peer.receive_until("toolResponse")
            await peer.send(gemini.COMPLETE)
        else:
            item = {"id": "f1", "type": "function_call", "call_id": "c1", "name": "give", "arguments": "{}"}
            await peer.send(
                {"type": "response.created", "response": {"id": "r1"}},
                {"type": "response.output_item.done", "response_id": "r1", "item": {**item, "status": "completed"}},
                {"type": "response.done", "response": {"id": "r1", "status": "completed", "output": [item]}},
            )
            message = await openai.receive(peer, "conversation.item.create")
            assert message["item"]["call_id"] == "c1"
        await peer.keep_receiving()

    async with ScriptedServer(ask) as server, wire.client_for(server.url) as client:
        async with client.live(wire.MODEL, tools=[give], auto_tools=True) as session:
            async with asyncio.timeout(2):
                await next_of(session, live.ToolFinished)
        await server.all_left()
    gc.collect()
    assert "never retrieved" not in caplog.text


async def test_a_tool_may_end_the_session() -> None:
    async def ask(peer: Peer) -> None:
        await gemini.set_up(peer)
        await peer.send(gemini.call("c1", "hang_up"))
        await peer.keep_receiving()

    async def hang_up() -> None:
        """Ends the call."""
        await session.aclose()

    async with ScriptedServer(ask) as server, gemini.client_for(server.url) as client:
        session = client.live(gemini.MODEL, tools=[hang_up], auto_tools=True)
        async with session:
            async with asyncio.timeout(2):
                with pytest.raises(exllm.StreamClosed):
                    await until(session, live.TurnComplete)
        await server.all_left()
    assert not [task for task in asyncio.all_tasks() if task.get_name().startswith("exllm")]


async def test_a_call_whose_id_comes_again_while_the_cancelled_one_cleans_up_is_made() -> None:
    made = 0
    began = asyncio.Event()

    async def slow() -> str:
        """Takes its time to be cancelled."""
        nonlocal made
        made += 1
        if made > 1:
            return "done"
        began.set()
        try:
            await asyncio.sleep(60)
        finally:
            for _ in range(10):
                await asyncio.get_running_loop().run_in_executor(None, time.sleep, 0.002)
        return ""

    async def ask(peer: Peer) -> None:
        await gemini.set_up(peer)
        await peer.send(gemini.call("c1", "slow"))
        await began.wait()
        await peer.send({"toolCallCancellation": {"ids": ["c1"]}}, gemini.call("c1", "slow"))
        await peer.receive_until("toolResponse")
        await peer.send(gemini.COMPLETE)
        await peer.keep_receiving()

    async with ScriptedServer(ask) as server, gemini.client_for(server.url) as client:
        async with client.live(gemini.MODEL, tools=[slow], auto_tools=True) as session:
            async with asyncio.timeout(2):
                await until(session, live.TurnComplete)
        await server.all_left()
    assert made == 2


class Odd(BaseException):
    """Nothing that `except Exception` stops."""


async def test_a_tool_that_raises_what_no_except_exception_stops_ends_the_session_with_it(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def odd() -> None:
        """Raises."""
        raise Odd("boo")

    async def ask(peer: Peer) -> None:
        await gemini.set_up(peer)
        await peer.send(gemini.call("c1", "odd"))
        await peer.keep_receiving()

    async with ScriptedServer(ask) as server, gemini.client_for(server.url) as client:
        async with client.live(gemini.MODEL, tools=[odd], auto_tools=True) as session:
            async with asyncio.timeout(2):
                with pytest.raises(exllm.ExLLMError, match="Odd"):
                    await until(session, live.TurnComplete)
        await server.all_left()
    gc.collect()
    assert "never retrieved" not in caplog.text
