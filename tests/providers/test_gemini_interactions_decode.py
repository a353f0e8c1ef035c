"""Events and steps that no recording has, from the reference of the Interactions API and the SDK's types."""

from __future__ import annotations

import base64
import json
import random
from typing import Any

import pytest

from exllm.errors import ExLLMError, InvalidRequest, Overloaded, ProtocolError, RateLimited, ServerError
from exllm.providers.gemini_interactions import WIRE
from exllm.streaming.frame import Frame
from exllm.types.chunks import (
    AudioDelta,
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
from exllm.types.parts import Audio, Image, ProviderPart, Reasoning, Text, ToolCall
from tests.providers.gemini_interactions_recordings import SPEC, decode_body, fold, request_for, sent
from tests.providers.gemini_requests import sent_by_us

PNG = b"\x89PNG"
LETTERS = base64.b64encode(PNG).decode()
USAGE = {"total_input_tokens": 3, "total_output_tokens": 2, "total_tokens": 5}


def event(kind: str, **fields: Any) -> dict[str, Any]:
    return {"event_type": kind, **fields}


def start(index: int, kind: str, **fields: Any) -> dict[str, Any]:
    return event("step.start", index=index, step={"type": kind, **fields})


def delta(index: int, kind: str, **fields: Any) -> dict[str, Any]:
    return event("step.delta", index=index, delta={"type": kind, **fields})


def stop(index: int, **fields: Any) -> dict[str, Any]:
    return event("step.stop", index=index, **fields)


CREATED = event("interaction.created", interaction={"id": "v1_a", "status": "in_progress", "model": "m"})


def end(status: str = "completed", **fields: Any) -> dict[str, Any]:
    return event("interaction.completed", interaction={"id": "v1_a", "status": status, "usage": USAGE, **fields})


def decoded(*events: dict[str, Any], searches: bool = True) -> list[Chunk]:
    decoder = WIRE.decoder(request_for(searches=searches), SPEC)
    chunks = decoder.feed([Frame(json.dumps(each).encode()) for each in events])
    return chunks + decoder.close()


def failed(*events: dict[str, Any]) -> tuple[list[Chunk], ExLLMError]:
    decoder = WIRE.decoder(request_for(), SPEC)
    frames = [Frame(json.dumps(each).encode()) for each in events]
    with pytest.raises(ExLLMError) as caught:
        decoder.feed(frames)
    return decoder.take(), caught.value


def said(text: str = "Hi") -> list[dict[str, Any]]:
    return [start(0, "model_output"), delta(0, "text", text=text), stop(0)]


# -- what is said


def test_thoughts_and_their_signature_are_one_part_and_go_back_as_one_step() -> None:
    chunks = decoded(
        CREATED,
        start(0, "thought"),
        delta(0, "thought_summary", content={"type": "text", "text": "Let me "}),
        delta(0, "thought_summary", content={"type": "text", "text": "see."}),
        delta(0, "thought_signature", signature="c2ln"),
        stop(0),
        start(1, "model_output"),
        delta(1, "text", text="42"),
        stop(1),
        end(),
    )
    response = fold(chunks)
    assert response.parts == (Reasoning("Let me see.", "c2ln", id="gemini-interactions"), Text("42"))
    assert sent([Message("user", "?"), response.message, Message("user", "!")])["input"][1] == {
        "type": "thought", "summary": [{"type": "text", "text": "Let me see."}], "signature": "c2ln"
    }  # fmt: skip
    whole = decode_body(json.dumps({"id": "v1_a", "status": "completed", "model": "m", "usage": USAGE, "steps": [
        {"type": "thought", "summary": [{"type": "text", "text": "Let me see."}], "signature": "c2ln"},
        {"type": "model_output", "content": [{"type": "text", "text": "42"}]},
    ]}).encode())  # fmt: skip
    assert fold(whole) == response


def test_two_thoughts_and_two_texts_keep_their_order_and_stay_apart() -> None:
    chunks = decoded(
        CREATED,
        start(0, "thought", summary=[{"type": "text", "text": "a"}], signature="YQ=="), stop(0),
        start(1, "model_output", content=[{"type": "text", "text": "one"}]), stop(1),
        start(2, "thought", signature="Yg=="), stop(2),
        start(3, "model_output"), delta(3, "text", text="two"), stop(3),
        end(),
    )  # fmt: skip
    assert [type(part) for part in fold(chunks).parts] == [Reasoning, Text, Reasoning, Text]
    assert fold(chunks).text == "onetwo"


def test_steps_that_grow_at_the_same_time_are_told_apart() -> None:
    chunks = decoded(
        CREATED,
        start(0, "model_output"),
        start(1, "function_call", id="c1", name="look", arguments={}),
        delta(0, "text", text="Let "),
        delta(1, "arguments_delta", arguments='{"a"'),
        delta(0, "text", text="me"),
        delta(1, "arguments_delta", arguments=":1}"),
        delta(0, "text", text=" look."),
        stop(1),
        stop(0),
        end("requires_action"),
    )
    response = fold(chunks)
    assert response.text == "Let me look."
    assert response.tool_calls == (ToolCall("c1", "look", '{"a":1}'),)
    assert {chunk.part for chunk in chunks if isinstance(chunk, TextDelta)} == {0}


def test_images_sound_and_what_has_no_name_stand_where_they_came() -> None:
    video = {"type": "video", "uri": "https://example.org/v", "mime_type": "video/mp4"}
    chunks = decoded(
        CREATED,
        start(0, "model_output"),
        delta(0, "text", text="See "),
        delta(0, "image", data=LETTERS, mime_type="image/jpeg"),
        delta(0, "text", text="and"),
        delta(0, "image", uri="https://example.org/i.png"),
        delta(0, "audio", data=LETTERS, mime_type="audio/l16", sample_rate=24000, channels=1),
        delta(0, "audio", data=LETTERS, mime_type="audio/l16", sample_rate=24000, channels=1),
        event("step.delta", index=0, delta=video),
        stop(0),
        end(),
    )
    response = fold(chunks)
    assert response.parts == (
        Text("See "),
        Image(data=PNG, media_type="image/jpeg"),
        Text("and"),
        Image(url="https://example.org/i.png"),
        Audio(data=PNG * 2, media_type="audio/l16;rate=24000;channels=1"),
        ProviderPart("gemini-interactions", {"type": "model_output", "content": [video]}),
    )
    (_, step, _) = sent([Message("user", "?"), response.message, Message("user", "!")])["input"]
    assert [content["type"] for content in step["content"]] == ["text", "image", "text", "image", "audio", "video"]
    assert step["content"][4] == {
        "type": "audio", "data": base64.b64encode(PNG * 2).decode(), "mime_type": "audio/l16", "sample_rate": 24000,
        "channels": 1,
    }  # fmt: skip
    assert sum(isinstance(chunk, ImageDelta) for chunk in chunks) == 2
    assert sum(isinstance(chunk, AudioDelta) for chunk in chunks) == 2


def test_places_in_bytes_become_characters_of_the_whole_answer() -> None:
    cited = {"type": "url_citation", "start_index": 3, "end_index": 5, "url": "https://e.org", "title": "E"}
    named = {"type": "file_citation", "start_index": 0, "end_index": 2, "document_uri": "gs://f", "file_name": "f.pdf"}
    chunks = decoded(
        CREATED,
        start(0, "model_output"), delta(0, "text", text="ä"), stop(0),
        start(1, "model_output"), delta(1, "text", text="ö"), delta(1, "text", text="xü."),
        delta(1, "text_annotation_delta", annotations=[cited, named, {"type": "word_info", "text": "x"}]),
        stop(1),
        end(),
    )  # fmt: skip
    response = fold(chunks)
    assert response.text == "äöxü."
    assert [response.text[each.start : each.end] for each in response.citations] == ["ü", "ö"]
    assert [(each.url, each.title) for each in response.citations] == [("https://e.org", "E"), ("gs://f", "f.pdf")]
    assert ProviderEvent("annotation", {"type": "word_info", "text": "x"}, "gemini-interactions") in chunks


# -- calls


def test_a_signature_of_a_call_goes_back_with_it_and_to_nobody_else() -> None:
    response = fold(
        decoded(CREATED, start(0, "function_call", id="c1", name="look", arguments={"a": 1}, signature="c2lnbmVkIQ=="),
                stop(0), end("requires_action"))
    )  # fmt: skip
    (call,) = response.tool_calls
    assert (call.arguments, response.finish_reason) == ('{"a":1}', "tool_calls")
    said = [Message("user", "?"), response.message]
    assert sent(said)["input"][1]["signature"] == "c2lnbmVkIQ=="
    assert "c2lnbmVkIQ==" not in json.dumps(sent_by_us(said).body)
    foreign = Message("assistant", (ToolCall("c1", "look", "{}", signature="c2lnbmVkIQ=="),))
    assert "signature" not in sent([said[0], foreign])["input"][1]


def test_steps_of_googles_tools_are_put_together_and_go_back_as_they_came() -> None:
    chunks = decoded(
        CREATED,
        start(0, "code_execution_call", id="x1", signature=""),
        delta(0, "code_execution_call", arguments={"code": "print(1)", "language": "python"}, signature="c2ln"),
        stop(0),
        start(1, "code_execution_result", call_id="x1"),
        delta(1, "code_execution_result", result="1", is_error=False),
        delta(1, "code_execution_result", result="\n"),
        stop(1),
        start(2, "url_context_result", call_id="u1", result=[{"url": "https://a", "status": "success"}]),
        delta(2, "url_context_result", result=[{"url": "https://b", "status": "error"}]),
        stop(2),
        start(3, "mcp_server_tool_call", id="m1", name="roll", server_name="dice"),
        delta(3, "arguments_delta", arguments='{"sides":'),
        delta(3, "arguments_delta", arguments="6}"),
        stop(3),
        *[start(4, "future_step", anything=[1]), stop(4)],
        end(),
    )
    parts = [part.data for part in fold(chunks).parts if isinstance(part, ProviderPart)]
    assert parts == [
        {"type": "code_execution_call", "id": "x1", "signature": "c2ln",
         "arguments": {"code": "print(1)", "language": "python"}},
        {"type": "code_execution_result", "call_id": "x1", "result": "1\n", "is_error": False},
        {"type": "url_context_result", "call_id": "u1",
         "result": [{"url": "https://a", "status": "success"}, {"url": "https://b", "status": "error"}]},
        {"type": "mcp_server_tool_call", "id": "m1", "name": "roll", "server_name": "dice", "arguments": {"sides": 6}},
        {"type": "future_step", "anything": [1]},
    ]  # fmt: skip
    assert sent([Message("user", "?"), fold(chunks).message, Message("user", "!")])["input"][1:-1] == parts
    assert fold(chunks).finish_reason == "stop"


def test_what_was_asked_is_not_part_of_the_answer() -> None:
    asked = {"type": "user_input", "content": [{"type": "text", "text": "Hi"}]}
    steps = [asked, {"type": "model_output", "content": [{"type": "text", "text": "Ho"}]}]
    chunks = decode_body(json.dumps({"id": "v1_a", "status": "completed", "steps": steps}).encode())
    assert fold(chunks).parts == (Text("Ho"),)
    assert ProviderEvent("user_input", asked, "gemini-interactions") in chunks


def test_a_call_whose_result_is_there_is_not_yours_to_answer() -> None:
    steps = [
        {"type": "function_call", "id": "c1", "name": "look", "arguments": {}},
        {"type": "function_result", "call_id": "c1", "result": "seen"},
        {"type": "model_output", "content": [{"type": "text", "text": "Done."}]},
    ]
    response = fold(decode_body(json.dumps({"id": "v1_a", "status": "completed", "steps": steps}).encode()))
    assert response.finish_reason == "stop"


# -- ends


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        ("completed", "stop"),
        ("requires_action", "tool_calls"),
        ("incomplete", "length"),
        ("budget_exceeded", "length"),
        ("requires_continuation", "length"),
        ("a_new_one", "error"),
    ],
)
def test_every_status_has_its_reason(status: str, reason: str) -> None:
    (choice,) = fold(decoded(CREATED, *said(), end(status))).choices
    assert (choice.finish_reason, choice.raw_finish_reason) == (reason, status)


def test_the_token_to_go_on_with_is_told() -> None:
    chunks = decoded(
        CREATED,
        event("interaction.status_update", interaction_id="v1_a", status="in_progress", continuation_token="t1"),
        *said(),
        end("requires_continuation", continuation_token="t2"),
    )
    events = [chunk for chunk in chunks if isinstance(chunk, ProviderEvent)]
    assert [(each.event, each.content) for each in events] == [
        ("interaction.status_update", False), ("continuation_token", False)
    ]  # fmt: skip
    assert events[0].data["continuation_token"] == "t1"
    assert events[1].data == "t2"
    (finish,) = [chunk for chunk in chunks if isinstance(chunk, Finish)]
    assert "previous_interaction_id" in str(finish.message)


def test_an_answer_that_the_service_broke_off_says_why() -> None:
    chunks = decoded(
        CREATED,
        start(0, "model_output", error={"code": 3, "message": "blocked for safety"}),
        stop(0),
        end("incomplete"),
    )
    (finish,) = [chunk for chunk in chunks if isinstance(chunk, Finish)]
    assert (finish.reason, finish.message) == ("error", "blocked for safety")


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        ({"code": "resource_exhausted", "message": "slow down"}, RateLimited),
        ({"code": "unavailable", "message": "busy"}, Overloaded),
        ({"code": "invalid_argument", "message": "no"}, InvalidRequest),
        (None, ServerError),
    ],
)
def test_an_error_event_is_raised_and_what_came_before_it_stays(error: Any, kind: type[ExLLMError]) -> None:
    chunks, caught = failed(CREATED, *said(), event("error", error=error))
    assert type(caught) is kind
    assert fold(chunks).text == "Hi"
    assert caught.provider == "gemini-interactions"


def test_an_interaction_that_failed_is_an_error_in_streams_and_whole_answers() -> None:
    _, caught = failed(CREATED, end("failed", errors=[{"code": "internal", "message": "oops"}]))
    assert (type(caught), caught.message, caught.retryable) == (ServerError, "oops", True)
    with pytest.raises(ServerError, match="does not say why"):
        decode_body(b'{"id": "v1_a", "status": "failed", "steps": []}')
    _, caught = failed(CREATED, end("cancelled"))
    assert (type(caught), caught.retryable) == (InvalidRequest, False)


def test_counts_so_far_are_partial_and_the_last_are_final() -> None:
    chunks = decoded(
        CREATED,
        start(0, "model_output"),
        event("step.delta", index=0, delta={"type": "text", "text": "Hi"}, metadata={"total_usage": USAGE}),
        event("step.delta", index=0, delta={"type": "text", "text": "!"}, metadata={"total_usage": USAGE}),
        stop(0, usage=USAGE),
        end(),
    )
    usages = [chunk.usage for chunk in chunks if isinstance(chunk, UsageUpdate)]
    assert [usage.provenance for usage in usages] == ["partial"] * 3 + ["reported"]
    assert fold(chunks).text == "Hi!"


def test_every_count_has_a_place_or_is_passed_on() -> None:
    counts = {
        "total_tokens": 100, "total_input_tokens": 50, "total_cached_tokens": 20, "total_output_tokens": 30,
        "total_thought_tokens": 15, "total_tool_use_tokens": 5, "initial_input_tokens": 40,
        "input_tokens_by_modality": [{"modality": "text", "tokens": 30}, {"modality": "audio", "tokens": 20}],
        "tool_use_tokens_by_modality": [{"modality": "audio", "tokens": 5}],
        "output_tokens_by_modality": [{"modality": "image", "tokens": 20}, {"modality": "video", "tokens": 10}],
        "cached_tokens_by_modality": [{"modality": "audio", "tokens": 20}],
        "grounding_tool_count": [{"type": "google_search", "count": 3}, {"type": "google_maps", "count": 1}],
    }  # fmt: skip
    chunks = decoded(CREATED, *said(), end(usage=counts, service_tier="flex"))
    usage = fold(chunks).usage
    assert (usage.input_tokens, usage.output_tokens, usage.total_tokens) == (55, 45, 100)
    assert (usage.cached_input_tokens, usage.reasoning_tokens) == (20, 15)
    assert (usage.audio_input_tokens, usage.image_tokens, usage.search_requests) == (25, 20, 3)
    assert (usage.service_tier, usage.provenance) == ("flex", "reported")
    (rest,) = [chunk.data for chunk in chunks if isinstance(chunk, ProviderEvent)]
    assert rest.keys() == {
        "total_tool_use_tokens", "initial_input_tokens", "output_tokens_by_modality", "cached_tokens_by_modality",
        "grounding_tool_count",
    }  # fmt: skip


# -- resumption, and what is not in the protocol


def test_the_last_event_that_has_an_id_is_kept() -> None:
    decoder = WIRE.decoder(request_for(), SPEC)
    events = [CREATED, {**start(0, "model_output"), "event_id": "e1"}]
    events += [{**delta(0, "text", text=text), "event_id": id_} for text, id_ in (("a", "e2"), ("b", "e3"))]
    decoder.feed([Frame(json.dumps(each).encode()) for each in events])
    assert (decoder.interaction_id, decoder.last_event_id) == ("v1_a", "e3")
    decoder.feed([Frame(json.dumps(delta(0, "text", text="c")).encode())])
    assert decoder.last_event_id == "e3"


def test_an_interaction_that_is_not_stored_has_no_id() -> None:
    (start_chunk,) = [
        chunk
        for chunk in decoded(event("interaction.created", interaction={"id": "", "status": "in_progress"}), end())
        if isinstance(chunk, StreamStart)
    ]
    assert start_chunk.id is None


def test_unknown_events_are_passed_on_and_markers_are_not() -> None:
    decoder = WIRE.decoder(request_for(), SPEC)
    frames = [Frame(json.dumps(each).encode()) for each in (CREATED, event("interaction.steered", by="you"))]
    chunks = decoder.feed([*frames, Frame(b"[DONE]"), Frame(b" ")])
    assert chunks[1] == ProviderEvent("interaction.steered", event("interaction.steered", by="you"), SPEC.name)
    assert len(chunks) == 2


def test_steps_that_a_stream_tells_only_at_its_end_are_read() -> None:
    steps = [{"type": "model_output", "content": [{"type": "text", "text": "Hi"}]}]
    assert fold(decoded(CREATED, end(steps=steps))).text == "Hi"
    assert fold(decoded(CREATED, *said(), end(steps=steps))).text == "Hi"


def test_text_of_a_step_whose_beginning_got_lost_is_text() -> None:
    chunks = decoded(CREATED, delta(3, "text", text="Hi"), delta(4, "thought_signature", signature="c2ln"), end())
    assert fold(chunks).parts == (Text("Hi"), Reasoning("", "c2ln", id="gemini-interactions"))
    assert [type(chunk) for chunk in chunks[1:3]] == [TextDelta, ReasoningDelta]


@pytest.mark.parametrize(
    "bad",
    [
        delta(7, "arguments_delta", arguments="{}"),
        event("step.delta", index=0),
        event("step.delta", index=0, delta={"type": "text", "text": 5}),
        event("step.delta", index="0", delta={"type": "text", "text": "a"}),
        event("step.delta", index=0, delta={"type": "image", "data": "%%%"}),
        event("step.delta", index=0, delta={"type": "thought_signature", "signature": 5}),
        event("step.start", index=1),
        event("step.start", index=1, step={"type": 7}),
        event("step.start", index=1, step="text"),
        event("step.start", index=1, step={"type": "model_output", "content": 5}),
        event("step.start", index=1, step={"type": "function_call", "id": 5, "name": "a"}),
        event("interaction.created"),
        event("interaction.completed", interaction={"id": "v1_a"}),
        event("interaction.completed", interaction={"status": "completed", "usage": [1]}),
        event("interaction.completed", interaction={"status": ["completed"]}),
        event("interaction.completed"),
    ],
)
def test_events_of_the_wrong_shape_are_told_and_what_came_stays(bad: dict[str, Any]) -> None:
    chunks, caught = failed(CREATED, start(0, "model_output"), delta(0, "text", text="Hi"), bad)
    assert type(caught) is ProtocolError
    assert fold(chunks).text == "Hi"


@pytest.mark.parametrize("data", [b"{", b"[]", b'"a"', b"\xff", b"[" * 5000])
def test_frames_that_are_no_events_are_told(data: bytes) -> None:
    decoder = WIRE.decoder(request_for(), SPEC)
    with pytest.raises(ProtocolError):
        decoder.feed([Frame(data)])


@pytest.mark.parametrize("body", [b"", b"{}", b"[]", b"null", b'{"status": 5}', b'{"status": "completed", "steps": 1}'])
def test_bodies_that_are_no_interactions_are_told(body: bytes) -> None:
    with pytest.raises(ProtocolError):
        decode_body(body)


def test_an_error_in_a_body_of_status_200_is_raised() -> None:
    with pytest.raises(RateLimited, match="slow"):
        decode_body(b'{"error": {"code": 429, "status": "RESOURCE_EXHAUSTED", "message": "slow"}}')


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (429, {"error": {"code": "RESOURCE_EXHAUSTED", "message": "slow"}}, RateLimited),
        (400, {"error": {"code": "invalid_request", "message": "no"}}, InvalidRequest),
        (503, {"error": {"code": 503, "message": "busy", "status": "UNAVAILABLE"}}, Overloaded),
    ],
)
def test_error_responses_in_both_shapes_become_the_right_exception(
    status: int, body: Any, kind: type[ExLLMError]
) -> None:
    assert type(WIRE.parse_error(status, {}, json.dumps(body).encode(), SPEC)) is kind


def test_a_whole_call_without_pieces_has_its_arguments() -> None:
    chunks = decoded(CREATED, start(0, "function_call", id="c1", name="now"), stop(0), end("requires_action"))
    assert [chunk for chunk in chunks if isinstance(chunk, ToolCallDelta)] == [
        ToolCallDelta(0, "c1", "now"), ToolCallDelta(0, arguments="{}")
    ]  # fmt: skip


# -- nonsense of any kind

NONSENSE = (None, 0, -1, 1.5, True, "", "x", [], [None], {}, {"type": 5}, {"type": "text"}, [[]], "\udc00")
SAMPLES = [
    CREATED, start(0, "thought", summary=[{"type": "text", "text": "a"}]),
    delta(0, "thought_signature", signature="c2ln"), stop(0, usage=USAGE),
    start(1, "model_output"), delta(1, "text", text="Hi"),
    delta(1, "text_annotation_delta",
          annotations=[{"type": "url_citation", "url": "u", "start_index": 0, "end_index": 1}]),
    delta(1, "image", data=LETTERS, mime_type="image/png"), delta(1, "audio", data=LETTERS, mime_type="audio/l16"),
    stop(1), start(2, "function_call", id="c1", name="look", arguments={}), delta(2, "arguments_delta", arguments="{}"),
    stop(2), start(3, "google_search_call", id="s1"),
    delta(3, "google_search_call", arguments={"queries": ["a"]}), stop(3),
    start(4, "mcp_server_tool_call", id="m1"), delta(4, "arguments_delta", arguments="{}"), stop(4),
    event("interaction.status_update", status="in_progress", usage=USAGE),
    end(usage={**USAGE, "input_tokens_by_modality": [{"modality": "audio", "tokens": 1}],
               "grounding_tool_count": [{"type": "google_search", "count": 1}]}),
]  # fmt: skip


def _spoilt(value: Any, rng: random.Random) -> Any:
    """`value` with something in it replaced by nonsense, or left out."""
    if rng.random() < 0.15 or not isinstance(value, dict | list) or not value:
        return rng.choice(NONSENSE)
    if isinstance(value, list):
        place = rng.randrange(len(value))
        return [_spoilt(each, rng) if at == place else each for at, each in enumerate(value)]
    name = rng.choice(list(value))
    if rng.random() < 0.2:
        return {key: inner for key, inner in value.items() if key != name}
    return {**value, name: _spoilt(value[name], rng)}


@pytest.mark.parametrize("seed", range(40))
def test_nonsense_in_any_field_is_an_error_of_ours_or_harmless(seed: int) -> None:
    rng = random.Random(seed)
    for _ in range(40):
        events = list(SAMPLES)
        place = rng.randrange(len(events))
        events[place] = _spoilt(events[place], rng)
        decoder = WIRE.decoder(request_for(), SPEC)
        frames = [Frame(json.dumps(each).encode()) for each in events]
        try:
            chunks = decoder.feed(frames) + decoder.close()
        except ExLLMError:
            chunks = decoder.take()
        fold(chunks)
        whole = {"id": "v1", "status": "completed", "usage": USAGE,
                 "steps": [each["step"] for each in SAMPLES if "step" in each]}  # fmt: skip
        try:
            fold(decode_body(json.dumps(_spoilt(whole, rng)).encode()))
        except ExLLMError:
            continue
