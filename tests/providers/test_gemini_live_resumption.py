"""Gemini Live: how a session goes on over another connection, and what is told again there."""

from __future__ import annotations

from typing import Any

import pytest

from exllm.providers.gemini_live import WIRE
from exllm.providers.gemini_live_memory import MAX_CHARS
from exllm.providers.gemini_live_protocol import GeminiLiveProtocol
from exllm.types.live_events import (
    SessionStarted,
    ToolCallCancelled,
)
from exllm.types.live_settings import LiveSettings, TurnDetection
from exllm.types.message import Message
from exllm.types.parts import ToolCall as Call
from exllm.types.parts import ToolResult
from tests.providers.gemini_live_session import TOOL, content, opened, read, spec_of, tell


def test_the_history_is_told_first_and_asks_for_nothing() -> None:
    history = (Message("system", "Be kind"), Message("user", "I am Alice"), Message("assistant", "Hello Alice"))
    protocol = WIRE.protocol(LiveSettings("m", history=history), spec_of())
    (setup,) = read(protocol.connect())
    assert setup["setup"]["systemInstruction"]["parts"] == [{"text": "Be kind"}]
    tell(protocol, {"setupComplete": {}})
    (told,) = read(protocol.replies())
    assert [turn["role"] for turn in told["clientContent"]["turns"]] == ["user", "model"]
    assert told["clientContent"]["turnComplete"] is False
    assert protocol.replies() == []


def test_a_session_is_resumed_by_its_last_handle() -> None:
    protocol = opened(history=(Message("user", "I am Alice"), Message("assistant", "Hello")))
    protocol.replies()
    assert protocol.resumes_by == "replay"
    tell(protocol, {"sessionResumptionUpdate": {"newHandle": "h1", "resumable": True}})
    tell(protocol, {"sessionResumptionUpdate": {"newHandle": "", "resumable": False}})  # while it answers
    assert protocol.resumes_by == "handle"
    protocol.closed(1006, "")
    assert not protocol.ready
    (setup,) = read(protocol.connect())
    assert setup["setup"]["sessionResumption"] == {"handle": "h1"}
    (started,) = tell(protocol, {"setupComplete": {}})
    assert isinstance(started, SessionStarted)
    assert started.resumed
    assert protocol.replies() == []  # it knows all


def test_what_was_said_after_the_handle_is_told_again_and_asked_again_where_it_was_not_answered() -> None:
    protocol = opened()
    tell(protocol, {"sessionResumptionUpdate": {"newHandle": "h1", "resumable": True}})
    protocol.turn([Message("user", "What is 1+1?")], complete=True)
    tell(protocol, content(outputTranscription={"text": "It is"}))
    tell(protocol, content(outputTranscription={"text": " two."}))
    tell(protocol, content(turnComplete=True))
    tell(protocol, content(inputTranscription={"text": "And 2+2?"}))
    tell(protocol, content(outputTranscription={"text": "That is"}))
    protocol.turn([Message("user", "Or 3+3?")], complete=True)
    protocol.closed(1011, "")
    protocol.connect()
    tell(protocol, {"setupComplete": {}})
    (told,) = read(protocol.replies())
    words = [(turn["role"], turn["parts"][0]["text"]) for turn in told["clientContent"]["turns"]]
    assert words == [
        ("user", "What is 1+1?"), ("model", "It is two."), ("user", "And 2+2?"), ("model", "That is"),
        ("user", "Or 3+3?"),
    ]  # fmt: skip
    assert told["clientContent"]["turnComplete"] is True
    tell(protocol, content(outputTranscription={"text": "Six."}))
    tell(protocol, content(turnComplete=True))
    tell(protocol, {"sessionResumptionUpdate": {"newHandle": "h2", "resumable": True}})
    protocol.connect()
    tell(protocol, {"setupComplete": {}})
    assert protocol.replies() == []


def asked_again(protocol: GeminiLiveProtocol) -> list[Any]:
    """The connection is lost: what is said over the next one."""
    protocol.closed(1006, "")
    protocol.connect()
    tell(protocol, {"setupComplete": {}})
    return read(protocol.replies())


def test_a_handle_that_crosses_a_question_does_not_lose_it() -> None:
    protocol = opened()
    protocol.turn([Message("user", "Old")], complete=True)
    tell(protocol, content(modelTurn={"parts": [{"text": "New?"}]}))
    tell(protocol, content(turnComplete=True))
    protocol.turn([Message("user", "What is 1+1?")], complete=True)
    tell(protocol, {"sessionResumptionUpdate": {"newHandle": "h1", "resumable": True}})  # given before
    (told,) = asked_again(protocol)
    assert told["clientContent"] == {
        "turns": [{"parts": [{"text": "What is 1+1?"}], "role": "user"}],
        "turnComplete": True,
    }


def test_a_question_asked_while_the_model_answers_another_is_still_to_be_answered_after_that() -> None:
    protocol = opened()
    tell(protocol, {"sessionResumptionUpdate": {"newHandle": "h1", "resumable": True}})
    tell(protocol, content(modelTurn={"parts": [{"text": "Once upon"}]}))
    protocol.turn([Message("user", "Stop. What is 1+1?")], complete=True)
    tell(protocol, content(interrupted=True))
    tell(protocol, content(turnComplete=True))
    (told,) = asked_again(protocol)
    assert told["clientContent"]["turns"][-1]["parts"][0]["text"] == "Stop. What is 1+1?"
    assert told["clientContent"]["turnComplete"] is True


def test_a_spoken_question_is_asked_again_where_its_answer_had_begun() -> None:
    protocol = opened()
    tell(protocol, {"sessionResumptionUpdate": {"newHandle": "h1", "resumable": True}})
    tell(protocol, content(inputTranscription={"text": "And 2+2?"}))
    tell(protocol, content(outputTranscription={"text": "That is"}))
    (told,) = asked_again(protocol)
    assert [turn["role"] for turn in told["clientContent"]["turns"]] == ["user", "model"]
    assert told["clientContent"]["turnComplete"] is True
    tell(protocol, content(outputTranscription={"text": "Four."}))
    tell(protocol, content(turnComplete=True))
    (told,) = asked_again(protocol)
    assert told["clientContent"]["turnComplete"] is False


@pytest.mark.parametrize("losses", [0, 1])
@pytest.mark.parametrize("is_known", [True, False])
def test_an_answer_that_was_given_up_is_not_asked_for_again(is_known: bool, losses: int) -> None:
    """Whether or not it was asked for again before, and a later question always is."""
    protocol = opened()
    if is_known:
        tell(protocol, {"sessionResumptionUpdate": {"newHandle": "h1", "resumable": True}})
    protocol.turn([Message("user", "A story")], complete=True)
    tell(protocol, content(outputTranscription={"text": "Once upon"}))
    for _ in range(losses):
        (told,) = asked_again(protocol)
        assert told["clientContent"]["turnComplete"] is True
    protocol.give_up()
    (told,) = asked_again(protocol)
    assert [turn["role"] for turn in told["clientContent"]["turns"]] == ["user", "model"]
    assert told["clientContent"]["turnComplete"] is False
    protocol.turn([Message("user", "What is 1+1?")], complete=True)
    protocol.give_up()
    (told,) = asked_again(protocol)
    assert told["clientContent"]["turnComplete"] is True


def test_a_question_that_came_while_the_model_answered_outlives_what_was_given_up() -> None:
    protocol = opened()
    protocol.turn([Message("user", "A story")], complete=True)
    tell(protocol, content(outputTranscription={"text": "Once upon"}))
    protocol.turn([Message("user", "What is 1+1?")], complete=True)
    for _ in range(2):
        protocol.give_up()
        (told,) = asked_again(protocol)
        assert told["clientContent"]["turnComplete"] is True


def test_an_answer_that_was_interrupted_as_the_connection_broke_is_not_asked_for_again() -> None:
    protocol = opened()
    protocol.turn([Message("user", "A story")], complete=True)
    tell(protocol, content(outputTranscription={"text": "Once upon"}))
    assert read(protocol.interrupt(None)) == [{"clientContent": {"turnComplete": False}}]
    (told,) = asked_again(protocol)
    assert told["clientContent"]["turnComplete"] is False


def test_results_of_calls_that_nobody_waits_for_are_not_sent() -> None:
    protocol = opened(tools=(TOOL,))
    tell(protocol, {"toolCall": {"functionCalls": [{"id": id_, "name": "get_weather"} for id_ in ("a", "b", "c")]}})
    tell(protocol, {"toolCallCancellation": {"ids": ["a"]}})
    assert protocol.tool_results([ToolResult("a", "late", "get_weather")]) == []
    assert "'a'" in protocol.warnings[0]
    (sent,) = read(protocol.tool_results([ToolResult("b", "in time", "get_weather")]))
    assert [one["id"] for one in sent["toolResponse"]["functionResponses"]] == ["b"]
    asked_again(protocol)
    assert protocol.tool_results([ToolResult("c", "lost", "get_weather")]) == []
    tell(protocol, {"toolCall": {"functionCalls": [{"id": "c", "name": "get_weather"}]}})  # it comes again
    assert len(protocol.tool_results([ToolResult("c", "found", "get_weather")])) == 1


def test_speech_that_goes_on_over_a_new_connection_is_begun_there() -> None:
    protocol = opened(turn_detection=TurnDetection("manual"))
    protocol.activity_start()
    assert asked_again(protocol) == [{"realtimeInput": {"activityStart": {}}}]
    protocol.activity_end()
    assert asked_again(protocol) == []


def test_calls_of_a_lost_connection_are_cancelled() -> None:
    protocol = opened(tools=(TOOL,))
    tell(protocol, {"toolCall": {"functionCalls": [{"id": "c1", "name": "get_weather", "args": {}}]}})
    protocol.connect()
    cancelled, started = tell(protocol, {"setupComplete": {}})
    assert cancelled == ToolCallCancelled(("c1",))
    assert isinstance(started, SessionStarted)


def test_a_session_of_before_is_resumed_by_the_handle_that_is_given() -> None:
    protocol = WIRE.protocol(LiveSettings("m", resumption_handle="h0", resumable=False), spec_of())
    assert read(protocol.connect())[0]["setup"]["sessionResumption"] == {"handle": "h0"}
    assert protocol.resumes_by == "handle"
    plain = WIRE.protocol(LiveSettings("m", resumable=False), spec_of())
    assert "sessionResumption" not in read(plain.connect())[0]["setup"]
    assert plain.resumes_by == "new"


def test_memory_is_bounded_and_says_so() -> None:
    protocol = opened()
    for _ in range(30):
        protocol.turn([Message("user", "x" * (MAX_CHARS // 10))], complete=True)
        tell(protocol, content(turnComplete=True))
    protocol.connect()
    tell(protocol, {"setupComplete": {}})
    (told,) = protocol.replies()
    assert MAX_CHARS // 2 < len(told) < MAX_CHARS * 1.2
    assert "not told again" in protocol.warnings[0]


def test_calls_in_a_history_go_along() -> None:
    history = (
        Message("user", "Weather?"),
        Message.of("assistant", [Call("c9", "get_weather", "{}")]),
        Message.of("tool", [ToolResult("c9", "20 C")]),
    )
    protocol = opened(history=history)
    (told,) = read(protocol.replies())
    kinds = [next(iter(turn["parts"][0])) for turn in told["clientContent"]["turns"]]
    assert kinds == ["text", "functionCall", "functionResponse"]


def test_a_service_that_waits_for_a_history_is_told_all_in_one_and_then_asked() -> None:
    waits = {"historyConfig": {"initialHistoryInClientContent": True}}
    protocol = opened(history=(Message("user", "I am Alice"), Message("assistant", "Hello")), extra=waits)
    (told,) = read(protocol.replies())
    assert told["clientContent"]["turnComplete"] is True
    protocol.turn([Message("user", "What is 1+1?")], complete=True)
    told, asked = asked_again(protocol)
    assert [turn["parts"][0]["text"] for turn in told["clientContent"]["turns"]] == [
        "I am Alice", "Hello", "What is 1+1?",
    ]  # fmt: skip
    assert told["clientContent"]["turnComplete"] is True
    assert asked == {"clientContent": {"turnComplete": True}}


def test_a_session_that_is_resumed_waits_for_no_history() -> None:
    waits = {"historyConfig": {"initialHistoryInClientContent": True}}
    protocol = opened(history=(Message("user", "I am Alice"),), extra=waits)
    tell(protocol, {"sessionResumptionUpdate": {"newHandle": "h1", "resumable": True}})
    (setup,) = read(protocol.connect())
    assert "historyConfig" not in setup["setup"]


def test_a_service_that_accepts_the_setup_twice_is_told_nothing_twice() -> None:
    protocol = opened(history=(Message("user", "I am Alice"),))
    assert len(protocol.replies()) == 1
    protocol.turn([Message("user", "Hi")], complete=True)
    assert tell(protocol, {"setupComplete": {}}) == [SessionStarted("", "gemini-2.5-flash-live")]
    assert protocol.replies() == []
