"""Messages in a vendor's own shape go to that vendor as they were written: normalised, then built again."""

from __future__ import annotations

import base64
from typing import Any

import msgspec
import pytest

from exllm.providers import registry
from exllm.types.normalise import normalise_messages
from exllm.types.request import Request

PNG = base64.b64encode(b"\x89PNG").decode()
PDF = base64.b64encode(b"%PDF-1").decode()


def sent(provider: str, messages: list[dict[str, Any]]) -> dict[str, Any]:
    spec: Any = registry.get(provider)
    request = Request(provider, spec.default_model, normalise_messages(messages))
    built = registry.wire(spec.wire).build(request, spec)
    assert built.warnings == ()
    body: dict[str, Any] = msgspec.json.decode(built.body)
    return body


OPENAI: list[dict[str, Any]] = [
    {"role": "developer", "content": "Be brief."},
    {
        "role": "user",
        "content": [
            {"type": "text", "text": "What is this?"},
            {"type": "image_url", "image_url": {"url": "https://example.org/cat.png", "detail": "high"}},
            {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}},
            {"type": "input_audio", "input_audio": {"data": PNG, "format": "mp3"}},
            {"type": "file", "file": {"file_id": "file-1"}},
            {"type": "file", "file": {"filename": "a.pdf", "file_data": f"data:application/pdf;base64,{PDF}"}},
        ],
        "name": "ann",
    },
    {
        "role": "assistant",
        "content": "Let me look.",
        "tool_calls": [
            {"id": "c1", "type": "function", "function": {"name": "look", "arguments": '{"at": "cat"}'}},
            {"id": "c2", "type": "custom", "custom": {"name": "sql", "input": "select 1"}},
        ],
    },
    {"role": "tool", "tool_call_id": "c1", "content": "a cat"},
    {"role": "tool", "tool_call_id": "c2", "content": [{"type": "text", "text": "1"}]},
    {"role": "assistant", "content": None, "refusal": "I will not say."},
    {"role": "assistant", "content": None, "audio": {"id": "audio-1"}},
    {"role": "user", "content": "Why?"},
]


def test_openais_messages_come_back_as_they_were() -> None:
    assert sent("openai", OPENAI)["messages"] == OPENAI


ANTHROPIC: list[dict[str, Any]] = [
    {
        "role": "user",
        "content": [
            {"type": "text", "text": "What is this?", "cache_control": {"type": "ephemeral", "ttl": "1h"}},
            {"type": "image", "source": {"type": "url", "url": "https://example.org/cat.png"}},
            {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}},
            {
                "type": "document",
                "source": {"type": "base64", "media_type": "application/pdf", "data": PDF},
                "title": "A",
                "context": "old",
                "citations": {"enabled": True},
            },
            {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "grüezi"}},
            {"type": "document", "source": {"type": "content", "content": [{"type": "text", "text": "a"}]}},
            {"type": "search_result", "source": "https://a", "title": "A", "content": [{"type": "text", "text": "a"}]},
        ],
    },
    {
        "role": "assistant",
        "content": [
            {"type": "thinking", "thinking": "Hm.", "signature": "sig"},
            {"type": "redacted_thinking", "data": "xyz"},
            {"type": "text", "text": "Let me look."},
            {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {"query": "cat"}},
            {
                "type": "web_search_tool_result",
                "tool_use_id": "srvtoolu_1",
                "content": [{"type": "web_search_result", "url": "https://a", "title": "A", "encrypted_content": "e"}],
            },
            {"type": "tool_use", "id": "toolu_1", "name": "look", "input": {"at": "cat"}},
            {"type": "tool_use", "id": "toolu_2", "name": "look", "input": {}},
        ],
    },
    {
        "role": "user",
        "content": [
            {"type": "tool_result", "tool_use_id": "toolu_1", "content": "a cat"},
            {
                "type": "tool_result",
                "tool_use_id": "toolu_2",
                "content": [
                    {"type": "text", "text": "dark"},
                    {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}},
                ],
                "is_error": True,
                "cache_control": {"type": "ephemeral"},
            },
            {"type": "text", "text": "And?"},
        ],
    },
]


def test_anthropics_messages_come_back_as_they_were() -> None:
    assert sent("anthropic", ANTHROPIC)["messages"] == ANTHROPIC


@pytest.mark.parametrize("messages", [OPENAI, ANTHROPIC], ids=["openai", "anthropic"])
def test_normalising_twice_changes_nothing(messages: list[dict[str, Any]]) -> None:
    once = normalise_messages(messages)
    assert all(new is old for new, old in zip(normalise_messages(once), once, strict=True))
    assert normalise_messages(msgspec.json.decode(msgspec.json.encode(once))) == once


def test_one_vendors_conversation_goes_to_the_other() -> None:
    plain: list[dict[str, Any]] = [
        {"role": "user", "content": "Look."},
        {
            "role": "assistant",
            "content": "Let me look.",
            "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "look", "arguments": '{"at":"cat"}'}}],
        },
        {"role": "tool", "tool_call_id": "c1", "content": "a cat"},
        {"role": "user", "content": "And?"},
    ]
    messages = sent("anthropic", plain)["messages"]
    assert [message["role"] for message in messages] == ["user", "assistant", "user"]
    assert messages[1]["content"] == [
        {"type": "text", "text": "Let me look."},
        {"type": "tool_use", "id": "c1", "name": "look", "input": {"at": "cat"}},
    ]
    assert sent("openai", messages)["messages"] == [
        plain[0],
        {**plain[1]},
        plain[2],
        {"role": "user", "content": [{"type": "text", "text": "And?"}]},
    ]
