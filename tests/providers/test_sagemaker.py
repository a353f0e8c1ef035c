"""SageMaker's endpoints: what is sent as botocore sends it, and streams as botocore reads them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

import botocore.session
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.eventstream import EventStream
from botocore.parsers import EventStreamJSONParser

import exllm
from exllm.config import Static
from exllm.credentials import aws
from exllm.errors import ExLLMError
from exllm.providers import ProviderSpec, registry
from exllm.providers.sagemaker_invoke import IN_HEADERS, WIRE
from exllm.streaming.aws_eventstream import EventStreamDecoder
from exllm.streaming.fold import fold
from exllm.types.chunks import Chunk
from exllm.types.message import Message
from exllm.types.options import check_options
from exllm.types.request import Request
from tests.faults.dialects import OPENAI, SAGEMAKER, TEXT, WORDS
from tests.faults.dialects.sagemaker_invoke import part
from tests.faults.server import FaultServer
from tests.providers.aws_frames import error, exception, raw_event
from tests.rechunk import slicings

SPEC = registry.get("sagemaker-invoke")
assert isinstance(SPEC, ProviderSpec)
MODEL = botocore.session.Session().get_service_model("sagemaker-runtime")
KEYS = {"aws_access_key_id": "AKIDEXAMPLE", "aws_secret_access_key": "s3cr3t/s3cr3t", "region": "eu-west-1"}


def _request(*, stream: bool = True, extra: dict[str, Any] | None = None, **options: Any) -> Request:
    checked = check_options(options)
    return Request("sagemaker-invoke", "my-endpoint", (Message("user", "Hi"),), checked, extra or {}, stream)


def _decode(slices: Iterable[bytes]) -> list[Chunk]:
    framing, decoder, chunks = EventStreamDecoder(), WIRE.decoder(_request(), SPEC), []
    for data in slices:
        chunks += decoder.feed(framing.feed(data))
    framing.close()
    return chunks + decoder.close()


# -- requests, with botocore's service model as oracle


@pytest.mark.parametrize(
    ("stream", "operation"), [(False, "InvokeEndpoint"), (True, "InvokeEndpointWithResponseStream")]
)
def test_paths_and_headers_are_those_of_the_service_model(stream: bool, operation: str) -> None:
    theirs = MODEL.operation_model(operation)
    http = WIRE.build(_request(stream=stream), SPEC)
    assert http.method == theirs.http["method"]
    assert http.path == theirs.http["requestUri"].replace("{EndpointName}", "my-endpoint")
    members = theirs.input_shape.members
    located = {
        name: shape.serialization["name"].lower()
        for name, shape in members.items()
        if shape.serialization.get("location") == "header"
    }
    for name, header in IN_HEADERS.items():
        if name in located:  # a stream takes all of them but TargetModel
            assert located[name] == header
    assert {name for name in IN_HEADERS if name not in located} <= {"TargetModel"}
    if stream:
        assert http.headers["x-amzn-sagemaker-accept"] == "text/event-stream"
        assert located["Accept"] == "x-amzn-sagemaker-accept"


def test_the_body_is_a_chat_completion_without_what_is_sagemakers() -> None:
    extra = {"InferenceComponentName": "adapter-1", "SessionId": "s-1", "repetition_penalty": 1.1}
    http = WIRE.build(_request(extra=extra, max_tokens=5, top_k=3), SPEC)
    assert json.loads(http.body) == {
        "model": "", "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 5, "top_k": 3, "stream": True,
        "stream_options": {"include_usage": True}, "repetition_penalty": 1.1,
    }  # fmt: skip
    assert http.headers["x-amzn-sagemaker-inference-component"] == "adapter-1"
    assert http.headers["x-amzn-sagemaker-session-id"] == "s-1"
    with pytest.raises(exllm.InvalidRequest, match="SessionId"):
        WIRE.build(_request(extra={"SessionId": "a\nb"}), SPEC)


async def test_the_signature_is_botocores(monkeypatch: pytest.MonkeyPatch) -> None:
    signer = aws.find_signer(SPEC, Static({"sagemaker-invoke": KEYS}))
    assert signer is not None
    http = WIRE.build(_request(extra={"SessionId": "s-1"}), SPEC)
    url = f"https://runtime.sagemaker.eu-west-1.amazonaws.com{http.path}"
    headers = {"content-type": "application/json", **http.headers}
    at = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)

    class Clock(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> Any:
            return at

    monkeypatch.setattr(aws, "datetime", Clock)
    _, ours = await signer.sign("POST", url, headers, http.body)
    signed = {name: value for name, value in headers.items() if name == "content-type" or name.startswith("x-amz")}
    theirs = AWSRequest("POST", url, data=http.body, headers=signed)
    monkeypatch.setattr("botocore.auth.get_current_datetime", lambda: at.replace(tzinfo=None), raising=False)
    SigV4Auth(Credentials("AKIDEXAMPLE", "s3cr3t/s3cr3t"), MODEL.signing_name, "eu-west-1").add_auth(theirs)
    assert theirs.headers["X-Amz-Date"] == "20260102T030405Z"
    assert ours["authorization"] == theirs.headers["Authorization"]
    assert "/eu-west-1/sagemaker/aws4_request" in ours["authorization"]


# -- streams


class _Body:
    """What botocore reads a stream from."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def stream(self) -> Iterable[bytes]:
        yield self._data


def test_what_botocore_takes_out_of_the_messages_is_what_is_read() -> None:
    body = b"".join(SAGEMAKER.frames())
    shape = MODEL.shape_for("ResponseStream")
    stream = EventStream(_Body(body), shape, EventStreamJSONParser(), "InvokeEndpointWithResponseStream")
    payload = b"".join(event["PayloadPart"]["Bytes"] for event in stream)
    assert payload == b"".join(OPENAI.frames())
    assert fold(_decode([body]), "sagemaker-invoke", "m").text == TEXT


@pytest.mark.parametrize("size", [1, 3, 17, 100, 10_000])
def test_events_may_be_cut_anywhere_into_messages(size: int) -> None:
    payload = b"\n" + b"".join(OPENAI.frames(["caf\u00e9 ", "\U0001f600"]))
    body = b"".join(part(payload[at : at + size]) for at in range(0, len(payload), size))
    for name, slices in slicings(body):
        response = fold(_decode(slices), "sagemaker-invoke", "m")
        assert response.text == "caf\u00e9 \U0001f600", name
        assert response.finish_reason == "stop"
        assert (response.usage.input_tokens, response.usage.output_tokens) == (9, 5)


@pytest.mark.parametrize("size", [1, 17, 10_000])
def test_lines_of_json_are_read_as_well(size: int) -> None:
    events = [frame.removeprefix(b"data: ").strip() for frame in OPENAI.frames(WORDS)][:-1]
    payload = b"\n".join(events) + b"\n"
    body = b"".join(part(payload[at : at + size]) for at in range(0, len(payload), size))
    response = fold(_decode([body]), "sagemaker-invoke", "m")
    assert (response.text, response.finish_reason) == (TEXT, "stop")


def test_messages_of_another_kind_are_passed_on() -> None:
    chunks = _decode([raw_event("Later", b'{"a": 1}'), *SAGEMAKER.frames()])
    assert [chunk.data for chunk in chunks if isinstance(chunk, exllm.ProviderEvent)] == ['{"a": 1}']


@pytest.mark.parametrize(
    ("frame", "kind", "code", "words"),
    [
        (
            exception("ModelStreamError", {"ErrorCode": "ModelInvocationTimeExceeded", "Message": "too slow"}),
            exllm.ServerError, "ModelInvocationTimeExceeded", "too slow",
        ),
        (exception("InternalStreamFailure", {"Message": "oh"}), exllm.ServerError, "InternalStreamFailure", "oh"),
        (error("InternalError", "broke"), exllm.ServerError, "InternalError", "broke"),
    ],
)  # fmt: skip
def test_an_error_in_the_stream_is_raised(frame: bytes, kind: type[ExLLMError], code: str, words: str) -> None:
    with pytest.raises(ExLLMError, match=words) as caught:
        _decode([*SAGEMAKER.opening, SAGEMAKER.text("a "), frame])
    assert type(caught.value) is kind
    assert caught.value.code == code
    assert caught.value.retryable


def test_half_an_answer_is_an_interruption() -> None:
    whole = b"".join(OPENAI.frames())
    for cut in (40, len(whole) // 2):
        with pytest.raises(exllm.StreamInterrupted):
            _decode([part(whole[:cut])])
    with pytest.raises(exllm.StreamInterrupted):
        _decode([])


# -- error responses


@pytest.mark.parametrize(
    ("status", "name", "body", "kind"),
    [
        (400, "ValidationError", {"Message": "Endpoint my-endpoint not found"}, exllm.InvalidRequest),
        (429, "ModelNotReadyException", {"Message": "warming up"}, exllm.Overloaded),
        (503, "ServiceUnavailable", {"Message": "busy"}, exllm.Overloaded),
        (500, "InternalFailure", {"Message": "oh"}, exllm.ServerError),
        (530, "InternalDependencyException", {"Message": "oh"}, exllm.ServerError),
        (403, "AccessDeniedException", {"Message": "no"}, exllm.PermissionDenied),
        (403, "ExpiredTokenException", {"Message": "old"}, exllm.AuthenticationError),
        (424, "ModelError", {"Message": "Received server error (500)", "OriginalStatusCode": 500,
                             "OriginalMessage": "CUDA"}, exllm.ServerError),
        (424, "ModelError", {
            "Message": "Received client error (400) from primary", "OriginalStatusCode": 400,
            "OriginalMessage": '{"error": {"message": "maximum context length is 8 tokens", "code": 400}}',
        }, exllm.ContextLengthExceeded),
    ],
)  # fmt: skip
def test_errors_are_told_apart(status: int, name: str, body: dict[str, Any], kind: type[ExLLMError]) -> None:
    known = {MODEL.shape_for(shape).name for shape in ("ModelError", "ServiceUnavailable", "InternalFailure")}
    assert name not in known or body.keys() <= {*MODEL.shape_for(name).members}
    found = WIRE.parse_error(status, {"x-amzn-errortype": f"{name}:http://x/"}, json.dumps(body).encode(), SPEC)
    assert type(found) is kind
    assert found.provider == "sagemaker-invoke"
    if name == "ModelError":
        assert found.status == body["OriginalStatusCode"]
        assert "Received" not in found.message


async def test_a_signed_call_over_http() -> None:
    async with FaultServer(SAGEMAKER.reply()) as server:
        config = Static({"sagemaker-invoke": {**KEYS, "base_url": server.url}})
        async with exllm.Client(config=config) as client:
            assert (await client.chat("sagemaker-invoke/my-endpoint", "Hi")).text == TEXT
            async with client.stream("sagemaker-invoke/my-endpoint", "Hi") as stream:
                assert (await stream.collect()).text == TEXT
        whole, streamed = server.requests
    assert whole.path == "/endpoints/my-endpoint/invocations"
    assert streamed.path == "/endpoints/my-endpoint/invocations-response-stream"
    assert streamed.headers["authorization"].startswith("AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/")
