"""OpenAI Realtime: when a response is asked for, what interrupts it, and what the user says."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from exllm.errors import InvalidRequest, UnsupportedOption
from exllm.types.live_events import AudioOut, Interrupted, RemoteError, SpeechStarted, TurnComplete
from exllm.types.live_settings import TurnDetection
from exllm.types.message import Message
from exllm.types.parts import Audio, Image, Reasoning, Text, ToolResult
from exllm.types.parts import ToolCall as Call
from tests.providers.openai_realtime_talk import (
    MANUAL,
    TOOL,
    begin,
    call,
    end,
    kinds,
    opened,
    read,
    reconnected,
    speak,
    tell,
)


def test_a_turn_is_answered_at_once_or_as_soon_as_the_model_is_silent() -> None:
    protocol = opened()
    assert kinds(protocol.turn([Message("user", "Hi")], complete=True)) == [
        "conversation.item.create", "response.create",
    ]  # fmt: skip
    # asked for and not begun, begun and not ended: no second one
    assert kinds(protocol.turn([Message("user", "and")], complete=True)) == ["conversation.item.create"]
    begin(protocol)
    assert protocol.replies() == []
    end(protocol)
    assert kinds(protocol.replies()) == ["response.create"]
    assert protocol.replies() == []
    begin(protocol, "r2")
    end(protocol, "r2")
    assert protocol.replies() == []
    assert kinds(protocol.turn([Message("user", "so")], complete=False)) == ["conversation.item.create"]
    assert protocol.turn([], complete=False) == []


def test_results_are_answered_when_the_response_is_over_and_every_call_has_its_own() -> None:
    protocol = opened(tools=(TOOL,))
    begin(protocol)
    call(protocol, "c1")
    call(protocol, "c2")
    assert kinds(protocol.tool_results([ToolResult("c1", "20 C")])) == ["conversation.item.create"]
    end(protocol)
    assert protocol.replies() == []  # one is open
    assert kinds(protocol.tool_results([ToolResult("c2", "21 C")])) == ["conversation.item.create", "response.create"]


def test_results_that_come_before_the_end_of_the_response_wait_for_it() -> None:
    protocol = opened(tools=(TOOL,))
    begin(protocol)
    call(protocol, "c1")
    assert kinds(protocol.tool_results([ToolResult("c1", "20 C")])) == ["conversation.item.create"]
    assert protocol.replies() == []
    end(protocol)
    assert kinds(protocol.replies()) == ["response.create"]


@pytest.mark.parametrize("losses", [0, 1])
@pytest.mark.parametrize("is_noticed", [True, False])
def test_a_response_that_was_given_up_is_not_asked_for_again(is_noticed: bool, losses: int) -> None:
    """Whether or not it was asked for again before; a later one always is."""
    protocol = opened()
    protocol.turn([Message("user", "A story")], complete=True)
    begin(protocol)
    for _ in range(losses):
        assert reconnected(protocol)[-1] == {"type": "response.create"}
    if is_noticed:
        protocol.closed(1006, "")
        protocol.connect()
    protocol.give_up()
    assert {one["type"] for one in reconnected(protocol)} == {"conversation.item.create"}
    assert kinds(protocol.turn([Message("user", "Hi")], complete=True))[-1] == "response.create"
    protocol.give_up()
    assert reconnected(protocol)[-1] == {"type": "response.create"}


def test_a_response_that_was_wanted_next_outlives_the_one_that_was_given_up() -> None:
    protocol = opened()
    begin(protocol)
    protocol.respond(instructions="Be brief.")
    for _ in range(2):
        protocol.give_up()
        assert reconnected(protocol) == [{"type": "response.create", "response": {"instructions": "Be brief."}}]


def test_results_need_not_be_answered() -> None:
    protocol = opened(tools=(TOOL,))
    begin(protocol)
    call(protocol, "c1")
    end(protocol)
    assert kinds(protocol.tool_results([ToolResult("c1", "20 C")], respond=False)) == ["conversation.item.create"]
    assert protocol.replies() == []
    with pytest.raises(UnsupportedOption, match="scheduling"):
        protocol.tool_results([ToolResult("c1", "")], scheduling="silent")
    image = Image(data=b"x", media_type="image/png")
    with pytest.raises(InvalidRequest, match="text alone"):
        protocol.tool_results([ToolResult("c1", (Text("a"), image))])


def test_a_response_that_was_refused_because_one_is_active_is_asked_for_again() -> None:
    protocol = opened()
    protocol.turn([Message("user", "Hi")], complete=True)
    begin(protocol, "vad")  # the service was faster
    protocol.respond()
    end(protocol, "vad")
    protocol.replies()
    error = {"type": "invalid_request_error", "code": "conversation_already_has_active_response", "message": "busy"}
    (told,) = tell(protocol, "error", error=error)
    assert isinstance(told, RemoteError)
    assert (told.code, told.kind) == ("conversation_already_has_active_response", "invalid_request_error")
    assert kinds(protocol.replies()) == ["response.create"]


def test_a_response_has_options_of_its_own_and_one_beside_the_conversation_needs_no_turn() -> None:
    protocol = opened()
    (asked,) = read(protocol.respond(instructions="Sum up", modalities=("text",), max_tokens=5, tools=[TOOL]))
    assert asked["response"] == {
        "instructions": "Sum up", "output_modalities": ["text"], "max_output_tokens": 5,
        "tools": [{"type": "function", "name": "get_weather", "parameters": TOOL.schema, "description": "Look it up"}],
    }  # fmt: skip
    begin(protocol)
    (beside,) = read(protocol.respond(conversation="none", metadata={"topic": "x"}))
    assert beside["response"] == {"conversation": "none", "metadata": {"topic": "x"}}
    begin(protocol, "r2", conversation_id=None)
    end(protocol, "r2", conversation_id=None)
    protocol.respond()
    assert protocol.replies() == []  # r1 goes on
    end(protocol)
    assert kinds(protocol.replies()) == ["response.create"]
    with pytest.raises(UnsupportedOption, match="speed"):
        protocol.respond(speed=2)
    with pytest.raises(UnsupportedOption, match="not in both"):
        protocol.respond(modalities=["text", "audio"])


# -- interruption


def test_speech_over_the_model_interrupts_it_and_what_was_heard_is_kept() -> None:
    protocol = opened()
    begin(protocol)
    speak(protocol, 1_000)
    events = tell(protocol, "input_audio_buffer.speech_started", audio_start_ms=1500, item_id="u1")
    assert events == [SpeechStarted(1.5, "u1"), Interrupted("r1", "i1")]
    # The service has cancelled it already.
    assert read(protocol.interrupt(400)) == [
        {"type": "conversation.item.truncate", "item_id": "i1", "content_index": 0, "audio_end_ms": 400}
    ]
    assert protocol.interrupt(400) == []
    _, ended = end(protocol, status="cancelled", status_details={"type": "cancelled", "reason": "turn_detected"})
    assert isinstance(ended, TurnComplete)
    assert (ended.status, ended.reason) == ("interrupted", "turn_detected")


def test_more_than_there_is_cannot_have_been_heard() -> None:
    protocol = opened()
    begin(protocol)
    speak(protocol, 250)
    speak(protocol, 250)
    cancel, cut = read(protocol.interrupt(9_000))
    assert cancel == {"type": "response.cancel"}
    assert cut["audio_end_ms"] == 500


def test_speech_over_text_or_where_speech_does_not_interrupt_only_starts() -> None:
    silent = opened()
    begin(silent)
    assert tell(silent, "input_audio_buffer.speech_started") == [SpeechStarted()]
    patient = opened(turn_detection=TurnDetection(interrupts=False))
    begin(patient)
    speak(patient, 100)
    assert tell(patient, "input_audio_buffer.speech_started") == [SpeechStarted()]


def test_audio_that_still_plays_after_its_response_can_be_cut() -> None:
    protocol = opened()
    begin(protocol)
    speak(protocol, 1_000)
    end(protocol)
    assert kinds(protocol.interrupt(100)) == ["conversation.item.truncate"]
    assert opened().interrupt(100) == []
    other = opened("xai")
    begin(other)
    speak(other, 100)
    assert kinds(other.interrupt(50)) == ["response.cancel"]


def test_phone_audio_counts_in_bytes() -> None:
    protocol = opened(audio_format="g711_ulaw")
    begin(protocol)
    delta = base64.b64encode(b"\x00" * 800).decode()
    (audio,) = tell(protocol, "response.output_audio.delta", item_id="i1", response_id="r1", delta=delta)
    assert isinstance(audio, AudioOut)
    assert (audio.rate_hz, audio.media_type) == (8_000, "audio/pcmu")
    assert read(protocol.interrupt(999))[1]["audio_end_ms"] == 100


# -- what the user says


def test_audio_and_its_ends() -> None:
    protocol = opened()
    assert read(protocol.audio(b"\x01\x02", 24_000)) == [{"type": "input_audio_buffer.append", "audio": "AQI="}]
    with pytest.raises(InvalidRequest, match="24000"):
        protocol.audio(b"", 16_000)
    assert protocol.audio_end() == []
    with pytest.raises(InvalidRequest, match="manual"):
        protocol.activity_end()
    manual = opened(turn_detection=MANUAL)
    assert kinds(manual.activity_start()) == ["input_audio_buffer.clear"]
    assert kinds(manual.activity_end()) == ["input_audio_buffer.commit", "response.create"]
    begin(manual)
    speak(manual, 100)
    assert kinds(manual.activity_start()) == ["response.cancel", "input_audio_buffer.clear"]
    assert kinds(opened("xai", turn_detection=MANUAL).activity_end()) == ["input_audio_buffer.commit"]
    quiet = opened(turn_detection=TurnDetection("manual", responds=None), kind="transcription")
    assert kinds(quiet.audio_end()) == ["input_audio_buffer.commit"]


def test_messages_become_items() -> None:
    history = [
        Message("developer", "Be kind"),
        Message.of("user", [
            Text("Look"), Image(url="https://x/y.png", detail="low"), Audio(data=b"\x00", media_type="audio/pcm"),
        ]),
        Message.of("assistant", [Reasoning("hm"), Text("A cat"), Call("c1", "f", ""), Text("Done")]),
        Message.of("tool", [ToolResult("c1", "1")]),
    ]  # fmt: skip
    protocol = opened()
    items = [message["item"] for message in read(protocol.turn(history, complete=False))]
    assert items == [
        {"type": "message", "role": "system", "content": [{"type": "input_text", "text": "Be kind"}]},
        {"type": "message", "role": "user", "content": [
            {"type": "input_text", "text": "Look"},
            {"type": "input_image", "image_url": "https://x/y.png", "detail": "low"},
            {"type": "input_audio", "audio": "AA=="},
        ]},
        {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "A cat"}]},
        {"type": "function_call", "call_id": "c1", "name": "f", "arguments": "{}"},
        {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "Done"}]},
        {"type": "function_call_output", "call_id": "c1", "output": "1"},
    ]  # fmt: skip
    assert protocol.warnings == ["Reasoning parts of the assistant have no place in the Realtime API; left out"]
    for bad in (
        Message.of("user", [Call("c", "f")]),
        Message("tool", "x"),
        Message.of("user", [Audio(url="https://x")]),
    ):
        with pytest.raises(InvalidRequest):
            protocol.turn([bad], complete=True)


@pytest.mark.parametrize(
    ("provider", "session", "is_manual"),
    [
        ("openai", {"audio": {"input": {"turn_detection": None}}}, True),
        ("openai", {"audio": {"input": {"turn_detection": {"type": "server_vad"}}}}, False),
        ("openai", {"audio": {"input": {}}}, False),  # it does not say
        ("xai", {"turn_detection": {"type": None}}, True),
        ("xai", {"turn_detection": {"type": "server_vad"}}, False),
        ("azure-voice-live", {"turn_detection": None}, True),
        ("openai", {"audio": "odd", "turn_detection": 7}, False),
    ],
)
def test_where_the_service_says_that_it_does_not_listen_for_turns_they_are_ended_by_hand(
    provider: str, session: dict[str, Any], is_manual: bool
) -> None:
    protocol = opened(provider)
    tell(protocol, "session.updated", session=session)
    assert kinds(protocol.audio_end())[:1] == (["input_audio_buffer.commit"] if is_manual else [])
    if is_manual:
        assert kinds(protocol.activity_start()) == ["input_audio_buffer.clear"]
    else:
        with pytest.raises(InvalidRequest, match="manual"):
            protocol.activity_start()
    asked = opened(provider, turn_detection=TurnDetection("server"))
    tell(asked, "session.updated", session={"turn_detection": None, "audio": {"input": {"turn_detection": None}}})
    assert asked.audio_end() == []  # asked for: what the service makes of it is its own business


def test_what_is_only_written_down_is_committed_and_not_answered() -> None:
    listening = opened(kind="transcription")
    tell(listening, "session.updated", session={"type": "transcription", "audio": {"input": {"turn_detection": None}}})
    assert kinds(listening.audio_end()) == ["input_audio_buffer.commit"]
