"""Amazon Bedrock's Converse: binary frames, and a path of its own for streams."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from tests.faults.dialects.dialect import Dialect
from tests.providers.aws_frames import event, exception, raw_event

_USAGE = {"usage": {"inputTokens": 9, "outputTokens": 5, "totalTokens": 14}, "metrics": {"latencyMs": 7}}
_START = event("messageStart", {"role": "assistant"})


def _delta(piece: dict[str, Any]) -> bytes:
    return event("contentBlockDelta", {"contentBlockIndex": 0, "delta": piece})


def _error(message: str, retryable: bool) -> bytes:
    return exception("serviceUnavailableException" if retryable else "validationException", {"message": message})


def _body(text: str) -> bytes:
    message = {"role": "assistant", "content": [{"text": text}]}
    return json.dumps({"output": {"message": message}, "stopReason": "end_turn", **_USAGE}).encode()


def _end(reason: str) -> tuple[bytes, ...]:
    return (
        event("contentBlockStop", {"contentBlockIndex": 0}),
        event("messageStop", {"stopReason": reason}),
        event("metadata", _USAGE),
    )


def _tool(fragments: Sequence[str]) -> list[bytes]:
    call = {"toolUse": {"toolUseId": "call_1", "name": "look"}}
    return [
        _START,
        event("contentBlockStart", {"contentBlockIndex": 0, "start": call}),
        *(_delta({"toolUse": {"input": fragment}}) for fragment in fragments),
        *_end("tool_use"),
    ]


BEDROCK = Dialect(
    "bedrock",
    "amazon.nova-lite-v1:0",
    (_START,),
    _end("end_turn"),
    lambda text: _delta({"text": text}),
    (_delta({"text": ""}),),
    _error,
    lambda message: json.dumps({"message": message}).encode(),
    _body,
    _tool,
    lambda payload: raw_event("contentBlockDelta", payload),
    content_type="application/vnd.amazon.eventstream",
    is_streamed=lambda request: request.path.endswith("/converse-stream"),
)
