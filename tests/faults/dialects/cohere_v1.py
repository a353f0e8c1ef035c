"""Cohere's older `/v1/chat`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from tests.faults.dialects.cohere_chat import COHERE
from tests.faults.dialects.dialect import TEXT, Dialect

_META = {
    "api_version": {"version": "1"},
    "billed_units": {"input_tokens": 4.0, "output_tokens": 5.0},
    "tokens": {"input_tokens": 9.0, "output_tokens": 5.0},
}


def _event(kind: str, **fields: Any) -> bytes:
    return json.dumps({"is_finished": kind == "stream-end", "event_type": kind, **fields}).encode() + b"\n"


def _answer(text: str, reason: str = "COMPLETE", **fields: Any) -> dict[str, Any]:
    return {"response_id": "r", "text": text, "generation_id": "1", "finish_reason": reason, "meta": _META, **fields}


def _end(answer: dict[str, Any]) -> bytes:
    return _event("stream-end", finish_reason=answer["finish_reason"], response=answer)


def _error(message: str, retryable: bool) -> bytes:
    """The API names neither kind nor status here: only its words tell a refusal from a failure."""
    limit = "too many tokens: total number of tokens in the prompt cannot exceed 4081 - received 4292."
    return json.dumps({"message": message if retryable else f"{message}: {limit}"}).encode() + b"\n"


def _tool(fragments: Sequence[str]) -> list[bytes]:
    calls = [{"name": "look", "parameters": json.loads("".join(fragments))}] if len(fragments) < 100 else []
    return [
        _START,
        _event("tool-calls-chunk", text="I will look."),
        _event("tool-calls-chunk", tool_call_delta={"index": 0, "name": "look"}),
        *(_event("tool-calls-chunk", tool_call_delta={"index": 0, "parameters": part}) for part in fragments),
        _event("tool-calls-generation", text="I will look.", tool_calls=calls),
        _end(_answer("I will look.", tool_calls=calls)),
    ]


_START = _event("stream-start", generation_id="1")

COHERE_V1 = Dialect(
    "cohere-v1",
    "command-a-03-2025",
    (_START,),
    (_end(_answer(TEXT)),),
    lambda text: _event("text-generation", text=text),
    (b"\n",),
    _error,
    COHERE.error_body,
    lambda text: json.dumps(_answer(text)).encode(),
    _tool,
    lambda payload: payload + b"\n",
    content_type="application/stream+json",
)
