"""Sessions with a real local model: what broke off is gone on with, and nothing shows it."""

from __future__ import annotations

from pathlib import Path

import pytest

import exllm
from exllm import Session
from exllm.sessions import SQLiteStore

pytestmark = pytest.mark.local


async def test_a_left_turn_and_its_rest_are_the_answer_that_was_not_left(
    client: exllm.Client, model: str, tmp_path: Path
) -> None:
    options = {"temperature": 0.0, "seed": 1, "max_tokens": 48}
    whole = await client.conversation(Session(model, options=options)).send("Tell me a story.")
    store = SQLiteStore(tmp_path / "s.db")
    session = Session(model, options=options)
    async with client.conversation(session, store=store) as chat, chat.stream("Tell me a story.") as turn:
        said = ""
        async for text in turn.text():
            said += text
            if len(said) > len(whole.text) // 3:
                break
    kept = await store.load(session.id)
    assert kept.status == "error"
    assert kept.partial is not None
    assert whole.text.startswith(kept.partial.text)
    assert len(kept.partial.text) >= len(said)
    async with client.conversation(session.id, store=store) as chat:
        await chat.continue_()
        # What is left of `max_tokens` is guessed: the end may come a few tokens sooner or later.
        text, shorter = chat.session.text, min(len(chat.session.text), len(whole.text))
        assert shorter > 0.8 * len(whole.text)
        assert text[:shorter] == whole.text[:shorter]
        assert chat.session.cost.total == 0.0
        reply = await chat.send("And then?")
    assert reply.status == "completed"
    assert len((await store.load(session.id)).history) == 4
