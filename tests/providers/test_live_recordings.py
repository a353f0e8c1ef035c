"""Every recorded session: the right events in their order, and what we say is what was said then."""

from __future__ import annotations

import base64
import json
from typing import Any

import msgspec
import pytest

from exllm.errors import ServerError
from exllm.providers.live_wire import LiveEnd
from exllm.streaming.frame import Frame
from exllm.streaming.websocket import WebSocketDecoder
from exllm.types.chunks import ProviderEvent
from exllm.types.live_events import (
    AudioOut,
    GenerationComplete,
    InputTranscript,
    LiveEvent,
    OutputTranscript,
    ReasoningOut,
    ResumptionUpdate,
    SessionStarted,
    TextOut,
    ToolCall,
    TurnComplete,
    TurnStarted,
)
from tests.providers.live_recordings import (
    ALL,
    EXPECTED,
    load,
    normal,
    play,
    protocol_of,
    received,
    spec_of,
    summary,
)

GEMINI = [name for name in ALL if spec_of(name).live.wire == "gemini_live"]
OPENAI = [name for name in ALL if spec_of(name).live.wire == "openai_realtime"]


def said(events: list[LiveEvent], kind: type) -> str:
    return "".join(event.text for event in events if type(event) is kind and not getattr(event, "interim", False))


def messages(name: str) -> list[dict[str, Any]]:
    return [step.data for step in load(name)[1] if step.direction == "received"]


def test_all_are_here() -> None:
    assert len(ALL) == 41
    assert EXPECTED.keys() == {*ALL}
    assert len(GEMINI) == 8
    assert {spec_of(name).name for name in OPENAI} == {"openai", "azure", "azure-voice-live", "xai"}


@pytest.mark.parametrize("name", ALL)
def test_what_was_received_becomes_these_events(name: str) -> None:
    assert summary(play(name).events) == EXPECTED[name]


@pytest.mark.parametrize("name", ALL)
def test_we_say_what_was_said_then_message_by_message(name: str) -> None:
    session = play(name)
    assert session.left == []
    assert session.protocol.warnings == []
    assert [normal(ours) for ours, _ in session.said] == [normal(theirs) for _, theirs in session.said]
    assert len(session.said) == sum(step.direction == "sent" for step in load(name)[1])


@pytest.mark.parametrize("name", ALL)
def test_text_and_binary_frames_are_the_same(name: str) -> None:
    texts, binaries = protocol_of(name), protocol_of(name)
    texts.connect()
    binaries.connect()
    framing = WebSocketDecoder()
    for data in received(name):
        (text,), (binary,) = framing.feed(data.decode()), framing.feed(data)
        assert texts.receive(text) == binaries.receive(binary)


@pytest.mark.parametrize("name", ALL)
def test_events_travel_as_json(name: str) -> None:
    events = play(name).events
    assert msgspec.json.decode(msgspec.json.encode(events), type=list[LiveEvent]) == events


@pytest.mark.parametrize("name", ALL)
def test_every_session_starts_before_anything_is_said_and_every_turn_ends(name: str) -> None:
    events = play(name).events
    talk = [event for event in events if not isinstance(event, ProviderEvent | ResumptionUpdate)]
    assert isinstance(talk[0], SessionStarted)
    turns = [type(event) for event in talk if isinstance(event, TurnStarted | TurnComplete)]
    assert turns == [TurnStarted, TurnComplete] * (len(turns) // 2)
    assert turns


# -- what the service says itself when something is complete


@pytest.mark.parametrize("name", OPENAI)
def test_words_are_those_of_the_items_when_they_are_done(name: str) -> None:
    events, given = play(name).events, messages(name)
    for kind, types in (
        (OutputTranscript, ("response.output_audio_transcript.done", "response.audio_transcript.done")),
        (TextOut, ("response.output_text.done", "response.text.done")),
    ):
        whole = {m["item_id"]: m.get("transcript", m.get("text")) for m in given if m["type"] in types}
        for item, text in whole.items():
            ours = [event for event in events if isinstance(event, kind) and event.item == item]
            assert "".join(event.text for event in ours) == text
            assert not any(getattr(event, "replaces", False) for event in ours)
        finals = [event for event in events if isinstance(event, OutputTranscript) and event.final]
        assert kind is TextOut or [event.item for event in finals] == list(whole)
    for heard in given:
        if heard["type"].endswith("input_audio_transcription.completed") and heard.get("status") != "in_progress":
            ours = [
                e for e in events if isinstance(e, InputTranscript) and e.item == heard["item_id"] and not e.interim
            ]
            assert "".join(event.text for event in ours).strip() == heard["transcript"]
            assert [event.final for event in ours][-1] is True


@pytest.mark.parametrize("name", OPENAI)
def test_calls_and_counts_are_those_of_the_responses_when_they_are_done(name: str) -> None:
    events = play(name).events
    done = [m for m in messages(name) if m["type"] == "response.done"]
    calls = [
        (item["call_id"], item["name"], item["arguments"])
        for m in done
        for item in m["response"]["output"]
        if item["type"] == "function_call"
    ]
    assert [(event.id, event.name, event.arguments) for event in events if isinstance(event, ToolCall)] == calls
    ends = [event for event in events if isinstance(event, TurnComplete)]
    assert [end.turn for end in ends] == [m["response"]["id"] for m in done]
    for end, message in zip(ends, done, strict=True):
        counts = message["response"]["usage"] or message.get("usage")
        assert end.usage is not None
        assert end.usage.input_tokens == counts["input_tokens"]
        assert end.usage.output_tokens == counts["output_tokens"]
        assert end.usage.total_tokens == counts["total_tokens"]
        assert end.usage.audio_output_tokens == counts["output_token_details"]["audio_tokens"]
        assert end.status == "completed"


@pytest.mark.parametrize("name", OPENAI)
def test_every_message_leaves_an_event(name: str) -> None:
    protocol = protocol_of(name)
    protocol.connect()
    for data in received(name):
        assert protocol.receive(Frame(data)), data


@pytest.mark.parametrize("name", ALL)
def test_audio_is_the_bytes_that_were_sent(name: str) -> None:
    sent = []
    for message in messages(name):
        if str(message.get("type", "")).endswith("audio.delta"):
            sent.append(base64.b64decode(message["delta"]))
        parts = (message.get("serverContent") or {}).get("modelTurn", {}).get("parts", ())
        sent += [base64.b64decode(part["inlineData"]["data"]) for part in parts if "inlineData" in part]
    heard = [event for event in play(name).events if isinstance(event, AudioOut)]
    assert [event.data for event in heard] == sent
    assert {event.rate_hz for event in heard} <= {24_000}


@pytest.mark.parametrize("name", GEMINI)
def test_gemini_google_s_sdk_reads_the_same(name: str) -> None:
    types = pytest.importorskip("google.genai.types")
    theirs = [types.LiveServerMessage.model_validate(_as_gemini_counts(message)) for message in messages(name)]
    contents = [message.server_content for message in theirs if message.server_content]
    parts = [part for content in contents if content.model_turn for part in content.model_turn.parts or ()]
    events = play(name).events
    assert said(events, ReasoningOut) == "".join(part.text or "" for part in parts if part.thought)
    assert said(events, TextOut) == "".join(part.text or "" for part in parts if not part.thought)
    transcript = "".join(c.output_transcription.text or "" for c in contents if c.output_transcription)
    assert said(events, OutputTranscript) == transcript
    calls = [call for message in theirs if message.tool_call for call in message.tool_call.function_calls]
    ours = [event for event in events if isinstance(event, ToolCall)]
    assert [(event.id, event.name, event.parse_arguments()) for event in ours] == [
        (call.id, call.name, call.args) for call in calls
    ]
    ends = [event for event in events if isinstance(event, TurnComplete)]
    counted = [message.usage_metadata for message in theirs if message.usage_metadata]
    assert [end.usage.total_tokens for end in ends if end.usage] == [counts.total_token_count for counts in counted]
    assert sum(isinstance(event, GenerationComplete) for event in events) == sum(
        bool(content.generation_complete) for content in contents
    )


def _as_gemini_counts(message: dict[str, Any]) -> dict[str, Any]:
    """Vertex AI calls the counts of the answer otherwise; the SDK renames them before it reads them."""
    counts = message.get("usageMetadata", {})
    renamed = {name.replace("candidates", "response"): value for name, value in counts.items()}
    return {**message, "usageMetadata": renamed} if counts else message


# -- some of them in words


def test_a_spoken_turn_leads_to_a_call_and_a_spoken_answer() -> None:
    events = play("test-azure-ws-test-spoken-turn-transcribed-drives-a-tool-and-answers-in-audio").events
    (call,) = [event for event in events if isinstance(event, ToolCall)]
    assert (call.name, call.parse_arguments()) == ("remember_name", {"name": "Marcelo"})
    assert said(events, InputTranscript).strip() == "Hello, my name is Marcelo."
    assert said(events, OutputTranscript) == "Hello Marcelo, it's great to meet you! How can I help you today?"


def test_guesses_at_what_was_said_are_marked_and_then_replaced() -> None:
    events = play("test-xai-ws-test-audio-in-server-vad-turn").events
    heard = [event for event in events if isinstance(event, InputTranscript)]
    assert next(event.text for event in heard if event.interim) == "Hello?"
    assert [(event.text, event.final) for event in heard if not event.interim] == [("Hello, my name is Marcelo.", True)]


def test_a_dropped_session_is_resumed_under_its_conversation_and_nothing_is_told_twice() -> None:
    name = "test-xai-ws-test-session-resumption-after-drop"
    session = play(name)
    assert [(type(end.error), end.resumable) for end in session.ends] == [(ServerError, True)]
    assert isinstance(session.ends[0], LiveEnd)
    starts = [event for event in session.events if isinstance(event, SessionStarted)]
    assert [start.resumed for start in starts] == [False, True]
    conversation = "43f1cce0-e323-4a24-b2b1-de4b40b374b6"
    assert session.protocol.resumes_by == "handle"
    assert session.protocol.address().path == f"/v1/realtime?model=some-model&conversation_id={conversation}"
    told = [json.dumps(ours) for ours, _ in session.said]
    assert sum("code word is cobalt" in message for message in told) == 1


def test_what_was_said_is_remembered_in_order() -> None:
    protocol: Any = play("test-openai-ws-test-tool-call-round").protocol
    assert protocol.resumes_by == "replay"
    protocol.connect()
    protocol.receive(Frame(b'{"type":"session.updated","session":{}}'))
    told = [json.loads(message)["item"] for message in protocol.replies()]
    assert [item["type"] for item in told] == ["message", "function_call", "function_call_output", "message"]
    assert told[1]["name"] == "get_weather"
    assert told[3]["content"] == [{"type": "output_text", "text": "It is foggy and 12 degrees in London."}]
