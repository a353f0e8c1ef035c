"""Amazon Bedrock's errors, as responses and as messages inside a stream, to exceptions.

Sources: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ConverseStream.html and
https://docs.aws.amazon.com/bedrock/latest/userguide/troubleshooting-api-error-codes.html, botocore's service model.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from exllm.errors import ExLLMError, InvalidRequest, NotFound
from exllm.providers.error_bodies import read_error_body
from exllm.providers.error_mapping import error_for_status
from exllm.streaming.aws_eventstream import EventStreamFrame

_NO_SUCH_MODEL = re.compile(r"model identifier is invalid|could not resolve the foundation model", re.IGNORECASE)


def error_of_response(
    status: int, headers: Mapping[str, str], body: bytes, *, provider: str, model: str | None = None
) -> ExLLMError:
    """The exception for an error response. The error's name is in a header, ``ValidationException:http://...``."""
    facts = read_error_body(body)
    name = headers.get("x-amzn-errortype", "").partition(":")[0] or _type_in(body) or facts.code or facts.kind
    message = facts.message or f"HTTP {status} with an empty body" + (f": {name}" if name else "")
    return _better_class(
        error_for_status(
            status, message, provider=provider, model=model, code=_plain(name), body=body, headers=headers,
            request_id=facts.request_id, retry_wait_s=facts.retry_after_s,
        )
    )  # fmt: skip


def error_of_frame(frame: EventStreamFrame, *, provider: str, model: str) -> ExLLMError:
    """The exception for a message of the type ``exception`` or ``error`` inside a stream."""
    told = frame.headers.get(":error-message")
    facts = read_error_body(frame.data)
    message = facts.message or (told if isinstance(told, str) else "") or "the service reported an error"
    status, original = _original(frame.data)
    if original and original not in message:
        message = f"{message}: {original}"
    name = frame.event if frame.event != "message" else facts.code or facts.kind
    error = _better_class(
        error_for_status(None, message, provider=provider, model=model, code=_plain(name), body=frame.data)
    )
    error.status = status
    return error


def _plain(name: str | None) -> str | None:
    """``com.amazonaws.bedrock#ThrottlingException`` and ``throttlingException`` alike as ``ThrottlingException``."""
    if not name:
        return None
    name = name.rpartition("#")[2]
    return name[:1].upper() + name[1:]


def _better_class(error: ExLLMError) -> ExLLMError:
    """A model that does not exist is a ``ValidationException`` like everything else that is wrong with a request."""
    if type(error) is not InvalidRequest or not _NO_SUCH_MODEL.search(error.message):
        return error
    facts = {name: value for name, value in vars(error).items() if name != "message"}
    return NotFound(error.message, **facts)


def _type_in(body: bytes) -> str | None:
    value = _object(body).get("__type")
    return value if isinstance(value, str) else None


def _original(body: bytes) -> tuple[int | None, str | None]:
    """What the model's own server had said, in a ``modelStreamErrorException``."""
    fields = _object(body)
    status, message = fields.get("originalStatusCode"), fields.get("originalMessage")
    return (
        status if isinstance(status, int) and 100 <= status < 600 else None,
        message if isinstance(message, str) and message else None,
    )


def _object(body: bytes) -> dict[str, Any]:
    try:
        decoded = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return {}
    return decoded if isinstance(decoded, dict) else {}
