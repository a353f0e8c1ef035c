"""Requests to Cohere: the same bodies that its SDK sends for the same call, and refusals before anything is sent."""

from __future__ import annotations

import inspect
import typing
from typing import Any

import cohere
import httpx
import msgspec
import pytest
from cohere.v2.types.v2chat_stream_response import V2ChatStreamResponse

from exllm.errors import InvalidRequest
from exllm.providers import cohere_decode, cohere_events, cohere_request
from exllm.providers.cohere_chat import WIRE
from exllm.providers.wire import HttpRequest
from exllm.types.message import Message
from exllm.types.normalise import normalise_messages
from exllm.types.options import check_options
from exllm.types.parts import (
    Audio,
    CacheControl,
    Citation,
    Document,
    FileRef,
    Image,
    ProviderPart,
    Reasoning,
    Refusal,
    Text,
    ToolCall,
    ToolResult,
)
from exllm.types.request import Request
from exllm.types.tool import ServerTool, Tool
from tests.providers.cohere_recordings import SPEC

MODEL = "command-a-03-2025"
PNG = b"\x89PNG\r\n\x1a\n..."
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
WEATHER = Tool("get_weather", "The weather of a city.", SCHEMA)
LOOK = Tool("look", "", SCHEMA)
WEATHER_PARAM = {
    "type": "function",
    "function": {"name": "get_weather", "description": "The weather of a city.", "parameters": SCHEMA},
}
LOOK_PARAM = {"type": "function", "function": {"name": "look", "parameters": SCHEMA}}
HI = [{"role": "user", "content": "Hi"}]
CALL = ToolCall("call_1", "get_weather", '{"city": "Oslo"}')
CALLED = {"id": "call_1", "type": "function", "function": {"name": "get_weather", "arguments": '{"city": "Oslo"}'}}
CITED = {
    "start": 0,
    "end": 4,
    "text": "Cold",
    "sources": [{"type": "tool", "id": "call_1:0", "tool_output": {"content": "4 degrees"}}],
    "type": "TEXT_CONTENT",
}

# Ours (messages, options, extra) beside the SDK's arguments.
CASES: dict[str, tuple[Any, dict[str, Any], dict[str, Any], dict[str, Any]]] = {
    "text": ("Hi", {}, {}, {"messages": HI}),
    "system and developer": (
        [Message("system", "Be brief."), Message("developer", [Text("Be kind.")]), Message("user", "Hi")],
        {},
        {},
        {
            "messages": [
                {"role": "system", "content": "Be brief."},
                {"role": "system", "content": [{"type": "text", "text": "Be kind."}]},
                *HI,
            ]
        },
    ),
    "images": (
        [
            Message(
                "user",
                [
                    Text("Compare"),
                    Image(url="https://example.com/a.png", detail="low"),
                    Image(data=PNG, media_type="image/png"),
                ],
            )
        ],
        {},
        {},
        {
            "messages": [
                {
                    "role": "user",
                    "content": [
                        {"type": "text", "text": "Compare"},
                        {"type": "image_url", "image_url": {"url": "https://example.com/a.png", "detail": "low"}},
                        {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgouLi4="}},
                    ],
                }
            ]
        },
    ),
    "documents": (
        [
            Message(
                "user",
                [
                    Document(data=b"One.", media_type="text/plain", title="First", context="A list."),
                    Document(data=b"Two.", media_type="text/markdown", citations=True),
                    Text("Sum up."),
                ],
            )
        ],
        {},
        {"citation_options": {"mode": "ACCURATE"}},
        {
            "messages": [{"role": "user", "content": [{"type": "text", "text": "Sum up."}]}],
            "documents": [
                {"id": "doc:0", "data": {"text": "One.", "title": "First", "context": "A list."}},
                {"id": "doc:1", "data": {"text": "Two."}},
            ],
            "citation_options": {"mode": "ACCURATE"},
        },
    ),
    "documents of your own": (
        "Hi",
        {},
        {"documents": ["One.", {"data": {"text": "Two."}}]},
        {"messages": HI, "documents": ["One.", {"data": {"text": "Two."}}]},
    ),
    "a call, its plan and its result": (
        [
            *normalise_messages("Hi"),
            Message("assistant", [Reasoning("I will look.", id="tool_plan"), CALL]),
            Message("tool", [ToolResult("call_1", "4 degrees")]),
        ],
        {"tools": [WEATHER]},
        {},
        {
            "messages": [
                *HI,
                {"role": "assistant", "tool_plan": "I will look.", "tool_calls": [CALLED]},
                {"role": "tool", "tool_call_id": "call_1", "content": "4 degrees"},
            ],
            "tools": [WEATHER_PARAM],
        },
    ),
    "thoughts, text and citations": (
        [Message("assistant", [Reasoning("Hm."), Text("Cold.", (Citation(source=CITED),))]), *normalise_messages("Hi")],
        {},
        {},
        {
            "messages": [
                {
                    "role": "assistant",
                    "content": [{"type": "thinking", "thinking": "Hm."}, {"type": "text", "text": "Cold."}],
                    "citations": [CITED],
                },
                *HI,
            ]
        },
    ),
    "results of text and documents": (
        [
            Message("assistant", [CALL]),
            Message(
                "tool",
                [ToolResult("call_1", (Text("Two:"), Document(data=b"One.", media_type="text/plain", title="First")))],
            ),
        ],
        {},
        {},
        {
            "messages": [
                {"role": "assistant", "tool_calls": [CALLED]},
                {
                    "role": "tool",
                    "tool_call_id": "call_1",
                    "content": [
                        {"type": "text", "text": "Two:"},
                        {"type": "document", "document": {"data": {"text": "One.", "title": "First"}}},
                    ],
                },
            ]
        },
    ),
    "options": (
        "Hi",
        {
            "max_tokens": 5, "temperature": 0.5, "top_k": 3, "top_p": 0.9, "seed": 7, "stop": ["a", "b"],
            "frequency_penalty": 0.2, "presence_penalty": 0.3, "logprobs": True,
        },
        {"safety_mode": "STRICT", "priority": 2},
        {
            "messages": HI, "max_tokens": 5, "temperature": 0.5, "k": 3, "p": 0.9, "seed": 7,
            "stop_sequences": ["a", "b"], "frequency_penalty": 0.2, "presence_penalty": 0.3, "logprobs": True,
            "safety_mode": "STRICT", "priority": 2,
        },
    ),
    "tools": ("Hi", {"tools": [WEATHER, LOOK]}, {}, {"messages": HI, "tools": [WEATHER_PARAM, LOOK_PARAM]}),
    "strict tools": (
        "Hi",
        {"tools": [Tool("look", "", SCHEMA, strict=True)], "tool_choice": "auto"},
        {},
        {"messages": HI, "tools": [LOOK_PARAM], "strict_tools": True},
    ),
    "tools that need not be strict": (
        "Hi",
        {"tools": [Tool("look", "", SCHEMA, strict=False)]},
        {},
        {"messages": HI, "tools": [LOOK_PARAM], "strict_tools": False},
    ),
    "a tool must be called": (
        "Hi",
        {"tools": [WEATHER, LOOK], "tool_choice": "required"},
        {},
        {"messages": HI, "tools": [WEATHER_PARAM, LOOK_PARAM], "tool_choice": "REQUIRED"},
    ),
    "no tool may be called": (
        "Hi",
        {"tools": [WEATHER], "tool_choice": "none"},
        {},
        {"messages": HI, "tools": [WEATHER_PARAM], "tool_choice": "NONE"},
    ),
    "the one tool must be called": (
        "Hi",
        {"tools": [LOOK], "tool_choice": "look"},
        {},
        {"messages": HI, "tools": [LOOK_PARAM], "tool_choice": "REQUIRED"},
    ),
    "JSON": (
        "Hi",
        {"response_format": "json"},
        {},
        {"messages": HI, "response_format": {"type": "json_object"}},
    ),
    "text asked for": ("Hi", {"response_format": "text"}, {}, {"messages": HI, "response_format": {"type": "text"}}),
    "a schema": (
        "Hi",
        {"response_format": SCHEMA},
        {},
        {"messages": HI, "response_format": {"type": "json_object", "json_schema": SCHEMA}},
    ),
    "a named schema": (
        "Hi",
        {"response_format": {"name": "place", "schema": SCHEMA}},
        {},
        {"messages": HI, "response_format": {"type": "json_object", "json_schema": SCHEMA}},
    ),
    "a schema in OpenAI's shape": (
        "Hi",
        {"response_format": {"type": "json_schema", "json_schema": {"name": "place", "schema": SCHEMA}}},
        {},
        {"messages": HI, "response_format": {"type": "json_object", "json_schema": SCHEMA}},
    ),
    "a schema in Cohere's own shape": (
        "Hi",
        {"response_format": {"type": "json_object", "json_schema": SCHEMA}},
        {},
        {"messages": HI, "response_format": {"type": "json_object", "json_schema": SCHEMA}},
    ),
    "thinking": ("Hi", {"thinking": True}, {}, {"messages": HI, "thinking": {"type": "enabled"}}),
    "no thinking": ("Hi", {"thinking": False}, {}, {"messages": HI, "thinking": {"type": "disabled"}}),
    "no effort": ("Hi", {"reasoning_effort": "none"}, {}, {"messages": HI, "thinking": {"type": "disabled"}}),
    "a budget": (
        "Hi",
        {"thinking": 1000},
        {},
        {"messages": HI, "thinking": {"type": "enabled", "token_budget": 1000}},
    ),
    "thinking in Cohere's own words": (
        "Hi",
        {"thinking": {"type": "enabled", "token_budget": 9}},
        {},
        {"messages": HI, "thinking": {"type": "enabled", "token_budget": 9}},
    ),
}  # fmt: skip


def build(messages: Any, options: Any = None, extra: Any = None, *, stream: bool = True) -> HttpRequest:
    normal = normalise_messages(messages)
    return WIRE.build(Request("cohere", MODEL, normal, check_options(options or {}), extra or {}, stream=stream), SPEC)


def body_of(http: HttpRequest) -> dict[str, Any]:
    body: dict[str, Any] = msgspec.json.decode(http.body)
    return body


def sdk_body(arguments: dict[str, Any], *, stream: bool) -> Any:
    """What Cohere's SDK sends."""
    sent: list[Any] = []

    def answer(request: httpx.Request) -> httpx.Response:
        sent.append(msgspec.json.decode(request.content))
        assert (request.method, str(request.url)) == ("POST", SPEC.base_url + SPEC.paths.chat)
        if stream:
            return httpx.Response(200, content=b"data: [DONE]\n\n", headers={"content-type": "text/event-stream"})
        answered = {"id": "1", "message": {"role": "assistant"}, "finish_reason": "COMPLETE"}
        return httpx.Response(200, json=answered)

    client = cohere.ClientV2("none", httpx_client=httpx.Client(transport=httpx.MockTransport(answer)))
    if stream:
        list(client.chat_stream(model=MODEL, **arguments))
    else:
        client.chat(model=MODEL, **arguments)
    (body,) = sent
    return body


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("name", CASES)
def test_the_body_is_what_the_sdk_sends_for_the_same_call(name: str, stream: bool) -> None:
    messages, options, extra, arguments = CASES[name]
    http = build(messages, options, extra, stream=stream)
    assert http.warnings == ()
    assert http.path == "/v2/chat"
    assert body_of(http) == sdk_body(arguments, stream=stream)


def test_a_tool_that_must_be_called_is_the_only_one_offered() -> None:
    for choice in ("look", {"type": "function", "function": {"name": "look"}}):
        http = build("Hi", {"tools": [WEATHER, LOOK], "tool_choice": choice})
        body = body_of(http)
        assert (body["tools"], body["tool_choice"]) == ([LOOK_PARAM], "REQUIRED")
        assert http.warnings == ("Cohere cannot be told which tool to call; 'look' was sent as the only one",)


@pytest.mark.parametrize("choice", ["unknown", {"type": "allowed_tools"}])
def test_a_choice_that_cannot_be_said_is_refused(choice: Any) -> None:
    with pytest.raises(InvalidRequest, match="tool_choice"):
        build("Hi", {"tools": [WEATHER], "tool_choice": choice})


def test_strictness_of_one_tool_is_that_of_all() -> None:
    http = build("Hi", {"tools": [WEATHER, Tool("look", "", SCHEMA, strict=True)]})
    assert body_of(http)["strict_tools"] is True
    assert http.warnings == ("Cohere is strict with all tools or with none; it was asked to be with all",)


@pytest.mark.parametrize(
    ("options", "thinking"),
    [
        ({"reasoning_effort": "minimal"}, {"type": "enabled", "token_budget": 512}),
        ({"reasoning_effort": "low"}, {"type": "enabled", "token_budget": 2048}),
        ({"reasoning_effort": "medium", "thinking": True}, {"type": "enabled", "token_budget": 8192}),
        ({"reasoning_effort": "high"}, {"type": "enabled"}),
        ({"reasoning_effort": "low", "thinking": 99}, {"type": "enabled", "token_budget": 99}),
        ({"reasoning_effort": "high", "thinking": False}, {"type": "disabled"}),
    ],
)
def test_an_effort_is_said_as_a_budget_and_told(options: dict[str, Any], thinking: dict[str, Any]) -> None:
    http = build("Hi", options)
    assert body_of(http)["thinking"] == thinking
    assert len(http.warnings) == 1
    assert "knows no effort" in http.warnings[0]


def test_images_from_tools_follow_in_a_message_of_the_user() -> None:
    image = Image(data=PNG, media_type="image/png")
    calls = Message("assistant", [CALL, ToolCall("call_2", "look", "")])
    results = [
        Message("tool", [ToolResult("call_1", (Text("Seen:"), image))]),
        Message("tool", [ToolResult("call_2", "ok")]),
    ]
    http = build([*normalise_messages("Hi"), calls, *results])
    sent = body_of(http)["messages"]
    assert [message["role"] for message in sent] == ["user", "assistant", "tool", "tool", "user"]
    assert sent[1]["tool_calls"][1]["function"]["arguments"] == "{}"
    assert sent[2]["content"] == [{"type": "text", "text": "Seen:"}]
    assert [block["type"] for block in sent[4]["content"]] == ["image_url"]
    assert http.warnings == (
        "Cohere takes no images from tools; those of tool results were sent in a user message after them",
    )
    then = body_of(build([*normalise_messages("Hi"), calls, *results, Message("user", "And?")]))["messages"]
    assert [message["role"] for message in then] == ["user", "assistant", "tool", "tool", "user", "user"]


def test_a_message_of_documents_alone_is_empty() -> None:
    body = body_of(build([Message("user", [Document(data=b"One.", media_type="text/plain")])]))
    assert body["messages"] == [{"role": "user", "content": ""}]
    assert body["documents"] == [{"id": "doc:0", "data": {"text": "One."}}]


def test_citations_name_the_block_that_they_are_of_now() -> None:
    cited = Citation(source={**CITED, "content_index": 3})
    (message,) = body_of(build([Message("assistant", [Reasoning("Hm."), Text("Cold.", (cited,))])]))["messages"]
    assert message["citations"] == [{**CITED, "content_index": 1}]


def test_citations_of_others_stay_behind() -> None:
    cited = Citation(url="https://example.org", source={"type": "url_citation"})
    (message,) = body_of(build([Message("assistant", [Text("Cold.", (cited, Citation(title="x")))])]))["messages"]
    assert message == {"role": "assistant", "content": [{"type": "text", "text": "Cold."}]}


@pytest.mark.parametrize(
    "part",
    [
        Audio(data=b"x", media_type="audio/wav"),
        Document(data=b"%PDF-1", media_type="application/pdf"),
        Document(url="https://example.org/a.txt"),
        Document(data=b"\xff\xfe", media_type="text/plain"),
        FileRef("file_1"),
    ],
)
def test_what_cohere_does_not_take_is_refused_before_anything_is_sent(part: Any) -> None:
    with pytest.raises(InvalidRequest) as caught:
        build([Message("user", [Text("Look:"), part])])
    assert caught.value.provider == "cohere"


@pytest.mark.parametrize(
    ("message", "content", "warning"),
    [
        (Message("user", "Hi", "ann"), "Hi", "takes no names of messages"),
        (
            Message("user", [Text("Hi", cache_control=CacheControl())]),
            [{"type": "text", "text": "Hi"}],
            "takes no cache_control",
        ),
        (
            Message("user", [Image(url="https://example.org/a.png", detail="original")]),
            [{"type": "image_url", "image_url": {"url": "https://example.org/a.png"}}],
            "knows no image detail 'original'",
        ),
        (Message("assistant", [Image(url="https://example.org/a.png")]), "", "has no place for a Image"),
        (Message("assistant", [ProviderPart("other", {"type": "x"})]), "", "has no place for a ProviderPart"),
        (Message("assistant", [Reasoning("Hm.", signature="abc")]), "", "that another provider signed"),
        (Message("assistant", [Reasoning(redacted="abc")]), "", "that another provider signed"),
        (Message("assistant", [ToolCall("1", "search", "{}", provider_executed=True)]), "", "that a provider runs"),
    ],
)
def test_what_has_no_place_is_left_out_with_a_warning(message: Message, content: Any, warning: str) -> None:
    http = build([message])
    (sent,) = body_of(http)["messages"]
    assert sent == {"role": message.role, "content": content}
    assert len(http.warnings) == 1
    assert warning in http.warnings[0]


def test_a_refusal_and_spoken_words_go_back_as_text() -> None:
    audio = Audio(data=b"x", media_type="audio/wav", transcript="Hello.")
    (message,) = body_of(build([Message("assistant", [audio, Refusal("No.")])]))["messages"]
    assert [block["text"] for block in message["content"]] == ["Hello.", "No."]


def test_that_a_document_is_not_to_be_cited_cannot_be_said() -> None:
    http = build([Message("user", [Document(data=b"x", media_type="text/plain", citations=False), Text("Hi")])])
    assert "citation_options" in http.warnings[0]


@pytest.mark.parametrize(
    ("options", "extra", "message"),
    [
        ({"top_p": 1.0}, {}, "p = a number from 0.01 to 0.99"),
        ({"top_k": 501}, {}, "k = a whole number from 0 to 500"),
        ({"frequency_penalty": -1}, {}, "frequency_penalty = a number from 0 to 1"),
        ({"stop": list("abcdef")}, {}, "stop_sequences"),
        ({}, {"safety_mode": "NONE"}, "CONTEXTUAL"),
        ({}, {"citation_options": {"mode": "SLOW"}}, "ACCURATE"),
        ({"thinking": {"type": "adaptive"}}, {}, "enabled"),
        ({}, {"documents": [{"text": "x"}]}, "data"),
    ],
)
def test_values_that_cohere_does_not_take_are_refused(
    options: dict[str, Any], extra: dict[str, Any], message: str
) -> None:
    with pytest.raises(InvalidRequest) as caught:
        build("Hi", options, extra)
    assert message in caught.value.message


def test_a_negative_budget_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="a number of tokens"):
        build("Hi", {"thinking": -1})


def test_a_misspelt_field_is_told() -> None:
    assert build("Hi", {}, {"safty_mode": "STRICT"}).warnings == (
        "Cohere is not known to take safty_mode; did you mean 'safety_mode'?",
    )


def test_a_tool_of_the_provider_is_sent_as_it_is_and_breakpoints_are_told() -> None:
    http = build("Hi", {"tools": [ServerTool({"type": "web"}), Tool("look", "", SCHEMA, cache_control=CacheControl())]})
    assert body_of(http)["tools"] == [{"type": "web"}, LOOK_PARAM]
    assert http.warnings == ("Cohere takes no cache_control; the breakpoints were not sent",)


def test_what_is_no_json_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="cannot be written as JSON"):
        build("Hi", {}, {"field": object()})


def test_a_tool_message_without_a_result_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="holds ToolResult parts"):
        WIRE.build(Request("cohere", "m", (Message("tool", [Text("ok")]),)), SPEC)


def test_fields_and_values_are_those_of_the_sdk() -> None:
    arguments = set(inspect.signature(cohere.ClientV2.chat).parameters) - {"self", "request_options"}
    assert arguments | {"stream"} == cohere_request.FIELDS
    rules = SPEC.parameters
    assert rules.keys() < cohere_request.FIELDS
    for rule, kind in (
        (rules["safety_mode"], cohere.V2ChatRequestSafetyMode),
        (rules["tool_choice"], cohere.V2ChatRequestToolChoice),
        (rules["citation_options"].fields["mode"], cohere.CitationOptionsMode),
        (rules["thinking"].fields["type"], cohere.ThinkingType),
    ):
        literal = typing.get_args(kind)[0]
        assert set(rule.values) == set(typing.get_args(literal))
    reasons = set(typing.get_args(typing.get_args(cohere.ChatFinishReason)[0]))
    assert reasons == cohere_decode.FINISH_REASONS.keys() | cohere_decode.FAILURES.keys()


def test_every_event_of_the_sdk_is_known() -> None:
    union = typing.get_args(typing.get_args(V2ChatStreamResponse)[0])
    kinds = {event.model_fields["type"].default for event in union}
    assert kinds - {"debug"} == cohere_events.EVENT_TYPES


@pytest.mark.parametrize("thinking", [True, 99, {"type": "enabled"}])
def test_no_effort_switches_thinking_off_and_it_is_told(thinking: Any) -> None:
    http = build("Hi", {"thinking": thinking, "reasoning_effort": "none"})
    assert msgspec.json.decode(http.body)["thinking"] == {"type": "disabled"}
    assert "thinking was switched off" in http.warnings[0]
    assert build("Hi", {"thinking": False, "reasoning_effort": "none"}).warnings == ()


def test_thinking_that_makes_no_sense_names_the_provider() -> None:
    with pytest.raises(InvalidRequest) as caught:
        build("Hi", {"thinking": -1})
    assert caught.value.provider == "cohere"
