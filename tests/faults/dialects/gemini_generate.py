"""Gemini's generateContent."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from tests.faults.dialects.dialect import Dialect

_ENVELOPE = {"modelVersion": "gemini-2.5-flash", "responseId": "msg_1"}
_EARLY_USAGE = {"promptTokenCount": 9, "totalTokenCount": 9}
_USAGE = {"promptTokenCount": 9, "candidatesTokenCount": 5, "totalTokenCount": 14}


def _data(document: object) -> bytes:
    """An event as Google writes it: with CRLF."""
    return b"data: %b\r\n\r\n" % json.dumps(document).encode()


def _answer(parts: list[dict[str, Any]], reason: str | None = None) -> dict[str, Any]:
    candidate: dict[str, Any] = {"content": {"parts": parts, "role": "model"}, "index": 0}
    if reason is not None:
        candidate["finishReason"] = reason
    return {"candidates": [candidate], "usageMetadata": _EARLY_USAGE if reason is None else _USAGE, **_ENVELOPE}


def _status(message: str, code: int, status: str) -> dict[str, Any]:
    return {"error": {"code": code, "message": message, "status": status}}


def _error(message: str, retryable: bool) -> bytes:
    if retryable:
        return _data(_status(message, 503, "UNAVAILABLE"))
    return _data(_status(message, 400, "INVALID_ARGUMENT"))


def _tool(fragments: Sequence[str]) -> list[bytes]:
    """Calls come whole."""
    call = {"functionCall": {"id": "call_1", "name": "look", "args": json.loads("".join(fragments))}}
    return [_data(_answer([call])), _data(_answer([], "STOP"))]


GEMINI = Dialect(
    "gemini",
    "gemini-2.5-flash",
    (_data(_answer([])),),
    (_data(_answer([], "STOP")),),
    lambda text: _data(_answer([{"text": text}])),
    (b": keep-alive\r\n\r\n",),
    _error,
    lambda message: json.dumps(_status(message, 500, "INTERNAL")).encode(),
    lambda text: json.dumps(_answer([{"text": text}], "STOP")).encode(),
    _tool,
    early_input_tokens=9,
    is_streamed=lambda request: ":streamGenerateContent" in request.path,
    ends_with_body=True,
    calls_come_whole=True,
    names_status=True,
)
