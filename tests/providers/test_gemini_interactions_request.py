"""Requests of the Interactions API: what Google's SDK sends for the same call, and what is refused or told."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

import exllm
from exllm.cost import calculate
from exllm.errors import InvalidRequest
from exllm.providers.gemini_interactions import WIRE
from exllm.types.message import Message
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
from exllm.types.usage import Usage
from tests.providers.gemini_interactions_recordings import MODEL, SPEC, sent, sent_by_sdk

PNG = b"\x89PNG"
LETTERS = base64.b64encode(PNG).decode()
SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]}
LOOK = exllm.Tool("look", "Look at it.", SCHEMA)
FUNCTION = {"type": "function", "name": "look", "description": "Look at it.", "parameters": SCHEMA}


def user(*parts: Any) -> list[Message]:
    return [Message("user", parts)]


def warned(messages: Any, **options: Any) -> str:
    messages = user(Text("Hi")) if messages is None else messages
    request = Request("gemini-interactions", MODEL, tuple(messages), check_options(options))
    return "\n".join(WIRE.build(request, SPEC).warnings)


# -- beside the SDK


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ({}, {}),
        (
            {"temperature": 0.5, "top_p": 0.9, "seed": 7, "stop": ["x"], "max_tokens": 9},
            {"generation_config": {"temperature": 0.5, "top_p": 0.9, "seed": 7, "stop_sequences": ["x"],
                                   "max_output_tokens": 9}},
        ),
        ({"reasoning_effort": "low"}, {"generation_config": {"thinking_level": "low"}}),
        ({"thinking": True}, {"generation_config": {"thinking_summaries": "auto"}}),
        (
            {"thinking": True, "reasoning_effort": "xhigh"},
            {"generation_config": {"thinking_summaries": "auto", "thinking_level": "xhigh"}},
        ),
        ({"thinking": {"thinking_summaries": "none"}}, {"generation_config": {"thinking_summaries": "none"}}),
        ({"tools": [LOOK]}, {"tools": [FUNCTION]}),
        ({"tools": [LOOK], "tool_choice": "required"},
         {"tools": [FUNCTION], "generation_config": {"tool_choice": "any"}}),
        ({"tools": [LOOK], "tool_choice": "none"},
         {"tools": [FUNCTION], "generation_config": {"tool_choice": "none"}}),
        ({"tools": [LOOK], "tool_choice": "look"},
         {"tools": [FUNCTION], "generation_config": {
             "tool_choice": {"allowed_tools": {"mode": "any", "tools": ["look"]}}}}),
        ({"tools": [exllm.Tool("look", "Look at it.", SCHEMA, strict=True)]},
         {"tools": [FUNCTION], "generation_config": {"tool_choice": "validated"}}),
        ({"web_search": True}, {"tools": [{"type": "google_search"}]}),
        ({"web_search": {"search_types": ["image_search"]}},
         {"tools": [{"type": "google_search", "search_types": ["image_search"]}]}),
        ({"tools": [{"type": "code_execution"}, {"type": "url_context"}, LOOK]},
         {"tools": [{"type": "code_execution"}, {"type": "url_context"}, FUNCTION]}),
        ({"tools": [{"type": "mcp_server", "name": "dice", "url": "https://d.example"}]},
         {"tools": [{"type": "mcp_server", "name": "dice", "url": "https://d.example"}]}),
        ({"response_format": "json"}, {"response_format": {"type": "text", "mime_type": "application/json"}}),
        ({"response_format": SCHEMA},
         {"response_format": {"type": "text", "mime_type": "application/json", "schema": SCHEMA}}),
        ({"response_format": {"name": "a", "schema": SCHEMA}},
         {"response_format": {"type": "text", "mime_type": "application/json", "schema": SCHEMA}}),
        ({"response_format": {"type": "image", "aspect_ratio": "16:9", "image_size": "2K"}},
         {"response_format": {"type": "image", "aspect_ratio": "16:9", "image_size": "2K"}}),
        ({"modalities": ["text", "image"]}, {"response_format": [{"type": "text"}, {"type": "image"}]}),
        ({"modalities": ["image"]}, {"response_format": {"type": "image"}}),
        ({"modalities": ["audio"], "audio": {"voice": "Kore", "language": "en-US", "format": "mp3"}},
         {"response_format": {"type": "audio", "mime_type": "audio/mp3"},
          "generation_config": {"speech_config": [{"voice": "Kore", "language": "en-US"}]}}),
        ({"audio": {"speakers": [{"speaker": "A", "voice": "Kore"}]}},
         {"generation_config": {"speech_config": {"speakers": [{"speaker": "A", "voice": "Kore"}]}}}),
        ({"store": False}, {"store": False}),
        ({"metadata": {"team": "a"}, "service_tier": "flex"}, {"labels": {"team": "a"}, "service_tier": "flex"}),
        ({"safety_settings": [{"type": "hate_speech", "threshold": "block_none"}]},
         {"safety_settings": [{"type": "hate_speech", "threshold": "block_none"}]}),
        ({"safety_settings": [{"category": "HARM_CATEGORY_HATE_SPEECH", "threshold": "BLOCK_NONE"}]},
         {"safety_settings": [{"type": "hate_speech", "threshold": "block_none"}]}),
        ({"extra": {"previous_interaction_id": "v1_a", "background": True}},
         {"previous_interaction_id": "v1_a", "background": True}),
        ({"temperature": 1.0, "extra": {"generation_config": {"thinking_level": "low"}}},
         {"generation_config": {"temperature": 1.0, "thinking_level": "low"}}),
    ],
)  # fmt: skip
def test_a_call_is_sent_as_the_sdk_sends_it(ours: dict[str, Any], theirs: dict[str, Any]) -> None:
    request, body = sent_by_sdk(model=MODEL, input="Hi", **theirs)
    assert request.url.path == SPEC.paths.chat
    assert sent("Hi", **ours) == body


CONVERSATION = [
    Message("system", "Be brief."),
    Message("user", (Text("What is this?"), Image(data=PNG, media_type="image/png", detail="low"))),
    Message(
        "assistant",
        (
            Reasoning("Hm.", "c2ln", id="gemini-interactions"),
            Text("Let me look."),
            ToolCall("c1", "look", '{"a": "b"}'),
            ToolCall("c2", "look", ""),
        ),
    ),
    Message("tool", (ToolResult("c1", "seen"), ToolResult("c2", (Text("no"),), is_error=True))),
    Message("user", "And now?"),
]


def test_a_conversation_is_written_as_steps_that_the_sdk_takes() -> None:
    steps = [
        {"type": "user_input", "content": [
            {"type": "text", "text": "What is this?"},
            {"type": "image", "data": LETTERS, "mime_type": "image/png", "resolution": "low"},
        ]},
        {"type": "thought", "summary": [{"type": "text", "text": "Hm."}], "signature": "c2ln"},
        {"type": "model_output", "content": [{"type": "text", "text": "Let me look."}]},
        {"type": "function_call", "id": "c1", "name": "look", "arguments": {"a": "b"}},
        {"type": "function_call", "id": "c2", "name": "look", "arguments": {}},
        {"type": "function_result", "call_id": "c1", "name": "look", "result": "seen"},
        {"type": "function_result", "call_id": "c2", "name": "look", "is_error": True,
         "result": [{"type": "text", "text": "no"}]},
        {"type": "user_input", "content": [{"type": "text", "text": "And now?"}]},
    ]  # fmt: skip
    _, body = sent_by_sdk(model=MODEL, input=steps, system_instruction="Be brief.")
    assert sent(CONVERSATION) == body
    assert body["input"] == steps


def test_the_revision_of_the_protocol_is_said_and_the_key_is_googles() -> None:
    assert SPEC.headers == {"Api-Revision": "2026-05-20"}
    request, _ = sent_by_sdk(model=MODEL, input="Hi")
    assert SPEC.auth.header in request.headers


@pytest.mark.parametrize("model", ["deep-research-pro-preview-12-2025", "antigravity-preview-09-2026", "agents/mine"])
def test_an_agent_is_asked_as_one(model: str) -> None:
    agent = model.removeprefix("agents/")
    _, body = sent_by_sdk(agent=agent, input="Hi", background=True)
    assert sent("Hi", model=model, extra={"background": True}) == body
    assert sent("Hi", extra={"agent": agent, "background": True}) == body
    with pytest.raises(InvalidRequest, match="temperature"):
        sent("Hi", model=model, temperature=0.5)


# -- parts


@pytest.mark.parametrize(
    ("part", "content"),
    [
        (Image(url="https://e.org/a.png"), {"type": "image", "uri": "https://e.org/a.png", "mime_type": "image/png"}),
        (Image(url="https://e.org/a"), {"type": "image", "uri": "https://e.org/a"}),
        (Image(data=PNG, media_type="image/png", detail="original"),
         {"type": "image", "data": LETTERS, "mime_type": "image/png", "resolution": "ultra_high"}),
        (Audio(data=PNG, media_type="audio/wav"), {"type": "audio", "data": LETTERS, "mime_type": "audio/wav"}),
        (Document(data=PNG, media_type="application/pdf"),
         {"type": "document", "data": LETTERS, "mime_type": "application/pdf"}),
        (Document(data="Ä".encode(), media_type="text/plain"), {"type": "text", "text": "Ä"}),
        (Document(url="https://youtu.be/a", media_type="video/mp4"),
         {"type": "video", "uri": "https://youtu.be/a", "mime_type": "video/mp4"}),
        (FileRef("files/abc", "image/png"),
         {"type": "image", "uri": "https://generativelanguage.googleapis.com/v1beta/files/abc",
          "mime_type": "image/png"}),
        (FileRef("https://e.org/f", "application/pdf"),
         {"type": "document", "uri": "https://e.org/f", "mime_type": "application/pdf"}),
        (ProviderPart("gemini-interactions", {"type": "video", "uri": "gs://v"}), {"type": "video", "uri": "gs://v"}),
    ],
)  # fmt: skip
def test_every_part_has_its_content(part: Any, content: dict[str, Any]) -> None:
    assert sent(user(Text("See"), part))["input"] == [{"type": "text", "text": "See"}, content]


@pytest.mark.parametrize(
    ("part", "words"),
    [
        (FileRef("files/abc"), "give media_type="),
        (Document(data=b"\xff", media_type="text/plain"), "UTF-8"),
        (ToolCall("c1", "look"), "cannot hold a ToolCall"),
        (ProviderPart("anthropic", {}), "cannot hold a ProviderPart"),
    ],
)
def test_what_cannot_be_said_is_refused_before_it_is_sent(part: Any, words: str) -> None:
    with pytest.raises(InvalidRequest, match=words) as caught:
        sent(user(part))
    assert caught.value.provider == "gemini-interactions"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"thinking": 1000}, "takes no number of tokens"),
        ({"thinking": {"thinking_level": "low"}, "reasoning_effort": "high"}, "leave out reasoning_effort"),
        ({"reasoning_effort": "huge"}, "minimal, low, medium, high, xhigh"),
        ({"tools": [{"googleSearch": {}}]}, "'google_search'"),
        ({"audio": {"pitch": 3}}, "pitch"),
        ({"safety_settings": [{"type": "rudeness", "threshold": "off"}]}, "HARM_CATEGORY_HARASSMENT"),
        ({"safety_settings": [{"type": "harassment", "threshold": "off"}, {"category": "HARM_CATEGORY_HARASSMENT",
          "threshold": "OFF"}]}, "set twice"),
        ({"service_tier": "gold"}, "standard"),
        ({"extra": {"labels": {"a": {1, 2}}, "x": object()}}, "cannot be written"),
    ],
)  # fmt: skip
def test_options_that_the_api_has_no_words_for_are_refused(options: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidRequest, match=words):
        sent("Hi", **options)


@pytest.mark.parametrize(
    ("messages", "options", "words"),
    [
        (None, {"thinking": False}, "cannot keep a model from thinking"),
        (None, {"reasoning_effort": "none"}, "cannot keep a model from thinking"),
        (None, {"reasoning_effort": "max"}, "xhigh"),
        (None, {"tools": [exllm.Tool("a", cache_control=CacheControl())]}, "cache_control of a tool"),
        ([Message("user", "Hi", "Ann")], {}, "names of participants"),
        (user(Text("Hi", cache_control=CacheControl())), {}, "caches by itself"),
        (user(Document(data=b"%PDF", media_type="application/pdf", title="T")), {}, "title"),
        ([Message("user", "a"), Message("system", "b"), Message("user", "c")], {}, "was moved"),
        ([Message("user", "a"), Message("assistant", (Reasoning("x", id="gemini"), Text("b")))], {}, "reasoning"),
        ([Message("user", "a"), Message("assistant", (ProviderPart("openai", {}), Text("b")))], {}, "openai"),
        ([Message("user", "a"), Message("assistant", (ToolCall("c", "f", "[1]"),))], {}, "INVALID_JSON"),
        ([Message("user", "a"), Message("assistant", (ToolCall("c", "f", provider_executed=True), Text("b")))], {},
         "ran itself"),
    ],
)  # fmt: skip
def test_what_does_not_go_along_is_told(messages: Any, options: dict[str, Any], words: str) -> None:
    assert words in warned(messages, **options)


def test_a_plain_call_has_no_warnings() -> None:
    assert warned(CONVERSATION, temperature=0.5, thinking=True) == ""


def test_there_must_be_something_to_answer() -> None:
    for messages in ([Message("system", "a")], [Message("user", "")], [Message("assistant", (Refusal(""),))]):
        with pytest.raises(InvalidRequest, match="no message with content"):
            sent(messages)


def test_words_of_the_assistant_that_follow_each_other_are_one_step() -> None:
    said = Message("assistant", (Text("a"), Text(""), Refusal("b"), Image(url="https://e.org/a")))
    steps = sent([Message("user", "?"), said, Message("user", "!")])["input"]
    assert [step["type"] for step in steps] == ["user_input", "model_output", "user_input"]
    assert [content["type"] for content in steps[1]["content"]] == ["text", "text", "image"]


def test_a_part_that_goes_back_is_not_changed_by_what_follows_it() -> None:
    video = {"type": "model_output", "content": [{"type": "video", "uri": "gs://v"}]}
    part = ProviderPart("gemini-interactions", json.loads(json.dumps(video)))
    steps = sent([Message("user", "?"), Message("assistant", (part, Text("There."))), Message("user", "!")])["input"]
    assert steps[1]["content"] == [*video["content"], {"type": "text", "text": "There."}]
    assert part.data == video


def test_results_before_words_of_the_same_message_stand_before_them() -> None:
    said = Message("assistant", (ToolCall("c1", "look", "{}"),))
    steps = sent([Message("user", "?"), said, Message("user", (Text("Well?"), ToolResult("c1", "seen")))])["input"]
    assert [step["type"] for step in steps] == ["user_input", "function_call", "function_result", "user_input"]


def test_models_cost_what_they_cost_over_the_other_protocol() -> None:
    usage = Usage(input_tokens=1000, output_tokens=100, provenance="reported")
    ours = calculate(f"gemini-interactions/{MODEL}", usage)
    assert ours.total
    assert ours == calculate(f"gemini/{MODEL}", usage)
