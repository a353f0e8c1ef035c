"""OpenAI's Chat Completions."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from tests.faults.dialects.dialect import Dialect, data

_ENVELOPE = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1763500000, "model": "gpt-4.1-mini"}
_USAGE = {"prompt_tokens": 9, "completion_tokens": 5, "total_tokens": 14}


def _delta(delta: dict[str, Any], reason: str | None = None) -> bytes:
    return data({**_ENVELOPE, "choices": [{"index": 0, "delta": delta, "finish_reason": reason}]})


def _error(message: str, retryable: bool) -> bytes:
    kind = "server_error" if retryable else "invalid_request_error"
    return data({"error": {"message": message, "type": kind, "param": None, "code": None}})


def _body(text: str) -> bytes:
    choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
    document = {**_ENVELOPE, "object": "chat.completion", "choices": [choice], "usage": _USAGE}
    return json.dumps(document).encode()


def _tool(fragments: Sequence[str]) -> list[bytes]:
    first = {"index": 0, "id": "call_1", "type": "function", "function": {"name": "look", "arguments": ""}}
    pieces = [{"index": 0, "function": {"arguments": fragment}} for fragment in fragments]
    return [
        _delta({"role": "assistant", "content": None}),
        *(_delta({"tool_calls": [piece]}) for piece in (first, *pieces)),
        _delta({}, "tool_calls"),
        b"data: [DONE]\n\n",
    ]


OPENAI = Dialect(
    "openai",
    "gpt-4.1-mini",
    (_delta({"role": "assistant", "content": ""}),),
    (_delta({}, "stop"), data({**_ENVELOPE, "choices": [], "usage": _USAGE}), b"data: [DONE]\n\n"),
    lambda text: _delta({"content": text}),
    (b": keep-alive\n\n",),
    _error,
    lambda message: json.dumps({"error": {"message": message, "type": None, "param": None, "code": None}}).encode(),
    _body,
    _tool,
)
