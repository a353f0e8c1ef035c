"""A turn that is cancelled at any await: nothing is left running, nothing is lost, and the next turn follows."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

import exllm
from exllm import Session
from exllm.providers.mock_script import Wait
from exllm.sessions import SQLiteStore
from exllm.testing import MockProvider
from tests.cancel_at import CancelAt
from tests.sessions.kit import MemoryStore
from tests.tools.kit import assert_valid, call, double


def _answer(request: Any) -> Any:
    if request.messages[-1].text == "And?":
        return "Yes."
    if any(message.role == "tool" for message in request.messages):
        return ["All ", Wait(0.001), "done."]
    return ["Let me ", Wait(0.001), "see. ", call("double", '{"number": 2}')]


async def _whole(chat: exllm.sessions.Conversation) -> None:
    await chat.send("Go")


async def _streamed(chat: exllm.sessions.Conversation) -> None:
    async with chat.stream("Go") as turn:
        async for _event in turn:
            pass


@pytest.mark.parametrize("late", [0, 1])
@pytest.mark.parametrize("way", [_whole, _streamed])
@pytest.mark.parametrize("kind", ["memory", "sqlite"])
async def test_q21_a_turn_cancelled_at_every_await(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, way: Any, late: int
) -> None:
    monkeypatch.setattr("exllm.sessions.turn.SAVE_EVERY_S", 0.0005)
    store: Any = MemoryStore() if kind == "memory" else SQLiteStore(tmp_path / "s.db")
    cut, partials, step = 0, 0, 0
    with MockProvider(_answer) as mock:
        async with exllm.Client() as client:
            before = asyncio.all_tasks()
            while True:
                step += 1
                session = Session("mock/m", id=f"s{step}")
                chat = client.conversation(session, store=store, tools=[double])
                work = CancelAt(way(chat), step, late)
                was_cut = False
                try:
                    await work
                except asyncio.CancelledError:
                    was_cut = True
                assert not asyncio.all_tasks() - before
                assert mock.open_answers == 0
                if work.steps < step:
                    break
                cut += was_cut
                partials += chat.session.partial is not None
                if chat.session.messages:
                    assert_valid(chat.session.messages)
                if await store.exists(session.id):
                    kept = await store.load(session.id)
                    assert_valid(kept.messages)
                    assert kept.revision == chat.session.revision
                    if chat.session.messages:
                        assert kept == chat.session
                await chat.send("And?")  # no conflict with itself, no orphan call
                assert chat.session.text == "Yes."
                assert await store.load(session.id) == chat.session
    assert cut > 10
    assert partials > 0
