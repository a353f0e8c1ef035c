"""Requests to Ollama: the same bodies that its SDK sends for the same call, and refusals before anything is sent."""

from __future__ import annotations

import base64
import typing
from collections.abc import Sequence
from typing import Any

import httpx
import msgspec
import ollama
import pytest

from exllm.errors import InvalidRequest
from exllm.providers import ollama_request
from exllm.providers.ollama_chat import WIRE
from exllm.providers.wire import HttpRequest
from exllm.types.message import Message
from exllm.types.normalise import normalise_messages
from exllm.types.options import check_options
from exllm.types.parts import (
    Audio,
    CacheControl,
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
from tests.providers.ollama_recordings import SPEC

PNG = b"\x89PNG\r\n\x1a\n..."
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
WEATHER = Tool("get_weather", "The weather of a city.", SCHEMA)
WEATHER_PARAM = {
    "type": "function",
    "function": {"name": "get_weather", "description": "The weather of a city.", "parameters": SCHEMA},
}
HI = [{"role": "user", "content": "Hi"}]
CALL = ToolCall("call_1", "get_weather", '{"city": "Oslo"}')
CALLED = {"function": {"name": "get_weather", "arguments": {"city": "Oslo"}}}

# Ours (messages, options, extra) beside the SDK's arguments.
CASES: dict[str, tuple[Any, dict[str, Any], dict[str, Any], dict[str, Any]]] = {
    "text": ("Hi", {}, {}, {"messages": HI}),
    "system and developer": (
        [Message("system", "Be brief."), Message("developer", "Be kind."), Message("user", "Hi")],
        {},
        {},
        {"messages": [{"role": "system", "content": "Be brief."}, {"role": "system", "content": "Be kind."}, *HI]},
    ),
    "images": (
        [Message("user", [Text("Compare "), Image(data=PNG, media_type="image/png"), Text("these.")])],
        {},
        {},
        {"messages": [{"role": "user", "content": "Compare these.", "images": [PNG]}]},
    ),
    "tools": ("Hi", {"tools": [WEATHER]}, {}, {"messages": HI, "tools": [WEATHER_PARAM]}),
    "a call and its result": (
        [
            *normalise_messages("Hi"),
            Message("assistant", [Reasoning("I should look."), CALL]),
            Message("tool", [ToolResult("call_1", "4 degrees")]),
        ],
        {"tools": [WEATHER]},
        {},
        {
            "messages": [
                *HI,
                {"role": "assistant", "content": "", "thinking": "I should look.", "tool_calls": [CALLED]},
                {"role": "tool", "content": "4 degrees", "tool_name": "get_weather"},
            ],
            "tools": [WEATHER_PARAM],
        },
    ),
    "an image from a tool": (
        [
            Message("assistant", [CALL]),
            Message("tool", [ToolResult("call_1", (Text("Look:"), Image(data=PNG, media_type="image/png")))]),
        ],
        {},
        {},
        {
            "messages": [
                {"role": "assistant", "content": "", "tool_calls": [CALLED]},
                {"role": "tool", "content": "Look:", "images": [PNG], "tool_name": "get_weather"},
            ]
        },
    ),
    "a result that names its tool": (
        [Message("tool", [ToolResult("call_9", "ok", name="look")])],
        {},
        {},
        {"messages": [{"role": "tool", "content": "ok", "tool_name": "look"}]},
    ),
    "a refusal": (
        [*normalise_messages("Hi"), Message("assistant", [Refusal("No.")]), *normalise_messages("Hi")],
        {},
        {},
        {"messages": [*HI, {"role": "assistant", "content": "No."}, *HI]},
    ),
    "options": (
        "Hi",
        {
            "max_tokens": 5, "temperature": 0.5, "top_k": 3, "top_p": 0.9, "min_p": 0.1, "seed": 7, "stop": ["a", "b"],
            "frequency_penalty": 0.2, "presence_penalty": 0.3,
        },
        {},
        {
            "messages": HI,
            "options": {
                "num_predict": 5, "temperature": 0.5, "top_k": 3, "top_p": 0.9, "min_p": 0.1, "seed": 7,
                "stop": ["a", "b"], "frequency_penalty": 0.2, "presence_penalty": 0.3,
            },
        },
    ),
    "options of the runner": (
        "Hi",
        {"seed": 7},
        {"num_ctx": 8192, "options": {"mirostat": 1, "seed": 8}, "keep_alive": "5m"},
        {"messages": HI, "options": {"seed": 8, "num_ctx": 8192, "mirostat": 1}, "keep_alive": "5m"},
    ),
    "JSON": ("Hi", {"response_format": "json"}, {}, {"messages": HI, "format": "json"}),
    "text asked for": ("Hi", {"response_format": "text"}, {}, {"messages": HI}),
    "a schema": ("Hi", {"response_format": SCHEMA}, {}, {"messages": HI, "format": SCHEMA}),
    "a named schema": (
        "Hi",
        {"response_format": {"name": "place", "schema": SCHEMA}},
        {},
        {"messages": HI, "format": SCHEMA},
    ),
    "a schema in OpenAI's shape": (
        "Hi",
        {"response_format": {"type": "json_schema", "json_schema": {"name": "place", "schema": SCHEMA}}},
        {},
        {"messages": HI, "format": SCHEMA},
    ),
    "thinking": ("Hi", {"thinking": True}, {}, {"messages": HI, "think": True}),
    "no thinking": ("Hi", {"thinking": False}, {}, {"messages": HI, "think": False}),
    "no effort": ("Hi", {"reasoning_effort": "none"}, {}, {"messages": HI, "think": False}),
    "an effort": ("Hi", {"reasoning_effort": "low"}, {}, {"messages": HI, "think": "low"}),
    "thinking with an effort": (
        "Hi",
        {"thinking": True, "reasoning_effort": "high"},
        {},
        {"messages": HI, "think": "high"},
    ),
    "log probabilities": (
        "Hi",
        {"logprobs": True, "top_logprobs": 2},
        {},
        {"messages": HI, "logprobs": True, "top_logprobs": 2},
    ),
    "alternatives alone": ("Hi", {"top_logprobs": 2}, {}, {"messages": HI, "logprobs": True, "top_logprobs": 2}),
}  # fmt: skip


def build(messages: Any, options: Any = None, extra: Any = None, *, stream: bool = True) -> HttpRequest:
    normal = normalise_messages(messages)
    request = Request("ollama", "llama3.2", normal, check_options(options or {}), extra or {}, stream=stream)
    return WIRE.build(request, SPEC)


def body_of(http: HttpRequest) -> dict[str, Any]:
    body: dict[str, Any] = msgspec.json.decode(http.body)
    return body


def sdk_body(arguments: dict[str, Any], *, stream: bool) -> dict[str, Any]:
    """What Ollama's SDK sends, less the empty list of tools that it always sends, with the empty texts that it never
    does."""
    sent: list[Any] = []

    def answer(request: httpx.Request) -> httpx.Response:
        sent.append(msgspec.json.decode(request.content))
        assert (request.method, request.url.path) == ("POST", SPEC.paths.chat)
        return httpx.Response(200, json={"message": {"role": "assistant"}, "done": True})

    reply = ollama.Client(transport=httpx.MockTransport(answer)).chat("llama3.2", stream=stream, **arguments)
    if stream:
        list(reply)
    (body,) = sent
    if not body["tools"]:
        del body["tools"]
    for message in body["messages"]:
        message.setdefault("content", "")
    return body  # type: ignore[no-any-return]


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("name", CASES)
def test_the_body_is_what_the_sdk_sends_for_the_same_call(name: str, stream: bool) -> None:
    messages, options, extra, arguments = CASES[name]
    http = build(messages, options, extra, stream=stream)
    assert http.warnings == ()
    assert http.path == "/api/chat"
    body = body_of(http)
    for message in body["messages"]:  # what the server takes and the SDK has no name for
        message.pop("tool_call_id", None)
        for call in message.get("tool_calls", ()):
            assert call.pop("id") == "call_1"
    assert body == sdk_body(arguments, stream=stream)


def test_ids_of_calls_travel_along() -> None:
    messages = body_of(build([Message("assistant", [CALL]), Message("tool", [ToolResult("call_1", "ok")])]))["messages"]
    assert messages[0]["tool_calls"][0]["id"] == messages[1]["tool_call_id"] == "call_1"


def test_an_id_that_is_empty_is_not_sent() -> None:
    (message,) = body_of(build([Message("assistant", [ToolCall("", "look", "{}")])]))["messages"]
    assert message["tool_calls"] == [{"function": {"name": "look", "arguments": {}}}]


@pytest.mark.parametrize(
    ("options", "think", "warning"),
    [
        ({"thinking": 1000}, True, "takes no thinking budget"),
        ({"reasoning_effort": "minimal"}, "low", "knows no effort 'minimal'; 'low' was sent"),
        ({"reasoning_effort": "xhigh"}, "max", "knows no effort 'xhigh'; 'max' was sent"),
        ({"thinking": False, "reasoning_effort": "high"}, False, "was told not to think"),
        ({"thinking": True, "reasoning_effort": "none"}, False, "thinking was switched off"),
    ],
)
def test_thinking_in_words_that_ollama_has_not_is_translated_and_told(
    options: dict[str, Any], think: bool | str, warning: str
) -> None:
    http = build("Hi", options)
    assert body_of(http)["think"] == think
    assert len(http.warnings) == 1
    assert warning in http.warnings[0]


@pytest.mark.parametrize("thinking", [{"type": "enabled"}, -1])
def test_thinking_that_cannot_be_said_is_refused(thinking: Any) -> None:
    with pytest.raises(InvalidRequest, match="thinking=True, False or a reasoning_effort out of low, medium"):
        build("Hi", {"thinking": thinking})


@pytest.mark.parametrize(
    "part",
    [
        Image(url="https://example.org/a.png"),
        Audio(data=b"x", media_type="audio/wav"),
        Document(data=b"%PDF-1", media_type="application/pdf"),
        Document(url="https://example.org/a.txt"),
        Document(data=b"\xff\xfe", media_type="text/plain"),
        FileRef("file_1"),
    ],
)
def test_what_ollama_does_not_take_is_refused_before_anything_is_sent(part: Any) -> None:
    with pytest.raises(InvalidRequest) as caught:
        build([Message("user", [Text("Look:"), part])])
    assert caught.value.provider == "ollama"


def test_an_image_at_a_url_is_refused_with_what_to_do() -> None:
    with pytest.raises(InvalidRequest, match=r"fetch it, then pass Image\(data="):
        build([Message("user", [Image(url="https://example.org/a.png")])])


def test_an_image_in_a_data_url_is_data() -> None:
    letters = base64.b64encode(PNG).decode()
    body = body_of(build([Message("user", [Image(url=f"data:image/png;base64,{letters}")])]))
    assert body["messages"] == [{"role": "user", "content": "", "images": [letters]}]


def test_text_documents_are_sent_as_text() -> None:
    document = Document(data=b"One.", media_type="text/plain", title="Numbers", context="A list.")
    http = build([Message("user", [document, Text("Sum up.")])])
    assert body_of(http)["messages"][0]["content"] == "Numbers\nA list.\n\nOne.\n\nSum up."
    assert http.warnings == ("Ollama takes no documents; those of text were sent as text",)


@pytest.mark.parametrize(
    ("message", "content", "warning"),
    [
        (Message("user", "Hi", "ann"), "Hi", "takes no names of messages"),
        (Message("user", [Text("Hi", cache_control=CacheControl())]), "Hi", "takes no cache_control"),
        (Message("user", [Image(data=PNG, media_type="image/png", detail="low")]), "", "knows no detail"),
        (Message("assistant", [Image(url="https://example.org/a.png")]), "", "no place for a Image of the assistant"),
        (Message("assistant", [ProviderPart("other", {"type": "x"})]), "", "the parts of other's answers"),
        (Message("assistant", [Audio(data=b"x", media_type="audio/wav")]), "", "has no place for a Audio"),
        (Message("assistant", [FileRef("file_1")]), "", "has no place for a FileRef"),
        (Message("assistant", [Reasoning(redacted="abc")]), "", "signed or redacted"),
        (Message("assistant", [ToolCall("1", "search", "{}", provider_executed=True)]), "", "that a provider runs"),
    ],
)
def test_what_has_no_place_is_left_out_with_a_warning(message: Message, content: str, warning: str) -> None:
    http = build([message])
    (sent,) = body_of(http)["messages"]
    assert sent["content"] == content
    assert "tool_calls" not in sent
    assert len(http.warnings) == 1
    assert warning in http.warnings[0]


def test_thoughts_of_another_model_and_spoken_words_go_along_as_text() -> None:
    audio = Audio(data=b"x", media_type="audio/wav", transcript="Hello.")
    http = build([Message("assistant", [Reasoning("Hm.", signature="s"), audio])])
    assert body_of(http)["messages"] == [{"role": "assistant", "content": "Hello.", "thinking": "Hm."}]
    assert http.warnings == ()


@pytest.mark.parametrize(
    ("arguments", "sent"),
    [("", {}), ('{"a":1}', {"a": 1}), ("[1]", {"INVALID_JSON": "[1]"}), ('{"a":', {"INVALID_JSON": '{"a":'})],
)
def test_arguments_are_an_object_whatever_the_model_wrote(arguments: str, sent: dict[str, Any]) -> None:
    (message,) = body_of(build([Message("assistant", [ToolCall("1", "look", arguments)])]))["messages"]
    assert message["tool_calls"][0]["function"]["arguments"] == sent


def test_a_tools_wishes_that_cannot_be_kept_are_told() -> None:
    tool = Tool("look", "", SCHEMA, strict=True, cache_control=CacheControl())
    http = build("Hi", {"tools": [tool, ServerTool({"type": "web"})]})
    assert body_of(http)["tools"] == [
        {"type": "function", "function": {"name": "look", "parameters": SCHEMA}},
        {"type": "web"},
    ]
    assert len(http.warnings) == 2


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        ({"think": "very"}, "low"),
        ({"options": {"num_ctx": "much"}}, "a whole number"),
        ({"num_ctx": "much"}, "a whole number"),
        ({"format": 5}, "format"),
        ({"keep_alive": []}, "a number"),
    ],
)
def test_values_that_ollama_does_not_take_are_refused(extra: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidRequest, match=message):
        build("Hi", {}, extra)


def test_a_misspelt_field_is_told() -> None:
    assert build("Hi", {}, {"keep_alife": 5}).warnings == (
        "Ollama is not known to take keep_alife; did you mean 'keep_alive'?",
    )
    assert build("Hi", {}, {"options": {"num_ctxt": 5}}).warnings == (
        "Ollama is not known to take options.num_ctxt; did you mean 'num_ctx'?",
    )


def test_what_is_no_json_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="cannot be written as JSON"):
        build("Hi", {}, {"field": object()})


def test_a_tool_message_without_a_result_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="holds ToolResult parts"):
        WIRE.build(Request("ollama", "m", (Message("tool", [Text("ok")]),)), SPEC)


def test_every_field_and_option_of_the_sdk_is_known() -> None:
    assert set(ollama._types.ChatRequest.model_fields) <= ollama_request.FIELDS
    own = set(body_of(build("Hi", CASES["options"][1]))["options"])
    assert set(ollama.Options.model_fields) <= own | ollama_request.OTHER_RUN_OPTIONS
    assert not own & ollama_request.OTHER_RUN_OPTIONS
    rules = SPEC.parameters["options"].fields
    assert rules.keys() <= own | ollama_request.OTHER_RUN_OPTIONS
    types = {"integer": int, "number": float, "boolean": bool, "list": Sequence}
    for name in rules.keys() & ollama.Options.model_fields.keys():
        kind, _ = typing.get_args(ollama.Options.model_fields[name].annotation)  # or None
        assert (typing.get_origin(kind) or kind) is types[rules[name].type], name


@pytest.mark.parametrize("name", sorted(ollama_request.OTHER_RUN_OPTIONS))
def test_an_option_of_the_runner_is_found_wherever_it_stands(name: str) -> None:
    """At the top level the server would ignore it without a word."""
    value = True if name in ("use_mmap",) else 5
    for extra in ({name: value}, {"options": {name: value}}):
        body = body_of(build("Hi", {}, extra))
        assert body["options"] == {name: value}
        assert name not in body
