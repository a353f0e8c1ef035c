"""Error responses, whatever their body, become the exception that says what to do."""

from __future__ import annotations

import msgspec
import pytest

from exllm.errors import (
    AuthenticationError,
    ContextLengthExceeded,
    ExLLMError,
    InvalidRequest,
    NotFound,
    Overloaded,
    PermissionDenied,
    QuotaExceeded,
    RateLimited,
    RequestTimeout,
    ServerError,
)
from exllm.providers.anthropic_messages import WIRE
from tests.providers.anthropic_recordings import SPEC

# https://platform.claude.com/docs/en/api/errors
DOCUMENTED: list[tuple[int, str, type[ExLLMError]]] = [
    (400, "invalid_request_error", InvalidRequest),
    (401, "authentication_error", AuthenticationError),
    (402, "billing_error", QuotaExceeded),
    (403, "permission_error", PermissionDenied),
    (404, "not_found_error", NotFound),
    (413, "request_too_large", InvalidRequest),
    (429, "rate_limit_error", RateLimited),
    (500, "api_error", ServerError),
    (504, "timeout_error", ServerError),
    (529, "overloaded_error", Overloaded),
]


def parse(status: int, body: bytes, **headers: str) -> ExLLMError:
    return WIRE.parse_error(status, {name.replace("_", "-"): value for name, value in headers.items()}, body, SPEC)


def body_of(kind: str, message: str, **fields: str) -> bytes:
    return msgspec.json.encode({"type": "error", "error": {"type": kind, "message": message}, **fields})


@pytest.mark.parametrize(("status", "kind", "error"), DOCUMENTED, ids=lambda value: str(value))
def test_each_documented_error_has_its_exception(status: int, kind: str, error: type[ExLLMError]) -> None:
    body = body_of(kind, "What went wrong.", request_id="req_body")
    found = parse(status, body)
    assert type(found) is error
    assert (found.message, found.status, found.code) == ("What went wrong.", status, kind)
    assert (found.provider, found.request_id, found.body) == ("anthropic", "req_body", body.decode())
    assert found.retryable is error.retryable


@pytest.mark.parametrize(
    "body", [b"", b"<html><title>Bad</title></html>", b"upstream failed", b"\xff\xfe", b"[]", b"{}"]
)
@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, InvalidRequest), (401, AuthenticationError), (403, PermissionDenied), (404, NotFound),
        (408, RequestTimeout), (413, InvalidRequest), (429, RateLimited), (500, ServerError),
        (502, ServerError), (503, Overloaded), (529, Overloaded),
    ],
)  # fmt: skip
def test_any_other_body_leaves_the_status_to_decide(status: int, error: type[ExLLMError], body: bytes) -> None:
    found = parse(status, body)
    assert type(found) is error
    assert found.message
    assert found.status == status


def test_the_header_names_the_request() -> None:
    assert parse(500, body_of("api_error", "x", request_id="req_body"), request_id="req_head").request_id == "req_head"


def test_how_long_to_wait_is_read() -> None:
    assert parse(429, body_of("rate_limit_error", "x"), retry_after="12").retry_after_s == 12
    assert parse(529, b"", retry_after_ms="1500").retry_after_s == 1.5


def test_the_providers_own_verdict_on_a_retry_wins() -> None:
    assert parse(400, body_of("invalid_request_error", "x"), x_should_retry="true").retryable
    assert not parse(529, b"", x_should_retry="false").retryable


def test_a_prompt_too_long_is_told_apart() -> None:
    found = parse(400, body_of("invalid_request_error", "prompt is too long: 200001 tokens > 200000 maximum"))
    assert type(found) is ContextLengthExceeded


def test_an_empty_account_is_told_apart() -> None:
    message = "Your credit balance is too low to access the Anthropic API."
    assert type(parse(400, body_of("invalid_request_error", message))) is QuotaExceeded


def test_no_key_is_repeated() -> None:
    key = "sk-ant-api03-abcdefghijklmnop"
    found = parse(401, body_of("authentication_error", f"invalid key {key}"))
    assert key not in str(found)
    assert key not in (found.body or "")
