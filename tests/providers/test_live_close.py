"""What a close means: the error says what to do, and whether a new connection may go on."""

from __future__ import annotations

import pytest

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
from exllm.providers.live_close import end_of

# code, reason, error, whether a new connection may go on, what the message says to do
CASES: list[tuple[int, str, type[ExLLMError], bool, str]] = [
    # Gemini
    (1007, "API key not valid. Please pass a valid API key.", AuthenticationError, False, "API key"),
    (1007, "API Key not found. Please pass a valid API key.", AuthenticationError, False, "API key"),
    (1007, "API key expired. Please renew the API key.", AuthenticationError, False, "API key"),
    (1007, "Request contains an invalid argument.", InvalidRequest, False, "settings"),
    (1007, "Cannot extract voices from a non-audio request.", InvalidRequest, False, "modalities"),
    (1007, "The requested combination of response modalities (TEXT) is not supported by the model.", InvalidRequest,
     False, "modalities"),
    (1007, "gemini-2.0-flash-exp is not supported in the live api.", NotFound, False, "model"),
    (1008, "models/x is not found for API version v1beta, or is not supported for bidiGenerateContent.", NotFound,
     False, "model"),
    (1008, "Method doesn't allow unregistered callers (callers without established identity).", AuthenticationError,
     False, "API key"),
    (1008, "Your project has been denied access to the Live API", PermissionDenied, False, "project"),
    (1008, "Generative Language API has not been used in project 1 before or it is disabled.", PermissionDenied, False,
     "project"),
    (1008, "Operation is not implemented, or supported, or enabled.", StreamInterrupted, True, "connect again"),
    (1008, "The session expired", StreamInterrupted, True, "connect again"),
    (1008, "The operation was aborted.", StreamInterrupted, True, "connect again"),
    (1011, "Thread was cancelled when writing StartStep status to channel.", StreamInterrupted, True, "connect again"),
    (1011, "You exceeded your current quota, please check your plan and billing details.", QuotaExceeded, False,
     "billing"),
    (1011, "Your prepayment credits are depleted. Please go to", QuotaExceeded, False, "billing"),
    (1011, "Resource has been exhausted (e.g. check quota).", RateLimited, True, "wait"),
    (1011, "Internal error encountered.", ServerError, True, "connect again"),
    (1011, "Deadline expired before operation could complete.", StreamInterrupted, True, "connect again"),
    (1011, "The service is currently unavailable.", ServerError, True, "connect again"),
    # OpenAI
    (1001, "Your session hit the maximum duration of 60 minutes.", StreamInterrupted, True, "connect again"),
    (3000, "invalid_request_error.invalid_api_key", AuthenticationError, False, "API key"),
    (4000, "invalid_request_error.missing_model", NotFound, False, "model"),
    (4000, "invalid_request_error.beta_api_shape_disabled", InvalidRequest, False, "settings"),
    (4000, "invalid_request_error.session_expired", StreamInterrupted, True, "connect again"),
    (4000, "insufficient_quota.insufficient_quota", QuotaExceeded, False, "billing"),
    (4000, "server_error.server_error", ServerError, True, "connect again"),
    # anybody
    (1001, "", StreamInterrupted, True, "connect again"),
    (1002, "", InvalidRequest, False, "sent"),
    (1003, "", InvalidRequest, False, "sent"),
    (1005, "", StreamInterrupted, True, "connect again"),
    (1006, "", StreamInterrupted, True, "connect again"),
    (1008, "", InvalidRequest, False, "settings"),
    (1009, "message too big", InvalidRequest, False, "smaller"),
    (1011, "", ServerError, True, "connect again"),
    (1012, "service restart", StreamInterrupted, True, "connect again"),
    (1013, "try again later", Overloaded, True, "wait"),
    (1014, "", ServerError, True, "connect again"),
    (3000, "", AuthenticationError, False, "API key"),
    (3003, "", PermissionDenied, False, "may do"),
    (4001, "", InvalidRequest, False, "settings"),
    (4401, "who are you", AuthenticationError, False, "API key"),
    (4403, "", PermissionDenied, False, "may do"),
    (4404, "", NotFound, False, "model"),
    (4429, "", RateLimited, True, "wait"),
    (4503, "", Overloaded, True, "wait"),
    (1234, "", StreamInterrupted, True, "connect again"),
    (0, "", StreamInterrupted, True, "connect again"),
]  # fmt: skip


@pytest.mark.parametrize(("code", "reason", "error", "resumable", "advice"), CASES)
def test_a_close_says_what_to_do(code: int, reason: str, error: type[ExLLMError], resumable: bool, advice: str) -> None:
    end = end_of(code, reason, provider="gemini", model="m", was_ready=True)
    assert type(end.error) is error
    assert end.error is not None
    assert end.resumable is resumable is end.error.retryable
    assert advice in end.error.message
    assert reason in end.error.message
    assert (end.error.provider, end.error.model, end.error.status) == ("gemini", "m", None)
    assert end.error.code


def test_what_ends_a_sound_session_refuses_one_that_has_not_begun() -> None:
    reason = "Operation is not implemented, or supported, or enabled."
    end = end_of(1008, reason, provider="p", model="m", was_ready=False)
    assert (type(end.error), end.resumable) == (InvalidRequest, False)


def test_a_normal_end_is_none() -> None:
    end = end_of(1000, "bye", provider="p", model="m", was_ready=True)
    assert (end.error, end.resumable) == (None, False)


def test_a_session_that_ends_before_it_began_has_failed() -> None:
    for code in (1000, 1005, 1006):
        end = end_of(code, "", provider="p", model="m", was_ready=False)
        assert type(end.error) is ConnectionFailed
        assert end.resumable


def test_a_session_that_was_too_long_may_go_on_even_after_a_normal_close() -> None:
    end = end_of(1000, "Session expired", provider="p", model="m", was_ready=True)
    assert (type(end.error), end.resumable) == (StreamInterrupted, True)


def test_no_key_is_repeated() -> None:
    end = end_of(1008, "bad key sk-abcdefghijklmnop", provider="p", model="m", was_ready=True)
    assert "abcdefghijk" not in str(end.error)
