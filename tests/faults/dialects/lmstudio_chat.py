"""LM Studio's own `/api/v1/chat`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from tests.faults.dialects.dialect import Dialect, event

MODEL = "openai/gpt-oss-20b"
STATS = {
    "input_tokens": 9,
    "total_output_tokens": 5,
    "reasoning_output_tokens": 0,
    "tokens_per_second": 43.73,
    "time_to_first_token_seconds": 0.781,
}


def result(output: Sequence[dict[str, Any]]) -> dict[str, Any]:
    return {"model_instance_id": MODEL, "output": output, "stats": STATS, "response_id": "resp_02b2017d"}


def _error(message: str, retryable: bool) -> bytes:
    words = message if retryable else f"{message}: the input is longer than the context length"
    kind = "internal_error" if retryable else "invalid_request"
    return event({"type": "error", "error": {"type": kind, "message": words}})


def _body(text: str) -> bytes:
    return json.dumps(result([{"type": "message", "content": text}])).encode()


LMSTUDIO = Dialect(
    "lmstudio-native",
    MODEL,
    (
        event({"type": "chat.start", "model_instance_id": MODEL}),
        event({"type": "prompt_processing.start"}),
        event({"type": "prompt_processing.end"}),
        event({"type": "message.start"}),
    ),
    (
        event({"type": "message.end"}),
        event({"type": "chat.end", "result": result([{"type": "message", "content": "..."}])}),
    ),
    lambda text: event({"type": "message.delta", "content": text}),
    (b": ping\n\n",),
    _error,
    lambda message: json.dumps({"error": {"message": message, "type": "invalid_request"}}).encode(),
    _body,
    None,  # its tools are its own
    lambda payload: b"event: message.delta\ndata: %b\n\n" % payload,
    takes_conversations=False,
)
