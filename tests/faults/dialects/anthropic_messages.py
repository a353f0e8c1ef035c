"""Anthropic's Messages."""

from __future__ import annotations

import json
from collections.abc import Sequence

from tests.faults.dialects.dialect import Dialect, event

_MESSAGE = {"id": "msg_1", "type": "message", "role": "assistant", "model": "claude-sonnet-4-5", "content": []}


def _error(message: str, retryable: bool) -> bytes:
    kind = "overloaded_error" if retryable else "invalid_request_error"
    return event({"type": "error", "error": {"type": kind, "message": message}})


def _body(text: str) -> bytes:
    content = [{"type": "text", "text": text}]
    usage = {"input_tokens": 9, "output_tokens": 5}
    return json.dumps({**_MESSAGE, "content": content, "stop_reason": "end_turn", "usage": usage}).encode()


def _start() -> bytes:
    usage = {"input_tokens": 9, "output_tokens": 1}
    return event({"type": "message_start", "message": {**_MESSAGE, "stop_reason": None, "usage": usage}})


def _end(reason: str) -> tuple[bytes, ...]:
    return (
        event({"type": "content_block_stop", "index": 0}),
        event({"type": "message_delta", "delta": {"stop_reason": reason}, "usage": {"output_tokens": 5}}),
        event({"type": "message_stop"}),
    )


def _tool(fragments: Sequence[str]) -> list[bytes]:
    block = {"type": "tool_use", "id": "call_1", "name": "look", "input": {}}
    return [
        _start(),
        event({"type": "content_block_start", "index": 0, "content_block": block}),
        *(
            event(
                {
                    "type": "content_block_delta",
                    "index": 0,
                    "delta": {"type": "input_json_delta", "partial_json": fragment},
                }
            )
            for fragment in fragments
        ),
        *_end("tool_use"),
    ]


ANTHROPIC = Dialect(
    "anthropic",
    "claude-sonnet-4-5",
    (
        _start(),
        event({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}),
    ),
    _end("end_turn"),
    lambda text: event({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": text}}),
    (event({"type": "ping"}), b": keep-alive\n\n"),
    _error,
    lambda message: json.dumps({"type": "error", "error": {"type": "api_error", "message": message}}).encode(),
    _body,
    _tool,
    lambda payload: b"event: content_block_delta\ndata: %b\n\n" % payload,
    early_input_tokens=9,
)
