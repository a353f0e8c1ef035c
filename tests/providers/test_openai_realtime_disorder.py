"""OpenAI Realtime: events in an order, and with holes, that no service should send."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, get_args

import msgspec
import pytest
from openai.types.realtime import realtime_server_event

from exllm.errors import ExLLMError, ProtocolError
from exllm.streaming.frame import Frame
from exllm.types.live_events import AudioOut, InputTranscript, OutputTranscript, RemoteError, TextOut, TurnComplete
from exllm.types.live_events import ToolCall as Called
from exllm.types.message import Message
from tests.providers.openai_realtime_samples import samples, with_audio
from tests.providers.openai_realtime_talk import begin, call, end, kinds, opened, read, reconnected, speak, tell

_TEXT = "conversation.item.input_audio_transcription"


def test_pieces_before_their_response_are_handed_out() -> None:
    protocol = opened()
    assert isinstance(speak(protocol, 20)[0], AudioOut)
    assert tell(protocol, "response.output_text.delta", item_id="i", response_id="r", delta="Hi") == [
        TextOut("Hi", "r", "i")
    ]
    assert isinstance(end(protocol)[-1], TurnComplete)
    assert kinds(protocol.turn([Message("user", "and?")], complete=True))[-1] == "response.create"


@pytest.mark.parametrize("hole", [{}, {"item_id": None, "response_id": None, "content_index": None}])
def test_pieces_without_ids_are_handed_out(hole: dict[str, Any]) -> None:
    protocol = opened()
    begin(protocol)
    assert tell(protocol, "response.output_audio.delta", delta="AAAA", **hole) == [AudioOut(b"\0\0\0")]
    assert tell(protocol, "response.output_text.delta", delta="Hi", **hole) == [TextOut("Hi")]
    assert tell(protocol, "response.output_audio_transcript.delta", delta="Hi", **hole) == [OutputTranscript("Hi")]
    assert tell(protocol, f"{_TEXT}.delta", delta="Hi", **hole) == [InputTranscript("Hi")]
    # What has no name cannot be cut.
    assert kinds(protocol.interrupt(10)) == ["response.cancel"]


def test_an_end_that_comes_twice_frees_nothing_twice() -> None:
    protocol = opened()
    begin(protocol)
    end(protocol)
    begin(protocol, "r2")
    assert isinstance(end(protocol, "r1")[-1], TurnComplete)  # again
    assert protocol.turn([Message("user", "and?")], complete=True)[1:] == []  # r2 goes on
    end(protocol, "r2")
    assert kinds(protocol.replies()) == ["response.create"]


def test_a_call_that_comes_again_later_is_told_once() -> None:
    protocol = opened()
    begin(protocol)
    assert any(isinstance(event, Called) for event in call(protocol, "c1"))
    assert not any(isinstance(event, Called) for event in call(protocol, "c1"))


def test_two_responses_in_the_conversation_at_once_end_with_the_one_that_began_last() -> None:
    protocol = opened()
    begin(protocol, "r1")
    begin(protocol, "r2")
    protocol.respond()
    end(protocol, "r1")
    assert protocol.replies() == []
    end(protocol, "r2")
    assert kinds(protocol.replies()) == ["response.create"]


def test_a_refusal_of_something_else_after_an_answer_asks_for_nothing() -> None:
    protocol = opened()
    protocol.turn([Message("user", "Hi")], complete=True)
    begin(protocol)
    end(protocol)
    # As after a response.create of the application's own words.
    (told,) = tell(protocol, "error", error={"code": "conversation_already_has_active_response", "message": "busy"})
    assert isinstance(told, RemoteError)
    assert protocol.replies() == []


def test_a_connection_that_breaks_before_the_conversation_was_told_has_it_told_once() -> None:
    protocol = opened()
    protocol.turn([Message("user", "Hi")], complete=False)
    for _ in range(2):
        protocol.closed(1006, "")
        protocol.connect()
        tell(protocol, "session.updated", session={})  # and it is gone again, before anything was said
    assert kinds(protocol.replies()) == ["conversation.item.create"]


@pytest.mark.parametrize(
    "item",
    [
        {"type": "function_call", "name": "f", "arguments": "{}"},
        {"type": "function_call_output", "output": "1"},
        {"type": "function_call_output", "call_id": ["c"], "output": "1"},
        {"type": "function_call", "call_id": {"a": 1}, "name": "f", "arguments": "{}"},
        {"role": "user", "content": []},
        {"type": 7, "content": 8},
        {"type": "message", "role": "user", "content": [7, {"text": 8}]},
        {},
    ],
    ids=str,
)
def test_an_odd_item_of_the_applications_own_words_breaks_no_later_connection(item: dict[str, Any]) -> None:
    protocol = opened()
    protocol.raw({"type": "conversation.item.create", "item": item})
    protocol.turn([Message("user", "Hi")], complete=False)
    told = [message["item"] for message in reconnected(protocol)]
    assert told[-1]["content"] == [{"type": "input_text", "text": "Hi"}]
    tell(protocol, "conversation.item.added", item={"id": "i1", **item})
    reconnected(protocol)


@pytest.mark.parametrize("number", ["1" * 400, "1e308", "-1", "1.5"])
def test_numbers_beyond_reason_are_an_error_of_ours_or_a_number(number: str) -> None:
    for text in (
        '{"type":"response.done","response":{"id":"r","usage":{"input_tokens":%s,"output_tokens":1}}}',
        '{"type":"input_audio_buffer.speech_started","audio_start_ms":%s}',
        '{"type":"conversation.item.truncated","item_id":"i1","audio_end_ms":%s}',
        '{"type":"response.output_audio.delta","item_id":"i1","delta":"AAAA","content_index":%s}',
        '{"type":"rate_limits.updated","rate_limits":[{"name":"tokens","limit":%s}]}',
    ):
        protocol = opened()
        speak(protocol, 20)
        try:
            protocol.receive(Frame((text % number).encode()))
        except ProtocolError:
            continue
        for message in protocol.interrupt(5):
            json.loads(message)


def test_a_huge_event_is_read_and_remembered() -> None:
    protocol = opened()
    item = {"id": "i1", "type": "message", "role": "assistant", "content": []}
    tell(protocol, "conversation.item.added", item=item)
    (event,) = tell(protocol, "response.output_text.delta", item_id="i1", response_id="r", delta="x" * 5_000_000)
    assert isinstance(event, TextOut)
    assert len(event.text) == 5_000_000
    assert [len(message["item"]["content"][0]["text"]) for message in reconnected(protocol)] == [5_000_000]


def test_an_error_with_a_number_for_a_code_is_told() -> None:
    assert tell(opened(), "error", error={"code": 429, "type": "too_many_requests", "message": "slow"}) == [
        RemoteError("slow", "429", kind="too_many_requests")
    ]
    assert read(opened().respond()) == [{"type": "response.create"}]


_ODD = (None, 7, -1, 1e300, 10**30, True, "text", "", [], {}, [None], [[]], {"type": None}, {"a": [1]})


def spoilt(tree: Any) -> Iterator[Any]:
    """The same with something odd in one place, and without it, place by place."""
    if isinstance(tree, dict):
        for name, value in tree.items():
            if name == "type" and "event_id" in tree:
                continue  # an event has its name
            yield {other: each for other, each in tree.items() if other != name}
            yield from ({**tree, name: odd} for odd in _ODD)
            yield from ({**tree, name: each} for each in spoilt(value))
    elif isinstance(tree, list):
        yield from ([each] for value in tree for each in spoilt(value))


@pytest.mark.parametrize(
    "model",
    get_args(get_args(realtime_server_event.RealtimeServerEvent)[0]),
    ids=lambda model: model.__name__,
)
@pytest.mark.parametrize("provider", ["openai", "xai", "azure-voice-live"])
def test_anything_in_any_place_of_an_event_is_an_event_or_an_error_of_ours(model: Any, provider: str) -> None:
    protocol = opened(provider)
    begin(protocol)
    speak(protocol, 100)
    for event in spoilt(with_audio(samples(model)[0])):
        try:
            events = protocol.receive(Frame(json.dumps(event).encode()))
        except ExLLMError:
            continue
        msgspec.json.encode(events)
    for message in (*protocol.interrupt(5), *protocol.replies(), *protocol.audio_end(), *protocol.respond()):
        json.loads(message)
    reconnected(protocol)
