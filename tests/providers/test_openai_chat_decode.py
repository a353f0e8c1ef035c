"""Answers of Chat Completions to chunks: ends, errors, everything beside the choices, and whole bodies."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exllm.errors import (
    AuthenticationError,
    ContextLengthExceeded,
    ExLLMError,
    InvalidRequest,
    Overloaded,
    ProtocolError,
    QuotaExceeded,
    RateLimited,
    ServerError,
    StreamInterrupted,
)
from exllm.providers.openai_chat import WIRE
from exllm.streaming.frame import Frame
from exllm.types.chunks import Chunk, CitationDelta, Finish, ProviderEvent, StreamStart, TextDelta, UsageUpdate
from exllm.types.parts import Citation
from exllm.types.usage import Usage
from tests.providers.openai_chat_frames import (
    DONE,
    SPEC,
    choice,
    decode,
    decode_body,
    decoder,
    fold,
    frame,
    request,
    text,
)


def test_a_plain_answer() -> None:
    head = frame(
        {"id": "r1", "model": "big-2025", "created": 17, "choices": [{"index": 0, "delta": {"role": "assistant"}}]}
    )
    usage = frame({"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}})

    chunks = decode([head, text("Hel"), text("lo"), choice({}, "stop"), usage, DONE])

    assert chunks == [
        StreamStart("r1", "big-2025", 17),
        TextDelta("Hel"),
        TextDelta("lo"),
        Finish("stop", raw="stop"),
        UsageUpdate(Usage(3, 2, 5, provenance="reported")),
    ]


def test_several_choices_keep_their_texts_apart() -> None:
    both = frame({"choices": [{"index": 1, "delta": {"content": "b"}}, {"index": 0, "delta": {"content": "a"}}]})
    frames = [both, text("A"), text("B", 1), text("A"), text("B", 1), choice({}, "stop"), choice({}, "length", 1), DONE]

    response = fold(decode(frames, n=2))

    assert [found.message.text for found in response.choices] == ["aAA", "bBB"]
    assert [found.finish_reason for found in response.choices] == ["stop", "length"]


# -- ends


def test_done_ends_the_stream_and_nothing_after_it_is_read() -> None:
    decoding = decoder()

    assert decoding.feed([text("a"), text("b"), choice({}, "stop"), DONE, text("late")])[-1] == Finish(
        "stop", raw="stop"
    )
    assert decoding.finished
    assert decoding.feed([text("later"), Frame(b"garbage")]) == []
    assert decoding.close() == []


def test_a_finish_reason_for_every_choice_ends_the_stream_without_done() -> None:
    decoding = decoder(n=2)
    decoding.feed([text("a"), text("b", 1), choice({}, "stop")])

    with pytest.raises(StreamInterrupted) as caught:
        decoding.close()
    assert (caught.value.provider, caught.value.model, caught.value.retryable) == ("acme", "big", True)

    decoding.feed([choice({}, "stop", 1)])
    assert not decoding.finished  # usage may follow
    assert decoding.close() == []


@pytest.mark.parametrize("frames", [[], [text("a")], [text("a"), choice({"content": "b"})]])
def test_a_body_that_ends_before_the_answer_does_is_interrupted(frames: list[Frame]) -> None:
    with pytest.raises(StreamInterrupted):
        decode(frames)


def test_a_choice_that_was_asked_for_and_never_came_is_missed() -> None:
    frames = [text("a"), choice({}, "stop")]

    decode(frames)
    with pytest.raises(StreamInterrupted):
        decode(frames, n=2)
    with pytest.raises(StreamInterrupted):
        decode(frames, extra={"n": 2})


def test_done_without_any_answer_is_no_answer() -> None:
    with pytest.raises(StreamInterrupted, match="without any answer"):
        decode([DONE])


def test_done_gives_a_reason_to_choices_that_had_none() -> None:
    assert decode([text("a"), DONE])[-1] == Finish("stop", raw=None)
    call = {"tool_calls": [{"index": 0, "id": "c1", "function": {"name": "f", "arguments": "{}"}}]}
    assert decode([choice(call), DONE])[-1] == Finish("tool_calls", raw=None)


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        ("stop", "stop"),
        ("length", "length"),
        ("tool_calls", "tool_calls"),
        ("function_call", "tool_calls"),
        ("content_filter", "content_filter"),
        ("model_length", "length"),
        ("SAFETY", "content_filter"),
        ("refusal", "refusal"),
        ("eos", "stop"),
        ("never heard of", "stop"),
    ],
)
def test_finish_reasons_of_all_services_have_one_meaning(raw: str, reason: Any) -> None:
    assert decode([text("a"), choice({}, raw), DONE])[-1] == Finish(reason, raw=raw)
    assert Finish(reason, raw=raw) in decode_body({"content": "a"}, raw)


def test_a_finish_reason_that_is_said_twice_counts_once() -> None:
    chunks = decode([text("a"), choice({}, "stop"), choice({"content": ""}, "stop"), DONE])

    assert [chunk for chunk in chunks if isinstance(chunk, Finish)] == [Finish("stop", raw="stop")]


# -- errors inside an answer


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        ({"error": {"message": "boom", "type": "server_error"}}, ServerError),
        ({"error": {"message": "busy", "code": "rate_limit_exceeded"}}, RateLimited),
        ({"error": {"message": "no money", "code": "insufficient_quota"}}, QuotaExceeded),
        ({"error": {"message": "This model's maximum context length is 8 tokens"}}, ContextLengthExceeded),
        ({"error": {"code": 502, "message": "Upstream"}, "choices": [{"delta": {"content": ""}}]}, ServerError),
        ({"error": {"code": 503, "message": "Upstream"}}, Overloaded),
        ({"error": "plain words"}, ServerError),
        ({"choices": [{"index": 0, "delta": {}, "error": {"code": 400, "message": "bad"}}]}, InvalidRequest),
        ({"choices": [], "x_groq": {"error": "failed"}}, ServerError),
    ],
)
def test_an_error_in_the_stream_raises_and_keeps_what_came_before(data: Any, kind: type[ExLLMError]) -> None:
    decoding = decoder()

    with pytest.raises(kind) as caught:
        decoding.feed([text("Hel"), text("lo"), frame(data), text("never")])

    assert type(caught.value) is kind
    assert (caught.value.provider, caught.value.model) == ("acme", "big")
    assert [chunk.text for chunk in decoding.take()] == ["", "Hel", "lo"]
    assert decoding.take() == []


def test_an_event_named_error_is_one_whatever_it_holds() -> None:
    for data, words in ((b'{"message": "overheated"}', "overheated"), (b"no JSON at all", "no JSON at all")):
        with pytest.raises(ServerError, match=words):
            decode([text("a"), Frame(data, "error")])


def test_geminis_list_of_one_error_is_an_error() -> None:
    data = [{"error": {"code": 429, "message": "Slow down", "status": "RESOURCE_EXHAUSTED"}}]

    with pytest.raises(RateLimited, match="Slow down"):
        decode([frame(data)])


@pytest.mark.parametrize(("raw", "kind"), [("error", ServerError), ("insufficient_system_resource", Overloaded)])
def test_a_finish_reason_that_means_failure_raises(raw: str, kind: type[ExLLMError]) -> None:
    with pytest.raises(kind, match=raw):
        decode([text("a"), choice({}, raw)])


@pytest.mark.parametrize(
    "data", [b"{", b"nonsense", b'"text"', b"17", b"[1]", b'{"choices": [{"delta": {"content": "a}']
)
def test_a_frame_that_cannot_be_read_is_a_protocol_error_and_loses_nothing(data: bytes) -> None:
    for before in ([], [text("a")], [text("a"), text("b")]):
        decoding = decoder()
        with pytest.raises(ProtocolError) as caught:
            decoding.feed([*before, Frame(data)])
        assert (caught.value.provider, caught.value.model) == ("acme", "big")
        assert "".join(chunk.text for chunk in decoding.take()) == "ab"[: len(before)]


def test_a_field_that_is_not_what_it_should_be_does_not_end_the_answer() -> None:
    odd = frame(
        {"choices": [{"index": 0, "delta": {"content": "b", "refusal": 7}}], "usage": {"prompt_tokens": "many"}}
    )

    chunks = decode([text("a"), odd, choice({}, "stop"), DONE])

    assert "".join(chunk.text for chunk in chunks) == "ab"
    events = [chunk for chunk in chunks if isinstance(chunk, ProviderEvent)]
    assert [event.event for event in events] == ["unreadable_fields"]
    assert events[0].data == {"choices[0].delta.refusal": 7, "usage.prompt_tokens": "many"}


# -- beside the choices


def test_pings_and_empty_frames_say_nothing() -> None:
    quiet = [frame({"type": "ping"}), Frame(b"{}", "ping"), frame({"choices": []}), Frame(b"  ")]

    assert [chunk.text for chunk in decode([*quiet, text("a"), *quiet, choice({}, "stop"), DONE])] == ["", "a", ""]


def test_an_unknown_event_is_passed_on() -> None:
    note = frame({"type": "note", "body": 1})
    filters = frame({"id": "", "choices": [], "prompt_filter_results": [{"prompt_index": 0}]})

    events = [c for c in decode([filters, text("a"), note, choice({}, "stop"), DONE]) if isinstance(c, ProviderEvent)]

    assert [(event.event, event.provider) for event in events] == [("prompt_filter_results", "acme"), ("note", "acme")]
    assert events[1].data == {"type": "note", "body": 1}


SAFE = {"hate": {"filtered": False, "severity": "safe"}}
CODE = {**SAFE, "protected_material_code": {"detected": True, "filtered": False, "citation": {"license": "MIT"}}}


def _said_beside(chunks: Iterable[Chunk]) -> list[tuple[str, Any, int]]:
    return [(chunk.event, chunk.data, chunk.index) for chunk in chunks if isinstance(chunk, ProviderEvent)]


def test_what_filters_found_is_told_once_for_each_choice() -> None:
    frames = [
        choice({"content": "a"}, index=index, content_filter_results=found)
        for found in ({}, SAFE, {}, SAFE, CODE, CODE)
        for index in (0, 1)
    ]
    chunks = decode([*frames, text("b"), choice({}, "stop"), choice({}, "stop", 1), DONE])
    assert _said_beside(chunks) == [
        ("content_filter_results", found, index) for found in (SAFE, CODE) for index in (0, 1)
    ]  # fmt: skip
    assert "".join(chunk.text for chunk in chunks if chunk.index == 0) == "aaaaaab"


def test_text_with_what_filters_found_is_read_by_its_shape() -> None:
    written = [choice({"content": f"{n}"}, content_filter_results=SAFE) for n in range(30)]
    frames = [Frame(each.data.replace(b": ", b":")) for each in written]
    decoding = decoder()
    chunks = decoding.feed(frames)
    assert "".join(chunk.text for chunk in chunks) == "".join(map(str, range(30)))
    assert decoding._template.matched


@pytest.mark.parametrize("beside", ["choices", "usage", "nothing"])
def test_moderation_of_a_stream_is_passed_on(beside: str) -> None:
    moderation = {"input": {"type": "moderation_results", "model": "m", "results": []}}
    fields: dict[str, Any] = {"choices": [], "moderation": moderation}
    if beside == "choices":
        fields["choices"] = [{"index": 0, "delta": {"content": "b"}}]
    elif beside == "usage":
        fields["usage"] = {"prompt_tokens": 1, "completion_tokens": 2}
    chunks = decode([text("a"), frame(fields), choice({}, "stop"), DONE])
    assert _said_beside(chunks) == [("moderation", moderation, 0)]
    assert any(isinstance(chunk, UsageUpdate) for chunk in chunks) is (beside == "usage")


def test_moderation_and_filters_of_a_whole_answer_are_passed_on() -> None:
    message = {"index": 0, "message": {"content": "Hi."}, "finish_reason": "stop", "content_filter_results": SAFE}
    fields = {"moderation": {"input": {}}, "prompt_filter_results": [{"prompt_index": 0}]}
    body = {"choices": [message], "usage": {"prompt_tokens": 1, "completion_tokens": 2}, **fields}
    chunks = WIRE.decode_body(json.dumps(body).encode(), request(), SPEC)
    assert _said_beside(chunks) == [("content_filter_results", SAFE, 0), *((*item, 0) for item in fields.items())]
    assert fold(chunks).text == "Hi."


def test_sources_of_the_whole_answer_are_cited_once() -> None:
    listed = {
        "search_results": [{"url": "https://a.example", "title": "A", "snippet": "about a"}],
        "citations": ["https://a.example", "https://b.example"],
    }
    frames = [frame({"choices": [{"index": 0, "delta": {"content": word}}], **listed}) for word in ("x", "y", "z")]

    response = fold(decode([*frames, choice({}, "stop"), DONE]))

    source = {"url": "https://a.example", "title": "A", "snippet": "about a"}
    assert response.citations == (
        Citation("https://a.example", "A", "about a", source=source),
        Citation("https://b.example"),
    )
    assert fold(decode_body({"content": "xyz"}, **listed)).citations == response.citations
    assert response.text == "xyz"


def test_usage_that_is_repeated_is_told_once() -> None:
    counts = {"usage": {"prompt_tokens": 1, "completion_tokens": 1}}
    frames = [frame({"choices": [{"index": 0, "delta": {"content": "x"}}], **counts}) for _ in range(3)]

    chunks = decode([*frames, choice({}, "stop"), DONE])

    assert len([chunk for chunk in chunks if isinstance(chunk, UsageUpdate)]) == 1


def test_the_service_tier_is_part_of_the_usage() -> None:
    last = frame({"choices": [], "service_tier": "flex", "usage": {"prompt_tokens": 1, "completion_tokens": 1}})

    assert fold(decode([text("a"), choice({}, "stop"), last, DONE])).usage.service_tier == "flex"


# -- whole bodies


def test_a_whole_body_gives_the_chunks_of_its_stream() -> None:
    message = {"role": "assistant", "content": "Hi", "reasoning_content": "hm", "refusal": "no"}
    usage = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}

    whole = decode_body(message, usage=usage)
    streamed = decode(
        [
            frame({"id": "r1", "model": "big-1", "choices": [{"index": 0, "delta": message}]}),
            choice({}, "stop"),
            frame({"choices": [], "usage": usage}),
            DONE,
        ]
    )

    assert whole == streamed


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"{}", b'{"choices": []}', b'{"choices": null}', b'{"choices'])
def test_a_body_that_is_no_answer_is_a_protocol_error(body: bytes) -> None:
    with pytest.raises(ProtocolError) as caught:
        WIRE.decode_body(body, request(), SPEC)
    assert (caught.value.provider, caught.value.model) == ("acme", "big")


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ({"error": {"message": "bad key", "code": "invalid_api_key"}}, AuthenticationError),
        ({"detail": "maximum context length is 5 tokens"}, ContextLengthExceeded),
        ({"x_groq": {"error": "failed"}}, ServerError),
        ({"choices": [], "message": "prompt is too long"}, ContextLengthExceeded),
        ({"choices": [{"message": {}, "error": {"code": 429, "message": "slow"}}]}, RateLimited),
        ({"choices": [{"message": {}, "finish_reason": "error"}]}, ServerError),
    ],
)
def test_an_error_with_status_200_raises(body: Any, kind: type[ExLLMError]) -> None:
    with pytest.raises(kind) as caught:
        WIRE.decode_body(json.dumps(body).encode(), request(), SPEC)
    assert type(caught.value) is kind


def test_choices_without_an_index_are_numbered() -> None:
    body = {"choices": [{"message": {"content": "a"}, "index": None}, {"message": {"content": "b"}, "index": None}]}

    response = fold(WIRE.decode_body(json.dumps(body).encode(), request(), SPEC))

    assert [(found.index, found.message.text, found.finish_reason) for found in response.choices] == [
        (0, "a", "stop"),
        (1, "b", "stop"),
    ]


# -- frames read by their shape

HEAD = '{"id":"r","created":%d,"choices":[{"index":%d,"delta":{"content":'
TAILS = ['},"finish_reason":null}]}', '},"logprobs":null}],"obfuscation":"%s"}', '}}],"usage":null}']


@given(
    pieces=st.lists(st.tuples(st.text(max_size=12), st.integers(0, 2), st.booleans(), st.integers(0, 1)), max_size=30),
    tail=st.sampled_from(TAILS),
    ticking=st.booleans(),
)
def test_text_is_the_same_whatever_stands_around_it(
    pieces: list[tuple[str, int, bool, int]], tail: str, ticking: bool
) -> None:
    frames, expected = [text("", index) for index in range(3)], ["", "", ""]
    for number, (piece, index, is_ascii, noise) in enumerate(pieces):
        end = tail % ("x" * number) if "%s" in tail else tail
        if noise:
            end += " "
        frames.append(
            Frame((HEAD % (number if ticking else 1, index) + json.dumps(piece, ensure_ascii=is_ascii) + end).encode())
        )
        expected[index] += piece
    frames += [choice({}, "stop", index) for index in range(3)]

    together = decode([*frames, DONE], n=3)
    decoding = decoder(n=3)
    one_by_one = [chunk for single in [*frames, DONE] for chunk in decoding.feed([single])]

    assert together == one_by_one
    assert [found.message.text for found in fold(together).choices] == expected
    assert not [chunk for chunk in together if isinstance(chunk, ProviderEvent)]


def test_a_frame_of_known_shape_may_say_more() -> None:
    plain = [b'{"choices":[{"delta":{"content":"%s"}}]}' % word for word in (b"a", b"b", b"c")]
    more = b'{"choices":[{"delta":{"content":"d","refusal":"no"}}]}'
    both = b'{"choices":[{"delta":{"content":"e"},"finish_reason":"stop"},{"index":1,"delta":{"content":"f"}}]}'

    chunks = decode([Frame(data) for data in [*plain, more, both]] + [DONE])

    response = fold(chunks)
    assert [found.message.text for found in response.choices] == ["abcde", "f"]
    assert response.refusal == "no"
    assert response.finish_reason == "stop"


def test_frames_shorter_than_the_known_shape_are_parsed() -> None:
    shape = b'{"choices":[{"delta":{"content":"%s"}}]}'
    overlapping = b'{"choices":[{"delta":{"content":"}}]}'

    with pytest.raises(ProtocolError):
        decode([Frame(shape % b"a"), Frame(shape % b"b"), Frame(overlapping)])


@pytest.mark.parametrize("inner", [b"\\", b"\\x", b"\\u12", b"\\ud83d"])
def test_a_broken_string_in_a_known_shape_is_a_protocol_error(inner: bytes) -> None:
    shape = b'{"choices":[{"delta":{"content":"%s"}}]}'

    with pytest.raises(ProtocolError):
        decode([Frame(shape % b"a"), Frame(shape % b"b"), Frame(shape % inner)])


def test_invalid_utf8_becomes_the_replacement_character() -> None:
    shape = b'{"choices":[{"delta":{"content":"%s"}}]}'
    frames = [Frame(shape % inner) for inner in (b"\xff", b"a", b"b", b"\xff", b"c")]

    assert fold(decode([*frames, choice({}, "stop")])).text == "\ufffdab\ufffdc"
    body = b'{"choices":[{"message":{"content":"a\xff"},"finish_reason":"stop"}]}'
    assert fold(WIRE.decode_body(body, request(), SPEC)).text == "a\ufffd"
    with pytest.raises(ServerError, match="a\ufffd"):
        decode([text("a"), Frame(b'{"error":{"message":"a\xff"}}')])


def test_nesting_without_end_is_a_protocol_error() -> None:
    deep = b"[" * 100_000
    with pytest.raises(ProtocolError):
        decode([Frame(deep)])
    with pytest.raises(ProtocolError):
        decode([text("a"), Frame(b'{"choices":' + deep)])
    with pytest.raises(ProtocolError):
        WIRE.decode_body(deep, request(), SPEC)


def test_many_surprises_in_one_frame_end_the_answer() -> None:
    with pytest.raises(ProtocolError, match="not an answer of this protocol"):
        decode([frame({"choices": list(range(10_000))})])


def test_citations_of_urls_only() -> None:
    assert CitationDelta(Citation("https://a.example")) in decode_body(
        {"content": "x"}, citations=["https://a.example"]
    )
