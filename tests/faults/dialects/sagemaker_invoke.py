"""SageMaker's endpoints: OpenAI's chunks, cut anywhere into the messages of an event stream."""

from __future__ import annotations

import json
from collections.abc import Sequence

from tests.faults.dialects.openai_chat import OPENAI
from tests.providers.aws_frames import exception, raw_event


def part(payload: bytes) -> bytes:
    return raw_event("PayloadPart", payload)


def parts(frames: Sequence[bytes]) -> tuple[bytes, ...]:
    return tuple(part(frame) for frame in frames)


def _halves(frame: bytes) -> bytes:
    """In two messages, for an event may be cut anywhere."""
    middle = len(frame) // 2
    return part(frame[:middle]) + part(frame[middle:])


def _error(message: str, retryable: bool) -> bytes:
    words = message if retryable else f"{message}: this model's maximum context length is 8192 tokens"
    return exception("ModelStreamError", {"ErrorCode": "StreamBroken", "Message": words})


SAGEMAKER = OPENAI._replace(
    provider="sagemaker-invoke",
    model="my-endpoint",
    opening=parts(OPENAI.opening),
    closing=parts(OPENAI.closing),
    text=lambda text: part(OPENAI.text(text)),
    ping=parts(OPENAI.ping),
    error=_error,
    error_body=lambda message: json.dumps({"Message": message}).encode(),
    tool_frames=lambda fragments: [_halves(frame) for frame in OPENAI.tool_frames(fragments)],  # type: ignore[misc]
    frame=lambda payload: part(b"data: %b\n\n" % payload),
    content_type="application/vnd.amazon.eventstream",
    is_streamed=lambda request: request.path.endswith("/invocations-response-stream"),
)
