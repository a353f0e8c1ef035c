"""OpenAI Realtime: responses beside the conversation, which are in it neither now nor when it is told again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from exllm.errors import InvalidRequest
from exllm.providers.openai_realtime import RealtimeProtocol
from exllm.types.chunks import ProviderEvent
from exllm.types.live_events import Interrupted, LiveEvent, SpeechStarted, ToolCall, TurnComplete, TurnStarted
from exllm.types.message import Message
from exllm.types.parts import Text, ToolResult
from tests.providers.openai_realtime_talk import (
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

SIDE = {"conversation_id": None, "metadata": {"topic": "mood"}}


def message(id_: str, words: str) -> dict[str, Any]:
    return {"id": id_, "type": "message", "role": "assistant", "content": [{"type": "output_text", "text": words}]}


def begin_beside(protocol: RealtimeProtocol) -> list[LiveEvent]:
    protocol.respond(conversation="none", metadata={"topic": "mood"})
    return begin(protocol, "side", **SIDE)


def answer_beside(protocol: RealtimeProtocol) -> None:
    begin_beside(protocol)
    tell(protocol, "response.output_item.added", response_id="side", item={**message("i9", ""), "content": []})
    tell(protocol, "response.output_text.delta", response_id="side", item_id="i9", delta="angry")
    tell(protocol, "response.output_item.done", response_id="side", item=message("i9", "angry"))
    end(protocol, "side", output=[message("i9", "angry")], **SIDE)


def test_what_a_response_was_asked_with_comes_with_its_beginning_and_its_end() -> None:
    protocol = opened()
    started, told = begin_beside(protocol)
    assert started == TurnStarted("side", beside=True)
    assert isinstance(told, ProviderEvent)
    assert told.data["response"]["metadata"] == {"topic": "mood"}
    told, ended = end(protocol, "side", **SIDE)
    assert isinstance(told, ProviderEvent)
    assert told.data["response"]["metadata"] == {"topic": "mood"}
    assert isinstance(ended, TurnComplete)
    assert begin(protocol, "r1", conversation_id="conv_1")[0] == TurnStarted("r1")


def test_a_service_that_never_names_its_conversation_answers_in_it() -> None:
    protocol = opened()
    for response in ("r1", "r2"):
        assert kinds(protocol.respond()) == ["response.create"]
        assert begin(protocol, response, conversation_id=None)[0] == TurnStarted(response)
        end(protocol, response, output=[message(f"i{response}", "Yes")], conversation_id=None)
    ask: tuple[Callable[[], object], ...] = (
        lambda: protocol.respond(conversation="none"),
        lambda: protocol.raw({"type": "response.create", "response": {"conversation": "none"}}),
    )
    for asked in ask:
        asked()
        assert begin(protocol, "side", conversation_id=None)[0] == TurnStarted("side", beside=True)
        end(protocol, "side", conversation_id=None)
    assert begin(protocol, "r3", conversation_id=None)[0] == TurnStarted("r3")
    assert len(reconnected(protocol)) == 3  # what was said, and the request for an answer that was lost


def test_it_is_not_told_again_over_another_connection() -> None:
    protocol = opened()
    question = {"id": "u1", "type": "message", "role": "user", "content": [{"type": "input_text", "text": "Hello"}]}
    tell(protocol, "conversation.item.added", item=question)
    answer_beside(protocol)
    assert [told["item"]["content"][0]["text"] for told in reconnected(protocol)] == ["Hello"]


def test_its_speech_is_not_what_is_cut() -> None:
    protocol = opened()
    begin(protocol, "r1", conversation_id="conv_1")
    speak(protocol, 1_000, "i1")
    begin_beside(protocol)
    tell(protocol, "response.output_audio.delta", response_id="side", item_id="i9", delta="AAAA" * 4_000)
    cancel, cut = read(protocol.interrupt(600))
    assert cancel == {"type": "response.cancel"}
    assert (cut["item_id"], cut["audio_end_ms"]) == ("i1", 600)


def test_what_is_heard_of_its_speech_cuts_nothing_of_the_conversation() -> None:
    protocol = opened()
    begin(protocol, "r1", conversation_id="conv_1")
    speak(protocol, 1_000, "i1")
    end(protocol, "r1")
    begin_beside(protocol)
    tell(protocol, "response.output_audio.delta", response_id="side", item_id="i9", delta="AAAA" * 4_000)
    assert protocol.interrupt(100) == []


def test_its_speech_is_not_what_is_interrupted() -> None:
    protocol = opened()
    begin(protocol, "r1", conversation_id="conv_1")
    begin_beside(protocol)
    tell(protocol, "response.output_audio.delta", response_id="side", item_id="i9", delta="AAAA")
    assert tell(protocol, "input_audio_buffer.speech_started") == [SpeechStarted()]
    speak(protocol, 100, "i1")
    assert tell(protocol, "input_audio_buffer.speech_started")[1] == Interrupted("r1", "i1")


def test_its_calls_keep_nobody_waiting() -> None:
    protocol = opened(tools=(TOOL,))
    begin_beside(protocol)
    tell(
        protocol, "response.function_call_arguments.done", item_id="f", response_id="side", call_id="c9", name="f",
        arguments="{}",
    )  # fmt: skip
    end(protocol, "side", **SIDE)
    begin(protocol)
    call(protocol, "c1")
    end(protocol)
    assert kinds(protocol.tool_results([ToolResult("c1", "1")])) == ["conversation.item.create", "response.create"]


def test_its_calls_come_once_whatever_ends_meanwhile() -> None:
    protocol = opened(tools=(TOOL,))
    begin(protocol, "r1", conversation_id="conv_1")
    begin_beside(protocol)
    asked = {"call_id": "c9", "name": "f", "arguments": "{}"}
    item = {"id": "f9", "type": "function_call", "status": "completed", **asked}
    whole = tell(protocol, "response.function_call_arguments.done", item_id="f9", response_id="side", **asked)
    assert whole == [ToolCall("c9", "f", "{}", "side")]
    end(protocol, "r1")
    done = tell(protocol, "response.output_item.done", response_id="side", item=item)
    assert [type(event) for event in done] == [ProviderEvent]


def test_results_of_its_calls_have_no_place_in_the_conversation() -> None:
    protocol = opened(tools=(TOOL,))
    begin_beside(protocol)
    tell(
        protocol, "response.function_call_arguments.done", item_id="f", response_id="side", call_id="c9", name="f",
        arguments="{}",
    )  # fmt: skip
    end(protocol, "side", **SIDE)
    begin(protocol, conversation_id="conv_1")
    call(protocol, "c1")
    end(protocol)
    assert protocol.tool_results([ToolResult("c9", "1")]) == []
    warnings = list(protocol.warnings)
    assert "beside" in warnings[-1]
    both = protocol.tool_results([ToolResult("c9", "1"), ToolResult("c1", "2")])
    assert kinds(both) == ["conversation.item.create", "response.create"]
    assert read(both)[0]["item"]["call_id"] == "c1"
    assert protocol.warnings == warnings


def test_what_it_answers_may_be_messages_and_items() -> None:
    reference = {"type": "item_reference", "id": "i1"}
    (asked,) = read(
        opened().respond(conversation="none", input=["How?", Message.of("user", [Text("Why?")]), reference])
    )
    said = [
        {"type": "message", "role": "user", "content": [{"type": "input_text", "text": t}]} for t in ("How?", "Why?")
    ]
    assert asked["response"]["input"] == [*said, reference]
    assert read(opened().respond(input="How?"))[0]["response"]["input"] == said[:1]
    with pytest.raises((TypeError, InvalidRequest)):
        opened().respond(input=[7])


def test_its_options_are_read_as_those_of_a_session_are() -> None:
    def get_weather(city: str) -> str:
        """Look it up."""
        return city

    (asked,) = read(opened().respond(modalities="text", tools=[get_weather], tool_choice="get_weather"))
    assert asked["response"]["output_modalities"] == ["text"]
    assert [tool["name"] for tool in asked["response"]["tools"]] == ["get_weather"]
    assert asked["response"]["tool_choice"] == {"type": "function", "name": "get_weather"}
