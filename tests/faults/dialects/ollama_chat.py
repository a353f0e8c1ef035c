"""Ollama's own `/api/chat`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from tests.faults.dialects.dialect import Dialect

HEAD = {"model": "llama3.2", "created_at": "2025-11-19T20:00:00.123456789Z"}
END = {
    "done": True,
    "done_reason": "stop",
    "total_duration": 1145673125,
    "load_duration": 947986792,
    "prompt_eval_count": 9,
    "prompt_eval_duration": 43850375,
    "eval_count": 5,
    "eval_duration": 151895792,
}


def line(document: dict[str, Any]) -> bytes:
    return json.dumps(document).encode() + b"\n"


def _message(message: dict[str, Any], **fields: Any) -> bytes:
    return line({**HEAD, "message": {"role": "assistant", "content": "", **message}, "done": False, **fields})


def _error(message: str, retryable: bool) -> bytes:
    """The server names neither kind nor status: only its words tell a refusal from a failure."""
    return line({"error": message if retryable else f"{message}: the input length exceeds the context length"})


def _body(text: str) -> bytes:
    return _message({"content": text}, **END)


def _tool(fragments: Sequence[str]) -> list[bytes]:
    function = {"index": 0, "name": "look", "arguments": json.loads("".join(fragments))}
    return [_message({"tool_calls": [{"id": "call_1", "function": function}]}), _message({}, **END)]


OLLAMA = Dialect(
    "ollama",
    "llama3.2",
    (_message({}),),
    (_message({}, **END),),
    lambda text: _message({"content": text}),
    (b"\n",),
    _error,
    lambda message: json.dumps({"error": message}).encode(),
    _body,
    _tool,
    lambda payload: payload + b"\n",
    content_type="application/x-ndjson",
    calls_come_whole=True,
)
