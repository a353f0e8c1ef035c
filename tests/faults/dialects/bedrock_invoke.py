"""Amazon Bedrock's InvokeModel with a Claude model: its Messages, each document in a binary frame of its own."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence

from tests.faults.dialects.anthropic_messages import ANTHROPIC
from tests.faults.dialects.bedrock_converse import BEDROCK
from tests.faults.dialects.dialect import Dialect
from tests.providers.aws_frames import event

_METRICS = {"inputTokenCount": 9, "outputTokenCount": 5, "invocationLatency": 7, "firstByteLatency": 3}


def _chunk(document: bytes) -> bytes:
    return event("chunk", {"bytes": base64.b64encode(document).decode()})


def _wrapped(server_sent: bytes) -> bytes:
    """An event of Anthropic's own stream as Bedrock sends it; the last one says what was counted."""
    document = json.loads(server_sent.partition(b"data: ")[2])
    if document["type"] == "message_stop":
        document["amazon-bedrock-invocationMetrics"] = _METRICS
    return _chunk(json.dumps(document).encode())


def _tool(fragments: Sequence[str]) -> list[bytes]:
    return [_wrapped(frame) for frame in ANTHROPIC.tool_frames(fragments)]


INVOKE = Dialect(
    "bedrock-invoke",
    "anthropic.claude-sonnet-4-5-20250929-v1:0",
    tuple(_wrapped(frame) for frame in ANTHROPIC.opening),
    tuple(_wrapped(frame) for frame in ANTHROPIC.closing),
    lambda text: _wrapped(ANTHROPIC.text(text)),
    (_chunk(b'{"type": "ping"}'),),
    BEDROCK.error,
    BEDROCK.error_body,
    ANTHROPIC.body,
    _tool,
    _chunk,
    early_input_tokens=9,
    content_type=BEDROCK.content_type,
    is_streamed=lambda request: request.path.endswith("/invoke-with-response-stream"),
)
