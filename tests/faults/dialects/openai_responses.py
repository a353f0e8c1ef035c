"""OpenAI's Responses."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from tests.faults.dialects.dialect import Dialect, event

_ENVELOPE = {"id": "resp_1", "object": "response", "created_at": 1763500000, "model": "gpt-4.1-mini"}
_USAGE = {
    "input_tokens": 9,
    "input_tokens_details": {"cached_tokens": 0},
    "output_tokens": 5,
    "output_tokens_details": {"reasoning_tokens": 0},
    "total_tokens": 14,
}
_PLACE = {"item_id": "msg_1", "output_index": 0, "content_index": 0}


def _message(text: str) -> dict[str, Any]:
    content = [{"type": "output_text", "text": text, "annotations": []}]
    return {"id": "msg_1", "type": "message", "role": "assistant", "status": "completed", "content": content}


def _response(status: str, output: Sequence[dict[str, Any]]) -> dict[str, Any]:
    return {**_ENVELOPE, "status": status, "error": None, "incomplete_details": None, "output": output}


def _start() -> tuple[bytes, ...]:
    begun = _response("in_progress", [])
    return tuple(event({"type": f"response.{kind}", "response": begun}) for kind in ("created", "in_progress"))


def _end(item: dict[str, Any]) -> tuple[bytes, ...]:
    return (
        event({"type": "response.output_item.done", "output_index": 0, "item": item}),
        event({"type": "response.completed", "response": {**_response("completed", [item]), "usage": _USAGE}}),
    )


def _error(message: str, retryable: bool) -> bytes:
    code = "server_error" if retryable else "invalid_prompt"
    failed = {**_response("failed", []), "error": {"code": code, "message": message}}
    return event({"type": "response.failed", "response": failed})


def _body(text: str) -> bytes:
    return json.dumps({**_response("completed", [_message(text)]), "usage": _USAGE}).encode()


def _tool(fragments: Sequence[str]) -> list[bytes]:
    call = {"id": "fc_1", "type": "function_call", "call_id": "call_1", "name": "look"}
    place = {"item_id": "fc_1", "output_index": 0}
    begun = {**call, "arguments": "", "status": "in_progress"}
    pieces = [{"type": "response.function_call_arguments.delta", **place, "delta": fragment} for fragment in fragments]
    return [
        *_start(),
        event({"type": "response.output_item.added", "output_index": 0, "item": begun}),
        *map(event, pieces),
        *_end({**call, "arguments": "".join(fragments), "status": "completed"}),
    ]


RESPONSES = Dialect(
    "openai-responses",
    "gpt-4.1-mini",
    (
        *_start(),
        event({"type": "response.output_item.added", "output_index": 0, "item": {**_message(""), "content": []}}),
    ),
    _end({**_message(""), "content": []}),  # the text is said once more here, by a real one
    lambda text: event({"type": "response.output_text.delta", **_PLACE, "delta": text, "logprobs": []}),
    (event({"type": "keepalive", "sequence_number": 7}), b": keep-alive\n\n"),
    _error,
    lambda message: json.dumps({"error": {"message": message, "type": None, "param": None, "code": None}}).encode(),
    _body,
    _tool,
    lambda payload: b"event: response.output_text.delta\ndata: %b\n\n" % payload,
)
