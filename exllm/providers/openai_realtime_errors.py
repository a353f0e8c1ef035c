"""The ``error`` event of the Realtime API.

Source: https://developers.openai.com/api/reference/resources/realtime/server-events#error
"""

from __future__ import annotations

from exllm.errors import (
    AuthenticationError,
    ExLLMError,
    NotFound,
    PermissionDenied,
    QuotaExceeded,
    StreamInterrupted,
)
from exllm.providers.error_mapping import error_for_status
from exllm.providers.openai_realtime_events import Fields, object_in, text
from exllm.types.live_events import RemoteError

_FATAL = (AuthenticationError, PermissionDenied, QuotaExceeded, NotFound)
_SESSION_OVER = "session_expired"


def read_error(fields: Fields, *, provider: str, model: str, is_configured: bool) -> RemoteError:
    """What the service refused and goes on after.

    Raises the error that ends a session: one that keeps it from beginning, and one after which nothing can be asked of
    it any more.
    """
    inner = object_in(fields, "error") if not isinstance(fields.get("error"), str) else {"message": fields["error"]}
    if isinstance(inner.get("code"), int):  # a status
        inner = {**inner, "code": str(inner["code"])}
    code, kind, message = text(inner, "code"), text(inner, "type"), text(inner, "message")
    error = error_for(code, kind, message, provider=provider, model=model)
    if code == _SESSION_OVER:
        raise StreamInterrupted(f"{message}: connect again", provider=provider, model=model, code=code)
    if not is_configured or isinstance(error, _FATAL):
        raise error
    return RemoteError(error.message, code or kind, text(inner, "param"), text(inner, "event_id"), kind)


def error_for(code: str, kind: str, message: str, *, provider: str, model: str) -> ExLLMError:
    """The error that a code, a type and a message mean."""
    return error_for_status(
        None, message or "the service reported an error without a message", provider=provider, model=model,
        code=code or None, kind=kind or None,
    )  # fmt: skip
