"""Converse answers that no recording has: every event and block, errors inside streams, and nonsense."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from botocore.exceptions import EventStreamError

from exllm import errors
from exllm.errors import ExLLMError, ProtocolError, StreamInterrupted
from exllm.providers.bedrock_converse_blocks import BEDROCKS
from exllm.streaming.accumulator import Accumulator
from exllm.streaming.aws_eventstream import EventStreamDecoder
from exllm.types.chunks import (
    Chunk,
    Finish,
    ImageDelta,
    ProviderEvent,
    ReasoningDelta,
    StreamStart,
    TextDelta,
    ToolCallDelta,
    UsageUpdate,
)
from exllm.types.message import Message
from exllm.types.parts import Image, ProviderPart, Reasoning, Text, ToolCall
from exllm.types.request import Request
from exllm.types.response import Response
from exllm.types.usage import Usage
from tests.providers.aws_frames import error, event, exception, message, raw_event
from tests.providers.bedrock_recordings import Recordings, boto_events
from tests.rechunk import bytewise

RECORDED = Recordings("bedrock")
SPEC, WIRE = RECORDED.spec, RECORDED.wire
REQUEST = Request("bedrock", "amazon.nova-lite-v1:0", (Message("user", "Hi"),))
START = event("messageStart", {"role": "assistant"})
USAGE = {"inputTokens": 3, "outputTokens": 2, "totalTokens": 5}
METADATA = event("metadata", {"usage": USAGE, "metrics": {"latencyMs": 7}})


def delta(index: int, piece: Any) -> bytes:
    return event("contentBlockDelta", {"contentBlockIndex": index, "delta": piece})


def start(index: int, block: Any) -> bytes:
    return event("contentBlockStart", {"contentBlockIndex": index, "start": block})


def stop(index: int) -> bytes:
    return event("contentBlockStop", {"contentBlockIndex": index})


def end(reason: str = "end_turn", **more: Any) -> list[bytes]:
    return [event("messageStop", {"stopReason": reason, **more}), METADATA]


def decode(*frames: bytes) -> tuple[list[Chunk], ExLLMError | None]:
    """What the frames say; the same whole, and byte by byte."""
    found = _decode([b"".join(frames)])
    again = _decode(list(bytewise(b"".join(frames))))
    assert again[0] == found[0]
    assert (type(again[1]), str(again[1])) == (type(found[1]), str(found[1]))
    return found


def _decode(slices: list[bytes]) -> tuple[list[Chunk], ExLLMError | None]:
    framing, decoder = EventStreamDecoder(), WIRE.decoder(REQUEST, SPEC)
    chunks: list[Chunk] = []
    try:
        for data in slices:
            chunks += decoder.feed(framing.feed(data))
        chunks += decoder.feed(framing.close())
        chunks += decoder.close()
    except ExLLMError as failure:
        return chunks + decoder.take(), failure
    return chunks, None


def fold(chunks: list[Chunk]) -> Response:
    accumulator = Accumulator("bedrock", REQUEST.model)
    accumulator.add(chunks)
    return accumulator.response()


def body(*blocks: Any, reason: str = "end_turn", **more: Any) -> bytes:
    answer = {"output": {"message": {"role": "assistant", "content": list(blocks)}}, "stopReason": reason}
    return json.dumps({**answer, "usage": USAGE, "metrics": {"latencyMs": 7}, **more}).encode()


def decode_body(data: bytes) -> list[Chunk]:
    return WIRE.decode_body(data, REQUEST, SPEC)


# -- what is said


def test_every_event_in_its_order() -> None:
    chunks, failure = decode(
        START,
        delta(0, {"reasoningContent": {"text": "Hm"}}),
        delta(0, {"reasoningContent": {"signature": "sig"}}),
        stop(0),
        delta(1, {"text": "Hello"}),
        stop(1),
        start(2, {"toolUse": {"toolUseId": "t1", "name": "look", "type": "tool_use"}}),
        delta(2, {"toolUse": {"input": '{"a"'}}),
        delta(2, {"toolUse": {"input": ":1}"}}),
        stop(2),
        *end("tool_use"),
    )
    assert failure is None
    assert chunks == [
        StreamStart(),
        ReasoningDelta("Hm", 0, 0),
        ReasoningDelta(part=0, signature="sig", id=BEDROCKS),
        TextDelta("Hello", 0, 1),
        ToolCallDelta(0, "t1", "look"),
        ToolCallDelta(0, arguments='{"a"'),
        ToolCallDelta(0, arguments=":1}"),
        UsageUpdate(Usage(3, 2, 5, provenance="reported")),
        ProviderEvent("metrics", {"latencyMs": 7}, "bedrock"),
        Finish("tool_calls", raw="tool_use"),
    ]


RESULT = {"toolResult": {"toolUseId": "t3", "type": "x_result", "content": [{"json": {"a": 1}}]}}


def test_a_whole_answer_gives_the_parts_that_its_stream_gives() -> None:
    png = base64.b64encode(b"png").decode()
    blocks = [
        {"reasoningContent": {"reasoningText": {"text": "Hm", "signature": "sig"}}},
        {"reasoningContent": {"redactedContent": "c2VjcmV0"}},
        {"text": "Hello"},
        {"citationsContent": {"citations": [{"title": "T"}], "content": [{"text": "cited"}]}},
        {"toolUse": {"toolUseId": "t1", "name": "look", "input": {"a": 1}, "type": "tool_use"}},
        {"toolUse": {"toolUseId": "t2", "name": "now", "input": {}}},
        RESULT,
        {"image": {"format": "png", "source": {"bytes": png}}},
    ]
    frames = [
        delta(0, {"reasoningContent": {"text": "Hm"}}),
        delta(0, {"reasoningContent": {"signature": "sig"}}),
        delta(1, {"reasoningContent": {"redactedContent": "c2VjcmV0"}}),
        delta(2, {"text": "Hello"}),
        delta(3, {"citation": {"title": "T"}}),
        delta(3, {"text": "cited"}),
        start(4, {"toolUse": {"toolUseId": "t1", "name": "look", "type": "tool_use"}}),
        delta(4, {"toolUse": {"input": '{"a": 1}'}}),
        start(5, {"toolUse": {"toolUseId": "t2", "name": "now"}}),
        start(6, {"toolResult": {"toolUseId": "t3", "type": "x_result"}}),
        delta(6, {"toolResult": [{"json": {"a": 1}}]}),
        stop(6),
        start(7, {"image": {"format": "png"}}),
        delta(7, {"image": {"source": {"bytes": png}}}),
        stop(7),
    ]
    whole = decode_body(body(*blocks, reason="tool_use"))
    streamed, failure = decode(START, *frames, *end("tool_use"))
    assert failure is None
    assert whole == streamed
    parts = fold(whole).parts
    assert parts[:2] == (Reasoning("Hm", "sig", id=BEDROCKS), Reasoning(redacted="c2VjcmV0", id=BEDROCKS))
    assert parts[4:6] == (ToolCall("t1", "look", '{"a": 1}'), ToolCall("t2", "now"))
    assert isinstance(parts[3], Text)
    assert parts[3].citations[0].title == "T"
    assert parts[6] == ProviderPart("bedrock", RESULT)
    assert parts[7] == Image(data=b"png", media_type="image/png")


def test_an_image_in_pieces_is_one_and_a_failed_one_is_told() -> None:
    pieces = [base64.b64encode(piece).decode() for piece in (b"abc", b"def")]
    chunks, _ = decode(
        START, start(0, {"image": {"format": "jpeg"}}),
        *(delta(0, {"image": {"source": {"bytes": piece}}}) for piece in pieces), stop(0),
        start(1, {"image": {"format": "png"}}), delta(1, {"image": {"error": {"message": "no"}}}), stop(1), *end(),
    )  # fmt: skip
    assert ImageDelta(data=b"abcdef", media_type="image/jpeg") in chunks
    assert ProviderEvent("image", {"error": {"message": "no"}}, "bedrock") in chunks


@pytest.mark.parametrize(
    ("reason", "finish"),
    [
        ("end_turn", "stop"),
        ("stop_sequence", "stop"),
        ("tool_use", "tool_calls"),
        ("max_tokens", "length"),
        ("model_context_window_exceeded", "length"),
        ("guardrail_intervened", "content_filter"),
        ("content_filtered", "content_filter"),
        ("malformed_model_output", "error"),
        ("malformed_tool_use", "error"),
        ("something_new", "stop"),
    ],
)
def test_every_reason_to_stop_has_a_name(reason: str, finish: str) -> None:
    for chunks in (decode(START, *end(reason))[0], decode_body(body(reason=reason))):
        assert chunks[-1] == Finish(finish, raw=reason)  # type: ignore[arg-type]


def test_the_stop_sequence_and_the_guardrail_explain_themselves() -> None:
    chunks, _ = decode(START, *end("stop_sequence", additionalModelResponseFields={"stop_sequence": "END"}))
    assert chunks[-1] == Finish("stop", raw="stop_sequence", message="END")
    assert ProviderEvent("additionalModelResponseFields", {"stop_sequence": "END"}, "bedrock") in chunks
    trace = {"guardrail": {"actionReason": "Guardrail masked."}}
    chunks = decode_body(body(reason="guardrail_intervened", trace=trace))
    assert chunks[-1] == Finish("content_filter", raw="guardrail_intervened", message="Guardrail masked.")
    assert ProviderEvent("trace", trace, "bedrock") in chunks


def test_usage_counts_what_the_cache_gave_and_took() -> None:
    counts = {
        **USAGE, "cacheReadInputTokens": 10, "cacheWriteInputTokens": 20,
        "cacheDetails": [{"ttl": "1h", "inputTokens": 15}, {"ttl": "5m", "inputTokens": 5}],
        "serverToolUsage": {"searches": 1},
    }  # fmt: skip
    metadata = event("metadata", {"usage": counts, "serviceTier": {"type": "flex"}})
    chunks, _ = decode(START, end()[0], metadata)
    assert fold(chunks).usage == Usage(
        input_tokens=33, output_tokens=2, total_tokens=35, cached_input_tokens=10, cache_write_tokens=20,
        cache_write_1h_tokens=15, service_tier="flex", provenance="reported",
    )  # fmt: skip
    assert ProviderEvent("usage", {"serverToolUsage": {"searches": 1}}, "bedrock") in chunks


def test_the_model_that_a_router_chose_is_the_one_that_answered() -> None:
    arn = "arn:aws:bedrock:us-east-1::foundation-model/anthropic.claude-3-haiku-20240307-v1:0"
    chunks = decode_body(body({"text": "x"}, trace={"promptRouter": {"invokedModelId": arn}}))
    assert fold(chunks).model == "anthropic.claude-3-haiku-20240307-v1:0"


def test_the_usage_may_come_before_the_reason() -> None:
    chunks, failure = decode(START, delta(0, {"text": "x"}), METADATA, event("messageStop", {"stopReason": "end_turn"}))
    assert failure is None
    assert chunks[-1] == Finish("stop", raw="end_turn")


def test_events_and_blocks_to_come_are_passed_on() -> None:
    chunks, failure = decode(
        message(b"{}", {":event-type": "initial-response", ":message-type": "event"}),
        START, event("heartbeat", {"at": 1}),
        start(0, {"hologram": {"a": 1}}), delta(0, {"hologram": "x"}), stop(0), *end(),
    )  # fmt: skip
    assert failure is None
    passed = [(chunk.event, chunk.data) for chunk in chunks if isinstance(chunk, ProviderEvent)]
    assert passed == [
        ("heartbeat", {"at": 1}),
        ("contentBlockStart", {"hologram": {"a": 1}}),
        ("contentBlockDelta", {"hologram": "x"}),
        ("metrics", {"latencyMs": 7}),
    ]
    (part,) = fold(decode_body(body({"hologram": {"a": 1}}))).parts
    assert part == ProviderPart("bedrock", {"hologram": {"a": 1}})


def test_what_follows_the_end_is_ignored() -> None:
    chunks, failure = decode(START, *end(), delta(0, {"text": "more"}), exception("throttlingException", {}))
    assert failure is None
    assert fold(chunks).text == ""


# -- calls, however they are cut


@pytest.mark.parametrize("size", [1, 2, 5, 100])
def test_interleaved_calls_in_any_fragments_are_the_same_calls(size: int) -> None:
    wanted = {1: '{"city": "Paris é"}', 2: '{"n": [1, 2, 3]}'}
    pieces = {index: [text[at : at + size] for at in range(0, len(text), size)] for index, text in wanted.items()}
    frames = [start(index, {"toolUse": {"toolUseId": f"t{index}", "name": "look"}}) for index in wanted]
    for turn in range(max(map(len, pieces.values()))):
        frames += [
            delta(index, {"toolUse": {"input": some[turn]}}) for index, some in pieces.items() if turn < len(some)
        ]
        frames += [delta(index, {"toolUse": {"input": ""}}) for index in wanted]
    chunks, _ = decode(START, *frames, *end("tool_use"))
    assert [(call.id, call.arguments) for call in fold(chunks).tool_calls] == [("t1", wanted[1]), ("t2", wanted[2])]


# -- errors inside a stream


@pytest.mark.parametrize(
    ("name", "kind", "retryable"),
    [
        ("throttlingException", errors.RateLimited, True),
        ("serviceUnavailableException", errors.Overloaded, True),
        ("internalServerException", errors.ServerError, True),
        ("modelStreamErrorException", errors.ServerError, True),
        ("modelTimeoutException", errors.RequestTimeout, True),
        ("validationException", errors.InvalidRequest, False),
        ("somethingNewException", errors.ServerError, True),
    ],
)
def test_an_exception_in_a_stream_is_the_right_error_and_keeps_the_text(
    name: str, kind: type[ExLLMError], retryable: bool
) -> None:
    frames = (START, delta(0, {"text": "Hel"}), exception(name, {"message": "as it is"}))
    chunks, failure = decode(*frames)
    assert fold(chunks).text == "Hel"
    assert failure is not None
    assert type(failure) is kind
    assert (failure.message, failure.code) == ("as it is", name[0].upper() + name[1:])
    assert failure.retryable is retryable
    assert (failure.provider, failure.model) == ("bedrock", REQUEST.model)
    with pytest.raises(EventStreamError):  # so does botocore, for the same bytes
        boto_events("ConverseStream", b"".join(frames))


def test_a_stream_error_says_what_the_model_had_said() -> None:
    fields = {"message": "Stream failed", "originalStatusCode": 424, "originalMessage": "out of memory"}
    _, failure = decode(START, exception("modelStreamErrorException", fields))
    assert failure is not None
    assert failure.message == "Stream failed: out of memory"
    assert failure.status == 424


def test_a_full_context_is_told_apart() -> None:
    _, failure = decode(START, exception("validationException", {"message": "Input is too long for requested model."}))
    assert type(failure) is errors.ContextLengthExceeded


def test_an_error_with_nothing_but_a_code() -> None:
    _, failure = decode(START, error("InternalServerException", "It broke"))
    assert type(failure) is errors.ServerError
    assert failure.message == "It broke"
    assert failure.code == "InternalServerException"
    _, failure = decode(START, message(b"no json", {":exception-type": "x", ":message-type": "exception"}))
    assert type(failure) is errors.ServerError


# -- nonsense


@pytest.mark.parametrize(
    "frame",
    [
        raw_event("contentBlockDelta", b"{not json"),
        raw_event("contentBlockDelta", b'{"contentBlockIndex":0,"delta":{"text":"\xff"}}'),
        raw_event("contentBlockDelta", b"[]"),
        raw_event("contentBlockDelta", b'{"contentBlockIndex":0}'),
        raw_event("heartbeat", b"nothing"),
        delta(0, {"text": 5}),
        delta(0, {"toolUse": {"input": "of nobody"}}),
        delta(0, {"toolResult": [{"text": "of nobody"}]}),
        delta(0, {"image": {"source": {"bytes": "eA=="}}}),
        delta(0, {"citation": "x"}),
        delta(0, {"citation": {"location": "x"}}),
        start(0, {"toolUse": {"name": "look"}}),
        start(0, {"toolUse": "x"}),
        start(0, {"image": {}}),
        start(0, 5),
        event("messageStop", {"stopReason": 5}),
        event("metadata", {"usage": 5}),
        event("metadata", {"trace": {"promptRouter": 5}}),
        event("contentBlockStop", {"contentBlockIndex": "x"}),
    ],
)
def test_nonsense_is_a_protocol_error_that_shows_it_and_keeps_the_text(frame: bytes) -> None:
    chunks, failure = decode(START, delta(9, {"text": "Hel"}), frame, *end())
    assert type(failure) is ProtocolError
    assert failure.body
    assert fold(chunks).text == "Hel"


@pytest.mark.parametrize(
    "usage",
    [{}, {"inputTokens": "x"}, {"inputTokens": None, "outputTokens": 2}, {"inputTokens": True}, {"cacheDetails": 5}],
)
def test_counts_that_are_none_are_not_known(usage: dict[str, Any]) -> None:
    chunks, failure = decode(START, end()[0], event("metadata", {"usage": usage}))
    assert failure is None
    assert fold(chunks).usage.input_tokens is None
    assert chunks[-1] == Finish("stop", raw="end_turn")


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b"{}",
        b"{not json",
        b'{"Output":{"__type":"com.amazon.coral.service#UnknownOperationException"},"Version":"1.0"}',
        b'{"output":{"message":{"content":[5]}}}',
        b'{"output":{"message":{"content":[{}]}}}',
        b'{"output":{"message":{"content":[{"image":{"format":"png","source":{"bytes":"%"}}}]}}}',
        b'{"output":{"message":{"content":[{"citationsContent":{"content":[{}]}}]}}}',
        b'{"output":{"message":{"content":"x"}}}',
    ],
)
def test_a_whole_answer_of_nonsense_is_a_protocol_error(data: bytes) -> None:
    with pytest.raises(ProtocolError):
        decode_body(data)


def test_a_second_answer_spliced_into_the_first_is_refused() -> None:
    chunks, failure = decode(START, delta(0, {"text": "Hel"}), START, delta(0, {"text": "Hello"}), *end())
    assert type(failure) is StreamInterrupted
    assert fold(chunks).text == "Hel"


def test_a_stream_without_its_metadata_is_no_whole_answer() -> None:
    chunks, failure = decode(START, delta(0, {"text": "Hello"}), event("messageStop", {"stopReason": "end_turn"}))
    assert type(failure) is StreamInterrupted
    assert fold(chunks).finish_reason is None


# -- error responses


@pytest.mark.parametrize(
    ("status", "name", "kind", "retryable"),
    [
        (400, "ValidationException", errors.InvalidRequest, False),
        (403, "AccessDeniedException", errors.PermissionDenied, False),
        (403, "ExpiredTokenException", errors.AuthenticationError, False),
        (403, "InvalidSignatureException", errors.AuthenticationError, False),
        (404, "ResourceNotFoundException", errors.NotFound, False),
        (408, "ModelTimeoutException", errors.RequestTimeout, True),
        (424, "ModelErrorException", errors.ServerError, True),
        (429, "ThrottlingException", errors.RateLimited, True),
        (429, "ModelNotReadyException", errors.Overloaded, True),
        (400, "ServiceQuotaExceededException", errors.QuotaExceeded, False),
        (500, "InternalServerException", errors.ServerError, True),
        (503, "ServiceUnavailableException", errors.Overloaded, True),
    ],
)
def test_an_error_is_known_by_its_name(status: int, name: str, kind: type[ExLLMError], retryable: bool) -> None:
    headers = {"x-amzn-errortype": f"{name}:http://internal.amazon.com/coral/", "x-amzn-requestid": "r-1"}
    typed = json.dumps({"__type": f"com.amazonaws.bedrock#{name}", "message": "as it is"}).encode()
    for given, data in ((headers, b'{"message":"as it is"}'), ({"x-amzn-requestid": "r-1"}, typed)):
        failure = WIRE.parse_error(status, given, data, SPEC)
        assert type(failure) is kind
        assert (failure.message, failure.code, failure.status) == ("as it is", name, status)
        assert (failure.request_id, failure.retryable) == ("r-1", retryable)


@pytest.mark.parametrize("data", [b"", b"<html><title>Bad</title>", b"[]", b"\xff", b'{"message":5}', b'{"__type":5}'])
def test_an_error_of_any_body_has_words(data: bytes) -> None:
    failure = WIRE.parse_error(500, {}, data, SPEC)
    assert type(failure) is errors.ServerError
    assert failure.message
