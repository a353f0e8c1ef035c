"""Error events, failed responses, broken frames, and streams that do not end as they should."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from openai.types.responses.response_error import ResponseError

from exllm.errors import (
    AuthenticationError,
    ContextLengthExceeded,
    ExLLMError,
    InvalidRequest,
    NotFound,
    Overloaded,
    PermissionDenied,
    ProtocolError,
    QuotaExceeded,
    RateLimited,
    ServerError,
    StreamInterrupted,
)
from exllm.providers.openai_responses import WIRE
from exllm.streaming.frame import Frame
from exllm.types.chunks import TextDelta, UsageUpdate
from tests.providers.openai_responses_recordings import SPEC, fold
from tests.providers.openai_responses_streams import (
    Event,
    call,
    decode,
    decoder,
    end,
    frame,
    response,
    start,
    text,
    whole,
)

# -- errors inside an answer

ERRORS: list[tuple[Event, type[ExLLMError]]] = [
    ({"code": "server_error", "message": "The server had an error."}, ServerError),
    ({"code": "rate_limit_exceeded", "message": "Slow down."}, RateLimited),
    ({"code": "insufficient_quota", "message": "No money."}, QuotaExceeded),
    ({"code": "context_length_exceeded", "message": "Too long."}, ContextLengthExceeded),
    ({"code": "vector_store_timeout", "message": "The store took too long."}, ServerError),
    ({"code": "invalid_prompt", "message": "No."}, InvalidRequest),
    ({"code": "image_content_policy_violation", "message": "No."}, InvalidRequest),
    ({"code": "error_of_tomorrow", "message": "?"}, ServerError),
    ({"code": None, "message": "?"}, ServerError),
]


def as_documented(error: Event) -> Event:
    return {"type": "error", **error, "param": None, "sequence_number": 3}


def as_sent(error: Event) -> Event:
    return {"type": "error", "error": {"type": error["code"], **error, "param": None}, "sequence_number": 3}


def as_failure(error: Event) -> Event:
    return end(kind="failed", error=error, usage=None)


def as_failure_alone(error: Event) -> Event:  # Perplexity
    return {"type": "response.failed", "error": error, "sequence_number": 3}


@pytest.mark.parametrize("form", [as_documented, as_sent, as_failure, as_failure_alone])
@pytest.mark.parametrize(
    ("error", "kind"), ERRORS, ids=lambda value: str(value["code"]) if isinstance(value, dict) else ""
)
def test_an_error_raises_after_what_had_arrived(form: Any, error: Event, kind: type[ExLLMError]) -> None:
    own = decoder()
    with pytest.raises(ExLLMError) as caught:
        own.feed([frame(event) for event in [start(), *text(0, "half"), form(error)]])
    assert type(caught.value) is kind
    assert caught.value.retryable is kind.retryable
    assert (caught.value.message, caught.value.code) == (error["message"], error["code"])
    assert (caught.value.provider, caught.value.model) == ("openai-responses", "gpt-5-nano")
    assert TextDelta("half") in own.take()
    assert own.take() == []
    assert not own.finished


def test_every_code_of_the_sdk_is_the_requests_fault_or_the_servers() -> None:
    codes = ResponseError.model_fields["code"].annotation.__args__  # type: ignore[union-attr]
    worth_a_retry = set()
    for code in codes:
        with pytest.raises(ExLLMError) as caught:
            decode([start(), as_failure({"code": code, "message": "x"})])
        assert caught.value.code == code
        if caught.value.retryable:
            worth_a_retry.add(code)
        else:
            assert type(caught.value) is InvalidRequest
    assert worth_a_retry == {"server_error", "rate_limit_exceeded", "vector_store_timeout"}


def test_a_failed_response_is_an_error_when_it_is_not_streamed_as_well() -> None:
    with pytest.raises(RateLimited, match="Slow down"):
        whole([], status="failed", error={"code": "rate_limit_exceeded", "message": "Slow down."})
    with pytest.raises(ServerError, match="not why"):
        whole([], status="failed")
    with pytest.raises(InvalidRequest, match="cancelled"):
        whole([], status="cancelled")


def test_what_a_failed_response_had_cost_is_told() -> None:
    own = decoder()
    with pytest.raises(ServerError):
        own.feed([frame(start()), frame(end(kind="failed", error={"code": "server_error", "message": "x"}))])
    chunks = own.take()
    assert any(isinstance(chunk, UsageUpdate) for chunk in chunks)
    assert fold(chunks).usage.provenance == "partial"


def test_an_error_in_the_shape_of_another_api_raises_too() -> None:
    with pytest.raises(RateLimited, match="slow"):
        decode([start(), {"error": {"message": "slow down", "code": 429}}])
    with pytest.raises(ServerError, match="broke"):
        decoder().feed([Frame(b'{"message": "it broke"}', "error")])


def test_the_failure_of_a_providers_tool_is_no_failure_of_the_answer() -> None:
    event = {"type": "response.mcp_call.failed", "item_id": "mcp_1", "error": {"message": "The server is down."}}
    assert response([start(), event, *text(0, "So I guess."), end()]).text == "So I guess."
    with pytest.raises(ServerError, match="is down"):
        decode([start(), {**event, "type": "response.error"}])


@pytest.mark.parametrize("data", [b'{"error":{"message":"No.","code":"invalid_prompt"}}', b'{"detail":"No."}'])
def test_an_error_in_place_of_an_answer_raises(data: bytes) -> None:
    with pytest.raises(ExLLMError, match="No"):
        decoder().whole(data)


# -- error responses


def body_of(code: str | None, kind: str | None, message: str = "What went wrong.") -> bytes:
    return msgspec.json.encode({"error": {"message": message, "type": kind, "param": None, "code": code}})


# https://developers.openai.com/api/docs/guides/error-codes
@pytest.mark.parametrize(
    ("status", "code", "kind", "error"),
    [
        (400, None, "invalid_request_error", InvalidRequest),
        (400, "context_length_exceeded", "invalid_request_error", ContextLengthExceeded),
        (400, "content_filter", None, InvalidRequest),  # Azure
        (401, "invalid_api_key", "invalid_request_error", AuthenticationError),
        (403, "unsupported_country_region_territory", "request_forbidden", PermissionDenied),
        (404, "model_not_found", "invalid_request_error", NotFound),
        (404, "DeploymentNotFound", None, NotFound),  # Azure
        (429, "rate_limit_exceeded", "tokens", RateLimited),
        (429, "insufficient_quota", "insufficient_quota", QuotaExceeded),
        (500, None, "server_error", ServerError),
        (503, None, "server_error", Overloaded),
    ],
)
def test_each_documented_error_has_its_exception(
    status: int, code: str | None, kind: str | None, error: type[ExLLMError]
) -> None:
    found = WIRE.parse_error(status, {"x-request-id": "req_1", "retry-after": "3"}, body_of(code, kind), SPEC)
    assert type(found) is error
    assert (found.message, found.status, found.code) == ("What went wrong.", status, code or kind)
    assert (found.provider, found.request_id, found.retry_after_s) == ("openai-responses", "req_1", 3)
    assert found.retryable is error.retryable


# -- ends that are none


def test_a_repeated_start_is_no_second_answer_but_another_id_is() -> None:
    assert response([start(), start(), start("in_progress"), *text(0, "x"), end()]).text == "x"
    with pytest.raises(StreamInterrupted, match="began another") as caught:
        decode([start(), *text(0, "x"), start(id="resp_2")])
    assert caught.value.retryable
    with pytest.raises(StreamInterrupted, match="began another"):
        decode([start(), *text(0, "x"), end(id="resp_2")])


def test_a_response_without_an_id_is_one_answer() -> None:
    assert response([start(id=None), *text(0, "x"), end(id=None)]).text == "x"


def test_only_the_terminal_event_ends_an_answer() -> None:
    own = decoder()
    own.feed([frame(event) for event in [start(), *text(0, "x")]] + [frame(b"[DONE]")])
    assert not own.finished
    with pytest.raises(StreamInterrupted) as caught:
        own.close()
    assert caught.value.retryable
    own.feed([frame(end())])
    assert own.finished
    assert own.close() == []


# -- nonsense

NONSENSE: list[bytes] = [
    b"not json", b"[]", b"5", b'"text"', b"\xff", b'{"type":"response.created"', b"[" * 100_000 + b"]" * 100_000,
    b'{"type":"response.output_text.delta"}',
    b'{"type":"response.output_text.delta","output_index":"0","delta":"x"}',
    b'{"type":"response.output_text.delta","output_index":0,"delta":5}',
    b'{"type":"response.output_text.delta","output_index":0,"content_index":0,"delta":"\xff"}',
    b'{"type":"response.output_text.delta","output_index":0,"delta":"x","logprobs":"y"}',
    b'{"type":"response.output_text.annotation.added","output_index":0,"annotation":{"url":5}}',
    b'{"type":"response.output_text.annotation.added","output_index":0,"annotation":[]}',
    b'{"type":"response.function_call_arguments.delta","output_index":7,"delta":"{}"}',
    b'{"type":"response.function_call_arguments.delta","output_index":0,"delta":"{}"}',
    b'{"type":"response.audio.delta","delta":"????"}',
    b'{"type":"response.output_item.added","output_index":1}',
    b'{"type":"response.output_item.added","output_index":1,"item":[]}',
    b'{"type":"response.output_item.added","output_index":1,"item":{"id":"x"}}',
    b'{"type":"response.output_item.added","output_index":1,"item":{"type":"message","id":5}}',
    b'{"type":"response.output_item.added","output_index":1,"item":{"type":"function_call","call_id":1,"name":"f"}}',
    b'{"type":"response.output_item.done","output_index":1,"item":{"type":"message","content":5}}',
    b'{"type":"response.output_item.done","output_index":1,"item":{"type":"message","content":["x"]}}',
    b'{"type":"response.output_item.done","output_index":1,"item":{"type":"message","content":[{"type":"output_text",'
    b'"text":"x","logprobs":[5]}]}}',
    b'{"type":"response.output_item.done","output_index":1,"item":{"type":"reasoning","summary":[5]}}',
    b'{"type":"response.output_item.done","output_index":1,"item":{"type":"reasoning","encrypted_content":5}}',
    b'{"type":"response.output_item.done","output_index":1,"item":{"type":"image_generation_call","result":"?"}}',
    b'{"type":"response.output_item.added","output_index":1,"item":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    b'{"type":"response.created"}', b'{"type":"response.created","response":{"id":5}}',
    b'{"type":"response.completed"}', b'{"type":"response.completed","response":[]}',
    b'{"type":"response.completed","response":{"output":5}}',
    b'{"type":"response.completed","response":{"output":[5,6,7]}}',
    b'{"type":"response.incomplete","response":{"status":"incomplete","incomplete_details":"x"}}',
]  # fmt: skip


@pytest.mark.parametrize("data", NONSENSE, ids=lambda data: data[:90].decode(errors="replace"))
def test_nonsense_is_a_protocol_error_after_what_had_arrived(data: bytes) -> None:
    own = decoder()
    with pytest.raises(ProtocolError) as caught:
        own.feed([*(frame(event) for event in [start(), *text(0, "half")]), frame(data)])
    assert type(caught.value) is ProtocolError
    assert caught.value.provider == "openai-responses"
    assert TextDelta("half") in own.take()
    assert not own.finished


@pytest.mark.parametrize(
    "data",
    [b"", b"not json", b"[]", b"{}", b"\xff", b'{"output":5}', b'{"output":[5]}', b'{"output":[{}]}',
     b'{"output":[],"id":5}', b'{"output":[],"model":[]}', b'{"output":[],"created_at":"now"}',
     b'{"output":[{"type":"function_call","call_id":"c","name":"f","arguments":5}]}'],
)  # fmt: skip
def test_a_whole_answer_that_makes_no_sense_is_a_protocol_error(data: bytes) -> None:
    with pytest.raises(ProtocolError) as caught:
        decoder().whole(data)
    assert caught.value.provider == "openai-responses"


def test_odd_things_that_do_no_harm_do_none() -> None:
    odd: list[Event | bytes] = [b"", b"  ", {"type": "keepalive"}, {"type": "response.output_text.annotation.added"}]
    assert response([*odd, start(), *text(0, "x"), *odd, *call(1, "c", "f", "{}"), end(status=5)]).text == "x"
