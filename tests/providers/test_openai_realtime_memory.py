"""OpenAI Realtime: the conversation is remembered, and told again over another connection."""

from __future__ import annotations

import json

import msgspec
import pytest

from exllm.errors import InvalidRequest
from exllm.providers.openai_realtime import WIRE, RealtimeProtocol
from exllm.providers.openai_realtime_memory import MAX_CHARS, MAX_MEDIA_CHARS, MOST_UNCONFIRMED
from exllm.types.live_events import ResumptionUpdate, SessionStarted
from exllm.types.live_settings import LiveSettings
from exllm.types.message import Message
from exllm.types.parts import Audio, Image, Text, ToolResult
from tests.providers.openai_realtime_talk import (
    MANUAL,
    TOOL,
    begin,
    end,
    kinds,
    opened,
    read,
    reconnected,
    speak,
    spec_of,
    tell,
)


def test_the_history_is_told_once_it_may_be() -> None:
    history = (Message("user", "I am Alice"), Message("assistant", "Hello"))
    protocol = WIRE.protocol(LiveSettings("m", history=history), spec_of())
    protocol.connect()
    assert protocol.replies() == []
    tell(protocol, "session.updated", session={})
    assert kinds(protocol.replies()) == ["conversation.item.create"] * 2
    assert protocol.replies() == []


def conversation(protocol: RealtimeProtocol) -> None:
    """A spoken question, its answer with a call, and a second answer that is interrupted at a third."""
    tell(protocol, "conversation.item.added", item={
        "id": "u1", "type": "message", "role": "user", "content": [{"type": "input_audio", "transcript": None}],
    })  # fmt: skip
    tell(protocol, "conversation.item.input_audio_transcription.completed", item_id="u1", transcript="Weather?")
    begin(protocol)
    fields = {"id": "f1", "type": "function_call", "call_id": "c1", "name": "get_weather"}
    tell(protocol, "conversation.item.added", item={**fields, "arguments": "", "status": "in_progress"})
    tell(protocol, "response.output_item.done", item={**fields, "arguments": "{}", "status": "completed"})
    end(protocol)
    protocol.tool_results([ToolResult("c1", "20 C")])
    tell(protocol, "conversation.item.added", item={
        "id": "o1", "type": "function_call_output", "call_id": "c1", "output": "20 C",
    })  # fmt: skip
    begin(protocol, "r2")
    tell(protocol, "conversation.item.added", item={"id": "i1", "type": "message", "role": "assistant", "content": []})
    for piece in ("It is ", "warm and ", "sunny."):
        tell(protocol, "response.output_audio_transcript.delta", item_id="i1", response_id="r2", delta=piece)
    speak(protocol, 3_000)


TOLD = [
    {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Weather?"}]},
    {"type": "function_call", "call_id": "c1", "name": "get_weather", "arguments": "{}"},
    {"type": "function_call_output", "call_id": "c1", "output": "20 C"},
]


def test_the_conversation_is_told_again_in_its_order_and_an_answer_that_was_cut_is_asked_for_again() -> None:
    protocol = opened(tools=(TOOL,))
    conversation(protocol)
    assert protocol.resumes_by == "replay"
    told = reconnected(protocol)
    partial = {
        "type": "message",
        "role": "assistant",
        "content": [{"type": "output_text", "text": "It is warm and sunny."}],
    }
    assert [message["item"] for message in told[:-1]] == [*TOLD, partial]
    assert told[-1] == {"type": "response.create"}
    # and again, when the next connection breaks before the service has confirmed anything
    assert [message.get("item") for message in reconnected(protocol)] == [*TOLD, partial, None]


def test_of_what_was_interrupted_about_as_much_is_told_as_was_heard() -> None:
    protocol = opened(tools=(TOOL,))
    conversation(protocol)
    protocol.interrupt(1_000)
    tell(protocol, "conversation.item.truncated", item_id="i1", content_index=0, audio_end_ms=1_000)
    whole = {"id": "i1", "type": "message", "role": "assistant", "content": [{"transcript": "It is warm and sunny."}]}
    end(protocol, "r2", status="cancelled", output=[whole])
    told = reconnected(protocol)
    assert told[-1]["item"]["content"] == [{"type": "output_text", "text": "It is"}]


def test_what_was_sent_and_not_confirmed_is_sent_again_and_what_was_deleted_is_not() -> None:
    protocol = opened()
    protocol.turn([Message("user", "one")], complete=False)
    protocol.turn([Message("user", "two")], complete=False)
    first = {"id": "u1", "type": "message", "role": "user", "content": [{"type": "input_text", "text": "one"}]}
    tell(protocol, "conversation.item.added", item=first)
    tell(protocol, "conversation.item.done", item=first)
    assert [message["item"]["content"][0]["text"] for message in reconnected(protocol)] == ["one", "two"]
    tell(protocol, "conversation.item.added", item={**first, "id": "u2"})
    tell(protocol, "conversation.item.deleted", item_id="u2")
    assert [message["item"]["content"][0]["text"] for message in reconnected(protocol)] == ["two"]


def test_a_response_that_was_asked_for_and_never_came_is_asked_for_again() -> None:
    protocol = opened()
    protocol.turn([Message("user", "Hi")], complete=True)
    assert [message["type"] for message in reconnected(protocol)] == ["conversation.item.create", "response.create"]


def test_items_stand_where_the_service_put_them() -> None:
    protocol = opened()
    for id_, previous in (("a", None), ("b", "a"), ("c", "a")):
        item = {"id": id_, "type": "message", "role": "user", "content": [{"type": "input_text", "text": id_}]}
        tell(protocol, "conversation.item.added", item=item, previous_item_id=previous)
    assert [message["item"]["content"][0]["text"] for message in reconnected(protocol)] == ["a", "c", "b"]


def test_memory_is_bounded_and_says_so() -> None:
    protocol = opened()
    for number in range(40):
        text = f"{number} " + "x" * (MAX_CHARS // 10)
        item = {
            "id": f"u{number}",
            "type": "message",
            "role": "user",
            "content": [{"type": "input_text", "text": text}],
        }
        tell(protocol, "conversation.item.added", item=item)
    told = reconnected(protocol)
    assert len(told) == 9
    assert told[-1]["item"]["content"][0]["text"].startswith("39 ")
    assert protocol.warnings == ["the conversation is long; its beginning was not told again"]


def test_pictures_and_recordings_that_were_sent_are_kept_up_to_a_bound() -> None:
    protocol = opened()
    size = MAX_MEDIA_CHARS // 4 * 3 // 4 - 300  # four of them fit, as base64
    pictures = [Image(data=bytes([number]) * size, media_type="image/png") for number in range(5)]
    for number, part in enumerate([Audio(data=b"RIFF", media_type="audio/wav"), *pictures]):
        item = protocol.turn([Message.of("user", [Text(str(number)), part])], complete=False)
        confirmed = {**json.loads(item[0])["item"], "id": f"u{number}"}
        tell(protocol, "conversation.item.added", item=confirmed)
        tell(protocol, "conversation.item.done", item={**confirmed, "content": []})
    items = [message["item"]["content"] for message in reconnected(protocol)]
    assert [content[0]["text"] for content in items] == [str(number) for number in range(6)]
    assert [len(content) for content in items] == [1, 1, 2, 2, 2, 2]
    assert protocol.warnings == ["the conversation is long; its beginning was not told again"]
    assert [message["item"]["content"] for message in reconnected(protocol)] == items


def test_a_history_is_told_whole_however_long_it_is() -> None:
    picture = Message.of("user", [Image(data=bytes(MAX_MEDIA_CHARS // 3), media_type="image/png")])
    texts = [Message("user", str(number)) for number in range(MOST_UNCONFIRMED + 5)]
    protocol = WIRE.protocol(LiveSettings("m", history=(picture, picture, picture, *texts)), spec_of())
    protocol.connect()
    tell(protocol, "session.updated", session={})
    assert len(protocol.replies()) == MOST_UNCONFIRMED + 8
    assert protocol.warnings == []
    assert len(reconnected(protocol)) == MOST_UNCONFIRMED
    assert protocol.warnings == ["the conversation is long; its beginning was not told again"]


def test_pictures_that_a_service_does_not_confirm_do_not_fill_the_memory() -> None:
    protocol = opened()
    picture = Message.of("user", [Image(data=bytes(MAX_MEDIA_CHARS // 5), media_type="image/png")])
    for number in range(10):
        protocol.turn([picture, Message("user", str(number))], complete=False)
    kinds_told = ["picture" if "image_url" in str(message) else "text" for message in reconnected(protocol)]
    assert kinds_told == ["text"] * 7 + ["picture", "text"] * 3
    assert protocol.warnings == ["the conversation is long; its beginning was not told again"]


def test_an_item_in_the_services_own_words_need_not_make_sense() -> None:
    protocol = opened()
    protocol.raw({"type": "conversation.item.create", "item": {}})
    protocol.raw({"type": "conversation.item.create", "item": {"type": "function_call_output"}})
    assert [message["item"] for message in reconnected(protocol)] == [{}]


def test_a_service_that_confirms_nothing_does_not_fill_the_memory() -> None:
    protocol = opened()
    for number in range(MOST_UNCONFIRMED + 5):
        protocol.turn([Message("user", str(number))], complete=False)
    told = reconnected(protocol)
    assert len(told) == MOST_UNCONFIRMED
    assert told[0]["item"]["content"][0]["text"] == "5"


def test_a_conversation_that_the_service_no_longer_has_is_told_again() -> None:
    protocol = WIRE.protocol(LiveSettings("grok"), spec_of("xai"))
    protocol.connect()
    created = tell(protocol, "conversation.created", conversation={"id": "conv_1"})
    assert created[1] == ResumptionUpdate("conv_1", resumable=True)
    tell(protocol, "session.updated", session={})
    item = {"id": "u1", "type": "message", "role": "user", "content": [{"type": "input_text", "text": "Hi"}]}
    tell(protocol, "conversation.item.added", item=item)
    assert protocol.resumes_by == "handle"
    for known, told, resumed in (("conv_1", 0, True), ("conv_2", 1, False)):
        protocol.closed(1006, "")
        assert protocol.address().path.endswith("conversation_id=conv_1")
        protocol.connect()
        tell(protocol, "conversation.created", conversation={"id": known})
        (started, _) = tell(protocol, "session.updated", session={})
        assert isinstance(started, SessionStarted)
        assert started.resumed is resumed
        assert len(protocol.replies()) == told
    assert opened("xai", resumable=False).resumes_by == "new"


def test_a_message_in_the_services_own_words_is_remembered_where_it_is_an_item() -> None:
    protocol = opened()
    item = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "raw"}]}
    protocol.raw({"type": "conversation.item.create", "item": item})
    assert reconnected(protocol)[0]["item"] == item
    with pytest.raises(InvalidRequest):
        protocol.raw({"type": object()})


def test_settings_that_were_refused_are_not_asked_for_again_over_another_connection() -> None:
    settings = LiveSettings("gpt-realtime", instructions="Hi", voice="ash")
    protocol = opened(instructions="Hi", voice="ash")
    (update,) = read(protocol.update(msgspec.structs.replace(settings, voice="nobody", turn_detection=MANUAL)))
    error = {"code": "invalid_value", "message": "no such voice", "type": "invalid_request_error"}
    tell(protocol, "error", error={**error, "event_id": update["event_id"]})
    assert protocol.audio_end() == []  # the service still listens for turns
    protocol.closed(1006, "")
    (asked,) = read(protocol.connect())
    assert asked["session"]["audio"]["output"]["voice"] == "ash"
    assert "turn_detection" not in asked["session"]["audio"]["input"]
    # Nor is it in the next update, which would be refused with it.
    (later,) = read(protocol.update(msgspec.structs.replace(settings, voice="nobody", instructions="Ho")))
    assert later["session"] == {"type": "realtime", "instructions": "Ho", "audio": later["session"]["audio"]}
    assert later["session"]["audio"] == {"input": {"turn_detection": None}}  # taken back
    protocol.closed(1006, "")
    (asked,) = read(protocol.connect())
    assert (asked["session"]["instructions"], asked["session"]["audio"]["output"]["voice"]) == ("Ho", "ash")
    tell(protocol, "session.updated", session={})
    (first,) = read(protocol.update(msgspec.structs.replace(settings, voice="marin")))
    (second,) = read(protocol.update(msgspec.structs.replace(settings, voice="marin", instructions="Ho")))
    assert first["event_id"] != second["event_id"]
    tell(protocol, "error", error={**error, "event_id": "another"})
    protocol.closed(1006, "")
    (asked,) = read(protocol.connect())
    assert (asked["session"]["audio"]["output"]["voice"], asked["session"]["instructions"]) == ("marin", "Ho")


def test_of_two_updates_the_one_that_was_refused_is_not_asked_for_again() -> None:
    protocol = opened(instructions="Hi", voice="ash")
    settings = LiveSettings("gpt-realtime", instructions="Hi", voice="nobody")
    (first,) = read(protocol.update(settings))
    read(protocol.update(msgspec.structs.replace(settings, instructions="Ho")))
    error = {"code": "invalid_value", "message": "no such voice", "type": "invalid_request_error"}
    for _ in range(2):  # a service that repeats itself refuses no more than that
        tell(protocol, "error", error={**error, "event_id": first["event_id"]})
    protocol.closed(1006, "")
    (asked,) = read(protocol.connect())
    assert (asked["session"]["instructions"], asked["session"]["audio"]["output"]["voice"]) == ("Ho", "ash")
    tell(protocol, "session.updated", session={})
    for number in range(100):
        protocol.update(msgspec.structs.replace(settings, instructions=f"Ho {number}"))
    protocol.closed(1006, "")
    (asked,) = read(protocol.connect())
    assert (asked["session"]["instructions"], asked["session"]["audio"]["output"]["voice"]) == ("Ho 99", "ash")
