"""watsonx's text chat: OpenAI's chunks, events that have a name and a number, and no sentinel at the end.

The key is a token here; tests of the exchange are those of the credentials.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Sequence

from tests.faults.dialects.openai_chat import OPENAI

TOKEN = "eyJraWQiOiJ0ZXN0In0.eyJpYW1faWQiOiJJQk1pZC10ZXN0In0.c2lnbmF0dXJl"
_numbers = itertools.count(1)


def _event(frame: bytes, name: str = "message") -> bytes:
    return b"id: %d\nevent: %b\n%b" % (next(_numbers), name.encode(), frame)


def _without_sentinel(frames: Sequence[bytes]) -> list[bytes]:
    return [_event(frame) for frame in frames if b"[DONE]" not in frame]


def _error(message: str, retryable: bool) -> bytes:
    status, code = (500, "internal_error") if retryable else (400, "invalid_request_entity")
    document = {"errors": [{"code": code, "message": message}], "trace": "5b2b662c", "status_code": status}
    return _event(b"data: %b\n\n" % json.dumps(document).encode(), "error")


WATSONX = OPENAI._replace(
    provider="watsonx",
    model="ibm/granite-3-3-8b-instruct",
    opening=tuple(_without_sentinel(OPENAI.opening)),
    closing=tuple(_without_sentinel(OPENAI.closing)),
    text=lambda text: _event(OPENAI.text(text)),
    error=_error,
    error_body=lambda message: json.dumps({"errors": [{"code": "invalid", "message": message}]}).encode(),
    tool_frames=lambda fragments: _without_sentinel(OPENAI.tool_frames(fragments)),  # type: ignore[misc]
    is_streamed=lambda request: "/chat_stream?" in request.path,
    ends_with_body=True,
    settings={"project_id": "63dc4cf1", "api_key": TOKEN},
    names_status=True,
    finishes_early=True,
)
