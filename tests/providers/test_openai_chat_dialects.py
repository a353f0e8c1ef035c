"""Requests in the dialect of each service: what every quirk changes, and what goes back in the history."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from exllm.errors import InvalidRequest, UnsupportedOption
from exllm.providers.openai_chat import QUIRKS, WIRE
from exllm.providers.openai_chat_quirks import GRANTED_BY
from exllm.providers.wire import supported_options
from exllm.types.message import Message
from exllm.types.options import Options
from exllm.types.parts import (
    Audio,
    CacheControl,
    Document,
    FileRef,
    Image,
    ProviderPart,
    Reasoning,
    Text,
    ToolCall,
    ToolResult,
)
from exllm.types.request import Request
from exllm.types.tool import Tool
from tests.providers.openai_chat_requests import (
    HI,
    PDF,
    PDF_URL,
    PNG,
    PNG_URL,
    SCHEMA,
    USER,
    WAV,
    body,
    build,
    spec,
)

# -- dialects

IN_FULL = {
    "max_tokens": 9, "seed": 1, "top_k": 5, "min_p": 0.1, "logprobs": True, "top_logprobs": 2,
    "tool_choice": "required", "web_search": True, "thinking": True, "reasoning_effort": "low",
    "tools": [Tool("look", cache_control=CacheControl())],
}  # fmt: skip

DIALECTS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "max_tokens_field": ({"max_tokens": 9}, {"max_tokens": 9}),
    "random_seed": ({"seed": 1}, {"random_seed": 1}),
    "tool_choice_any": ({"tool_choice": "required"}, {"tool_choice": "any"}),
    "logprobs_count": ({"logprobs": True, "top_logprobs": 3}, {"logprobs": 3}),
    "top_k": ({"top_k": 5}, {"top_k": 5}),
    "min_p": ({"min_p": 0.1}, {"min_p": 0.1}),
    "schema_in_json_object": (
        {"response_format": {"name": "x", "schema": SCHEMA}},
        {"response_format": {"type": "json_object", "schema": SCHEMA}},
    ),
    "thinking_type": ({"thinking": False}, {"thinking": {"type": "disabled"}}),
    "enable_thinking": ({"thinking": 100}, {"enable_thinking": True, "thinking_budget": 100}),
    "reasoning_switch": (
        {"thinking": False, "reasoning_effort": "low"},
        {"reasoning": {"enabled": False}, "reasoning_effort": "low"},
    ),
    "template_thinking": ({"thinking": False}, {"chat_template_kwargs": {"enable_thinking": False}}),
    "reasoning_object": (
        {"thinking": 100, "reasoning_effort": "low"},
        {"reasoning": {"max_tokens": 100, "effort": "low"}},
    ),
    "web_search_plugin": ({"web_search": {"max_results": 2}}, {"plugins": [{"id": "web", "max_results": 2}]}),
    "enable_search": (
        {"web_search": {"forced_search": True}},
        {"enable_search": True, "search_options": {"forced_search": True}},
    ),
}


@pytest.mark.parametrize("quirk", DIALECTS)
def test_a_quirk_changes_what_its_name_says(quirk: str) -> None:
    options, fields = DIALECTS[quirk]

    assert body(HI, options, quirk) == {"model": "big", "messages": USER, **fields}


@pytest.mark.parametrize(
    ("quirk", "thinking", "fields"),
    [
        ("thinking_type", True, {"thinking": {"type": "enabled"}}),
        ("thinking_type", {"type": "auto"}, {"thinking": {"type": "auto"}}),
        ("enable_thinking", True, {"enable_thinking": True}),
        ("enable_thinking", 0, {"enable_thinking": False}),
        ("enable_thinking", {"thinking_budget": 7}, {"thinking_budget": 7}),
        ("template_thinking", {"thinking": True}, {"chat_template_kwargs": {"thinking": True}}),
        ("reasoning_object", True, {"reasoning": {"enabled": True}}),
        ("reasoning_object", False, {"reasoning": {"enabled": False}}),
        ("reasoning_object", {"exclude": True}, {"reasoning": {"exclude": True}}),
    ],
)
def test_thinking_is_asked_for_in_every_dialect(quirk: str, thinking: Any, fields: dict[str, Any]) -> None:
    assert body(HI, {"thinking": thinking}, quirk) == {"model": "big", "messages": USER, **fields}


@pytest.mark.parametrize("quirk", ["thinking_type", "template_thinking", "reasoning_switch"])
def test_a_thinking_budget_is_refused_where_there_is_only_a_switch(quirk: str) -> None:
    with pytest.raises(UnsupportedOption, match="no token budget"):
        build(HI, {"thinking": 500}, quirk)


def test_a_schema_is_refused_where_there_is_only_json_mode() -> None:
    assert body(HI, {"response_format": "json"}, "no_json_schema")["response_format"] == {"type": "json_object"}
    with pytest.raises(UnsupportedOption, match="JSON Schema"):
        build(HI, {"response_format": SCHEMA}, "no_json_schema")


def test_streams_ask_for_usage_unless_the_service_refuses_the_question() -> None:
    assert body(stream=True)["stream_options"] == {"include_usage": True}
    assert body(HI, None, "no_stream_options", stream=True) == {"model": "big", "messages": USER, "stream": True}
    assert "stream" not in body()


def test_options_beyond_openai_need_a_quirk() -> None:
    plain = supported_options(WIRE, spec())
    assert plain == WIRE.options - GRANTED_BY.keys()
    for option, quirks in GRANTED_BY.items():
        for quirk in quirks:
            assert supported_options(WIRE, spec(quirk)) >= plain | {option}
    assert "n" not in supported_options(WIRE, spec(unsupported=frozenset({"n"})))


def test_the_wire_takes_only_known_options_and_knows_its_quirks() -> None:
    assert WIRE.options <= set(Options.__struct_fields__)
    assert {"response_model", "safety_settings", "betas"}.isdisjoint(WIRE.options)
    assert set().union(*GRANTED_BY.values()) <= QUIRKS.keys()
    assert all(reason for reason in QUIRKS.values())
    assert WIRE.must_stream(Request("acme", "big", HI)) is False


def test_every_quirk_changes_some_request() -> None:
    everything = [
        Message("developer", [Text("a", cache_control=CacheControl())], "ada"),
        Message("user", [Text("b"), Audio(data=WAV, media_type="audio/wav")]),
        Message("user", [Text("c"), Document(data=PDF, media_type="application/pdf")]),
        Message("user", [Text("d"), Text("e")]),
        Message(
            "assistant",
            [Reasoning("hm"), Text("f"), ToolCall("call_1", "weather", "{}", signature="c2lnbmF0dXJl")],
        ),
        Message("tool", [ToolResult("call_1", (Text("g"), Image(data=PNG, media_type="image/png")), name="weather")]),
        Message("assistant", "h"),
    ]
    permit_only = {"no_files", "no_json_schema", "schema_in_json_object", "file_url", "top_k", "min_p", "thinking_type"}
    for quirk in QUIRKS.keys() - permit_only:
        assert body(everything, IN_FULL, quirk, stream=True) != body(everything, IN_FULL, stream=True), quirk


def test_a_tools_breakpoint_is_sent_where_it_has_a_place_and_told_where_not() -> None:
    options = {"tools": [Tool("look", schema=SCHEMA, cache_control=CacheControl(ttl="1h"))]}
    plain = {"type": "function", "function": {"name": "look", "parameters": SCHEMA}}
    assert body(HI, options, "tool_cache_control")["tools"] == [
        {**plain, "cache_control": {"type": "ephemeral", "ttl": "1h"}}
    ]
    assert build(HI, options, "tool_cache_control").warnings == ()
    assert body(HI, options)["tools"] == [plain]
    assert len(build(HI, options).warnings) == 1


# -- what goes back


def test_developer_is_system_where_there_is_no_developer() -> None:
    assert body([Message("developer", "x")], None, "no_developer_role")["messages"] == [
        {"role": "system", "content": "x"}
    ]


def test_names_of_messages_are_left_out_with_a_warning_where_they_are_refused() -> None:
    built = build([Message("user", "Hi", name="ada")], None, "no_message_name")

    assert json.loads(built.body)["messages"] == USER
    assert len(built.warnings) == 1


def test_text_parts_are_joined_where_content_is_a_string() -> None:
    messages = [Message("user", [Text("a"), Text("b")]), Message("tool", [ToolResult("c1", (Text("c"), Text("d")))])]

    assert [message["content"] for message in body(messages, None, "text_content_only")["messages"]] == ["ab", "cd"]
    joined_results = body(messages, None, "string_tool_content")["messages"]
    assert joined_results[0]["content"] == [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]
    assert joined_results[1]["content"] == "cd"


@pytest.mark.parametrize(
    ("quirk", "fields"),
    [
        ("reasoning_content_back", {"content": "4", "reasoning_content": "2+2"}),
        ("reasoning_back", {"content": "4", "reasoning": "2+2"}),
        ("reasoning_details_back", {"content": "4", "reasoning_details": [{"type": "reasoning.text", "text": "2+2"}]}),
        (
            "thinking_parts_back",
            {
                "content": [
                    {"type": "thinking", "thinking": [{"type": "text", "text": "2+2"}]},
                    {"type": "text", "text": "4"},
                ]
            },
        ),
    ],
)
def test_thoughts_go_back_where_the_service_wants_them(quirk: str, fields: dict[str, Any]) -> None:
    messages = [Message("assistant", [Reasoning("2+2"), Text("4")])]

    assert body(messages, None, quirk)["messages"] == [{"role": "assistant", **fields}]
    assert body(messages)["messages"] == [{"role": "assistant", "content": "4"}]


def test_googles_signature_goes_back_with_its_call() -> None:
    messages = [Message("assistant", [ToolCall("c1", "weather", "{}", signature="c2VjcmV0")])]

    call = body(messages, None, "google_thought_signature")["messages"][0]["tool_calls"][0]
    assert call["extra_content"] == {"google": {"thought_signature": "c2VjcmV0"}}


@pytest.mark.parametrize("signature", ['{"caller":{"type":"direct"}}', "custom_call", 'openai_call:{"provider":"x"}'])
def test_signatures_of_others_do_not_go_to_google(signature: str) -> None:
    messages = [Message("assistant", [ToolCall("c1", "weather", "{}", signature=signature)])]
    call = body(messages, None, "google_thought_signature")["messages"][0]["tool_calls"][0]
    assert "extra_content" not in call
    assert "extra_content" not in body(messages)["messages"][0]["tool_calls"][0]


def test_long_call_ids_are_shortened_alike_in_call_and_result() -> None:
    messages = [Message("assistant", [ToolCall("call_abcdef", "f")]), Message("tool", [ToolResult("call_abcdef", "x")])]
    called, answered = body(messages, None, "short_tool_call_ids")["messages"]

    assert called["tool_calls"][0]["id"] == answered["tool_call_id"] != "call_abcdef"
    assert len(answered["tool_call_id"]) == 9
    kept = [Message("tool", [ToolResult("abcDEF123", "x")])]
    assert body(kept, None, "short_tool_call_ids")["messages"][0]["tool_call_id"] == "abcDEF123"


def test_the_tools_name_stands_in_its_result_where_wanted() -> None:
    messages = [Message("tool", [ToolResult("c1", "x", name="weather")])]

    assert body(messages, None, "tool_result_name")["messages"][0]["name"] == "weather"
    assert "name" not in body(messages)["messages"][0]


@pytest.mark.parametrize(("quirk", "mark"), [("assistant_prefix", "prefix"), ("assistant_partial", "partial")])
def test_the_last_answer_is_marked_as_a_beginning(quirk: str, mark: str) -> None:
    messages = [*HI, Message("assistant", "He")]

    assert body(messages, None, quirk)["messages"][-1] == {"role": "assistant", "content": "He", mark: True}
    assert mark not in body([*messages, *HI], None, quirk)["messages"][1]


def test_images_of_tools_follow_in_a_user_message_unless_tools_may_show_them() -> None:
    image = Image(data=PNG, media_type="image/png")
    messages = [Message("tool", [ToolResult("c1", (Text("see"), image)), ToolResult("c2", "no")]), *HI]
    shown = {"type": "image_url", "image_url": {"url": PNG_URL}}

    moved = build(messages)
    assert json.loads(moved.body)["messages"] == [
        {"role": "tool", "tool_call_id": "c1", "content": [{"type": "text", "text": "see"}]},
        {"role": "tool", "tool_call_id": "c2", "content": "no"},
        {"role": "user", "content": [shown]},
        {"role": "user", "content": "Hi"},
    ]
    assert len(moved.warnings) == 1
    kept = build(messages, None, "tool_images")
    assert json.loads(kept.body)["messages"][0]["content"] == [{"type": "text", "text": "see"}, shown]
    assert kept.warnings == ()


def test_a_tool_that_answers_with_an_image_alone_says_so_in_an_empty_text() -> None:
    messages = [Message("tool", [ToolResult("c1", (Image(data=PNG, media_type="image/png"),))])]

    assert body(messages)["messages"][0] == {"role": "tool", "tool_call_id": "c1", "content": ""}


def test_mistrals_documents_files_and_audio() -> None:
    parts = [
        Document(url="https://x.example/a.pdf", title="a"),
        Document(data=PDF, media_type="application/pdf"),
        FileRef("file-1"),
        Audio(url="https://x.example/a.mp3"),
        Audio(data=WAV, media_type="audio/wav"),
    ]
    assert body([Message("user", parts)], None, "document_url", "input_audio_string")["messages"][0]["content"] == [
        {"type": "document_url", "document_url": "https://x.example/a.pdf", "document_name": "a"},
        {"type": "document_url", "document_url": PDF_URL},
        {"type": "file", "file_id": "file-1"},
        {"type": "input_audio", "input_audio": "https://x.example/a.mp3"},
        {"type": "input_audio", "input_audio": base64.b64encode(WAV).decode()},
    ]


def test_media_at_a_url_is_refused_where_the_service_fetches_none() -> None:
    document = Document(url="https://x.example/a.pdf")

    with pytest.raises(InvalidRequest, match="documents as data"):
        build([Message("user", [document])])
    with pytest.raises(InvalidRequest, match="audio as data"):
        build([Message("user", [Audio(url="https://x.example/a.wav")])])
    part = body([Message("user", [document])], None, "file_url")["messages"][0]["content"][0]
    assert part["file"]["file_data"] == "https://x.example/a.pdf"


def test_what_a_document_says_beside_its_bytes_is_told_to_be_lost() -> None:
    document = Document(data=PDF, media_type="application/pdf", context="Old.", citations=True)

    assert len(build([Message("user", [document])]).warnings) == 2


def test_provider_parts_go_back_only_where_they_came_from() -> None:
    own, foreign = ProviderPart("acme", {"type": "x", "y": 1}), ProviderPart("other", {"type": "z"})
    ran = ProviderPart("acme", {"type": "executed_tool", "output": "42"})

    built = build([Message("assistant", [Text("a"), own, foreign, ran])])
    assert json.loads(built.body)["messages"][0]["content"] == [{"type": "text", "text": "a"}, {"type": "x", "y": 1}]
    assert len(built.warnings) == 1
    assert body([Message("user", [own])])["messages"][0]["content"] == [{"type": "x", "y": 1}]
    with pytest.raises(InvalidRequest, match="cannot hold a ProviderPart"):
        build([Message("user", [foreign])])


def test_what_an_assistant_cannot_repeat_is_told() -> None:
    built = build([Message("assistant", [Text("Here:"), Image(data=PNG, media_type="image/png")])])

    assert json.loads(built.body)["messages"][0] == {"role": "assistant", "content": "Here:"}
    assert "Image of the assistant" in built.warnings[0]


def test_speech_without_an_id_goes_back_as_its_transcript() -> None:
    spoken = Audio(data=WAV, media_type="audio/wav", transcript="Hello")

    assert body([Message("assistant", [spoken])])["messages"] == [{"role": "assistant", "content": "Hello"}]


def test_a_tool_message_must_name_its_call() -> None:
    with pytest.raises(InvalidRequest, match="ToolResult"):
        build([Message("tool", "sunny")])


# -- cache breakpoints


def test_breakpoints_are_sent_where_the_service_knows_them() -> None:
    messages = [
        Message("system", [Text("long", cache_control=CacheControl(ttl="1h"))]),
        Message("tool", [ToolResult("c1", "x", cache_control=CacheControl())]),
    ]
    built = build(messages, None, "cache_control")

    system, tool = json.loads(built.body)["messages"]
    hour, short = {"type": "ephemeral", "ttl": "1h"}, {"type": "ephemeral"}
    assert system["content"] == [{"type": "text", "text": "long", "cache_control": hour}]
    assert tool["content"] == [{"type": "text", "text": "x", "cache_control": short}]
    assert built.warnings == ()


@pytest.mark.parametrize("quirks", [(), ("text_content_only",)])
def test_breakpoints_are_left_out_with_one_warning_elsewhere(quirks: tuple[str, ...]) -> None:
    part = Text("long", cache_control=CacheControl())
    built = build([Message("system", [part, part])], None, *quirks)

    assert b"cache_control" not in built.body
    assert len(built.warnings) == 1
    tools = build(HI, {"tools": [Tool("f", cache_control=CacheControl())]}, "cache_control")
    assert b"cache_control" not in tools.body
    assert len(tools.warnings) == 1


@pytest.mark.parametrize("content", ["bye", (Text("x"), Text("bye"))])
def test_the_cache_option_marks_the_end_of_the_conversation(content: Any) -> None:
    messages = [*HI, Message("user", content), Message("user", "")]
    found = body(messages, {"cache_control": True}, "cache_control")["messages"]

    assert found[0] == {"role": "user", "content": "Hi"}
    marked = {"type": "text", "text": "bye", "cache_control": {"type": "ephemeral"}}
    assert found[1]["content"] == ([marked] if content == "bye" else [{"type": "text", "text": "x"}, marked])
    assert "cache_control" not in found[2]
