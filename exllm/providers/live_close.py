"""What the close of a realtime connection means: a WebSocket close code and a reason to an error that says what to do.

The services say little with the code and most with the reason, which is cut at 123 bytes: Gemini closes with 1007 for a
bad key, an argument that is wrong or a modality that a model has not, with 1008 for an unknown model or a method that
is not allowed, with 1011 for a used-up quota and for its own failures; OpenAI with 3000 and 4000 and a reason such as
``invalid_request_error.invalid_api_key``, and with 1001 when the longest time of a session is over.

Sources: RFC 6455, section 7.4.1, and the IANA registry of close codes; https://ai.google.dev/gemini-api/docs/live-session;
https://developers.openai.com/api/docs/guides/realtime-conversations#session-lifecycle-events. What is closed with which
code stands in no reference: it is from reports, e.g. https://github.com/google/adk-python/issues/3918,
https://github.com/twilio-samples/speech-assistant-openai-realtime-api-python/issues/4,
https://github.com/pollen-robotics/reachy_mini_conversation_app/issues/134; that Gemini ends sound sessions with 1008,
https://github.com/livekit/agents-js/pull/2366 and https://github.com/livekit/agents/issues/4545.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from exllm.errors import (
    AuthenticationError,
    ConnectionFailed,
    ExLLMError,
    InvalidRequest,
    NotFound,
    Overloaded,
    PermissionDenied,
    QuotaExceeded,
    RateLimited,
    ServerError,
    StreamInterrupted,
)
from exllm.providers.error_mapping import error_for_status, mask_secrets
from exllm.providers.live_wire import LiveEnd

NORMAL = 1000
DROPPED = 1006


class _Meaning(NamedTuple):
    """What a code says by itself. `status` is the HTTP status that means the same, None for a mere interruption."""

    words: str
    status: int | None = None


_MEANINGS: dict[int, _Meaning] = {
    1000: _Meaning("the service ended the session"),
    1001: _Meaning("the service is going away"),
    1002: _Meaning("the service could not follow the WebSocket protocol", 400),
    1003: _Meaning("the service does not take this kind of message", 400),
    1005: _Meaning("the service closed the connection without saying why"),
    1006: _Meaning("the connection was lost"),
    1007: _Meaning("the service refused what was sent", 400),
    1008: _Meaning("the service does not allow what was asked for", 400),
    1009: _Meaning("a message was too large for the service; send smaller pieces", 413),
    1010: _Meaning("the service lacks a WebSocket extension", 400),
    1011: _Meaning("the service failed", 500),
    1012: _Meaning("the service restarts"),
    1013: _Meaning("the service has no capacity now", 503),
    1014: _Meaning("a gateway got no answer from the service", 502),
    3000: _Meaning("the service does not know the caller", 401),
    3003: _Meaning("the caller may not do this", 403),
    3008: _Meaning("the service gave up waiting"),
}
# 4000 to 4999 are the services' own. By convention many end as the HTTP status does: 4401, 4429, 4503.
_PRIVATE = _Meaning("the service ended the session", 400)

_SESSION_OVER = re.compile(
    r"maximum duration|session[ _](?:has )?expired|session duration|deadline expired|session time ?out|goaway"
    r"|no response was generated for|idle timeout|going away|operation was (?:aborted|cancelled)|thread was cancelled",
    re.IGNORECASE,
)
# Of a session that ran: Gemini's own fault, mostly while tools are called.
_NOT_OURS = re.compile(r"operation is not implemented, or supported, or enabled", re.IGNORECASE)
_API_KEY = re.compile(r"api[ _-]?key", re.IGNORECASE)
_KEY_WORDS = re.compile(
    r"unregistered callers|unauthori[sz]ed|unauthenticated|authentication|auth(?:orization)? token"
    r"|token (?:has )?expired|invalid token|access token",
    re.IGNORECASE,
)
_RATE_WORDS = re.compile(r"resource.?(?:has been )?exhausted|too many|rate limit|concurrent session", re.IGNORECASE)
_QUOTA_WORDS = re.compile(r"quota|billing|credits? (?:are|is)|prepayment|insufficient", re.IGNORECASE)
_ABSENT_WORDS = re.compile(r"not found|does not exist|is not supported in the live api|missing_model", re.IGNORECASE)
_FORBIDDEN_WORDS = re.compile(
    r"permission|denied|location is not supported|has not been used in project|is disabled|suspended", re.IGNORECASE
)
_MODALITY_WORDS = re.compile(r"modalit|audio|voice", re.IGNORECASE)
_DOTTED = re.compile(r"([a-z_]+)\.([a-z_]+)")  # OpenAI: type and code

# What the reason says, before what the code says; the first that fits.
_BY_WORDS: tuple[tuple[re.Pattern[str], type[ExLLMError]], ...] = (
    (_RATE_WORDS, RateLimited),
    (_QUOTA_WORDS, QuotaExceeded),
    (_API_KEY, AuthenticationError),
    (_ABSENT_WORDS, NotFound),
    (_FORBIDDEN_WORDS, PermissionDenied),
    (_KEY_WORDS, AuthenticationError),
)
_ADVICE: dict[type[ExLLMError], str] = {
    AuthenticationError: "check the API key, or make a new token",
    PermissionDenied: "check what the key, its project and its location may do",
    QuotaExceeded: "check the plan and billing of the account",
    RateLimited: "close other sessions or wait, then connect again",
    NotFound: "check that the model exists and speaks this realtime protocol, and the API version",
    InvalidRequest: "check model, settings and what was sent",
    Overloaded: "wait, then connect again",
    ServerError: "connect again",
    StreamInterrupted: "connect again",
}


def end_of(code: int, reason: str, *, provider: str, model: str, was_ready: bool) -> LiveEnd:
    """What the close with `code` and `reason` means for a session that `was_ready` for input."""
    meaning = _MEANINGS.get(code) or _private(code)
    reason = mask_secrets(" ".join(reason.split()))
    if code == NORMAL and was_ready and not _SESSION_OVER.search(reason):
        return LiveEnd(None, resumable=False)
    said = f"{meaning.words} ({reason})" if reason else meaning.words
    cls, word = _class_of(meaning, reason)
    if was_ready and _NOT_OURS.search(reason):
        cls = StreamInterrupted
    if cls is StreamInterrupted and not was_ready and code in (DROPPED, 1005, NORMAL):
        cls = ConnectionFailed
    advice = _ADVICE.get(cls, "")
    if cls is InvalidRequest and _MODALITY_WORDS.search(reason):
        advice = "choose modalities, a voice and an audio format that the model has"
    error = cls(
        f"{said}: {advice}" if advice else said,
        provider=provider,
        model=model,
        code=word or f"websocket_{code}",
    )
    return LiveEnd(error, resumable=error.retryable)


def _class_of(meaning: _Meaning, reason: str) -> tuple[type[ExLLMError], str | None]:
    """The class of the error, and the service's own word for it."""
    dotted = _DOTTED.fullmatch(reason.strip())
    kind, code = dotted.groups() if dotted else (None, None)
    if _SESSION_OVER.search(reason):
        return StreamInterrupted, code
    known = error_for_status(None, "", kind=kind, code=code)
    if dotted and type(known) is not ServerError and type(known) is not InvalidRequest:
        return type(known), code
    for words, cls in _BY_WORDS:
        if words.search(reason):
            return cls, code
    if meaning.status is None:
        return StreamInterrupted, code
    if kind == "server_error":
        return ServerError, code
    return type(error_for_status(meaning.status, reason)), code


def _private(code: int) -> _Meaning:
    status = code % 1000
    if 4000 <= code < 5000 and 400 <= status < 600:
        return _PRIVATE._replace(status=status)
    return _PRIVATE if 3000 <= code < 5000 else _MEANINGS[DROPPED]
