"""Tools that Gemini does not wait for: how their results are to be taken."""

# ruff: noqa: SIM117 - the blocks say what goes on while what is open
from __future__ import annotations

import pytest

import exllm
from exllm import live
from tests.live.events import next_of
from tests.live.gemini import COMPLETE, MODEL, call, client_for, said, set_up
from tests.live.scripted_server import Peer, ScriptedServer


async def book_table(guest: str) -> str:
    """Takes a while."""
    return guest


async def test_results_say_when_the_model_is_to_speak_of_them_and_whether_more_follow() -> None:
    async def converse(peer: Peer) -> None:
        (tool,) = (await set_up(peer))["tools"]
        assert tool["functionDeclarations"][0]["behavior"] == "NON_BLOCKING"
        await peer.send(call("c1", "book_table", guest="Ann"), said("One moment."), COMPLETE)
        for scheduling, goes_on, words in (("SILENT", True, "calling"), ("WHEN_IDLE", False, "booked")):
            (response,) = (await peer.receive())["toolResponse"]["functionResponses"]
            assert response == {
                "id": "c1", "name": "book_table", "response": {"output": words}, "scheduling": scheduling,
                "willContinue": goes_on,
            }  # fmt: skip
        await peer.send(said("You have a table."), COMPLETE)
        await peer.keep_receiving()

    async with ScriptedServer(converse) as server, client_for(server.url) as client:
        async with client.live(MODEL, tools=[book_table], non_blocking_tools=["book_table"]) as session:
            asked = await next_of(session, live.ToolCall)
            await next_of(session, live.TurnComplete)  # it went on without the result
            await session.send_tool_result(asked, "calling", scheduling="silent", will_continue=True)
            await session.send_tool_result(asked, "booked", scheduling="when_idle", will_continue=False)
            assert (await next_of(session, live.OutputTranscript)).text == "You have a table."
            with pytest.raises(exllm.InvalidRequest, match="when_idle"):
                await session.send_tool_result(asked, "again", scheduling="later")
            assert not session.warnings
