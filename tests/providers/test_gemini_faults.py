"""Errors in streams and bodies, broken objects, fields of the wrong shape."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
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
    ProtocolError,
    RateLimited,
    ServerError,
    StreamInterrupted,
)
from exllm.providers.gemini_decode import AnswerDecoder
from exllm.providers.gemini_generate import WIRE
from exllm.streaming.frame import Frame
from exllm.types.chunks import TextDelta
from tests.providers.gemini_recordings import SPEC, decode_body, decode_stream, fold, load

HALF = {"candidates": [{"content": {"parts": [{"text": "half"}]}}]}
QUOTA = {
    "error": {
        "code": 429,
        "message": "You exceeded your current quota, please check your plan and billing details.",
        "status": "RESOURCE_EXHAUSTED",
        "details": [
            {
                "@type": "type.googleapis.com/google.rpc.QuotaFailure",
                "violations": [{"quotaId": "GenerateRequestsPerMinutePerProjectPerModel-FreeTier", "quotaValue": "10"}],
            },
            {"@type": "type.googleapis.com/google.rpc.Help", "links": [{"url": "https://ai.google.dev"}]},
            {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "38.5s"},
        ],
    }
}


def status(code: int, word: str, message: str = "so it is", **details: Any) -> dict[str, Any]:
    return {"error": {"code": code, "message": message, "status": word, **({"details": [details]} if details else {})}}


def frame(document: Any) -> Frame:
    return Frame(document if isinstance(document, bytes) else json.dumps(document).encode())


ERRORS: list[tuple[dict[str, Any], type[ExLLMError], bool]] = [
    (status(400, "INVALID_ARGUMENT"), InvalidRequest, False),
    (status(400, "INVALID_ARGUMENT", "API key not valid.", reason="API_KEY_INVALID"), AuthenticationError, False),
    (status(400, "INVALID_ARGUMENT", "The input token count (9) exceeds the maximum number of tokens allowed (8)."),
     ContextLengthExceeded, False),
    (status(400, "FAILED_PRECONDITION", "User location is not supported for the API use."), InvalidRequest, False),
    (status(401, "UNAUTHENTICATED", reason="ACCESS_TOKEN_EXPIRED"), AuthenticationError, False),
    (status(403, "PERMISSION_DENIED"), PermissionDenied, False),
    (status(404, "NOT_FOUND"), NotFound, False),
    (status(429, "RESOURCE_EXHAUSTED"), RateLimited, True),
    (status(500, "INTERNAL"), ServerError, True),
    (status(503, "UNAVAILABLE"), Overloaded, True),
    (status(504, "DEADLINE_EXCEEDED"), ServerError, True),
]  # fmt: skip


@pytest.mark.parametrize(("body", "kind", "retryable"), ERRORS)
@pytest.mark.parametrize("listed", [False, True], ids=["object", "list"])
def test_an_error_is_the_same_in_a_response_a_stream_and_a_body(
    body: dict[str, Any], kind: type[ExLLMError], retryable: bool, listed: bool
) -> None:
    written = json.dumps([body] if listed else body).encode()
    decoder = AnswerDecoder("gemini", "m")
    with pytest.raises(ExLLMError) as streamed:
        decoder.feed([frame(HALF), Frame(written), frame(HALF)])
    assert TextDelta("half") in decoder.take()
    assert decoder.take() == []
    with pytest.raises(ExLLMError) as whole:
        decode_body(written)
    refused = WIRE.parse_error(body["error"]["code"], {}, written, SPEC)
    for error in (streamed.value, whole.value, refused):
        assert type(error) is kind
        assert error.retryable is retryable
        assert error.message == body["error"]["message"]
        assert error.status == body["error"]["code"]
        assert error.provider == "gemini"
        assert error.code == body["error"].get("details", [{}])[0].get("reason", body["error"]["status"])


def test_a_quota_that_comes_back_says_when() -> None:
    refused = WIRE.parse_error(429, {}, json.dumps(QUOTA).encode(), SPEC)
    assert type(refused) is RateLimited
    assert refused.retryable
    assert refused.retry_after_s == 38.5
    with pytest.raises(RateLimited) as streamed:
        AnswerDecoder("gemini", "m").feed([frame(QUOTA)])
    assert streamed.value.retry_after_s == 38.5


@pytest.mark.parametrize(
    "garbage",
    [b"{", b"", b"nothing", b"\xff\xfe", b"[1, 2]", b"null", b'"text"', b"[" * 100_000, b'{"candidates": 5}',
     b'{"candidates": [5]}', b'{"candidates": [{"content": {"parts": [{"text": 5}]}}]}',
     b'{"candidates": [{"content": {"parts": [{"inlineData": {"mimeType": "image/png", "data": "%"}}]}}]}',
     b'{"candidates": [{"content": {"parts": [{"functionCall": "f"}]}}]}',
     b'{"candidates": [{"content": {"parts": [5]}}]}',
     b'{"usageMetadata": {"promptTokenCount": "many"}}'],
    ids=lambda garbage: repr(garbage[:40]),
)  # fmt: skip
def test_garbage_is_a_protocol_error_after_what_had_come(garbage: bytes) -> None:
    decoder = AnswerDecoder("gemini", "gemini-2.5-flash")
    with pytest.raises(ProtocolError) as caught:
        decoder.feed([frame(HALF), Frame(garbage)])
    assert TextDelta("half") in decoder.take()
    error = caught.value
    assert not error.retryable
    assert (error.provider, error.model) == ("gemini", "gemini-2.5-flash")
    assert error.body is not None
    assert len(error.body) <= 200


def test_the_marker_of_another_protocol_is_passed_over() -> None:
    finished = {"candidates": [{"content": {"parts": [{"text": "x"}]}, "finishReason": "STOP"}]}
    body = b"data: %b\n\ndata: [DONE]\n\n" % json.dumps(finished).encode()
    chunks, error = decode_stream([body])
    assert error is None
    assert fold(chunks).finish_reason == "stop"


@pytest.mark.parametrize("path", ["city", "$", "$.", "$.a.b", "$[0]", "$.list[99999999]", "$.a[x]", "$.a['b"])
def test_arguments_at_a_path_that_leads_nowhere_are_a_protocol_error(path: str) -> None:
    pieces = [{"jsonPath": "$.a", "stringValue": "x"}, {"jsonPath": path, "numberValue": 1}]
    call = {"functionCall": {"name": "f", "partialArgs": pieces}}
    with pytest.raises(ProtocolError):
        decode_body(json.dumps({"candidates": [{"content": {"parts": [call]}, "finishReason": "STOP"}]}).encode())


def test_text_at_a_path_that_leads_nowhere_is_a_protocol_error_at_the_end() -> None:
    piece = {"jsonPath": "nowhere", "stringValue": "x"}
    call = {"functionCall": {"name": "f", "partialArgs": [piece], "willContinue": True}}
    with pytest.raises(ProtocolError):
        decode_body(json.dumps({"candidates": [{"content": {"parts": [call]}, "finishReason": "STOP"}]}).encode())


# -- every field of real answers, of every wrong shape

RICH = (
    "gemini__gemini-streamGenerateContent__test-google-model-file-search-grounding-gemini-3-true__3",
    "gemini__gemini-streamGenerateContent__test-streaming-reasoning-with-multiple-tool-calls__0",
    "vertex__gemini-generateContent__test-google-vertex-logprobs__0",
    "gemini__gemini-generateContent__test-google-model-safety-settings__0",
    "gemini__gemini-generateContent__chat-error-handling-with-gemini-gemini-2-5-flash-raises-appr__0",
)
WRONG: tuple[Any, ...] = (None, True, -1, 10**30, 1.5, "", "x", [], [None], {}, {"x": [1]}, [[]], [{}])


def answers_of(name: str) -> list[Any]:
    body = load(name).body.decode()
    if load(name).framing != "sse":
        return [json.loads(body)]
    return [json.loads(line[5:]) for line in body.replace("\r\n", "\n").split("\n") if line.startswith("data:")]


def bent(document: Any) -> Iterator[Any]:
    """The document with one value at a time replaced by something wrong, or left out."""

    def places(value: Any, path: tuple[Any, ...]) -> Iterator[tuple[Any, ...]]:
        keys = value.keys() if isinstance(value, dict) else range(min(len(value), 2)) if isinstance(value, list) else ()
        for key in keys:
            yield (*path, key)
            yield from places(value[key], (*path, key))

    for path in places(document, ()):
        for wrong in (*WRONG, KeyError):
            made = copy.deepcopy(document)
            inner = made
            for key in path[:-1]:
                inner = inner[key]
            if wrong is KeyError:
                del inner[path[-1]]
            else:
                inner[path[-1]] = wrong
            yield made


@pytest.mark.parametrize("name", RICH)
def test_a_field_of_the_wrong_shape_never_crashes(name: str) -> None:
    tried = 0
    for document in bent(answers_of(name)):
        tried += 1
        decoder = AnswerDecoder("gemini", "m", keeps_text=True)
        try:
            chunks = decoder.feed([frame(answer) for answer in document])
            chunks += decoder.close()
        except ExLLMError:
            chunks = decoder.take()
        fold(chunks)
    assert tried > 100


@pytest.mark.parametrize("name", RICH[:4])
def test_a_whole_answer_cut_anywhere_is_no_answer(name: str) -> None:
    body = json.dumps(answers_of(name)).encode()
    for end in range(0, len(body) - 1, max(1, len(body) // 97)):
        with pytest.raises((ProtocolError, StreamInterrupted)):
            decode_body(body[:end])
