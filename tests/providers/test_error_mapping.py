"""Error responses of any shape become the exception that says what to do."""

from __future__ import annotations

import copy
import json
import pickle
from typing import Any

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
from exllm.providers.error_bodies import MAX_BODY_CHARS, read_error_body
from exllm.providers.error_mapping import error_for_body, error_in_stream, mask_secrets


def error(status: int, body: Any, **headers: str) -> ExLLMError:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return error_for_body(
        status, {name.replace("_", "-"): value for name, value in headers.items()}, raw, provider="acme", model="big"
    )


@pytest.mark.parametrize(
    ("status", "kind", "retryable"),
    [
        (400, InvalidRequest, False),
        (401, AuthenticationError, False),
        (402, QuotaExceeded, False),
        (403, PermissionDenied, False),
        (404, NotFound, False),
        (408, RequestTimeout, True),
        (409, ServerError, True),
        (413, InvalidRequest, False),
        (422, InvalidRequest, False),
        (429, RateLimited, True),
        (498, Overloaded, True),
        (500, ServerError, True),
        (502, ServerError, True),
        (503, Overloaded, True),
        (529, Overloaded, True),
        (599, ServerError, True),
    ],
)
@pytest.mark.parametrize("body", [b"", b"<html><title>Oops</title></html>", b"oops", b"{}", b"[]", b"null"])
def test_the_status_decides_where_the_body_says_nothing(
    status: int, kind: type[ExLLMError], retryable: bool, body: bytes
) -> None:
    found = error(status, body)

    assert type(found) is kind
    assert (found.status, found.retryable, found.provider, found.model) == (status, retryable, "acme", "big")
    assert found.message


@pytest.mark.parametrize(
    ("status", "body", "kind", "code"),
    [
        # a quota that is used up is no rate limit
        (429, {"error": {"message": "x", "type": "insufficient_quota", "code": "insufficient_quota"}},
         QuotaExceeded, "insufficient_quota"),
        (429, {"error": {"message": "x", "type": "tokens", "code": "rate_limit_exceeded"}},
         RateLimited, "rate_limit_exceeded"),
        (429, {"error": {"message": "x", "type": "exceeded_current_quota_error"}},
         QuotaExceeded, "exceeded_current_quota_error"),
        (429, {"error": {"code": "1113", "message": "no balance"}}, QuotaExceeded, "1113"),
        (400, {"type": "error", "error": {"type": "invalid_request_error",
         "message": "Your credit balance is too low to access the API."}}, QuotaExceeded, "invalid_request_error"),
        (402, {"error": {"message": "Insufficient Balance"}}, QuotaExceeded, None),
        # a full context window, in the words of many
        (400, {"error": {"message": "x", "code": "context_length_exceeded"}},
         ContextLengthExceeded, "context_length_exceeded"),
        (400, {"error": {"message": "This model's maximum context length is 8192 tokens."}},
         ContextLengthExceeded, None),
        (400, {"error": {"type": "invalid_request_error", "message": "prompt is too long: 9 tokens > 8 maximum"}},
         ContextLengthExceeded, "invalid_request_error"),
        (400, {"error": {"code": 400, "type": "exceed_context_size_error", "message": "x"}},
         ContextLengthExceeded, "exceed_context_size_error"),
        (413, {"error": {"message": "Please reduce the length of the messages or completion."}},
         ContextLengthExceeded, None),
        (422, {"error": "`inputs` tokens + `max_new_tokens` must be <= 4096"}, ContextLengthExceeded, None),
        # keys
        (400, {"error": {"code": 400, "message": "API key not valid.", "status": "INVALID_ARGUMENT",
         "details": [{"reason": "API_KEY_INVALID"}]}}, AuthenticationError, "API_KEY_INVALID"),
        (403, {"error": {"message": "x", "code": "invalid_api_key"}}, AuthenticationError, "invalid_api_key"),
        # others
        (400, {"error": {"message": "x", "code": "content_filter"}}, InvalidRequest, "content_filter"),
        (400, {"error": {"message": "x", "code": "model_not_found"}}, NotFound, "model_not_found"),
        (404, {"error": {"code": "DeploymentNotFound", "message": "x"}}, NotFound, "DeploymentNotFound"),
        (500, {"error": {"message": "x", "type": "overloaded_error"}}, Overloaded, "overloaded_error"),
        (503, {"error": {"code": 503, "message": "x", "status": "UNAVAILABLE"}}, Overloaded, "UNAVAILABLE"),
        (500, {"error": {"message": "the maximum context length of the cache"}}, ServerError, None),
    ],
)  # fmt: skip
def test_the_providers_own_words_say_more_than_the_status(
    status: int, body: Any, kind: type[ExLLMError], code: str | None
) -> None:
    found = error(status, body)

    assert type(found) is kind
    assert (found.code, found.status) == (code, status)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"error": {"message": "a"}}, "a"),
        ({"error": "a"}, "a"),
        ({"error": {"error": {"message": "a"}}}, "a"),
        ([{"error": {"message": "a"}}], "a"),
        ({"message": "a"}, "a"),
        ({"msg": "a"}, "a"),
        ({"detail": "a"}, "a"),
        ({"detail": [{"loc": ["body", "messages", 0], "msg": "Field required"}]}, "body.messages.0: Field required"),
        ({"detail": [{"msg": "a"}, "b"]}, "a; b"),
        ({"message": {"detail": [{"loc": ["body", "n"], "msg": "too big"}]}, "type": "invalid"}, "body.n: too big"),
        ({"errors": [{"code": 10, "message": "a"}]}, "a"),
        ({"error": "invalid_client", "error_description": "a"}, "invalid_client"),
        ({"title": "a", "status": 400}, "a"),
        ({"error": {"message": "Provider returned error", "metadata": {"raw": "a"}}}, "Provider returned error: a"),
        ("a", "a"),
        ({"strange": 1}, '{"strange":1}'),
        ({"error": {}}, '{"error":{}}'),
        ({"error": None, "message": "a"}, "a"),
        (b"plain words", "plain words"),
        (b"<html><head><title>502 Bad\n Gateway</title></head></html>",
         "the server answered with an HTML page instead of JSON: 502 Bad Gateway"),
        (b"<!doctype html><h1 class='x'>Down</h1>", "the server answered with an HTML page instead of JSON: Down"),
        (b"<p>", "the server answered with an HTML page instead of JSON: no title"),
        (b"\xff\xfe", "\ufffd\ufffd"),
        (b'{"error": {"message": "a\xff"}}', "a\ufffd"),
        (b'{"error": ', '{"error":'),
        (b"[" * 100_000, "[" * 2000),
    ],
)  # fmt: skip
def test_the_message_is_found_in_bodies_of_every_shape(body: Any, words: str) -> None:
    assert error(400, body).message == words


def test_an_empty_body_is_explained() -> None:
    assert error(401, b"").message == "HTTP 401 with an empty body: check the API key"
    assert error(404, b"  \n").message == "HTTP 404 with an empty body: check the model name and the base URL"


@pytest.mark.parametrize(
    ("headers", "body", "request_id"),
    [
        ({"x_request_id": "r1"}, {}, "r1"),
        ({"request_id": "r2"}, {}, "r2"),
        ({"x_amzn_requestid": "r3"}, {}, "r3"),
        ({"apim_request_id": "r4"}, {}, "r4"),
        ({}, {"request_id": "r5", "error": {"message": "x"}}, "r5"),
        ({"x_request_id": "r1"}, {"request_id": "r5"}, "r1"),
        ({}, {}, None),
    ],
)
def test_the_request_id_is_kept_wherever_it_is(headers: dict[str, str], body: Any, request_id: str | None) -> None:
    assert error(500, body, **headers).request_id == request_id


def test_the_wait_comes_from_headers_or_from_the_body() -> None:
    google = {"error": {"code": 429, "message": "x", "details": [{"@type": "RetryInfo", "retryDelay": "38.5s"}]}}

    assert error(429, google).retry_after_s == 38.5
    assert error(429, google, retry_after="2").retry_after_s == 2
    assert error(429, {}, x_ratelimit_reset_tokens="6m0s").retry_after_s == 360
    assert error(503, {}, retry_after="9").retry_after_s == 9
    assert error(429, {"error": {"details": [{"retryDelay": "soon"}, 7]}}).retry_after_s is None


def test_the_providers_verdict_on_retrying_wins() -> None:
    assert error(429, b"", x_should_retry="false").retryable is False
    assert error(400, b"", x_should_retry="true").retryable is True
    assert error(400, b"", x_should_retry="maybe").retryable is False


@pytest.mark.parametrize(
    ("data", "kind", "status"),
    [
        ({"error": {"type": "overloaded_error", "message": "x"}}, Overloaded, None),
        ({"error": {"type": "api_error", "message": "x"}}, ServerError, None),
        ({"error": {"type": "invalid_request_error", "message": "x"}}, InvalidRequest, None),
        ({"error": {"code": 429, "message": "x"}}, RateLimited, 429),
        ({"error": {"code": "502", "message": "x"}}, ServerError, 502),
        ({"error": {"status_code": 401, "message": "x"}}, AuthenticationError, 401),
        ({"error": {"message": "Insufficient credits"}}, QuotaExceeded, None),
        ({"error": {"message": "prompt too long"}}, ContextLengthExceeded, None),
        ({"error": {"message": "Incorrect API key provided"}}, AuthenticationError, None),
        ("words", ServerError, None),
        ({}, ServerError, None),
        (None, ServerError, None),
    ],
)
def test_an_error_inside_a_stream_is_read_without_a_status(
    data: Any, kind: type[ExLLMError], status: int | None
) -> None:
    found = error_in_stream(data, provider="acme", model="big")

    assert type(found) is kind
    assert (found.status, found.provider) == (status, "acme")
    assert found.message


@pytest.mark.parametrize(
    "secret",
    ["sk-proj-abcdefghijklmnop", "sk-ant-api03-abc_def-ghijkl", "gsk_abcdefghijklmnop", "AIzaSyA1234567890abcdefghijk",
     "xai-abcdefghijklm", "sk-********************abcd", "hf_abcdefghijklmnop"],
)  # fmt: skip
def test_no_key_is_repeated(secret: str) -> None:
    found = error(401, {"error": {"message": f"Incorrect API key provided: {secret}. You can find it at x.example."}})

    assert secret not in found.message + str(found) + repr(found) + (found.body or "")
    assert "***" in found.message
    assert mask_secrets("Authorization: Bearer abcdef123456") == "Authorization: Bearer ***"


def test_bodies_and_messages_are_kept_within_bounds() -> None:
    found = error(400, {"error": {"message": "x" * 10_000, "data": "y" * 1_000_000}})

    assert len(found.message) <= 2_000
    assert found.body is not None
    assert len(found.body) == MAX_BODY_CHARS
    assert len(read_error_body(b"z" * 1_000_000).message) <= 2_000


def test_errors_survive_pickling_and_copying() -> None:
    found = error(429, {"error": {"message": "slow", "code": "rate_limit_exceeded"}}, retry_after="3", request_id="r1")

    for copied in (pickle.loads(pickle.dumps(found)), copy.deepcopy(found)):
        assert type(copied) is RateLimited
        assert vars(copied) == vars(found)
        assert str(copied) == str(found)
