"""Calls in our words beside the arguments that Anthropic's SDK takes for the same."""

from __future__ import annotations

import base64
from typing import Any

from exllm.types.message import Message
from exllm.types.parts import (
    CacheControl,
    Citation,
    Document,
    FileRef,
    Image,
    ProviderPart,
    Reasoning,
    Text,
    ToolCall,
    ToolResult,
)
from exllm.types.tool import ServerTool, Tool

PNG, PDF = b"\x89PNG\r\n\x1a\n...", b"%PDF-1.7 ..."
SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
    "additionalProperties": False,
}
WEATHER = Tool("get_weather", "The weather of a city.", SCHEMA)
WEATHER_PARAM = {"name": "get_weather", "description": "The weather of a city.", "input_schema": SCHEMA}
HI = [{"role": "user", "content": "Hi"}]

# Ours (messages, options) beside the SDK's arguments.
CASES: dict[str, tuple[Any, dict[str, Any], dict[str, Any]]] = {
    "text": ("Hi", {}, {"messages": HI}),
    "system": (
        [Message("system", "Be brief."), Message("user", "Hi")],
        {},
        {"system": "Be brief.", "messages": HI},
    ),
    "several system and developer messages": (
        [Message("system", "Be brief."), Message("developer", "Be kind."), Message("user", "Hi")],
        {},
        {
            "system": [{"type": "text", "text": "Be brief."}, {"type": "text", "text": "Be kind."}],
            "messages": HI,
        },
    ),
    "cached system": (
        [Message("system", [Text("Long.", cache_control=CacheControl(ttl="1h"))]), Message("user", "Hi")],
        {},
        {
            "system": [{"type": "text", "text": "Long.", "cache_control": {"type": "ephemeral", "ttl": "1h"}}],
            "messages": HI,
        },
    ),
    "prefill": (
        [Message("user", "Hi"), Message("assistant", "Well,")],
        {},
        {"messages": [*HI, {"role": "assistant", "content": "Well,"}]},
    ),
    "images": (
        [
            Message(
                "user",
                [
                    Text("Compare"),
                    Image(url="https://example.com/a.png"),
                    Image(data=PNG, media_type="image/png", cache_control=CacheControl()),
                    Image(url="data:image/gif;base64,R0lGODlh"),
                ],
            )
        ],
        {},
        {
            "messages": [
                {
                    "role": "user",
                    "content": [
                        {"type": "text", "text": "Compare"},
                        {"type": "image", "source": {"type": "url", "url": "https://example.com/a.png"}},
                        {
                            "type": "image",
                            "source": {
                                "type": "base64",
                                "media_type": "image/png",
                                "data": base64.b64encode(PNG).decode(),
                            },
                            "cache_control": {"type": "ephemeral"},
                        },
                        {
                            "type": "image",
                            "source": {"type": "base64", "media_type": "image/gif", "data": "R0lGODlh"},
                        },
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
                    Document(data=PDF, media_type="application/pdf", title="Report", citations=True),
                    Document(url="https://example.com/a.pdf"),
                    Document(data="Grüße".encode(), media_type="text/plain", context="A letter."),
                ],
            )
        ],
        {},
        {
            "messages": [
                {
                    "role": "user",
                    "content": [
                        {
                            "type": "document",
                            "source": {
                                "type": "base64",
                                "media_type": "application/pdf",
                                "data": base64.b64encode(PDF).decode(),
                            },
                            "title": "Report",
                            "citations": {"enabled": True},
                        },
                        {"type": "document", "source": {"type": "url", "url": "https://example.com/a.pdf"}},
                        {
                            "type": "document",
                            "source": {"type": "text", "media_type": "text/plain", "data": "Grüße"},
                            "context": "A letter.",
                        },
                    ],
                }
            ]
        },
    ),
    "uploaded files": (
        [Message("user", [FileRef("file_1"), FileRef("file_2", "image/png"), FileRef("file_3", "text/csv")])],
        {},
        {
            "messages": [
                {
                    "role": "user",
                    "content": [
                        {"type": "document", "source": {"type": "file", "file_id": "file_1"}},
                        {"type": "image", "source": {"type": "file", "file_id": "file_2"}},
                        {"type": "container_upload", "file_id": "file_3"},
                    ],
                }
            ]
        },
    ),
    "a turn with thinking, calls and results": (
        [
            Message("user", "Weather?"),
            Message(
                "assistant",
                [
                    Reasoning("Let me see.", signature="c2ln"),
                    Reasoning(redacted="cmVk"),
                    Text("I look."),
                    ToolCall("toolu_1", "get_weather", '{"city": "Rome"}'),
                    ToolCall("toolu_2", "now"),
                ],
            ),
            Message("tool", [ToolResult("toolu_1", "Sunny")]),
            Message("tool", [ToolResult("toolu_2", (Text("12:00"),), is_error=True)]),
            Message("user", "Go on"),
        ],
        {"tools": [WEATHER], "thinking": 2000, "max_tokens": 4000},
        {
            "tools": [WEATHER_PARAM],
            "max_tokens": 4000,
            "thinking": {"type": "enabled", "budget_tokens": 2000},
            "messages": [
                {"role": "user", "content": "Weather?"},
                {
                    "role": "assistant",
                    "content": [
                        {"type": "thinking", "thinking": "Let me see.", "signature": "c2ln"},
                        {"type": "redacted_thinking", "data": "cmVk"},
                        {"type": "text", "text": "I look."},
                        {"type": "tool_use", "id": "toolu_1", "name": "get_weather", "input": {"city": "Rome"}},
                        {"type": "tool_use", "id": "toolu_2", "name": "now", "input": {}},
                    ],
                },
                {
                    "role": "user",
                    "content": [
                        {"type": "tool_result", "tool_use_id": "toolu_1", "content": "Sunny"},
                        {
                            "type": "tool_result",
                            "tool_use_id": "toolu_2",
                            "content": [{"type": "text", "text": "12:00"}],
                            "is_error": True,
                        },
                        {"type": "text", "text": "Go on"},
                    ],
                },
            ],
        },
    ),
    "server tools in the history": (
        [
            Message("user", "News?"),
            Message(
                "assistant",
                [
                    ToolCall("srvtoolu_1", "web_search", '{"query": "news"}', provider_executed=True),
                    ProviderPart(
                        "anthropic",
                        {"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": []},
                    ),
                    Text(
                        "None.",
                        (
                            Citation(
                                source={
                                    "type": "web_search_result_location",
                                    "cited_text": "none",
                                    "encrypted_index": "eA==",
                                    "title": "T",
                                    "url": "https://example.com",
                                }
                            ),
                        ),
                    ),
                ],
            ),
            Message("user", "Really?"),
        ],
        {"tools": [ServerTool({"type": "web_search_20250305", "name": "web_search", "max_uses": 2})]},
        {
            "tools": [{"type": "web_search_20250305", "name": "web_search", "max_uses": 2}],
            "messages": [
                {"role": "user", "content": "News?"},
                {
                    "role": "assistant",
                    "content": [
                        {
                            "type": "server_tool_use",
                            "id": "srvtoolu_1",
                            "name": "web_search",
                            "input": {"query": "news"},
                        },
                        {"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": []},
                        {
                            "type": "text",
                            "text": "None.",
                            "citations": [
                                {
                                    "type": "web_search_result_location",
                                    "cited_text": "none",
                                    "encrypted_index": "eA==",
                                    "title": "T",
                                    "url": "https://example.com",
                                }
                            ],
                        },
                    ],
                },
                {"role": "user", "content": "Really?"},
            ],
        },
    ),
    "stop, tier, user, metadata": (
        "Hi",
        {"stop": ["END", "STOP"], "service_tier": "standard_only", "user": "u-1"},
        {
            "messages": HI,
            "stop_sequences": ["END", "STOP"],
            "service_tier": "standard_only",
            "metadata": {"user_id": "u-1"},
        },
    ),
    "the whole prompt cached": (
        "Hi",
        {"cache_control": True},
        {"messages": HI, "cache_control": {"type": "ephemeral"}},
    ),
    "tools": (
        "Hi",
        {
            "tools": [
                Tool("a", schema=SCHEMA, strict=True, cache_control=CacheControl()),
                {"type": "code_execution_20250825", "name": "code_execution"},
            ],
            "tool_choice": "auto",
        },
        {
            "messages": HI,
            "tools": [
                {"name": "a", "input_schema": SCHEMA, "strict": True, "cache_control": {"type": "ephemeral"}},
                {"type": "code_execution_20250825", "name": "code_execution"},
            ],
            "tool_choice": {"type": "auto"},
        },
    ),
    "any tool": (
        "Hi",
        {"tools": [WEATHER], "tool_choice": "required"},
        {"messages": HI, "tools": [WEATHER_PARAM], "tool_choice": {"type": "any"}},
    ),
    "no tool": (
        "Hi",
        {"tools": [WEATHER], "tool_choice": "none", "parallel_tool_calls": False},
        {"messages": HI, "tools": [WEATHER_PARAM], "tool_choice": {"type": "none"}},
    ),
    "one tool": (
        "Hi",
        {"tools": [WEATHER], "tool_choice": WEATHER, "parallel_tool_calls": False},
        {
            "messages": HI,
            "tools": [WEATHER_PARAM],
            "tool_choice": {"type": "tool", "name": "get_weather", "disable_parallel_tool_use": True},
        },
    ),
    "one tool, in OpenAI's words": (
        "Hi",
        {"tools": [WEATHER], "tool_choice": {"type": "function", "function": {"name": "get_weather"}}},
        {"messages": HI, "tools": [WEATHER_PARAM], "tool_choice": {"type": "tool", "name": "get_weather"}},
    ),
    "one call at a time": (
        "Hi",
        {"tools": [WEATHER], "parallel_tool_calls": False},
        {
            "messages": HI,
            "tools": [WEATHER_PARAM],
            "tool_choice": {"type": "auto", "disable_parallel_tool_use": True},
        },
    ),
    "web search": (
        "Hi",
        {"web_search": {"max_uses": 3, "allowed_domains": ["example.com"]}, "tools": [WEATHER]},
        {
            "messages": HI,
            "tools": [
                WEATHER_PARAM,
                {
                    "type": "web_search_20250305",
                    "name": "web_search",
                    "max_uses": 3,
                    "allowed_domains": ["example.com"],
                },
            ],
        },
    ),
    "a JSON Schema": (
        "Hi",
        {"response_format": SCHEMA},
        {"messages": HI, "output_config": {"format": {"type": "json_schema", "schema": SCHEMA}}},
    ),
    "a named JSON Schema": (
        "Hi",
        {"response_format": {"name": "city", "schema": SCHEMA, "strict": True}},
        {"messages": HI, "output_config": {"format": {"type": "json_schema", "schema": SCHEMA}}},
    ),
    "a JSON Schema, in OpenAI's words": (
        "Hi",
        {"response_format": {"type": "json_schema", "json_schema": {"name": "city", "schema": SCHEMA}}},
        {"messages": HI, "output_config": {"format": {"type": "json_schema", "schema": SCHEMA}}},
    ),
    "thinking off": ("Hi", {"thinking": False}, {"messages": HI, "thinking": {"type": "disabled"}}),
    "thinking as the provider says it": (
        "Hi",
        {"thinking": {"type": "enabled", "budget_tokens": 1024, "display": "omitted"}, "max_tokens": 3000},
        {
            "messages": HI,
            "max_tokens": 3000,
            "thinking": {"type": "enabled", "budget_tokens": 1024, "display": "omitted"},
        },
    ),
    "the provider's own fields": (
        "Hi",
        {"extra": {"container": "container_1", "inference_geo": "us", "max_tokens": 7}},
        {"messages": HI, "container": "container_1", "inference_geo": "us", "max_tokens": 7},
    ),
}
ON_NEW_MODELS: dict[str, tuple[Any, dict[str, Any], dict[str, Any]]] = {
    "adaptive thinking": ("Hi", {"thinking": True}, {"messages": HI, "thinking": {"type": "adaptive"}}),
    "effort": (
        "Hi",
        {"reasoning_effort": "xhigh", "response_format": SCHEMA},
        {
            "messages": HI,
            "output_config": {"effort": "xhigh", "format": {"type": "json_schema", "schema": SCHEMA}},
        },
    ),
    "system in the middle": (
        [Message("user", "Hi"), Message("system", "Be brief."), Message("user", "Well?")],
        {},
        {"messages": [*HI, {"role": "system", "content": "Be brief."}, {"role": "user", "content": "Well?"}]},
    ),
}
