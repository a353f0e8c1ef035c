"""Events to chunks: every kind of block, delta, ending and fault."""

from __future__ import annotations

from typing import Any

import pytest

from exllm.types.chunks import (
    CitationDelta,
    Finish,
    ProviderEvent,
    ReasoningDelta,
    StreamStart,
    TextDelta,
    ToolCallDelta,
    UsageUpdate,
)
from exllm.types.parts import Citation, ProviderPart, Reasoning, Text, ToolCall
from exllm.types.usage import Usage
from tests.providers.anthropic_recordings import fold
from tests.providers.anthropic_streams import Event, block, call, decode, decoder, end, frame, response, start, text


def test_text_is_told_piece_by_piece() -> None:
    assert decode([start(), {"type": "ping"}, *text(0, "Hel", "", "lo"), *end()]) == [
        StreamStart("msg_1", "claude-x"),
        UsageUpdate(Usage(10, 1, 11, provenance="partial")),
        TextDelta("Hel"),
        TextDelta("lo"),
        UsageUpdate(Usage(10, 5, 15, provenance="reported")),
        Finish("stop", raw="end_turn"),
    ]


def test_any_grouping_of_the_frames_gives_the_same_chunks() -> None:
    events = [start(), *text(0, "a", "b"), *call(1, "t", "f", "{", "}"), *end("tool_use"), {"type": "ping"}]
    together = decoder()
    assert together.feed([frame(event) for event in events]) == decode(events)
    assert together.finished


def test_thinking_keeps_its_words_its_signature_and_its_place() -> None:
    thinking = block(
        0,
        {"type": "thinking", "thinking": "", "signature": ""},
        {"type": "thinking_delta", "thinking": "Hm"},
        {"type": "thinking_delta", "thinking": "."},
        {"type": "signature_delta", "signature": "c2ln"},
    )
    redacted = block(1, {"type": "redacted_thinking", "data": "cmVk"})
    events = [start(), *thinking, *redacted, *text(2, "Yes"), *end()]
    assert [chunk for chunk in decode(events) if isinstance(chunk, ReasoningDelta)] == [
        ReasoningDelta("Hm"), ReasoningDelta("."), ReasoningDelta(signature="c2ln"),
        ReasoningDelta(part=1, redacted="cmVk"),
    ]  # fmt: skip
    assert response(events).parts == (Reasoning("Hm.", "c2ln"), Reasoning(redacted="cmVk"), Text("Yes"))


def test_thinking_that_is_not_shown_is_its_signature() -> None:
    hidden = block(0, {"type": "thinking", "thinking": ""}, {"type": "signature_delta", "signature": "s"})
    assert response([start(), *hidden, *end()]).parts == (Reasoning(signature="s"),)


def test_a_call_begins_with_its_name_and_goes_on_with_fragments() -> None:
    chunks = decode([start(), *call(0, "toolu_1", "f", "", '{"a"', ":1}"), *end("tool_use")])
    assert [chunk for chunk in chunks if isinstance(chunk, ToolCallDelta)] == [
        ToolCallDelta(0, "toolu_1", "f"), ToolCallDelta(arguments='{"a"'), ToolCallDelta(arguments=":1}")
    ]  # fmt: skip
    assert fold(chunks).finish_reason == "tool_calls"


def test_a_call_without_arguments_has_none() -> None:
    (found,) = response([start(), *call(0, "1", "f", ""), *end("tool_use")]).tool_calls
    assert found.parse_arguments() == {}


def test_arguments_that_come_whole_are_kept_as_written() -> None:
    content = b'{"type":"tool_use","id":"1","name":"f","input":{"n":1.0}}'
    raw = b'{"type":"content_block_start","index":0,"content_block":' + content + b"}"
    stop: Event = {"type": "content_block_stop", "index": 0}
    assert response([start(), raw, stop, *end()]).tool_calls == (ToolCall("1", "f", '{"n":1.0}'),)
    streamed: Event = {
        "type": "content_block_delta", "index": 0, "delta": {"type": "input_json_delta", "partial_json": '{"n":2}'}
    }  # fmt: skip
    assert response([start(), raw, streamed, stop, *end()]).tool_calls == (ToolCall("1", "f", '{"n":2}'),)


def test_server_tools_are_told_apart_and_their_results_kept() -> None:
    result = {"type": "web_search_tool_result", "tool_use_id": "s1", "content": [{"url": "https://example.com"}]}
    events = [
        start(),
        *call(0, "s1", "web_search", '{"query":"x"}', kind="server_tool_use"),
        *block(1, result),
        *text(2, "ok"),
        *end(),
    ]
    found = response(events)
    assert found.parts == (
        ToolCall("s1", "web_search", '{"query":"x"}', provider_executed=True),
        ProviderPart("anthropic", result),
        Text("ok"),
    )
    assert found.tool_calls == ()
    assert found.finish_reason == "stop"


def test_blocks_without_a_name_are_completed_by_their_deltas() -> None:
    mcp = block(
        0,
        {"type": "mcp_tool_use", "id": "m1", "name": "f", "server_name": "s", "input": {}},
        {"type": "input_json_delta", "partial_json": '{"a":'},
        {"type": "input_json_delta", "partial_json": "1}"},
    )
    compaction = block(1, {"type": "compaction", "content": None}, {"type": "compaction_delta", "content": "Summary"})
    parts = response([start(), *mcp, *compaction, *end()]).parts
    assert parts == (
        ProviderPart(
            "anthropic", {"type": "mcp_tool_use", "id": "m1", "name": "f", "server_name": "s", "input": {"a": 1}}
        ),
        ProviderPart("anthropic", {"type": "compaction", "content": "Summary"}),
    )


def test_a_block_without_a_name_whose_arguments_were_cut_off_keeps_them() -> None:
    mcp = block(
        0, {"type": "mcp_tool_use", "id": "m", "input": {}}, {"type": "input_json_delta", "partial_json": '{"a'}
    )
    (part,) = response([start(), *mcp, *end("max_tokens")]).parts
    assert part == ProviderPart("anthropic", {"type": "mcp_tool_use", "id": "m", "input": {"INVALID_JSON": '{"a'}})


@pytest.mark.parametrize(
    ("source", "citation"),
    [
        (
            {"type": "char_location", "cited_text": "c", "document_index": 0, "document_title": "D"},
            {"title": "D", "text": "c", "document": 0},
        ),
        (
            {"type": "page_location", "cited_text": "c", "document_index": 1, "document_title": None},
            {"text": "c", "document": 1},
        ),
        (
            {"type": "content_block_location", "cited_text": "c", "document_index": 2, "start_block_index": 0},
            {"text": "c", "document": 2},
        ),
        (
            {"type": "web_search_result_location", "url": "https://example.com", "title": "T", "cited_text": "c"},
            {"url": "https://example.com", "title": "T", "text": "c"},
        ),
        (
            {"type": "search_result_location", "source": "https://example.com/s", "title": None, "cited_text": "c"},
            {"url": "https://example.com/s", "text": "c"},
        ),
        ({"type": "location_of_tomorrow", "cited_text": "c"}, {"text": "c"}),
    ],
    ids=lambda value: value.get("type", ""),
)  # fmt: skip
def test_citations_of_every_kind_belong_to_their_text(source: Event, citation: dict[str, Any]) -> None:
    cited = block(
        1, {"type": "text", "text": "", "citations": []},
        {"type": "citations_delta", "citation": source}, {"type": "text_delta", "text": "b"},
    )  # fmt: skip
    events = [start(), *text(0, "a"), *cited, *end()]
    expected = Citation(**citation, source=source)
    assert CitationDelta(expected, part=1) in decode(events)
    assert response(events).parts == (Text("a"), Text("b", (expected,)))


@pytest.mark.parametrize(
    ("raw", "reason", "message"),
    [
        ("end_turn", "stop", None),
        ("stop_sequence", "stop", "END"),
        ("max_tokens", "length", None),
        ("model_context_window_exceeded", "length", None),
        ("tool_use", "tool_calls", None),
        ("refusal", "refusal", "Because."),
        ("pause_turn", "stop", "the turn is paused, not over: send the answer back as it is, and the model goes on"),
        ("reason_of_tomorrow", "stop", None),
        (None, "stop", None),
    ],
)
def test_every_stop_reason_has_its_meaning(raw: str | None, reason: str, message: str | None) -> None:
    ending = end(
        raw,
        stop_sequence="END" if raw == "stop_sequence" else None,
        stop_details={"type": "refusal", "category": "cyber", "explanation": "Because."} if raw == "refusal" else None,
    )
    assert decode([start(), *text(0, "x"), *ending])[-1] == Finish(reason, raw=raw, message=message)  # type: ignore[arg-type]


def test_without_a_stop_reason_the_calls_to_answer_decide() -> None:
    assert response([start(), *call(0, "1", "f", "{}"), *end(None)]).finish_reason == "tool_calls"
    assert response([start(), *call(0, "1", "f", "{}", kind="server_tool_use"), *end(None)]).finish_reason == "stop"


def test_what_is_unknown_is_passed_on() -> None:
    unknown_event = {"type": "event_of_tomorrow", "x": 1}
    unknown_delta = {"type": "content_block_delta", "index": 0, "delta": {"type": "delta_of_tomorrow", "x": 2}}
    events = [start(), unknown_event, *text(0, "a")[:2], unknown_delta, *text(0)[1:], *end()]
    passed = [chunk for chunk in decode(events) if isinstance(chunk, ProviderEvent)]
    assert passed == [
        ProviderEvent("event_of_tomorrow", unknown_event, "anthropic"),
        ProviderEvent("delta_of_tomorrow", unknown_delta, "anthropic"),
    ]
    block_of_tomorrow = {"type": "block_of_tomorrow", "x": [3]}
    assert response([start(), *block(0, block_of_tomorrow), *end()]).parts == (
        ProviderPart("anthropic", block_of_tomorrow),
    )


def test_fields_without_a_name_are_passed_on() -> None:
    delta = {
        "type": "message_delta", "delta": {"stop_reason": "end_turn", "container": {"id": "c"}},
        "usage": {"output_tokens": 1}, "context_management": {"applied_edits": [1]},
    }  # fmt: skip
    passed = [chunk for chunk in decode([start(), delta, {"type": "message_stop"}]) if isinstance(chunk, ProviderEvent)]
    assert passed == [
        ProviderEvent("container", {"id": "c"}, "anthropic"),
        ProviderEvent("context_management", {"applied_edits": [1]}, "anthropic"),
    ]


def test_another_model_that_goes_on_is_named() -> None:
    fallback = {"type": "fallback", "from": {"model": "claude-a"}, "to": {"model": "claude-b"}}
    found = response([start(), *block(0, fallback), *text(1, "x"), *end()])
    assert (found.model, found.id, found.text) == ("claude-b", "msg_1", "x")
    assert found.parts[0] == ProviderPart("anthropic", fallback)
