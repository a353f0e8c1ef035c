"""A server that speaks Chat Completions and answers as a script says, turn by turn."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from tests.faults.dialects.dialect import data
from tests.faults.server import Behaviour, Peer

Answer = str | list[tuple[str, dict[str, Any]]]
"""Text, or the calls of an answer by name and arguments."""

DONE = b"data: [DONE]\n\n"


def chunk(delta: dict[str, Any], finish: str | None = None) -> bytes:
    """One event of a streamed answer."""
    return data({"id": "c", "model": "m", "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]})


def frames(answer: Answer, turn: int = 0) -> Iterable[bytes]:
    """The events of an answer, with some words before its calls; `turn` makes ids of calls differ."""
    usage = data({"id": "c", "model": "m", "choices": [], "usage": {
        "prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15,
    }})  # fmt: skip
    if isinstance(answer, str):
        return [chunk({"content": answer}), chunk({}, "stop"), usage, DONE]
    calls = [
        {"index": index, "id": f"call_{turn}_{index}", "type": "function",
         "function": {"name": name, "arguments": json.dumps(arguments)}}
        for index, (name, arguments) in enumerate(answer)
    ]  # fmt: skip
    return [chunk({"content": "Let me see."}), chunk({"tool_calls": calls}), chunk({}, "tool_calls"), usage, DONE]


def script(*answers: Answer) -> Behaviour:
    """Gives the answers in turn, by how many the conversation has already; refuses one with an orphan call."""

    async def behave(peer: Peer) -> None:
        messages = peer.request.json["messages"]
        asked = [one["id"] for message in messages for one in message.get("tool_calls", ())]
        told = [message["tool_call_id"] for message in messages if message["role"] == "tool"]
        assert asked == told, "an orphan call was sent"
        turn = sum(message["role"] == "assistant" for message in messages)
        await peer.begin_stream()
        for frame in frames(answers[turn], turn):
            await peer.chunk(frame)
        await peer.end_stream()

    return behave
