"""Calls of tools in a realtime session: the application's to answer, or the session's."""

# ruff: noqa: SIM117 - the blocks say what goes on while what is open
from __future__ import annotations

import asyncio
from typing import Any

import pytest

import exllm
from exllm import live
from tests.live.events import next_of, until
from tests.live.gemini import COMPLETE, MODEL, call, client_for, handle, set_up, text
from tests.live.scripted_server import Peer, ScriptedServer


def get_weather(city: str) -> str:
    """The weather."""
    return f"sunny in {city}"


def responses(message: Any) -> list[Any]:
    found: list[Any] = message["toolResponse"]["functionResponses"]
    return found


async def ask_for_weather(peer: Peer) -> None:
    setup = await set_up(peer)
    assert setup["tools"][0]["functionDeclarations"][0]["name"] == "get_weather"
    await peer.receive()
    await peer.send(call("c1", "get_weather", city="Oslo"))
    (answer,) = responses(await peer.receive_until("toolResponse"))
    assert answer["id"] == "c1"
    await peer.send(text(str(answer["response"])), COMPLETE)
    await peer.keep_receiving()


async def test_the_application_answers_a_call() -> None:
    async with ScriptedServer(ask_for_weather) as server, client_for(server.url) as client:
        async with client.live(MODEL, tools=[get_weather]) as session:
            await session.send("Weather?")
            asked = await next_of(session, live.ToolCall)
            assert (asked.id, asked.name, asked.parse_arguments()) == ("c1", "get_weather", {"city": "Oslo"})
            await session.send_tool_result(asked, {"degrees": 5})
            assert "degrees" in (await next_of(session, live.TextOut)).text
            roles = [message.role for message in session.transcript]
            assert roles == ["user", "assistant", "tool", "assistant"]
            assert session.transcript[1].tool_calls[0].name == "get_weather"
            assert session.stats.tool_calls == 1


async def test_the_session_answers_calls_by_itself() -> None:
    async with ScriptedServer(ask_for_weather) as server, client_for(server.url) as client:
        async with client.live(MODEL, tools=[get_weather], auto_tools=True) as session:
            await session.send("Weather?")
            events = await until(session, live.TurnComplete)
            finished = next(event for event in events if isinstance(event, live.ToolFinished))
            assert (finished.id, finished.name, finished.result, finished.is_error) == (
                "c1", "get_weather", "sunny in Oslo", False,
            )  # fmt: skip
            assert any(isinstance(event, live.ToolCall) for event in events)
            assert any("sunny in Oslo" in event.text for event in events if isinstance(event, live.TextOut))
            assert session.stats.tools_finished == 1


async def test_calls_are_made_side_by_side_and_answered_as_they_are_done() -> None:
    async def slow(seconds: float) -> float:
        """Sleeps."""
        await asyncio.sleep(seconds)
        return seconds

    async def ask(peer: Peer) -> None:
        await set_up(peer)
        await peer.send(call("a", "slow", seconds=0.2), call("b", "slow", seconds=0.1), call("c", "slow", seconds=0.01))
        ids = [responses(await peer.receive_until("toolResponse"))[0]["id"] for _ in range(3)]
        await peer.send(text(" ".join(ids)), COMPLETE)
        await peer.keep_receiving()

    async with ScriptedServer(ask) as server, client_for(server.url) as client:
        async with client.live(MODEL, tools=[slow], auto_tools=True) as session:
            began = asyncio.get_running_loop().time()
            assert (await next_of(session, live.TextOut)).text == "c b a"
            assert asyncio.get_running_loop().time() - began < 0.29
        async with client.live(MODEL, tools=[slow], auto_tools=True, concurrency=1) as session:
            assert (await next_of(session, live.TextOut)).text == "a b c"


async def test_what_a_tool_raises_and_wrong_arguments_and_late_calls_are_told_to_the_model() -> None:
    async def fails(x: int) -> int:
        """Fails."""
        if x == 1:
            raise ValueError("no such x")
        await asyncio.sleep(9)
        return x

    async def ask(peer: Peer) -> None:
        await set_up(peer)
        for arguments in ({"x": 1}, {"x": "one"}, {"x": 2}):
            await peer.send(call(f"c{arguments['x']}", "fails", **arguments))
            (answer,) = responses(await peer.receive_until("toolResponse"))
            await peer.send(text(str(answer["response"])))
        await peer.send(COMPLETE)
        await peer.keep_receiving()

    async with ScriptedServer(ask) as server, client_for(server.url) as client:
        async with client.live(MODEL, tools=[fails], auto_tools=True, tool_timeout=0.1) as session:
            events = await until(session, live.TurnComplete)
            told = [event.text for event in events if isinstance(event, live.TextOut)]
            assert "ValueError: no such x" in told[0]
            assert "not called" in told[1]
            assert "given up" in told[2]
            assert all(event.is_error for event in events if isinstance(event, live.ToolFinished))


async def test_a_cancelled_call_is_cancelled() -> None:
    began, was_cancelled = asyncio.Event(), asyncio.Event()

    async def endless() -> None:
        """Never ends."""
        began.set()
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            was_cancelled.set()
            raise

    async def ask(peer: Peer) -> None:
        await set_up(peer)
        await peer.send(call("c1", "endless"))
        await began.wait()
        await peer.send({"toolCallCancellation": {"ids": ["c1"]}})
        await peer.keep_receiving()

    async with ScriptedServer(ask) as server, client_for(server.url) as client:
        async with client.live(MODEL, tools=[endless], auto_tools=True) as session:
            assert (await next_of(session, live.ToolCallCancelled)).ids == ("c1",)
            await asyncio.wait_for(was_cancelled.wait(), 1)
            await asyncio.sleep(0.02)
            assert session.stats.tools_cancelled == 1
        await server.all_left()
        assert not any("toolResponse" in message for message in server.peers[0].received)


async def test_calls_end_with_the_session() -> None:
    began, was_cancelled = asyncio.Event(), asyncio.Event()

    async def endless() -> None:
        """Never ends."""
        began.set()
        try:
            await asyncio.sleep(60)
        finally:
            was_cancelled.set()

    async def ask(peer: Peer) -> None:
        await set_up(peer)
        await peer.send(call("c1", "endless"))
        await peer.keep_receiving()

    async with ScriptedServer(ask) as server, client_for(server.url) as client:
        async with client.live(MODEL, tools=[endless], auto_tools=True):
            await began.wait()
        assert was_cancelled.is_set()
        await server.all_left()


async def test_a_call_of_a_tool_without_a_function_is_left_to_the_application() -> None:
    async def ask(peer: Peer) -> None:
        await set_up(peer)
        await peer.send(call("c1", "described"))
        (answer,) = responses(await peer.receive_until("toolResponse"))
        await peer.send(text(str(answer["response"])), COMPLETE)
        await peer.keep_receiving()

    async with ScriptedServer(ask) as server, client_for(server.url) as client:
        tools = [get_weather, exllm.Tool("described", "by hand")]
        async with client.live(MODEL, tools=tools, auto_tools=True) as session:
            asked = await next_of(session, live.ToolCall)
            await asyncio.sleep(0.05)
            await session.send_tool_result(asked.id, "mine")
            assert "mine" in (await next_of(session, live.TextOut)).text
            assert session.stats.tools_finished == 0


async def test_a_result_that_cannot_be_said_is_told_as_an_error() -> None:
    def picture() -> exllm.Image:
        """Draws."""
        return exllm.Image(data=b"png", media_type="image/png")

    async def ask(peer: Peer) -> None:
        await set_up(peer)
        await peer.send(call("c1", "picture"))
        (answer,) = responses(await peer.receive_until("toolResponse"))
        await peer.send(text(str(answer["response"])), COMPLETE)
        await peer.keep_receiving()

    async with ScriptedServer(ask) as server, client_for(server.url) as client:
        async with client.live(MODEL, tools=[picture], auto_tools=True) as session:
            finished = await next_of(session, live.ToolFinished)
            assert finished.is_error
            assert "text alone" in finished.result


async def test_a_result_that_is_ready_while_there_is_no_connection_waits() -> None:
    release = asyncio.Event()

    async def slow() -> str:
        """Waits."""
        await release.wait()
        return "done"

    async def ask_and_drop(peer: Peer) -> None:
        await set_up(peer)
        await peer.send(handle("h1"), call("c1", "slow"))
        await asyncio.sleep(0.05)
        peer.drop()

    async def rest(peer: Peer) -> None:
        await set_up(peer)
        await peer.keep_receiving()

    async with ScriptedServer(ask_and_drop, rest) as server, client_for(server.url) as client:
        async with client.live(MODEL, tools=[slow], auto_tools=True) as session:
            events = await until(session, live.Reconnected)
            release.set()
            # What becomes of a call over a new connection is the protocol's to say: cancelled, or answered.
            if not any(isinstance(event, live.ToolCallCancelled) for event in events):
                await next_of(session, live.ToolFinished)
        await server.all_left()


async def test_auto_tools_without_functions_is_a_mistake() -> None:
    async with client_for("ws://127.0.0.1:1") as client:
        with pytest.raises(exllm.ConfigurationError, match="functions"):
            client.live(MODEL, tools=[exllm.Tool("x")], auto_tools=True)
        with pytest.raises(exllm.ConfigurationError, match="functions"):
            client.live(MODEL, auto_tools=True)


async def test_what_the_session_does_not_answer_is_told_with_the_reason() -> None:
    def book(city: str) -> str:
        """Books."""
        raise exllm.AskUser(f"Which hotel in {city}?")

    @exllm.tool(needs_approval=True)
    def pay() -> str:
        """Pays."""
        raise AssertionError("nobody approved")

    def stop() -> str:
        """Ends."""
        raise exllm.Halt({"ended": True})

    async def ask(peer: Peer) -> None:
        await set_up(peer)
        await peer.send(call("b", "book", city="Oslo"), call("p", "pay"), call("m", "manual"), call("h", "stop"))
        await peer.send(call("u", "unknown"))
        await peer.keep_receiving()

    async with ScriptedServer(ask) as server, client_for(server.url) as client:
        tools = [book, pay, stop, exllm.Tool("manual")]
        async with client.live(MODEL, tools=tools, auto_tools=True) as session:
            waiting: dict[str, live.ToolWaiting] = {}
            finished: dict[str, live.ToolFinished] = {}
            while len(waiting) + len(finished) < 5:
                event = await anext(session)
                if isinstance(event, live.ToolWaiting):
                    waiting[event.id] = event
                elif isinstance(event, live.ToolFinished):
                    finished[event.id] = event
            assert waiting == {
                "b": live.ToolWaiting("b", "book", "question", "Which hotel in Oslo?"),
                "p": live.ToolWaiting("p", "pay", "approval"),
                "m": live.ToolWaiting("m", "manual", "manual"),
            }
            assert finished["h"].result == '{"ended":true}'
            assert finished["u"].is_error
            await session.send_tool_result("b", "The Grand")
            assert session.transcript[-1].parts[0].content == "The Grand"  # type: ignore[union-attr]
        await server.all_left()
    answered = [responses(message)[0]["id"] for message in server.peers[0].received[1:]]
    assert sorted(answered) == ["b", "h", "u"]
