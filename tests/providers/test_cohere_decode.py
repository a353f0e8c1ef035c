"""Answers of Cohere, made to order: parts, calls in pieces, citations, log probabilities, errors, and nonsense."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec
import pytest

from exllm.errors import (
    AuthenticationError,
    ContextLengthExceeded,
    ExLLMError,
    InvalidRequest,
    ProtocolError,
    ServerError,
    StreamInterrupted,
)
from exllm.providers.cohere_chat import WIRE
from exllm.providers.cohere_decode import CohereChatDecoder
from exllm.streaming.frame import Frame
from exllm.types.chunks import (
    Chunk,
    CitationDelta,
    Finish,
    ProviderEvent,
    ReasoningDelta,
    StreamStart,
    TextDelta,
    TokenLogprob,
    ToolCallDelta,
    UsageUpdate,
)
from exllm.types.parts import Citation, Reasoning, Text, ToolCall
from exllm.types.response import Response
from exllm.types.usage import Usage
from tests.providers.cohere_recordings import SPEC, decode_body, fold

Event = dict[str, Any] | bytes
USAGE = {"tokens": {"input_tokens": 9.0, "output_tokens": 5.0}, "billed_units": {"input_tokens": 4, "output_tokens": 5}}
START = {"type": "message-start", "id": "1", "delta": {"message": {"role": "assistant"}}}


def change(kind: str, index: int | None = None, **message: Any) -> Event:
    event: dict[str, Any] = {"type": kind, "delta": {"message": message}}
    return event if index is None else {**event, "index": index}


def text(index: int, *pieces: str, field: str = "text") -> list[Event]:
    return [
        change("content-start", index, content={"type": field, field: ""}),
        *(change("content-delta", index, content={field: piece}) for piece in pieces),
        {"type": "content-end", "index": index},
    ]


def call(index: int | None, id_: str, name: str, *pieces: str) -> list[Event]:
    first = {"id": id_, "type": "function", "function": {"name": name, "arguments": ""}}
    return [
        change("tool-call-start", index, tool_calls=first),
        *(change("tool-call-delta", index, tool_calls={"function": {"arguments": piece}}) for piece in pieces),
        {"type": "tool-call-end", "index": index},
    ]


def end(reason: str | None = "COMPLETE", **fields: Any) -> Event:
    return {"type": "message-end", "delta": {"finish_reason": reason, "usage": USAGE, **fields}}


def frame(event: Event) -> Frame:
    data = event if isinstance(event, bytes) else msgspec.json.encode(event)
    return Frame(data, event.get("type", "message") if isinstance(event, dict) else "message")


def decode(events: Iterable[Event]) -> list[Chunk]:
    """All chunks, each event fed on its own; raises what the decoder raises."""
    decoder = CohereChatDecoder("cohere", "asked")
    chunks: list[Chunk] = []
    for event in events:
        chunks += decoder.feed([frame(event)])
    return chunks + decoder.close()


def response(events: Iterable[Event]) -> Response:
    return fold(decode([START, *events]))


def whole(message: dict[str, Any], reason: str | None = "COMPLETE", **fields: Any) -> Response:
    body = {"id": "1", "message": {"role": "assistant", **message}, "finish_reason": reason, "usage": USAGE, **fields}
    return fold(decode_body(msgspec.json.encode(body)))


# -- what is said


def test_a_stream_begins_with_its_id_and_ends_with_its_counts() -> None:
    assert decode([START, *text(0, "Hi", " there"), end(), b"[DONE]"]) == [
        StreamStart("1"),
        TextDelta("Hi"),
        TextDelta(" there"),
        UsageUpdate(Usage(9, 5, 14, billed_input_tokens=4, billed_output_tokens=5, provenance="reported")),
        Finish("stop", raw="COMPLETE"),
    ]


def test_thoughts_and_several_texts_are_parts_of_their_own_streamed_and_whole() -> None:
    events = [*text(0, "I ", "see.", field="thinking"), *text(1, "One."), *text(2, "Two."), end()]
    streamed = response(events)
    assert streamed.parts == (Reasoning("I see."), Text("One."), Text("Two."))
    content = [
        {"type": "thinking", "thinking": "I see."}, {"type": "text", "text": "One."}, {"type": "text", "text": "Two."}
    ]  # fmt: skip
    assert whole({"content": content}) == streamed


def test_plan_and_thoughts_are_told_apart() -> None:
    events = [
        change("tool-plan-delta", tool_plan="I will "),
        change("tool-plan-delta", tool_plan="look."),
        *text(0, "Hm.", field="thinking"),
        *call(0, "1", "look", "{}"),
        end("TOOL_CALL"),
    ]
    streamed = response(events)
    plan, thought = Reasoning("I will look.", id="tool_plan"), Reasoning("Hm.")
    assert streamed.parts == (plan, thought, ToolCall("1", "look", "{}"))
    assert [chunk.part for chunk in decode([START, *events]) if isinstance(chunk, ReasoningDelta)] == [0, 0, 1]
    calls = [{"id": "1", "type": "function", "function": {"name": "look", "arguments": "{}"}}]
    content = [{"type": "thinking", "thinking": "Hm."}]
    assert whole({"tool_plan": "I will look.", "content": content, "tool_calls": calls}, "TOOL_CALL") == streamed


def test_text_may_come_with_the_start_of_its_block() -> None:
    assert response([change("content-start", 0, content={"type": "text", "text": "Hi"}), end()]).text == "Hi"


def test_a_body_may_hold_its_text_alone() -> None:
    assert whole({"content": "Hi"}).text == "Hi"
    assert whole({}).parts == ()


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        ("COMPLETE", "stop"),
        ("STOP_SEQUENCE", "stop"),
        ("MAX_TOKENS", "length"),
        ("TOOL_CALL", "tool_calls"),
        ("SOMETHING_NEW", "stop"),
        (None, "stop"),
    ],
)
def test_the_reason_for_the_end(raw: str | None, reason: str) -> None:
    for answer in (response([end(raw)]), whole({"content": "x"}, raw)):
        assert (answer.choices[0].finish_reason, answer.choices[0].raw_finish_reason) == (reason, raw)


def test_calls_without_a_reason_are_calls() -> None:
    assert response([*call(0, "1", "f", "{}"), end(None)]).finish_reason == "tool_calls"


@pytest.mark.parametrize(
    ("counts", "usage"),
    [
        (
            {"tokens": {"input_tokens": 34, "output_tokens": 8, "image_tokens": 259, "reasoning_tokens": 3}},
            Usage(293, 8, 301, image_tokens=259, reasoning_tokens=3, provenance="reported"),
        ),
        (
            {"billed_units": {"input_tokens": 4.0, "output_tokens": 5.0, "search_units": 2.0}, "cached_tokens": 3.0},
            Usage(
                4,
                5,
                9,
                cached_input_tokens=3,
                search_requests=2,
                billed_input_tokens=4,
                billed_output_tokens=5,
                provenance="reported",
            ),
        ),
        ({}, Usage(provenance="reported")),
    ],
)
def test_token_counts(counts: dict[str, Any], usage: Usage) -> None:
    assert response([{"type": "message-end", "delta": {"finish_reason": "COMPLETE", "usage": counts}}]).usage == usage
    assert whole({"content": "x"}, usage=counts).usage == usage


def test_an_answer_without_counts_has_none() -> None:
    assert whole({"content": "x"}, usage=None).usage == Usage()
    assert response([*text(0, "x"), {"type": "message-end", "delta": {"finish_reason": "COMPLETE"}}]).usage == Usage()


# -- calls in pieces

ARGUMENTS = '{"city": "Oslo é", "note": "\\u00e9"}'
SPLITS = {
    "whole": [ARGUMENTS],
    "in two": [ARGUMENTS[:9], ARGUMENTS[9:]],
    "by character": list(ARGUMENTS),
    "with empty ones": ["", ARGUMENTS[:1], "", ARGUMENTS[1:], ""],
}


@pytest.mark.parametrize("pieces", SPLITS.values(), ids=SPLITS.keys())
def test_any_split_of_the_arguments_gives_the_same_call(pieces: list[str]) -> None:
    reply = response([*call(0, "1", "look", *pieces), end("TOOL_CALL")])
    assert reply.tool_calls == (ToolCall("1", "look", ARGUMENTS),)


def test_arguments_may_come_with_the_start() -> None:
    first = {"id": "1", "type": "function", "function": {"name": "look", "arguments": ARGUMENTS[:5]}}
    rest = change("tool-call-delta", 0, tool_calls={"function": {"arguments": ARGUMENTS[5:]}})
    reply = response([change("tool-call-start", 0, tool_calls=first), rest, end("TOOL_CALL")])
    assert reply.tool_calls == (ToolCall("1", "look", ARGUMENTS),)


def test_interleaved_calls_are_told_apart_by_their_index() -> None:
    one, two = call(0, "1", "f", '{"a"', ":1}"), call(1, "2", "g", '{"b"', ":2}")
    mixed = [event for pair in zip(one, two, strict=True) for event in pair]
    assert response([*mixed, end("TOOL_CALL")]).tool_calls == (
        ToolCall("1", "f", '{"a":1}'),
        ToolCall("2", "g", '{"b":2}'),
    )


def test_without_an_index_a_piece_belongs_to_the_last_call() -> None:
    events = [*call(None, "1", "f", '{"a"', ":1}"), *call(None, "2", "g", '{"b"', ":2}"), end("TOOL_CALL")]
    calls = response(events).tool_calls
    assert calls == (ToolCall("1", "f", '{"a":1}'), ToolCall("2", "g", '{"b":2}'))


def test_a_repeated_index_begins_another_call() -> None:
    events = [*call(0, "1", "f", "{}"), *call(0, "2", "g", "{}"), end("TOOL_CALL")]
    deltas = [chunk for chunk in decode([START, *events]) if isinstance(chunk, ToolCallDelta)]
    assert [(delta.call, delta.id) for delta in deltas if delta.id] == [(0, "1"), (1, "2")]


# -- citations

DOCUMENT = {"type": "document", "id": "doc:3", "document": {"id": "doc:3", "title": "Facts", "text": "Ruby is red."}}


def cited(**fields: Any) -> dict[str, Any]:
    return {"start": 0, "end": 4, "text": "Ruby", "sources": [DOCUMENT], "type": "TEXT_CONTENT", **fields}


def test_a_citation_belongs_to_the_block_that_it_names() -> None:
    found = cited(content_index=1)
    events = [*text(0, "Hm.", field="thinking"), *text(1, "Ruby."), change("citation-start", 0, citations=found), end()]
    streamed = response(events)
    expected = Citation(None, "Facts", "Ruby is red.", 0, 4, 3, found)
    assert streamed.parts == (Reasoning("Hm."), Text("Ruby.", (expected,)))
    content = [{"type": "thinking", "thinking": "Hm."}, {"type": "text", "text": "Ruby."}]
    assert whole({"content": content, "citations": [found]}) == streamed


@pytest.mark.parametrize("kind", [{}, {"type": None}, {"type": "TEXT_CONTENT"}])
def test_a_citation_that_names_no_block_is_of_the_text_being_written(kind: dict[str, Any]) -> None:
    found = {name: value for name, value in cited().items() if name != "type"} | kind
    events = [*text(0, "Hm.", field="thinking"), *text(1, "Ruby."), change("citation-start", 0, citations=found), end()]
    (chunk,) = [chunk for chunk in decode([START, *events]) if isinstance(chunk, CitationDelta)]
    assert chunk.part == 1


@pytest.mark.parametrize("kind", ["THINKING_CONTENT", "PLAN"])
def test_a_citation_of_what_is_no_text_is_passed_on(kind: str) -> None:
    found = cited(type=kind, content_index=0)
    chunks = decode([START, change("citation-start", 0, citations=found), *text(0, "x"), end()])
    assert chunks[1] == ProviderEvent("citation", found, "cohere")
    assert fold(chunks).citations == ()


@pytest.mark.parametrize(
    ("sources", "expected"),
    [
        ([], Citation(start=0, end=4)),
        (None, Citation(start=0, end=4)),
        (
            [{"type": "tool", "id": "doc:1", "tool_output": {"content": "4 degrees"}}],
            Citation(None, None, "4 degrees", 0, 4),
        ),
        (
            [{"type": "document", "id": "mine", "document": {"url": "https://a.b", "snippet": "x", "title": ""}}],
            Citation("https://a.b", None, "x", 0, 4),
        ),
        ([{"type": "document", "document": {"text": 5}}], Citation(start=0, end=4)),
    ],
)  # fmt: skip
def test_what_a_source_tells(sources: Any, expected: Citation) -> None:
    found = cited(sources=sources)
    (citation,) = response([*text(0, "Ruby"), change("citation-start", 0, citations=found), end()]).citations
    assert citation == msgspec.structs.replace(expected, source=found)


# -- log probabilities


def probable(words: str | None, *logprobs: float, field: str = "text") -> Event:
    event = change("content-delta", 0, content={field: words})
    assert isinstance(event, dict)
    return {**event, "logprobs": {"text": words, "token_ids": [1] * len(logprobs), "logprobs": list(logprobs)}}


def test_log_probabilities_come_with_their_text() -> None:
    events = [
        probable("Hi", -0.5),
        change("content-delta", 0, content={"text": "!"}),
        probable(" you", -0.5, -0.25),
        end(),
    ]
    reply = response(events)
    assert reply.text == "Hi! you"
    assert reply.logprobs == (TokenLogprob("Hi", -0.5), TokenLogprob(" you", -0.75))


def test_those_of_thoughts_wait_for_the_text_or_are_passed_on() -> None:
    thought = probable("Hm", -0.5, field="thinking")
    reply = response([thought, *text(1, "Hi", "!"), end()])
    assert reply.logprobs == (TokenLogprob("Hm", -0.5),)
    (event,) = [chunk for chunk in decode([START, thought, end()]) if isinstance(chunk, ProviderEvent)]
    assert (event.event, event.data[0]["text"]) == ("logprobs", "Hm")


def test_those_of_a_whole_answer_are_the_texts() -> None:
    item = {"text": "Hi", "token_ids": [1], "logprobs": [-0.5]}
    reply = whole({"content": [{"type": "text", "text": "Hi"}]}, logprobs=[item, {"text": "x", "token_ids": [2]}])
    assert reply.logprobs == (TokenLogprob("Hi", -0.5),)


# -- what has no name


def test_what_is_unknown_is_passed_on() -> None:
    debug = {"type": "debug", "prompt": "<|START|>"}
    block = change("content-start", 7, content={"type": "picture"})
    chunks = decode([START, debug, {"type": "new-event", "x": 1}, block, *text(0, "Hi"), end()])
    assert chunks[1:4] == [
        ProviderEvent("debug", debug, "cohere"),
        ProviderEvent("new-event", {"type": "new-event", "x": 1}, "cohere"),
        ProviderEvent("picture", {"index": 7}, "cohere"),
    ]
    assert fold(chunks).text == "Hi"
    picture = {"type": "picture", "data": "x"}
    assert ProviderEvent("picture", picture, "cohere", content=True) in decode_body(
        msgspec.json.encode({"message": {"content": [picture]}})
    )


def test_what_follows_the_end_is_not_looked_at() -> None:
    decoder = CohereChatDecoder("cohere", "m")
    chunks = decoder.feed([frame(START), *map(frame, text(0, "Yes.")), frame(end()), frame(b"{nonsense")])
    assert decoder.finished
    assert decoder.feed([frame(b"[DONE]")]) == decoder.close() == []
    assert fold(chunks).text == "Yes."


# -- errors

LIMIT = "too many tokens: total number of tokens in the prompt cannot exceed 4081 - received 4292."


@pytest.mark.parametrize(
    ("event", "kind", "message"),
    [
        (end("ERROR", error="generation failed"), ServerError, "generation failed"),
        (end("ERROR"), ServerError, "the provider ended the answer with ERROR"),
        (end("TIMEOUT"), ServerError, "the provider ended the answer with TIMEOUT"),
        (end("COMPLETE", error="but"), ServerError, "but"),
        (end("ERROR", error=LIMIT), ContextLengthExceeded, LIMIT),
        ({"id": "1", "message": "internal server error"}, ServerError, "internal server error"),
        ({"message": "invalid api key provided"}, AuthenticationError, "invalid api key provided"),
        ({"error": {"message": "broke", "code": 400}}, InvalidRequest, "broke"),
    ],
)
def test_an_error_amid_the_answer_raises_and_the_text_before_it_stays(
    event: Event, kind: type[ExLLMError], message: str
) -> None:
    decoder = CohereChatDecoder("cohere", "m")
    with pytest.raises(kind) as caught:
        decoder.feed([frame(START), *map(frame, text(0, "Hi")), frame(event)])
    assert type(caught.value) is kind
    assert caught.value.message == message
    assert (caught.value.provider, caught.value.model) == ("cohere", "m")
    partial = fold(decoder.take())
    assert (partial.text, partial.finish_reason) == ("Hi", None)
    assert partial.usage.provenance in ("partial", "unknown")
    assert decoder.take() == []


def test_what_a_failure_costs_is_in_its_body() -> None:
    with pytest.raises(ServerError) as caught:
        decode([START, end("ERROR", error="broke")])
    assert caught.value.code == "ERROR"
    assert caught.value.body is not None
    assert '"billed_units"' in caught.value.body


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b'{"id":"1","message":"slow down"}', ServerError),
        (b'{"error":{"message":"no","code":"invalid_api_key"}}', AuthenticationError),
        (b'{"id":"1","message":{"content":[]},"finish_reason":"ERROR"}', ServerError),
    ],
)
def test_an_error_in_a_body_with_status_200_is_an_error(body: bytes, kind: type[ExLLMError]) -> None:
    with pytest.raises(ExLLMError) as caught:
        decode_body(body)
    assert type(caught.value) is kind
    assert caught.value.message


@pytest.mark.parametrize(
    ("status", "message", "kind", "is_retryable"),
    [
        (400, "invalid request: message must be at least 1 token long", "InvalidRequest", False),
        (400, LIMIT, "ContextLengthExceeded", False),
        (400, "too many tokens: size limit exceeded by 11326 tokens.", "ContextLengthExceeded", False),
        (401, "invalid api token", "AuthenticationError", False),
        (402, "Please add or update your payment method", "QuotaExceeded", False),
        (403, "forbidden", "PermissionDenied", False),
        (404, "model 'xyz' not found", "NotFound", False),
        (422, "unprocessable", "InvalidRequest", False),
        (429, "You are using a Trial key, which is limited to 40 API calls / minute.", "RateLimited", True),
        (498, "blocked output: your request triggered our filters", "InvalidRequest", False),
        (499, "request cancelled", "InvalidRequest", False),
        (500, "internal server error", "ServerError", True),
        (503, "service unavailable", "Overloaded", True),
        (504, "gateway timeout", "ServerError", True),
    ],
)
def test_error_responses(status: int, message: str, kind: str, is_retryable: bool) -> None:
    body = msgspec.json.encode({"id": "1", "message": message})
    error = WIRE.parse_error(status, {}, body, SPEC)
    assert (type(error).__name__, error.status, error.message) == (kind, status, message)
    assert error.retryable is is_retryable


# -- what makes no sense


@pytest.mark.parametrize(
    "garbage",
    [
        b"{",
        b"nonsense",
        b"\xff\xfe",
        b"[1]",
        b"null",
        b'{"type":"content-delta"}',
        b'{"type":"content-delta","delta":{"message":{"content":5}}}',
        b'{"type":"content-delta","delta":{"message":{"content":{"text":5}}}}',
        b'{"type":"content-delta","index":"x","delta":{"message":{"content":{"text":""}}}}',
        b'{"type":"tool-call-delta","index":9,"delta":{"message":{"tool_calls":{"function":{"arguments":"{"}}}}}',
        b'{"type":"tool-call-delta","delta":{"message":{"tool_calls":{"function":{"arguments":"{"}}}}}',
        b'{"type":"tool-call-start","index":0,"delta":{"message":{"tool_calls":[]}}}',
        b'{"type":"citation-start","delta":{"message":{"citations":[]}}}',
        b'{"type":"citation-start","delta":{"message":{"citations":{"sources":5}}}}',
        b'{"type":"citation-start","delta":{"message":{"citations":{"sources":["x"]}}}}',
        b'{"type":"message-end","delta":{"usage":{"tokens":{"input_tokens":"many"}}}}',
        b'{"type":"message-end","delta":{"usage":{"tokens":{"input_tokens":1e400}}}}',
        b'{"type":"message-start","id":5}',
        b"[" * 200_000,
    ],
)
def test_garbage_is_a_protocol_error_and_the_text_before_it_stays(garbage: bytes) -> None:
    decoder = CohereChatDecoder("cohere", "m")
    with pytest.raises(ProtocolError) as caught:
        decoder.feed([frame(START), *map(frame, text(0, "Hi")), frame(garbage)])
    assert caught.value.provider == "cohere"
    assert caught.value.body is not None
    assert len(caught.value.body) <= 200
    assert fold(decoder.take()).text == "Hi"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"{}",
        b'{"message":5}',
        b'{"message":{"content":5}}',
        b'{"message":{"content":[5]}}',
        b'{"message":{"content":[{"type":"text","text":5}]}}',
        b'{"message":{"tool_calls":{}}}',
        b'{"message":{"citations":[{"sources":[5]}]}}',
        b'{"message":{},"usage":5}',
    ],
)
def test_a_whole_body_that_is_no_answer_is_a_protocol_error(body: bytes) -> None:
    with pytest.raises(ProtocolError, match="makes no sense"):
        decode_body(body)


def test_a_stream_without_its_end_is_interrupted() -> None:
    for events in ([], [START], [START, *text(0, "Hi")], [START, *call(0, "1", "f", "{}")], [START, b"[DONE]"]):
        with pytest.raises(StreamInterrupted) as caught:
            decode(events)
        assert caught.value.retryable
