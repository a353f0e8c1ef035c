"""Google's Interactions."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from tests.faults.dialects.dialect import Dialect, data

_ENVELOPE = {"id": "msg_1", "object": "interaction", "model": "gemini-2.5-flash"}
_USAGE = {
    "total_tokens": 14,
    "total_input_tokens": 9,
    "input_tokens_by_modality": [{"modality": "text", "tokens": 9}],
    "total_cached_tokens": 0,
    "total_output_tokens": 5,
    "total_tool_use_tokens": 0,
    "total_thought_tokens": 0,
}


def _event(kind: str, **fields: Any) -> bytes:
    """An event as Google writes it: its type comes last."""
    return b"event: %b\n%b" % (kind.encode(), data({**fields, "event_type": kind}))


def _start() -> tuple[bytes, ...]:
    return (
        _event("interaction.created", interaction={**_ENVELOPE, "status": "in_progress"}),
        _event("interaction.status_update", interaction_id="msg_1", status="in_progress"),
    )


def _end(status: str = "completed") -> tuple[bytes, ...]:
    interaction = {**_ENVELOPE, "status": status, "usage": _USAGE, "service_tier": "standard"}
    return (_event("step.stop", index=0), _event("interaction.completed", interaction=interaction))


def _error(message: str, retryable: bool) -> bytes:
    return _event("error", error={"code": "unavailable" if retryable else "invalid_argument", "message": message})


def _body(text: str) -> bytes:
    steps = [{"type": "model_output", "content": [{"type": "text", "text": text}]}]
    return json.dumps(
        {**_ENVELOPE, "status": "completed", "usage": _USAGE, "service_tier": "standard", "steps": steps}
    ).encode()


def _tool(fragments: Sequence[str]) -> list[bytes]:
    call = {"id": "call_1", "signature": "", "type": "function_call", "name": "look", "arguments": {}}
    deltas = [{"arguments": fragment, "type": "arguments_delta"} for fragment in fragments]
    return [
        *_start(),
        _event("step.start", index=0, step=call),
        *(_event("step.delta", index=0, delta=delta) for delta in deltas),
        *_end("requires_action"),
    ]


INTERACTIONS = Dialect(
    "gemini-interactions",
    "gemini-2.5-flash",
    (*_start(), _event("step.start", index=0, step={"type": "model_output"})),
    _end(),
    lambda text: _event("step.delta", index=0, delta={"text": text, "type": "text"}),
    (_event("interaction.status_update", interaction_id="msg_1", status="in_progress"), b": keep-alive\n\n"),
    _error,
    lambda message: json.dumps({"error": {"code": "internal", "message": message}}).encode(),
    _body,
    _tool,
    lambda payload: b"event: step.delta\ndata: %b\n\n" % payload,
)
