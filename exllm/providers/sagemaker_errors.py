"""SageMaker's errors, as responses and as messages inside a stream, to exceptions.

What the container itself said comes inside of a ``ModelError``, and tells more than that.
Source: https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_runtime_InvokeEndpoint.html#API_runtime_InvokeEndpoint_Errors
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from exllm.errors import ExLLMError
from exllm.providers.error_bodies import read_error_body
from exllm.providers.error_mapping import error_for_status
from exllm.streaming.aws_eventstream import EventStreamFrame


def error_of_response(status: int, headers: Mapping[str, str], body: bytes, *, provider: str) -> ExLLMError:
    """The exception for an error response. The error's name is in a header."""
    fields = _object(body)
    name = headers.get("x-amzn-errortype", "").partition(":")[0].rpartition("#")[2] or _text(fields, "__type")
    original, original_status = _text(fields, "OriginalMessage"), fields.get("OriginalStatusCode")
    message = _text(fields, "Message") or _text(fields, "message")
    facts = read_error_body(body)
    code, kind = name or None, None
    if original:
        inner = read_error_body(original.encode())
        message, code, kind = inner.message or message, inner.code or inner.kind or code, inner.kind
        if isinstance(original_status, int) and 400 <= original_status < 600:
            status = original_status
    message = message or facts.message or f"HTTP {status} with an empty body"
    return error_for_status(
        status, message, provider=provider, code=code, kind=kind, body=body, headers=headers,
        request_id=facts.request_id,
    )  # fmt: skip


def error_of_frame(frame: EventStreamFrame, *, provider: str, model: str) -> ExLLMError:
    """The exception for a message of the type ``exception`` or ``error`` inside a stream."""
    fields = _object(frame.data)
    told = frame.headers.get(":error-message")
    message = _text(fields, "Message") or _text(fields, "message") or (told if isinstance(told, str) else "")
    return error_for_status(
        None, message or "the service reported an error", provider=provider, model=model,
        code=_text(fields, "ErrorCode") or frame.event, kind=frame.event, body=frame.data,
    )  # fmt: skip


def _object(body: bytes) -> dict[str, Any]:
    try:
        decoded = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return {}
    return decoded if isinstance(decoded, dict) else {}


def _text(fields: dict[str, Any], name: str) -> str:
    value = fields.get(name)
    return value if isinstance(value, str) else ""
