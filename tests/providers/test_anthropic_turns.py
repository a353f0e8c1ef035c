"""Turns: who speaks when, what must move, and what cannot go along."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from exllm.errors import InvalidRequest
from exllm.providers.anthropic_messages import WIRE
from exllm.providers.wire import HttpRequest
from exllm.types.message import Message
from exllm.types.normalise import normalise_messages
from exllm.types.parts import (
    Citation,
    Image,
    Part,
    ProviderPart,
    Reasoning,
    Refusal,
    Text,
    ToolCall,
    ToolResult,
)
from exllm.types.request import Request
from tests.providers.anthropic_recordings import SPEC

OLD, NEW = "claude-sonnet-4-5", "claude-opus-4-8"


def build(messages: Any, model: str = OLD) -> HttpRequest:
    return WIRE.build(Request("anthropic", model, normalise_messages(messages)), SPEC)


def body_of(messages: Any, model: str = OLD) -> dict[str, Any]:
    body: dict[str, Any] = msgspec.json.decode(build(messages, model).body)
    return body


def answer(*parts: Part) -> list[dict[str, Any]]:
    """The blocks that an assistant's message with these parts becomes."""
    turns = body_of([Message("user", "Hi"), Message("assistant", parts), Message("user", "Go on")])["messages"]
    blocks: list[dict[str, Any]] = turns[1]["content"]
    return blocks


def test_turns_of_one_side_become_one() -> None:
    turns = body_of(
        [Message("user", "a"), Message("user", "b"), Message("assistant", "c"), Message("assistant", [Text("d")])]
    )["messages"]
    assert turns == [
        {"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]},
        {"role": "assistant", "content": [{"type": "text", "text": "c"}, {"type": "text", "text": "d"}]},
    ]


def test_results_come_first_in_their_turn_and_keep_their_order() -> None:
    calls = Message("assistant", [ToolCall("1", "f", "{}"), ToolCall("2", "g", "{}")])
    turns = body_of(
        [
            Message("user", "Hi"),
            calls,
            Message("tool", [ToolResult("1", "one")]),
            Message("user", "meanwhile"),
            Message("tool", [ToolResult("2", "two")]),
        ]
    )["messages"]
    kinds = [(block["type"], block.get("tool_use_id")) for block in turns[2]["content"]]
    assert kinds == [("tool_result", "1"), ("tool_result", "2"), ("text", None)]


def test_parts_of_a_tool_message_that_are_no_results_come_after_the_results() -> None:
    part = ProviderPart("anthropic", {"type": "text", "text": "by the way"})
    messages = [
        Message("user", "Hi"),
        Message("assistant", [ToolCall("1", "f")]),
        Message("tool", [part, ToolResult("1", "one")]),
    ]
    assert [block["type"] for block in body_of(messages)["messages"][2]["content"]] == ["tool_result", "text"]


def test_an_empty_result_needs_no_content() -> None:
    turns = body_of(
        [Message("user", "Hi"), Message("assistant", [ToolCall("1", "f")]), Message("tool", [ToolResult("1")])]
    )["messages"]
    assert turns[2]["content"] == [{"type": "tool_result", "tool_use_id": "1"}]


def test_a_later_system_message_joins_the_system_prompt_of_an_older_model() -> None:
    http = build([Message("system", "a"), Message("user", "Hi"), Message("developer", "b")])
    body = msgspec.json.decode(http.body)
    assert body["system"] == [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]
    assert body["messages"] == [{"role": "user", "content": "Hi"}]
    assert http.warnings == ("a system message in the middle of the conversation was moved to the system prompt",)


def test_a_system_message_after_an_answer_has_no_place_on_any_model() -> None:
    http = build([Message("user", "Hi"), Message("assistant", "Yes?"), Message("system", "b")], NEW)
    assert msgspec.json.decode(http.body)["system"] == "b"
    assert len(http.warnings) == 1


def test_system_messages_in_a_row_are_one_turn() -> None:
    turns = body_of([Message("user", "Hi"), Message("system", "a"), Message("developer", "b")], NEW)["messages"]
    assert turns[1] == {"role": "system", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}


def test_a_prompt_without_a_turn_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="no message"):
        build([Message("system", "Be brief.")])


def test_a_system_message_holds_text_only() -> None:
    with pytest.raises(InvalidRequest, match="text only"):
        build([Message("system", [Image(url="https://example.com/a.png")]), Message("user", "Hi")])


def test_blank_text_is_left_out_since_the_api_refuses_it() -> None:
    assert answer(Text("\n\n"), Text("x"), Text("")) == [{"type": "text", "text": "x"}]
    turns = body_of([Message("user", "Hi"), Message("assistant", "  "), Message("user", "?")])["messages"]
    assert [turn["role"] for turn in turns] == ["user"]


def test_citations_go_back_in_answers_only() -> None:
    cited = Text("x", (Citation(source={"type": "page_location", "cited_text": "y"}),))
    assert answer(cited) == [{"type": "text", "text": "x", "citations": [{"type": "page_location", "cited_text": "y"}]}]
    assert body_of([Message("user", [cited])])["messages"][0]["content"] == [{"type": "text", "text": "x"}]


def test_citations_of_other_providers_are_not_sent() -> None:
    assert answer(Text("x", (Citation(url="https://example.com"),))) == [{"type": "text", "text": "x"}]


@pytest.mark.parametrize(
    "part", [Reasoning("cut off"), Reasoning("of OpenAI", id="rs_1", signature="s"), Reasoning(redacted="r", id="rs_1")]
)
def test_reasoning_that_is_not_the_providers_own_is_left_out_and_told(part: Reasoning) -> None:
    http = build([Message("user", "Hi"), Message("assistant", [part, Text("x")]), Message("user", "?")])
    assert msgspec.json.decode(http.body)["messages"][1]["content"] == [{"type": "text", "text": "x"}]
    assert len(http.warnings) == 1


def test_thinking_without_words_goes_back_with_its_signature() -> None:
    assert answer(Reasoning(signature="s"), Text("x"))[0] == {"type": "thinking", "thinking": "", "signature": "s"}


def test_parts_of_other_providers_are_left_out_and_told_once() -> None:
    parts = [ProviderPart("openai", {"type": "x"}), ProviderPart("openai", {"type": "y"}), Text("x")]
    http = build([Message("user", "Hi"), Message("assistant", parts), Message("user", "?")])
    assert msgspec.json.decode(http.body)["messages"][1]["content"] == [{"type": "text", "text": "x"}]
    assert http.warnings == ("a part of an answer of openai means nothing to anthropic; it was left out",)


def test_a_refusal_goes_back_as_text() -> None:
    assert answer(Refusal("I will not.")) == [{"type": "text", "text": "I will not."}]


@pytest.mark.parametrize("arguments", ['{"a": 1', "[1]", "null", "not json", '"text"'])
def test_arguments_that_are_no_object_travel_as_documented(arguments: str) -> None:
    (block,) = answer(ToolCall("1", "f", arguments))
    assert block["input"] == {"INVALID_JSON": arguments}


@pytest.mark.parametrize("arguments", ["", "  ", "{}"])
def test_no_arguments_are_an_empty_object(arguments: str) -> None:
    assert answer(ToolCall("1", "f", arguments))[0]["input"] == {}


def test_a_calls_caller_and_toolset_go_back_and_its_result_names_the_toolset() -> None:
    signature = '{"caller":{"type":"code_execution_20250825","tool_id":"srvtoolu_1"},"toolset_name":"browser"}'
    turns = body_of(
        [
            Message("user", "Hi"),
            Message("assistant", [ToolCall("1", "f", "{}", signature=signature)]),
            Message("tool", [ToolResult("1", "x")]),
        ]
    )["messages"]
    (call,) = turns[1]["content"]
    assert call["caller"] == {"type": "code_execution_20250825", "tool_id": "srvtoolu_1"}
    assert call["toolset_name"] == turns[2]["content"][0]["toolset_name"] == "browser"


@pytest.mark.parametrize("signature", ["CpcBAdHtim8=", "[1]", '{"type": "evil", "id": "9"}'])
def test_signatures_of_other_providers_change_nothing_of_a_call(signature: str) -> None:
    (block,) = answer(ToolCall("1", "f", "{}", signature=signature))
    assert {name: block[name] for name in ("type", "id", "name", "input")} == {
        "type": "tool_use", "id": "1", "name": "f", "input": {}
    }  # fmt: skip


def test_image_detail_and_names_are_told() -> None:
    http = build([Message("user", [Image(url="https://example.com/a.png", detail="low")], name="bob")])
    assert http.warnings == (
        "Anthropic has no names of participants; they were left out",
        "Anthropic has no image detail; it was left out",
    )
    assert msgspec.json.decode(http.body)["messages"][0]["content"] == [
        {"type": "image", "source": {"type": "url", "url": "https://example.com/a.png"}}
    ]


def test_messages_are_left_as_they_were() -> None:
    part = ProviderPart("anthropic", {"type": "web_search_tool_result", "content": []})
    messages = (Message("user", "Hi"), Message("assistant", (part, Text("x"))), Message("assistant", "y"))
    before = msgspec.json.encode(messages)
    build(messages)
    build(messages)
    assert msgspec.json.encode(messages) == before
