"""Answers of Ollama, made to order: calls, thoughts, images, log probabilities, errors, lines that make no sense."""

from __future__ import annotations

import base64
from collections.abc import Iterable
from typing import Any

import msgspec
import pytest

from exllm.errors import ContextLengthExceeded, ExLLMError, NotFound, ProtocolError, ServerError, StreamInterrupted
from exllm.providers import ProviderSpec, registry
from exllm.providers.ollama_chat import WIRE
from exllm.providers.ollama_decode import OllamaChatDecoder
from exllm.streaming.frame import Frame
from exllm.types.chunks import (
    Chunk,
    Finish,
    ImageDelta,
    ProviderEvent,
    StreamStart,
    TextDelta,
    TokenLogprob,
    ToolCallDelta,
    UsageUpdate,
)
from exllm.types.message import Message
from exllm.types.parts import Image, Reasoning, Text, ToolCall
from exllm.types.request import Request
from exllm.types.response import Response
from exllm.types.usage import Usage
from tests.providers.ollama_recordings import SPEC, decode_body, decode_stream, fold

Line = dict[str, Any] | bytes
HEAD = {"model": "qwen3", "created_at": "2025-11-19T20:00:00.5Z"}


def line(message: dict[str, Any] | None = None, **fields: Any) -> Line:
    return {**HEAD, "message": {"role": "assistant", "content": "", **(message or {})}, "done": False, **fields}


def end(message: dict[str, Any] | None = None, **fields: Any) -> Line:
    return line(message, **{"done": True, "done_reason": "stop", "prompt_eval_count": 3, "eval_count": 2, **fields})


def text(words: str) -> Line:
    return line({"content": words})


def call(name: str, arguments: Any, id_: str | None = None) -> dict[str, Any]:
    return {**({"id": id_} if id_ else {}), "function": {"name": name, "arguments": arguments}}


def frame(one: Line) -> Frame:
    return Frame(one if isinstance(one, bytes) else msgspec.json.encode(one))


def decode(lines: Iterable[Line]) -> list[Chunk]:
    """All chunks, each line fed on its own; raises what the decoder raises."""
    decoder = OllamaChatDecoder("ollama", "asked")
    chunks: list[Chunk] = []
    for one in lines:
        chunks += decoder.feed([frame(one)])
    return chunks + decoder.close()


def response(lines: Iterable[Line]) -> Response:
    return fold(decode(lines))


def whole(one: Line) -> Response:
    return fold(decode_body(frame(one).data))


# -- what is said


def test_a_stream_begins_with_the_model_that_answers_and_ends_with_its_counts() -> None:
    chunks = decode([text("Hi"), text(" there"), end()])
    assert chunks == [
        StreamStart(None, "qwen3", 1763582400),
        TextDelta("Hi"),
        TextDelta(" there"),
        UsageUpdate(Usage(3, 2, 5, provenance="reported")),
        Finish("stop", raw="stop"),
    ]


def test_thoughts_text_and_calls_are_parts_of_their_own() -> None:
    lines = [
        line({"thinking": "I "}), line({"thinking": "see."}), text("Let me "), text("look."),
        line({"tool_calls": [call("look", {"at": "fox"}, "call_1")]}), end(),
    ]  # fmt: skip
    reply = response(lines)
    assert reply.parts == (Reasoning("I see."), Text("Let me look."), ToolCall("call_1", "look", '{"at":"fox"}'))
    assert (reply.finish_reason, reply.choices[0].raw_finish_reason) == ("tool_calls", "stop")


def test_the_last_line_may_hold_all_of_it() -> None:
    message = {"content": "Yes.", "thinking": "Hm.", "tool_calls": [call("look", {}, "call_1")]}
    streamed, unstreamed = response([end(message)]), whole(end(message))
    assert streamed == unstreamed
    assert streamed.parts == (Reasoning("Hm."), Text("Yes."), ToolCall("call_1", "look", "{}"))


def test_what_follows_the_last_line_is_not_looked_at() -> None:
    decoder = OllamaChatDecoder("ollama", "m")
    chunks = decoder.feed([frame(end({"content": "Yes."})), frame(b"{nonsense")])
    assert decoder.finished
    assert decoder.feed([frame(text("No."))]) == []
    assert fold(chunks).text == "Yes."
    assert decoder.close() == []


@pytest.mark.parametrize(
    ("fields", "reason", "raw"),
    [
        ({"done_reason": "length"}, "length", "length"),
        ({"done_reason": "load"}, "stop", "load"),
        ({"done_reason": "unload"}, "stop", "unload"),
        ({"done_reason": "something new"}, "stop", "something new"),
        ({"done_reason": ""}, "stop", None),
        ({"done_reason": None}, "stop", None),
    ],
)
def test_the_reason_for_the_end(fields: dict[str, Any], reason: str, raw: str | None) -> None:
    choice = whole(end(**fields)).choices[0]
    assert (choice.finish_reason, choice.raw_finish_reason) == (reason, raw)


def test_an_answer_cut_for_length_amid_calls_says_so() -> None:
    assert whole(end({"tool_calls": [call("look", {})]}, done_reason="length")).finish_reason == "length"


def test_counts_that_are_not_reported_stay_unknown() -> None:
    """A prompt that was in the cache of the runner is not counted."""
    assert whole(end(prompt_eval_count=None)).usage == Usage(output_tokens=2, provenance="reported")
    assert whole(end(prompt_eval_count=None, eval_count=None)).usage == Usage()


def test_all_that_the_last_line_says_beyond_the_answer_is_passed_on() -> None:
    told = {
        "total_duration": 5,
        "load_duration": 1,
        "remote_model": "gpt-oss:120b",
        "remote_host": "https://ollama.com",
    }
    events = [chunk for chunk in decode([text("Hi"), end(**told)]) if isinstance(chunk, ProviderEvent)]
    assert events == [ProviderEvent("metrics", told, "ollama")]


def test_images_of_an_answer_are_kept() -> None:
    letters = base64.b64encode(b"\x89PNG").decode()
    assert ImageDelta(b"\x89PNG") in decode([line({"images": [letters]}), end()])
    assert whole(end({"images": [letters]})).parts == (Image(data=b"\x89PNG", media_type="image/png"),)


def test_a_time_that_cannot_be_read_is_no_reason_to_fail() -> None:
    assert whole(end(created_at="yesterday")).created is None


# -- calls


def test_calls_keep_the_ids_and_the_text_that_they_came_with() -> None:
    body = (
        b'{"message":{"tool_calls":[{"id":"call_a","function":{"index":0,"name":"f",'
        b'"arguments":{"b": 1, "a": [2,  3]}}}]},"done":true}'
    )
    assert fold(decode_body(body)).tool_calls == (ToolCall("call_a", "f", '{"b": 1, "a": [2,  3]}'),)


def test_calls_without_ids_get_ids_that_are_the_same_at_every_reading() -> None:
    lines = [line({"tool_calls": [call("f", {"a": 1}), call("f", {"a": 1})]}), line({"tool_calls": [call("g", {})]})]
    first, again = response([*lines, end()]), response([*lines, end()])
    assert first == again
    ids = [one.id for one in first.tool_calls]
    assert len(set(ids)) == 3
    assert all(id_.startswith("call_") for id_ in ids)
    later = [{**one, "created_at": "2025-11-19T20:00:01Z"} for one in lines if isinstance(one, dict)]
    assert not set(ids) & {one.id for one in response([*later, end()]).tool_calls}


@pytest.mark.parametrize(
    "split",
    [
        [[call("f", {"a": 1}, "1"), call("g", {"b": 2}, "2")]],
        [[call("f", {"a": 1}, "1")], [call("g", {"b": 2}, "2")]],
        [[], [call("f", {"a": 1}, "1")], [], [call("g", {"b": 2}, "2")]],
        [[call("f", '{"a":1}', "1")], [call("g", '{"b":2}', "2")]],
    ],
    ids=["together", "one by one", "with empty lists", "as strings"],
)
def test_calls_are_the_same_however_they_are_spread_over_lines(split: list[list[Any]]) -> None:
    lines = [line({"tool_calls": calls}) for calls in split]
    assert response([*lines, end()]).tool_calls == (ToolCall("1", "f", '{"a":1}'), ToolCall("2", "g", '{"b":2}'))


def test_calls_with_the_same_index_are_not_one() -> None:
    calls = [{"id": id_, "function": {"index": 0, "name": "f", "arguments": {}}} for id_ in ("1", "2")]
    deltas = [chunk for chunk in decode([line({"tool_calls": calls}), end()]) if isinstance(chunk, ToolCallDelta)]
    assert [(delta.call, delta.id) for delta in deltas] == [(0, "1"), (1, "2")]


@pytest.mark.parametrize("function", [{"name": "now"}, {"name": "now", "arguments": None}])
def test_a_call_may_be_without_arguments(function: dict[str, Any]) -> None:
    (found,) = whole(end({"tool_calls": [{"id": "1", "function": function}]})).tool_calls
    assert (found.arguments, found.parse_arguments()) == ("", {})


# -- log probabilities

A = {"token": "A", "logprob": -0.5, "bytes": [65], "top_logprobs": [{"token": "B", "logprob": -1.5}]}
THOUGHT = {"token": "Hm", "logprob": -0.25}
LOGPROB_A = TokenLogprob("A", -0.5, (65,), (TokenLogprob("B", -1.5),))


def test_log_probabilities_come_with_their_text() -> None:
    chunks = decode([line({"content": "A"}, logprobs=[A]), text("b"), end()])
    assert chunks[1:3] == [TextDelta("A", logprobs=(LOGPROB_A,)), TextDelta("b")]
    assert whole(end({"content": "A"}, logprobs=[A])).logprobs == (LOGPROB_A,)


def test_those_of_thoughts_wait_for_the_text() -> None:
    lines = [line({"thinking": "Hm"}, logprobs=[THOUGHT]), line({"content": "A"}, logprobs=[A]), end()]
    assert response(lines).logprobs == (TokenLogprob("Hm", -0.25), LOGPROB_A)
    assert whole(end({"thinking": "Hm", "content": "A"}, logprobs=[THOUGHT, A])) == response(lines)


def test_those_of_calls_follow_the_text_or_are_passed_on_where_there_is_none() -> None:
    calls = line({"tool_calls": [call("f", {}, "1")]}, logprobs=[THOUGHT])
    assert response([line({"content": "A"}, logprobs=[A]), calls, end()]).logprobs == (
        LOGPROB_A,
        TokenLogprob("Hm", -0.25),
    )
    (event,) = [chunk for chunk in decode([calls, end()]) if isinstance(chunk, ProviderEvent)]
    assert event.event == "logprobs"
    assert event.data[0]["token"] == "Hm"


# -- errors


def test_an_error_amid_the_answer_raises_and_the_text_before_it_stays() -> None:
    decoder = OllamaChatDecoder("ollama", "m")
    frames = [frame(text("Hi")), frame({"error": "an error was encountered while running the model"})]
    with pytest.raises(ServerError, match="while running the model") as caught:
        decoder.feed(frames)
    assert caught.value.retryable
    assert fold(decoder.take()).text == "Hi"
    assert decoder.take() == []


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        ({"error": "the input length exceeds the context length"}, ContextLengthExceeded),
        ({"error": {"message": "no such model", "code": "model_not_found"}}, NotFound),
        ({"error": ""}, ServerError),
    ],
)
def test_an_error_in_a_body_with_status_200_is_an_error(error: Line, kind: type[ExLLMError]) -> None:
    with pytest.raises(ExLLMError) as streamed:
        decode([error])
    with pytest.raises(ExLLMError) as unstreamed:
        whole(error)
    for caught in (streamed, unstreamed):
        assert type(caught.value) is kind
        assert (caught.value.provider, caught.value.message != "") == ("ollama", True)


@pytest.mark.parametrize(
    ("status", "body", "kind", "message"),
    [
        (404, b'{"error":"model \'x\' not found"}', "NotFound", "model 'x' not found"),
        (400, b'{"error":"\\"m\\" does not support thinking"}', "InvalidRequest", '"m" does not support thinking'),
        (
            400,
            b'{"error":"the input length exceeds the context length"}',
            "ContextLengthExceeded",
            "the input length exceeds the context length",
        ),
        (
            401,
            b'{"error":"unauthorized","signin_url":"https://ollama.com/connect"}',
            "AuthenticationError",
            "unauthorized",
        ),
        (429, b'{"error":"too many requests"}', "RateLimited", "too many requests"),
        (500, b'{"error":"llama runner process has terminated"}', "ServerError", "llama runner process has terminated"),
        (
            503,
            b'{"error":"server busy, please try again.  maximum pending requests exceeded"}',
            "Overloaded",
            "server busy, please try again.  maximum pending requests exceeded",
        ),
        (502, b"<html><title>502 Bad Gateway</title></html>", "ServerError", None),
        (404, b"404 page not found", "NotFound", "404 page not found"),
        (500, b"", "ServerError", None),
    ],
)
def test_error_responses(status: int, body: bytes, kind: str, message: str | None) -> None:
    error = WIRE.parse_error(status, {}, body, SPEC)
    assert type(error).__name__ == kind
    assert error.status == status
    assert error.message if message is None else error.message == message


# -- what makes no sense


@pytest.mark.parametrize(
    "garbage",
    [
        b"{",
        b"nonsense",
        b"\xff\xfe",
        b"[1]",
        b"null",
        b'"text"',
        b'{"message":5}',
        b'{"message":{"content":5}}',
        b'{"message":{"content":"\xff"}}',
        b'{"message":{"thinking":{}}}',
        b'{"message":{"tool_calls":{}}}',
        b'{"message":{"tool_calls":[5]}}',
        b'{"message":{"tool_calls":[{}]}}',
        b'{"message":{"tool_calls":[{"function":{"arguments":{}}}]}}',
        b'{"message":{"images":["!"]}}',
        b'{"message":{},"logprobs":[{}]}',
        b'{"message":{},"done":"yes"}',
        b'{"message":{},"done":true,"eval_count":"two"}',
        b'{"message":{"content":""},"model":5}',
        b'{"deep":' + b"[" * 200_000,
    ],
)
@pytest.mark.parametrize("is_first", [True, False])
def test_garbage_is_a_protocol_error_and_the_text_before_it_stays(garbage: bytes, is_first: bool) -> None:
    decoder = OllamaChatDecoder("ollama", "m")
    frames = [frame(garbage)] if is_first else [frame(text("Hi")), frame(garbage)]
    if garbage.endswith(b'"model":5}') and not is_first:
        assert fold(decoder.feed(frames)).text == "Hi"  # the model's name is read once
        return
    with pytest.raises(ProtocolError) as caught:
        decoder.feed(frames)
    assert caught.value.provider == "ollama"
    assert caught.value.body is not None
    assert len(caught.value.body) <= 200
    assert fold(decoder.take()).text == ("" if is_first else "Hi")


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b'{"message":5}', b'{"message":{"content":"Hi"}}', b"{}"])
def test_a_whole_body_that_is_no_answer_is_a_protocol_error(body: bytes) -> None:
    with pytest.raises(ProtocolError, match="makes no sense"):
        decode_body(body)


def test_a_line_that_is_no_part_of_an_answer_is_passed_on() -> None:
    chunks = decode([{"status": "pulling manifest"}, text("Hi"), end()])
    assert chunks[0] == ProviderEvent("unknown", {"status": "pulling manifest"}, "ollama")
    assert fold(chunks).text == "Hi"


def test_a_stream_without_its_last_line_is_interrupted() -> None:
    for lines in ([], [text("Hi")], [line({"tool_calls": [call("f", {})]})]):
        with pytest.raises(StreamInterrupted) as caught:
            decode(lines)
        assert caught.value.retryable


def test_half_a_last_line_is_an_interruption_and_a_whole_one_is_not() -> None:
    body = frame(text("Hi")).data + b"\n" + frame(end()).data
    chunks, error = decode_stream([body])
    assert (error, fold(chunks).finish_reason) == (None, "stop")
    for is_clean, cut in ((True, -1), (False, None)):
        chunks, error = decode_stream([body[:cut]], is_clean=is_clean)
        assert type(error) is StreamInterrupted
        assert fold(chunks).text == "Hi"


@pytest.mark.parametrize("provider", ["ollama", "ollama-generate"])
def test_a_prompt_that_was_only_rendered_is_told(provider: str) -> None:
    """``extra={"_debug_render_only": True}``: the server answers once, and does not say that it is done."""
    spec = registry.get(provider)
    assert isinstance(spec, ProviderSpec)
    info = {"rendered_template": "<start>Hi", "image_count": 1}
    body = {"model": "m", "created_at": "2025-11-19T20:00:00Z", "done": False, "_debug_info": info}
    body |= {"message": {"role": "", "content": ""}} if provider == "ollama" else {"response": ""}
    request = Request(provider, "m", (Message("user", "Hi"),))
    chunks = registry.wire(spec.wire).decode_body(msgspec.json.encode(body), request, spec)
    assert chunks[1:] == [ProviderEvent("debug_info", info, provider), Finish("stop")]
