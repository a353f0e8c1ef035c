"""Sessions as bytes: round trips, older versions, newer ones."""

from __future__ import annotations

import copy
import json
import pickle
from typing import Any

import msgspec
import pytest

import exllm
from exllm import ConfigurationError, Image, Message, Run, Session, Text, Usage
from exllm.sessions import SESSION_VERSION, from_json, from_msgpack, to_json, to_msgpack
from exllm.sessions.versions import MIGRATIONS

FULL = Session(
    "anthropic/claude-sonnet-4-5",
    "Be brief.",
    name="Trip ✈",
    status="error",
    history=(Message("user", [Text("See"), Image(data=b"\x89PNG\x00", media_type="image/png")]),),
    turn_starts=(0,),
    options={"temperature": 0.5, "stop": ["x"]},
    context={"user": {"id": 7}},
    metadata={"tags": ["a"]},
    settled_usage=Usage(input_tokens=3),
    run=Run("anthropic/claude-sonnet-4-5", (), "failed", error="cut"),
    error="cut",
)

# What `ExLLM.Session.to_json` of the Elixir library writes.
OF_EXLLM: dict[str, Any] = {
    "id": "9f86d081884c7d659a2feaa0c55ad015",
    "llm_backend": "anthropic",
    "messages": [
        {"role": "system", "content": "Be brief.", "timestamp": "2025-03-01T10:00:00Z"},
        {"role": "user", "content": "Hi", "timestamp": "2025-03-01T10:00:01Z"},
        {"role": "assistant", "content": "Hello.", "timestamp": "2025-03-01T10:00:02Z"},
    ],
    "context": {"config": {"model": "claude-3-5-haiku-latest"}, "topic": "manners"},
    "created_at": "2025-03-01T10:00:00.123456Z",
    "updated_at": "2025-03-01T10:00:02Z",
    "token_usage": {"input_tokens": 12, "output_tokens": 3},
    "name": "First",
}


def test_a_session_travels_whole() -> None:
    assert from_json(to_json(FULL)) == FULL
    assert from_json(to_json(FULL).decode()) == FULL
    assert from_msgpack(to_msgpack(FULL)) == FULL
    assert pickle.loads(pickle.dumps(FULL)) == FULL
    assert copy.deepcopy(FULL) == FULL
    assert json.loads(to_json(FULL))["version"] == SESSION_VERSION


def test_ids_are_made_and_differ() -> None:
    first, second = Session("mock/m"), Session("mock/m")
    assert first.id != second.id
    assert len(first.id) == 32
    assert first.created_at > 1_700_000_000


@pytest.mark.parametrize("form", ["json", "msgpack"])
def test_sessions_of_exllm_for_elixir_open(form: str) -> None:
    session = from_json(json.dumps(OF_EXLLM)) if form == "json" else from_msgpack(msgspec.msgpack.encode(OF_EXLLM))
    assert (session.id, session.name, session.status) == (OF_EXLLM["id"], "First", "completed")
    assert session.model == "anthropic/claude-3-5-haiku-latest"
    assert [(message.role, message.text) for message in session.messages] == [
        ("system", "Be brief."), ("user", "Hi"), ("assistant", "Hello."),
    ]  # fmt: skip
    assert session.turn_starts == (1,)
    assert (session.usage.input_tokens, session.usage.output_tokens) == (12, 3)
    assert session.context["topic"] == "manners"
    assert session.created_at == pytest.approx(1740823200.123456)
    assert session.version == SESSION_VERSION
    assert exllm.sessions.undo(session).messages[-1].role == "system"


def test_sessions_of_exllm_for_elixir_with_calls_keep_them() -> None:
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    messages = [
        {"role": "user", "content": "Go"}, {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c", "content": "done"},
    ]  # fmt: skip
    old = {**OF_EXLLM, "messages": messages, "context": None, "token_usage": None}
    session = from_json(json.dumps(old))
    assert session.model == "anthropic"
    assert session.messages[1].tool_calls[0].name == "f"
    assert session.usage == Usage()


def test_there_is_a_way_from_every_older_version() -> None:
    assert set(MIGRATIONS) == set(range(SESSION_VERSION))


def test_a_newer_version_is_refused_with_words() -> None:
    newer = {**json.loads(to_json(FULL)), "version": SESSION_VERSION + 1, "status": "dreaming"}
    for read in (lambda: from_json(json.dumps(newer)), lambda: from_msgpack(msgspec.msgpack.encode(newer))):
        with pytest.raises(ConfigurationError, match=r"by a newer exllm \(version 2, not 1\); update exllm"):
            read()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b"[]",
        b"{}",
        b'{"version": 0, "messages": 3}',
        b'{"version": 1}',
        b'{"version": -1}',
        b'{"version": "1"}',
        b'{"version": 1, "model": "m", "metadata": ' + b'{"a":' * 100_000 + b"1" + b"}" * 100_001,
    ],
)
def test_what_is_no_session_is_refused(data: bytes) -> None:
    with pytest.raises(ConfigurationError, match="this is no session of exllm"):
        from_json(data)
