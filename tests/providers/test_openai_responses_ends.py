"""How an answer ends, what it cost, and which events say nothing or cannot be named."""

from __future__ import annotations

from typing import Any

import pytest
from openai.types.responses import response_stream_event

from exllm.providers.openai_responses_events import EVENT_TYPES, SILENT
from exllm.types.chunks import (
    ProviderEvent,
    StreamStart,
    UsageUpdate,
)
from exllm.types.parts import ToolCall
from tests.providers.openai_responses_recordings import fold
from tests.providers.openai_responses_streams import (
    Event,
    call,
    decode,
    decoder,
    end,
    frame,
    output_text,
    response,
    start,
    text,
    whole,
)

OWN = "openai-responses"


# -- the end


@pytest.mark.parametrize(
    ("why", "reason"),
    [
        ("max_output_tokens", "length"),
        ("content_filter", "content_filter"),
        ("steered", "stop"),
        (None, "length"),
    ],
)
@pytest.mark.parametrize("kind", ["incomplete", "completed"])  # the event; aimock says completed for both
def test_an_incomplete_answer_says_why(why: str | None, reason: str, kind: str) -> None:
    fields = {"status": "incomplete", "incomplete_details": why and {"reason": why}}
    answer = response([start(), *text(0, "half"), end(kind=kind, **fields)])
    assert (answer.finish_reason, answer.choices[0].raw_finish_reason) == (reason, why or "incomplete")
    assert answer.usage.provenance == "reported"
    assert fold(whole(items_of_half(), **fields)) == answer


def items_of_half() -> list[Event]:
    return [text(0, "half")[-1]["item"]]


def test_a_call_that_was_cut_off_ends_for_length_and_not_for_tools() -> None:
    cut = call(0, "c", "f", '{"a')
    answer = response([start(), *cut, end(kind="incomplete", incomplete_details={"reason": "max_output_tokens"})])
    assert answer.finish_reason == "length"
    assert answer.tool_calls == (ToolCall("c", "f", '{"a'),)


def test_a_response_that_is_made_in_the_background_has_no_end_yet() -> None:
    chunks = whole([], status="queued", usage=None)
    assert chunks == [
        StreamStart("resp_1", "gpt-x", 1763500000),
        ProviderEvent("response.queued", {"id": "resp_1"}, OWN),
    ]
    answer = fold(chunks)
    assert (answer.id, answer.finish_reason, answer.text) == ("resp_1", None, "")


def test_a_background_response_that_is_streamed_is_like_any_other() -> None:
    events = [start("created", status="queued"), start("queued", status="queued"), start("in_progress")]
    assert response([*events, *text(0, "x"), end()]).text == "x"


def test_what_a_response_says_beside_its_answer_is_passed_on() -> None:
    filters = [{"blocked": False}]
    chunks = decode([start(), *text(0, "x"), end(content_filters=filters, tools=[{"type": "x"}], moderation=None)])
    events = [chunk for chunk in chunks if isinstance(chunk, ProviderEvent)]
    assert events == [ProviderEvent("content_filters", filters, OWN)]


# -- events


def test_every_event_of_the_sdk_is_known_or_passed_on() -> None:
    names = set()
    for event in response_stream_event.ResponseStreamEvent.__origin__.__args__:
        (name,) = event.model_fields["type"].annotation.__args__
        names.add(name)
    assert names >= EVENT_TYPES - {"response.custom_tool_call_input.delta"}
    passed_on = sorted(names - EVENT_TYPES - SILENT)
    events = [{"type": name, "output_index": 9, "item_id": "i", "delta": "x", "code": "c"} for name in passed_on]
    chunks = decode([start(), *events, end()])
    assert [chunk for chunk in chunks if isinstance(chunk, ProviderEvent)] == [
        ProviderEvent(event["type"], event, OWN) for event in events
    ]
    assert len(passed_on) > 20


def test_events_of_tomorrow_are_passed_on() -> None:
    event = {"type": "response.hologram.delta", "delta": {"x": 1}}
    assert ProviderEvent("response.hologram.delta", event, OWN) in decode([start(), event, end()])


@pytest.mark.parametrize("name", sorted(SILENT))
def test_events_that_add_nothing_are_overlooked(name: str) -> None:
    quiet = {"type": name, "output_index": 0, "content_index": 0, "text": "x", "part": output_text("x")}
    assert decode([start(), quiet, *text(0, "x"), quiet, end()]) == decode([start(), *text(0, "x"), end()])


def test_frames_after_the_end_are_overlooked() -> None:
    own = decoder()
    own.feed([frame(event) for event in [start(), *text(0, "x"), end()]])
    assert own.finished
    assert own.feed([frame(b"[DONE]"), *(frame(event) for event in text(1, "more"))]) == []
    assert own.close() == []


# -- usage


def test_every_count_is_read() -> None:
    usage = {
        "input_tokens": 100,
        "input_tokens_details": {"cached_tokens": 64, "cache_write_tokens": 10, "audio_tokens": 3},
        "output_tokens": 50,
        "output_tokens_details": {"reasoning_tokens": 20, "audio_tokens": 4},
        "total_tokens": 150,
    }
    tools = {"web_search": {"num_requests": 2}, "image_gen": {"total_tokens": 7, "input_tokens": 7}}
    chunks = decode([start(), end(usage=usage, tool_usage=tools, service_tier="flex")])
    (found,) = [chunk.usage for chunk in chunks if isinstance(chunk, UsageUpdate)]
    assert (found.input_tokens, found.output_tokens, found.total_tokens) == (100, 50, 150)
    assert (found.cached_input_tokens, found.cache_write_tokens, found.reasoning_tokens) == (64, 10, 20)
    assert (found.audio_input_tokens, found.audio_output_tokens) == (3, 4)
    assert (found.search_requests, found.service_tier, found.provenance) == (2, "flex", "reported")
    assert ProviderEvent("usage", {"image_gen": tools["image_gen"]}, OWN) in chunks


def test_details_of_counts_without_a_name_are_passed_on() -> None:
    written = {"ttl_30m_tokens": 0, "ttl_12h_tokens": 9}
    usage = {
        "input_tokens": 100,
        "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 9, "cache_write_tokens_details": written},
        "output_tokens": 50,
        "output_tokens_details": {"reasoning_tokens": 20, "new_tokens": 0},
    }
    chunks = decode([start(), end(usage=usage)])
    details = {"input_tokens_details": {"cache_write_tokens_details": written}}
    assert ProviderEvent("usage", details, OWN) in chunks
    assert sum(isinstance(chunk, ProviderEvent) for chunk in chunks) == 1


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({"cost": 0.5}, {"reported_cost_usd": 0.5}),
        (
            {"cost": 0.5, "is_byok": True, "cost_details": {"upstream_inference_cost": 1.5}},
            {"reported_cost_usd": 2.0},
        ),
        ({"cost": {"total_cost": 0.25, "currency": "USD"}}, {"reported_cost_usd": 0.25}),
        (
            {"cost_in_usd_ticks": 11446500, "num_sources_used": 3},
            {"reported_cost_usd": 0.00114465, "search_requests": 3},
        ),
        ({"tool_calls_details": {"search_web": {"invocation": 4}}}, {"search_requests": 4}),
        (
            {"input_tokens_details": {"cache_read_input_tokens": 4, "cache_creation_input_tokens": 2}},
            {"cached_input_tokens": 4, "cache_write_tokens": 2},
        ),
        ({"input_tokens_details": {"cached_tokens": 999}}, {"cached_input_tokens": 10}),
        ({"input_tokens_details": None, "output_tokens_details": 5}, {"cached_input_tokens": None}),
    ],
)
def test_what_services_count_in_their_own_way(more: Event, expected: dict[str, Any]) -> None:
    usage = {"input_tokens": 10, "output_tokens": 5, "total_tokens": 15, **more}
    found = response([start(), end(usage=usage)]).usage
    assert {name: getattr(found, name) for name in expected} == pytest.approx(expected)


def test_without_counts_nothing_is_claimed() -> None:
    found = response([start(), *text(0, "x"), end(usage=None)]).usage
    assert (found.input_tokens, found.provenance) == (None, "unknown")
