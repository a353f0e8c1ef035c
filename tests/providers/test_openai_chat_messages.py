"""Messages and media of a request: equal to what the vendor's SDK sends."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from exllm.types.message import Message
from exllm.types.parts import (
    Audio,
    Document,
    FileRef,
    Image,
    Part,
    Reasoning,
    Refusal,
    Text,
    ToolCall,
    ToolResult,
)
from tests.providers.openai_chat_requests import (
    PDF,
    PDF_URL,
    PNG,
    PNG_URL,
    WAV,
    build,
    sent_by_sdk,
)

CALL_JSON = {"id": "c1", "type": "function", "function": {"name": "weather", "arguments": '{"city":"Rome"}'}}
CALL = ToolCall("c1", "weather", '{"city":"Rome"}')

MESSAGE_CALLS: dict[str, tuple[list[Message], list[dict[str, Any]]]] = {
    "every role": (
        [
            Message("system", "Be brief."),
            Message("developer", "No jokes."),
            Message("user", "Hi", name="ada"),
            Message("assistant", "Hello."),
            Message("user", "Bye"),
        ],
        [
            {"role": "system", "content": "Be brief."},
            {"role": "developer", "content": "No jokes."},
            {"role": "user", "content": "Hi", "name": "ada"},
            {"role": "assistant", "content": "Hello."},
            {"role": "user", "content": "Bye"},
        ],
    ),
    "text parts": (
        [Message("system", [Text("a"), Text("b")]), Message("user", [Text("c")])],
        [
            {"role": "system", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]},
            {"role": "user", "content": [{"type": "text", "text": "c"}]},
        ],
    ),
    "images": (
        [
            Message(
                "user",
                [
                    Text("?"),
                    Image(url="https://x.example/a.png", detail="low"),
                    Image(data=PNG, media_type="image/png"),
                ],
            )
        ],
        [
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "?"},
                    {"type": "image_url", "image_url": {"url": "https://x.example/a.png", "detail": "low"}},
                    {"type": "image_url", "image_url": {"url": PNG_URL}},
                ],
            }
        ],
    ),
    "audio": (
        [Message("user", [Audio(data=WAV, media_type="audio/wav"), Audio(data=WAV, media_type="audio/mpeg")])],
        [
            {
                "role": "user",
                "content": [
                    {"type": "input_audio", "input_audio": {"data": base64.b64encode(WAV).decode(), "format": "wav"}},
                    {"type": "input_audio", "input_audio": {"data": base64.b64encode(WAV).decode(), "format": "mp3"}},
                ],
            }
        ],
    ),
    "files": (
        [
            Message(
                "user",
                [
                    Document(data=PDF, media_type="application/pdf", title="report.pdf"),
                    Document(data=PDF, media_type="application/pdf"),
                    FileRef("file-1"),
                ],
            )
        ],
        [
            {
                "role": "user",
                "content": [
                    {"type": "file", "file": {"filename": "report.pdf", "file_data": PDF_URL}},
                    {"type": "file", "file": {"filename": "document.pdf", "file_data": PDF_URL}},
                    {"type": "file", "file": {"file_id": "file-1"}},
                ],
            }
        ],
    ),
    "a tool run": (
        [
            Message("assistant", [CALL, ToolCall("c2", "weather", "")]),
            Message("tool", [ToolResult("c1", "sunny"), ToolResult("c2", (Text("no"), Text("city")), is_error=True)]),
        ],
        [
            {
                "role": "assistant",
                "content": None,
                "tool_calls": [
                    CALL_JSON,
                    {"id": "c2", "type": "function", "function": {"name": "weather", "arguments": "{}"}},
                ],
            },
            {"role": "tool", "tool_call_id": "c1", "content": "sunny"},
            {
                "role": "tool",
                "tool_call_id": "c2",
                "content": [{"type": "text", "text": "no"}, {"type": "text", "text": "city"}],
            },
        ],
    ),
    "results in a user message": (
        [
            Message("assistant", [Text("Let me see."), CALL]),
            Message("user", [ToolResult("c1", "sunny"), Text("Go on")]),
        ],
        [
            {"role": "assistant", "content": "Let me see.", "tool_calls": [CALL_JSON]},
            {"role": "tool", "tool_call_id": "c1", "content": "sunny"},
            {"role": "user", "content": [{"type": "text", "text": "Go on"}]},
        ],
    ),
    "a custom tool's call": (
        [Message("assistant", [ToolCall("c1", "sql", "select 1", signature="custom")])],
        [
            {
                "role": "assistant",
                "content": None,
                "tool_calls": [{"id": "c1", "type": "custom", "custom": {"name": "sql", "input": "select 1"}}],
            }
        ],
    ),
    "a refusal": (
        [Message("assistant", [Refusal("I must not.")])],
        [{"role": "assistant", "content": None, "refusal": "I must not."}],
    ),
    "a spoken answer": (
        [Message("assistant", [Audio(data=WAV, media_type="audio/wav", id="audio_1", transcript="Hello")])],
        [{"role": "assistant", "content": None, "audio": {"id": "audio_1"}}],
    ),
    "an answer in parts": ([Message("assistant", [Text("a"), Text("b")])], [{"role": "assistant", "content": "ab"}]),
    "an empty answer": ([Message("assistant", "")], [{"role": "assistant", "content": ""}]),
}


@pytest.mark.parametrize("call", MESSAGE_CALLS)
def test_messages_are_sent_as_the_sdk_sends_them(call: str) -> None:
    ours, theirs = MESSAGE_CALLS[call]
    built = build(ours)

    assert json.loads(built.body) == sent_by_sdk(model="big", messages=theirs)
    assert built.warnings == ()
    assert built.path == "/chat/completions"


@pytest.mark.parametrize(
    ("parts", "content", "warning"),
    [
        ([Reasoning("hm")], "", "reasoning does not go back to acme"),
        ([ToolCall("x", "search", "{}", provider_executed=True), Text("Found.")], "Found.", "a provider ran itself"),
    ],
)
def test_what_has_no_place_in_chat_completions_is_told(parts: list[Part], content: str, warning: str) -> None:
    built = build([Message("assistant", parts)])
    assert json.loads(built.body)["messages"] == [{"role": "assistant", "content": content}]
    assert len(built.warnings) == 1
    assert warning in built.warnings[0]
