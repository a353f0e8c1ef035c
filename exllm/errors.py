"""Every error that leaves the library, arranged by what the caller can do about it.

========================  =======================================================
what to do                errors
========================  =======================================================
fix the call or setup     `ConfigurationError`, `InvalidRequest`, `UnsupportedOption`,
                          `SessionStateError`
fix the key or the bill   `AuthenticationError`, `PermissionDenied`, `QuotaExceeded`
wait, then retry          `RateLimited`, `ServerError`, `Overloaded`
retry                     `ConnectionFailed` and the four timeouts
resume or retry           `StreamInterrupted`, `SessionLost`
load again                `SessionConflict`
ask otherwise             `StructuredOutputError` and its three kinds
report                    `ProtocolError`, `FrameTooLarge`
========================  =======================================================

`ExLLMError.retryable` says whether the same call may succeed when it is made again unchanged.
All errors survive `pickle` and `copy.deepcopy` with their facts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from exllm.types.message import Message
    from exllm.types.response import Response
    from exllm.types.run import Run

__all__ = [
    "AuthenticationError",
    "BudgetExceeded",
    "ConfigurationError",
    "ConnectTimeout",
    "ConnectionFailed",
    "ContextLengthExceeded",
    "ExLLMError",
    "FirstChunkTimeout",
    "FrameTooLarge",
    "IdleTimeout",
    "InvalidRequest",
    "MissingExtra",
    "NotFound",
    "Overloaded",
    "PermissionDenied",
    "ProtocolError",
    "QuotaExceeded",
    "RateLimited",
    "RequestTimeout",
    "ServerError",
    "SessionConflict",
    "SessionLost",
    "SessionStateError",
    "StreamClosed",
    "StreamInterrupted",
    "StructuredOutputError",
    "StructuredOutputInvalid",
    "StructuredOutputRefused",
    "StructuredOutputTruncated",
    "TotalTimeout",
    "UnsupportedOption",
]


class ExLLMError(Exception):
    """The root of all errors of exllm.

    Attributes:
        message: what happened and what to do next; never holds a key.
        provider, model: whom the call was for, where known.
        status: the HTTP status, or None when there was no response.
        code: the provider's own error code or type, e.g. ``"context_length_exceeded"``.
        request_id: the provider's id of the request, to quote in a report.
        retry_after_s: how long the provider asked to wait, in seconds.
        retry_at: the same as a Unix time, set when the wait was too long to sit out.
        body: the error body as the provider sent it, cut to 64 KiB.
        partial: for a failed stream, the `Response` made of all that had arrived; its `finish_reason` is None.
        attempts: how many times the request was sent.
        run: for a failed run with tools, the `Run` so far.
    """

    retryable: bool = False
    run: Run | None = None

    def __init__(
        self,
        message: str,
        *,
        provider: str | None = None,
        model: str | None = None,
        status: int | None = None,
        code: str | None = None,
        request_id: str | None = None,
        retry_after_s: float | None = None,
        retry_at: float | None = None,
        body: str | None = None,
        partial: Response | None = None,
        retryable: bool | None = None,
        attempts: int = 1,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.provider = provider
        self.model = model
        self.status = status
        self.code = code
        self.request_id = request_id
        self.retry_after_s = retry_after_s
        self.retry_at = retry_at
        self.body = body
        self.partial = partial
        self.attempts = attempts
        if retryable is not None:
            self.retryable = retryable

    def __str__(self) -> str:
        facts = [f"{name}={value}" for name, value in (
            ("provider", self.provider), ("model", self.model), ("status", self.status),
            ("code", self.code), ("request_id", self.request_id),
        ) if value is not None]  # fmt: skip
        return f"{self.message} ({', '.join(facts)})" if facts else self.message

    def __reduce__(self) -> tuple[Any, ...]:
        # Exception pickles by calling the class with args; keyword facts live in __dict__. The cause is kept as well,
        # because a report that lost it is of little use.
        return _rebuild, (type(self), self.message, dict(self.__dict__), _portable(self.__cause__))


def _rebuild(cls: type[ExLLMError], message: str, facts: dict[str, Any], cause: BaseException | None) -> ExLLMError:
    error = cls.__new__(cls, message)
    Exception.__init__(error, message)
    error.__dict__.update(facts)
    error.__cause__ = cause
    return error


def _portable(cause: BaseException | None) -> BaseException | None:
    """`cause`, or its words where it cannot travel: some of aiohttp's errors hold objects that do not pickle."""
    import pickle  # only when an error is pickled or copied

    if cause is None or isinstance(cause, ExLLMError):
        return cause
    try:
        pickle.loads(pickle.dumps(cause))
    except Exception:  # noqa: BLE001 - whatever a foreign class raises, it cannot travel
        return RuntimeError(f"{type(cause).__name__}: {cause}")
    return cause


# -- fix the call or the setup


class ConfigurationError(ExLLMError):
    """Something is missing or misspelt before any request could be made: a key, a provider, a setting."""


class MissingExtra(ConfigurationError, ImportError):
    """An optional dependency is not installed; the message says which extra brings it."""


class InvalidRequest(ExLLMError):
    """The provider, or the check before sending, refused the request as it stands (400, 413, 422)."""


class UnsupportedOption(InvalidRequest):
    """An option that this provider or model cannot take; raised before any I/O."""


class SessionStateError(InvalidRequest):
    """A session cannot do this in the status that it has; the message says what it can."""


class NotFound(InvalidRequest):
    """No such model or endpoint (404)."""


class ContextLengthExceeded(InvalidRequest):
    """The messages and the requested answer do not fit in the model's context window."""


# -- fix the key or the bill


class AuthenticationError(ExLLMError):
    """The key is wrong, expired or missing (401)."""


class PermissionDenied(ExLLMError):
    """The key is known but may not do this (403)."""


class QuotaExceeded(ExLLMError):
    """The account has no credit left, or a hard quota is used up; waiting does not help."""


class BudgetExceeded(ExLLMError):
    """A budget set in exllm would be, or was, exceeded; for a stream `partial` holds what had arrived.

    Attributes:
        limit_usd: the budget's limit in US dollars.
        spent_usd: what counted against it at that moment, the estimates for running calls included.
    """

    def __init__(self, message: str, *, limit_usd: float = 0.0, spent_usd: float = 0.0, **facts: Any) -> None:
        super().__init__(message, **facts)
        self.limit_usd = limit_usd
        self.spent_usd = spent_usd


# -- wait, then retry


class RateLimited(ExLLMError):
    """Too many requests or tokens in a short time (429); `retry_after_s` says how long to wait where known."""

    retryable = True


class ServerError(ExLLMError):
    """The provider failed (5xx, or an error event in the stream)."""

    retryable = True


class Overloaded(ServerError):
    """The provider has no capacity right now (503, 529, ``overloaded_error``)."""


# -- retry


class ConnectionFailed(ExLLMError):
    """No usable connection: refused, reset before the answer began, DNS, TLS."""

    retryable = True


class RequestTimeout(ExLLMError, TimeoutError):
    """The base of the four timeouts; also a `TimeoutError`."""

    retryable = True


class ConnectTimeout(RequestTimeout):
    """No connection within ``Timeouts.connect`` seconds."""


class FirstChunkTimeout(RequestTimeout):
    """Nothing decodable arrived within ``Timeouts.first_chunk`` seconds of sending the request."""


class IdleTimeout(RequestTimeout):
    """The stream was silent for ``Timeouts.idle`` seconds; pings and comments do not count as life."""


class TotalTimeout(RequestTimeout):
    """The call as a whole took longer than ``Timeouts.total`` seconds."""


# -- resume or retry


class StreamInterrupted(ExLLMError):
    """The connection ended or broke before the answer did. `partial` holds what had arrived."""

    retryable = True


class SessionLost(StreamInterrupted):
    """A realtime session lost its connection, and no other could take its place; the cause says why.

    Attributes:
        transcript: the conversation so far, as messages that another session may begin with (``history=``).
        partial: the answer that was under way, if one was.
    """

    def __init__(self, message: str, *, transcript: tuple[Message, ...] = (), **facts: Any) -> None:
        super().__init__(message, **facts)
        self.transcript = transcript


class SessionConflict(ExLLMError):
    """The session was changed, or deleted, in its store since it was loaded; nothing was overwritten.

    Load it again and do the same there, or keep both: ``exllm.sessions.fork(session)``.
    """


class StreamClosed(ExLLMError):
    """The stream was closed, by this or another task, while or before somebody read from it."""


# -- ask otherwise


class StructuredOutputError(ExLLMError):
    """An answer that was to be an object of a type, and is none; `partial` holds the answer.

    Attributes:
        raw: its text, as the model wrote it.
        problems: what is wrong with it, in words that the model was told, too.
    """

    def __init__(self, message: str, *, raw: str = "", problems: tuple[str, ...] = (), **facts: Any) -> None:
        super().__init__(message, **facts)
        self.raw = raw
        self.problems = problems


class StructuredOutputInvalid(StructuredOutputError):
    """No JSON is in the answer, or it does not fit the type, after all retries; or a validator stopped it."""

    retryable = True


class StructuredOutputTruncated(StructuredOutputError):
    """The answer reached its token limit before its end: raise `max_tokens`, or ask for less."""


class StructuredOutputRefused(StructuredOutputError):
    """The model declined, or a filter of the provider's stopped it."""


# -- report


class ProtocolError(ExLLMError):
    """The other side sent something that its own protocol does not allow."""


class FrameTooLarge(ProtocolError):
    """One unfinished frame grew beyond the limit (16 MiB by default)."""
