"""Sessions against aimock: turns with tools, a question that waits, every wire, another process's client."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import exllm
from exllm import AskUser, Session
from exllm.sessions import SQLiteStore
from tests.e2e.aimock.server import Aimock
from tests.e2e.test_aimock_runs import CONTENTS, MODELS, TOOLS, get_weather
from tests.tools.kit import assert_valid

pytestmark = pytest.mark.node


@MODELS
async def test_a_turn_that_waits_goes_on_with_another_client(aimock: Aimock, model: str, tmp_path: Path) -> None:
    @exllm.tool(name="book")
    def ask(city: str, days: int) -> Any:
        return AskUser(f"{days} days in {city}?")

    store = SQLiteStore(tmp_path / "s.db")
    session = Session(model, options={"max_tokens": 2000})
    async with aimock.client() as client, client.conversation(session, store=store) as chat:
        async with chat.stream("plan a trip", tools=[get_weather, ask]) as turn:
            events = [event async for event in turn]
        assert (chat.session.status, chat.session.question) == ("awaiting_user", "3 days in Paris?")
        assert events
    async with aimock.client() as client, client.conversation(session.id, store=store, tools=TOOLS) as chat:
        reply = await chat.reply("3 days in Paris")
    assert (reply.text, reply.turns, chat.session.status) == ("Booked.", 3, "completed")
    results = [part for message in chat.session.history if message.role == "tool" for part in message.parts]
    assert [getattr(part, "content", None) for part in results] == CONTENTS
    assert_valid(chat.session.messages)
    assert await store.load(session.id) == chat.session
