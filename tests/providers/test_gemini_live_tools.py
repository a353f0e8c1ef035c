"""Gemini Live: calls of tools and their results."""

from __future__ import annotations

import time

import pytest

from exllm.errors import InvalidRequest, ProtocolError, UnsupportedOption
from exllm.types.chunks import ProviderEvent
from exllm.types.live_events import (
    ToolCall,
    ToolCallCancelled,
    TurnComplete,
    TurnStarted,
)
from exllm.types.parts import Image, Text, ToolResult
from tests.providers.gemini_live_session import TOOL, content, opened, read, tell


def test_results_carry_the_name_of_their_call_and_go_once() -> None:
    protocol = opened(tools=(TOOL,))
    tell(protocol, {"toolCall": {"functionCalls": [{"id": "c1", "name": "get_weather", "args": {}}]}})
    (sent,) = read(protocol.tool_results([ToolResult("c1", '{"temp": 20}')]))
    assert sent == {
        "toolResponse": {"functionResponses": [{"id": "c1", "name": "get_weather", "response": {"temp": 20}}]}
    }
    assert protocol.tool_results([ToolResult("c1", "again")]) == []
    assert "nobody waits" in protocol.warnings[0]


def test_errors_of_tools_and_how_the_model_is_to_take_a_result() -> None:
    protocol = opened(tools=(TOOL,), non_blocking_tools=True)
    tell(protocol, {"toolCall": {"functionCalls": [{"id": "c1", "name": "get_weather", "args": {}}]}})
    (first,) = read(protocol.tool_results([ToolResult("c1", "soon")], will_continue=True, scheduling="SILENT"))
    assert first["toolResponse"]["functionResponses"][0] == {
        "id": "c1", "name": "get_weather", "response": {"output": "soon"}, "scheduling": "SILENT", "willContinue": True,
    }  # fmt: skip
    (last,) = read(protocol.tool_results([ToolResult("c1", "broken", is_error=True)], scheduling="interrupt"))
    response = last["toolResponse"]["functionResponses"][0]
    assert (response["response"], response["scheduling"]) == ({"error": "broken"}, "INTERRUPT")
    with pytest.raises(InvalidRequest, match="when_idle"):
        protocol.tool_results([ToolResult("c1", "")], scheduling="later")
    with pytest.raises(InvalidRequest, match="will_continue"):
        protocol.tool_results([ToolResult("c1", "")], will_continue="no")
    with pytest.raises(UnsupportedOption, match="urgent"):
        protocol.tool_results([ToolResult("c1", "")], urgent=True)


def test_calls_without_an_id_have_one_here_and_none_there() -> None:
    protocol = opened(tools=(TOOL,))
    calls = [{"name": "get_weather", "args": {"city": city}} for city in ("Rome", "Oslo")]
    events = [event for event in tell(protocol, {"toolCall": {"functionCalls": calls}}) if isinstance(event, ToolCall)]
    assert len({event.id for event in events}) == 2
    (sent,) = read(protocol.tool_results([ToolResult(event.id, "20") for event in events]))
    assert sent["toolResponse"]["functionResponses"] == [{"name": "get_weather", "response": {"output": "20"}}] * 2


def test_a_call_in_pieces_is_told_when_it_is_complete() -> None:
    protocol = opened(tools=(TOOL,))
    begin, rest = ({"partialArgs": [{"jsonPath": "$.city", "stringValue": text}]} for text in ("Ro", "me"))
    piece = {"id": "c", "name": "get_weather", "willContinue": True, **begin}
    assert tell(protocol, {"toolCall": {"functionCalls": [piece]}}) == [TurnStarted()]
    assert tell(protocol, {"toolCall": {"functionCalls": [rest]}}) == [ToolCall("c", "get_weather", '{"city":"Rome"}')]


def test_cancelled_calls_want_no_result() -> None:
    protocol = opened(tools=(TOOL,))
    tell(protocol, {"toolCall": {"functionCalls": [{"id": "c1", "name": "get_weather", "args": {}}]}})
    assert tell(protocol, {"toolCallCancellation": {"ids": ["c1"]}}) == [ToolCallCancelled(("c1",))]
    assert protocol.tool_results([ToolResult("c1", "late")]) == []


def test_images_of_tools_go_to_models_that_take_them() -> None:
    image = Image(data=b"\x89PNG", media_type="image/png")
    for model, takes in (("gemini-3.1-flash-live-preview", True), ("gemini-2.5-flash-live", False)):
        protocol = opened(model=model, tools=(TOOL,))
        tell(protocol, {"toolCall": {"functionCalls": [{"id": "c1", "name": "get_weather", "args": {}}]}})
        result = ToolResult("c1", (Text("a map"), image))
        if not takes:
            with pytest.raises(InvalidRequest, match="text alone"):
                protocol.tool_results([result])
            continue
        (sent,) = read(protocol.tool_results([result]))
        (response,) = sent["toolResponse"]["functionResponses"]
        assert response["response"] == {"output": "a map"}
        assert response["parts"] == [{"inlineData": {"mimeType": "image/png", "data": "iVBORw=="}}]


def in_pieces(city: str, **more: object) -> dict[str, object]:
    piece = {"partialArgs": [{"jsonPath": "$.city", "stringValue": city}], **more}
    return {"toolCall": {"functionCalls": [piece]}}


def test_a_call_in_pieces_that_is_cancelled_is_never_told() -> None:
    protocol = opened(tools=(TOOL,))
    tell(protocol, in_pieces("Ro", id="c", name="get_weather", willContinue=True))
    assert tell(protocol, {"toolCallCancellation": {"ids": ["c"]}}) == [ToolCallCancelled(("c",))]
    assert tell(protocol, {"toolCall": {"functionCalls": [{"id": "d", "name": "get_weather"}]}}) == [
        ToolCall("d", "get_weather", "{}")
    ]


def test_a_call_in_pieces_is_told_before_its_turn_ends() -> None:
    protocol = opened(tools=(TOOL,))
    tell(protocol, in_pieces("Rome", id="c", name="get_weather", willContinue=True))
    assert tell(protocol, content(turnComplete=True)) == [
        ToolCall("c", "get_weather", '{"city":"Rome"}'),
        TurnComplete(),
    ]


def test_a_call_that_was_interrupted_within_its_arguments_is_not_to_be_made() -> None:
    protocol = opened(tools=(TOOL,))
    tell(protocol, in_pieces("Ro", id="c", name="get_weather", willContinue=True))
    tell(protocol, content(interrupted=True))
    incomplete = {"id": "c", "name": "get_weather", "arguments": '{"city":"Ro"}'}
    assert tell(protocol, content(turnComplete=True)) == [
        ProviderEvent("incompleteToolCall", incomplete, "gemini"),
        TurnComplete(status="interrupted"),
    ]
    assert tell(protocol, content(turnComplete=True)) == [TurnComplete()]


def test_a_frame_full_of_cancelled_calls_is_read_in_its_own_time() -> None:
    protocol = opened(tools=(TOOL,))
    ids = [str(number) for number in range(300_000)]
    began_s = time.process_time()
    assert tell(protocol, {"toolCallCancellation": {"ids": ids}}) == [ToolCallCancelled(tuple(ids))]
    assert time.process_time() - began_s < 5  # a minute and a half, were they forgotten one by one
    assert protocol.tool_results([ToolResult(ids[-1], "late", "get_weather")]) == []
    assert 1_000 <= len(protocol._reader.calls.void) <= 2_000


def test_arguments_at_places_far_apart_do_not_fill_the_memory() -> None:
    pieces = [{"jsonPath": f"$.a{number}[9999]", "stringValue": "x"} for number in range(2_000)]
    with pytest.raises(ProtocolError, match="left out"):
        tell(opened(tools=(TOOL,)), {"toolCall": {"functionCalls": [{"id": "c", "name": "f", "partialArgs": pieces}]}})
