"""Every recorded interaction is decoded to what was really said; Google's SDK reads the same bytes beside us."""

from __future__ import annotations

import base64
import json
from datetime import datetime
from typing import Any

import msgspec
import pytest

from exllm.errors import StreamInterrupted
from exllm.providers.gemini_interactions import WIRE
from exllm.types.chunks import CitationDelta, ProviderEvent, StreamStart, ToolCallDelta
from exllm.types.message import Message
from exllm.types.parts import Image, ProviderPart, Text
from exllm.types.request import Request
from tests.providers.gemini_interactions_recordings import (
    ALL,
    BODIES,
    DIRECTORY,
    EXPECTED,
    MODEL,
    SPEC,
    STREAMS,
    decode,
    decode_body,
    decode_stream,
    fold,
    load,
    sdk_events,
    sdk_interaction,
    sent,
    summary,
)
from tests.rechunk import bytewise, rechunk

IN_BACKGROUND = "gemini__gemini-interactions__test-agent-stream__0"
SEARCH = "gemini__gemini-interactions__google-search__0x"
WHOLE = [name for name in ALL if name != IN_BACKGROUND]


def test_every_recording_is_played_and_none_is_missing() -> None:
    assert {*STREAMS, *BODIES} == set(ALL) == EXPECTED.keys()
    assert (len(STREAMS), len(BODIES)) == (8, 6)
    assert {path.name for path in DIRECTORY.iterdir()} == {
        "README.md", "licences", "expected.json", *(f"{name}.json" for name in ALL)
    }  # fmt: skip


@pytest.mark.parametrize("name", STREAMS)
def test_a_stream_says_the_same_however_it_is_sliced(name: str) -> None:
    body = load(name).body
    whole, error = decode_stream([body])
    assert error is None
    assert summary(fold(whole)) == EXPECTED[name]
    for slices in [list(bytewise(body)), *(list(rechunk(body, seed)) for seed in range(3))]:
        assert decode_stream(slices) == (whole, None)


@pytest.mark.parametrize("name", BODIES)
def test_a_whole_answer_is_read(name: str) -> None:
    assert summary(fold(decode(name))) == EXPECTED[name]


@pytest.mark.parametrize("name", BODIES)
def test_a_whole_answer_says_what_its_stream_would_have_said(name: str) -> None:
    """Told as events, as the API tells the others."""
    recorded = json.loads(load(name).body)
    steps = recorded.pop("steps", [])
    events: list[dict[str, Any]] = [{"event_type": "interaction.created", "interaction": recorded}]
    for index, step in enumerate(steps):
        place = {"event_type": "step.delta", "index": index}
        began, deltas = _taken_apart(step)
        events.append({"event_type": "step.start", "index": index, "step": began})
        events += [{**place, "delta": delta} for delta in deltas]
        events.append({"event_type": "step.stop", "index": index})
    events.append({"event_type": "interaction.completed", "interaction": recorded})
    body = b"".join(b"data: %b\n\n" % json.dumps(event).encode() for event in events)
    chunks, error = decode_stream([body])
    assert error is None
    assert fold(chunks) == fold(decode(name))


def _taken_apart(step: dict[str, Any]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    match step["type"]:
        case "thought":
            return {"type": "thought"}, [{"type": "thought_signature", "signature": step["signature"]}]
        case "model_output":
            (content,) = step["content"]
            half = len(content["text"]) // 2
            deltas = [{"type": "text", "text": text} for text in (content["text"][:half], content["text"][half:])]
            cited = content.get("annotations")
            return {"type": "model_output"}, [
                *deltas, *([{"type": "text_annotation_delta", "annotations": cited}] if cited else [])
            ]  # fmt: skip
        case "function_call":
            return {**step, "arguments": {}}, [
                {"type": "arguments_delta", "arguments": msgspec.json.encode(step["arguments"]).decode()}
            ]
        case kind:
            delta = {field: value for field, value in step.items() if field not in ("id", "call_id")}
            return {field: value for field, value in step.items() if field in ("type", "id", "call_id")}, [
                {**delta, "type": kind}
            ]


@pytest.mark.parametrize("name", [name for name in BODIES if name != IN_BACKGROUND])
def test_the_sdk_reads_the_same_whole_answers(name: str) -> None:
    theirs, response = sdk_interaction(load(name)), fold(decode(name))
    said = [content for step in theirs.steps if step.type == "model_output" for content in step.content]
    assert response.text == "".join(content.text for content in said)
    assert response.reasoning == "".join(
        each.text for step in theirs.steps if step.type == "thought" for each in step.summary or ()
    )
    assert [(call.id, call.name, call.parse_arguments()) for call in response.tool_calls] == [
        (step.id, step.name, step.arguments) for step in theirs.steps if step.type == "function_call"
    ]
    assert [(each.url, each.title, response.text[each.start : each.end].encode()) for each in response.citations] == [
        (each.url, each.title, content.text.encode()[each.start_index : each.end_index])
        for content in said
        for each in content.annotations or ()
    ]
    own = [part.data for part in response.parts if isinstance(part, ProviderPart)]
    assert own == [
        step.model_dump(exclude_none=True)
        for step in theirs.steps
        if step.type not in ("thought", "model_output", "function_call")
    ]
    _assert_same_end(response, theirs)
    assert response.created == int(datetime.fromisoformat(theirs.created).timestamp())


@pytest.mark.parametrize("name", STREAMS)
def test_the_sdk_reads_the_same_streams(name: str) -> None:
    events, response = sdk_events(load(name)), fold(decode(name))
    deltas = [event.delta for event in events if event.event_type == "step.delta"]
    assert response.text == "".join(delta.text for delta in deltas if delta.type == "text")
    assert [part.signature for part in response.parts if hasattr(part, "redacted")] == [
        delta.signature for delta in deltas if delta.type == "thought_signature"
    ]
    starts = [event.step for event in events if event.event_type == "step.start" and event.step.type == "function_call"]
    assert [(call.id, call.name) for call in response.tool_calls] == [(step.id, step.name) for step in starts]
    assert "".join(call.arguments for call in response.tool_calls) == "".join(
        delta.arguments for delta in deltas if delta.type == "arguments_delta"
    )
    _assert_same_end(response, events[-1].interaction)


def _assert_same_end(response: Any, theirs: Any) -> None:
    (choice,) = response.choices
    assert choice.raw_finish_reason == theirs.status
    assert (response.id or "", response.model) == (theirs.id, theirs.model)
    usage, counts = response.usage, theirs.usage
    assert usage.input_tokens == counts.total_input_tokens + counts.total_tool_use_tokens
    assert usage.output_tokens == counts.total_output_tokens + counts.total_thought_tokens
    assert usage.total_tokens == counts.total_tokens == usage.input_tokens + usage.output_tokens
    assert (usage.cached_input_tokens, usage.reasoning_tokens) == (
        counts.total_cached_tokens, counts.total_thought_tokens
    )  # fmt: skip
    images = [each.tokens for each in counts.input_tokens_by_modality if each.modality == "image"]
    assert usage.image_tokens == (sum(images) or None)
    assert usage.service_tier == theirs.service_tier


def test_what_runs_in_the_background_has_begun_and_not_ended() -> None:
    theirs = sdk_interaction(load(IN_BACKGROUND))
    chunks = decode(IN_BACKGROUND)
    assert [type(chunk) for chunk in chunks] == [StreamStart, ProviderEvent]
    response = fold(chunks)
    assert (response.id, response.model, response.finish_reason) == (theirs.id, theirs.agent, None)
    (event,) = [chunk for chunk in chunks if isinstance(chunk, ProviderEvent)]
    assert (event.event, event.data) == (f"interaction.{theirs.status}", {"id": theirs.id})


@pytest.mark.parametrize("name", WHOLE)
def test_an_answer_goes_back_as_the_steps_that_came(name: str) -> None:
    """But for sources, which the model does not read, and empty signatures."""
    recording = load(name)
    if recording.streaming:
        chunks = decode(name)
        calls = [chunk for chunk in chunks if isinstance(chunk, ToolCallDelta)]
        came = [{"type": "thought", "signature": delta.signature} for delta in (
            event.delta for event in sdk_events(recording) if event.event_type == "step.delta"
        ) if delta.type == "thought_signature"]  # fmt: skip
        if text := fold(chunks).text:
            came.append({"type": "model_output", "content": [{"type": "text", "text": text}]})
        if calls:
            arguments = json.loads("".join(call.arguments for call in calls))
            came.append({"type": "function_call", "id": calls[0].id, "name": calls[0].name, "arguments": arguments})
    else:
        came = json.loads(recording.body)["steps"]
        for step in came:
            for content in step.get("content", ()):
                content.pop("annotations", None)
    message = fold(decode(name)).message
    http = WIRE.build(
        Request("gemini-interactions", MODEL, (Message("user", "Hi"), message, Message("user", "And?"))), SPEC
    )
    assert http.warnings == ()
    steps = json.loads(http.body)["input"]
    assert steps[0] == {"type": "user_input", "content": [{"type": "text", "text": "Hi"}]}
    assert steps[1:-1] == came


@pytest.mark.parametrize("name", STREAMS)
def test_a_stream_cut_anywhere_is_interrupted_and_never_a_short_answer(name: str) -> None:
    body = load(name).body
    whole = fold(decode(name))
    last = body.rindex(b"event: interaction.completed")
    for end in range(0, last, max(1, last // 23)):
        chunks, error = decode_stream([body[:end]])
        assert type(error) is StreamInterrupted
        assert error.retryable
        partial = fold(chunks)
        assert partial.finish_reason is None
        assert whole.text.startswith(partial.text)
        again = Request("gemini-interactions", MODEL, (Message("user", "Hi"), partial.message))
        WIRE.build(again, SPEC)  # whatever had arrived can go back


def test_without_tools_that_search_the_text_is_not_kept_and_sources_have_no_place() -> None:
    chunks = decode_body(load(SEARCH).body, searches=False)
    cited = [chunk.citation for chunk in chunks if isinstance(chunk, CitationDelta)]
    assert len(cited) == 18
    assert {(each.start, each.end) for each in cited} == {(None, None)}
    assert cited[0].source is not None
    assert cited[0].source["annotation"]["start_index"] == 461


# -- requests

ASKED = [name for name in ALL if load(name).request is not None]
_OPTIONS = {"temperature": "temperature", "max_output_tokens": "max_tokens", "thinking_level": "reasoning_effort"}


@pytest.mark.parametrize("name", ASKED)
def test_a_recorded_request_is_built_again(name: str) -> None:
    body = load(name).request
    assert body is not None
    content: Any = body["input"]
    if not isinstance(content, str):
        content = [_part(each) for each in content]
    options = {_OPTIONS[field]: value for field, value in body.get("generation_config", {}).items()}
    extra = {"background": True} if body.get("background") else {}
    ours = sent(
        [Message("user", content)], model=body.get("model") or body["agent"], stream=body.get("stream", False),
        extra=extra, **options,
    )  # fmt: skip
    assert ours == {field: value for field, value in body.items() if value is not False}


def _part(content: dict[str, Any]) -> Any:
    if content["type"] == "text":
        return Text(content["text"])
    assert content["type"] == "image"
    return Image(data=base64.b64decode(content["data"]), media_type=content["mime_type"], detail=content["resolution"])


def test_four_recordings_have_their_request() -> None:
    assert len(ASKED) == 4
