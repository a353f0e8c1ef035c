"""Cohere's own `/v2/chat`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from tests.faults.dialects.dialect import Dialect, event

_USAGE = {
    "billed_units": {"input_tokens": 4.0, "output_tokens": 5.0},
    "tokens": {"input_tokens": 9.0, "output_tokens": 5.0},
    "cached_tokens": 0.0,
}


def _change(kind: str, message: dict[str, Any] | None = None, index: int | None = 0) -> bytes:
    document: dict[str, Any] = {"type": kind}
    if index is not None:
        document["index"] = index
    if message is not None:
        document["delta"] = {"message": message}
    return event(document)


def _end(reason: str, **fields: Any) -> bytes:
    return event({"type": "message-end", "delta": {"finish_reason": reason, **fields, "usage": _USAGE}})


def _error(message: str, retryable: bool) -> bytes:
    """The API names neither kind nor status here: only its words tell a refusal from a failure."""
    limit = "too many tokens: total number of tokens in the prompt cannot exceed 4081 - received 4292."
    return _end("ERROR", error=message if retryable else f"{message}: {limit}")


def _body(text: str) -> bytes:
    message = {"role": "assistant", "content": [{"type": "text", "text": text}]}
    return json.dumps({"id": "1", "message": message, "finish_reason": "COMPLETE", "usage": _USAGE}).encode()


def _tool(fragments: Sequence[str]) -> list[bytes]:
    call = {"id": "look_1", "type": "function", "function": {"name": "look", "arguments": ""}}
    pieces = [{"tool_calls": {"function": {"arguments": fragment}}} for fragment in fragments]
    return [
        _START,
        _change("tool-plan-delta", {"tool_plan": "I will look."}, None),
        _change("tool-call-start", {"tool_calls": call}),
        *(_change("tool-call-delta", piece) for piece in pieces),
        _change("tool-call-end"),
        _end("TOOL_CALL"),
        b"data: [DONE]\n\n",
    ]


_START = event(
    {
        "id": "1",
        "type": "message-start",
        "delta": {"message": {"role": "assistant", "content": [], "tool_plan": "", "tool_calls": [], "citations": []}},
    }
)

COHERE = Dialect(
    "cohere",
    "command-a-03-2025",
    (_START, _change("content-start", {"content": {"type": "text", "text": ""}})),
    (_change("content-end"), _end("COMPLETE")),
    lambda text: _change("content-delta", {"content": {"text": text}}),
    (b": keep-alive\n\n",),
    _error,
    lambda message: json.dumps({"id": "1", "message": message}).encode(),
    _body,
    _tool,
)
