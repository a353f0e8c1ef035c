"""Options of a request: equal to what the vendor's SDK sends for the same call; `extra`; what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from exllm.errors import InvalidRequest
from exllm.types.message import Message
from exllm.types.tool import ServerTool, Tool
from tests.providers.openai_chat_requests import (
    HI,
    SCHEMA,
    USER,
    body,
    build,
    sent_by_sdk,
)

WEATHER = Tool("weather", "The weather of a city", SCHEMA, strict=True)
WEATHER_JSON = {
    "type": "function",
    "function": {"name": "weather", "description": "The weather of a city", "parameters": SCHEMA, "strict": True},
}

# What we are told, and what the SDK's user writes for the same call.
OPTION_CALLS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "nothing": ({}, {}),
    "sampling": (
        {"temperature": 0.5, "top_p": 0.9, "seed": 7, "frequency_penalty": 0.1, "presence_penalty": -0.1, "n": 2},
        {"temperature": 0.5, "top_p": 0.9, "seed": 7, "frequency_penalty": 0.1, "presence_penalty": -0.1, "n": 2},
    ),
    "zero is a value": ({"temperature": 0}, {"temperature": 0}),
    "limit": ({"max_tokens": 50}, {"max_completion_tokens": 50}),
    "stop": ({"stop": ["END", "\n"]}, {"stop": ["END", "\n"]}),
    "one stop": ({"stop": "END"}, {"stop": ["END"]}),
    "logprobs": ({"logprobs": True, "top_logprobs": 3}, {"logprobs": True, "top_logprobs": 3}),
    "logit bias": ({"logit_bias": {"50256": -100}}, {"logit_bias": {"50256": -100}}),
    "account": (
        {"user": "u1", "store": True, "metadata": {"a": "b"}, "service_tier": "flex", "verbosity": "low"},
        {"user": "u1", "store": True, "metadata": {"a": "b"}, "service_tier": "flex", "verbosity": "low"},
    ),
    "effort": ({"reasoning_effort": "minimal"}, {"reasoning_effort": "minimal"}),
    "tools": (
        {"tools": [WEATHER], "tool_choice": "auto", "parallel_tool_calls": False},
        {"tools": [WEATHER_JSON], "tool_choice": "auto", "parallel_tool_calls": False},
    ),
    "a bare tool": (
        {"tools": [Tool("now")], "tool_choice": "required"},
        {
            "tools": [
                {"type": "function", "function": {"name": "now", "parameters": {"type": "object", "properties": {}}}}
            ],
            "tool_choice": "required",
        },
    ),
    "a tool as a dict": ({"tools": [WEATHER_JSON]}, {"tools": [WEATHER_JSON]}),
    "custom tool": (
        {"tools": [ServerTool({"type": "custom", "custom": {"name": "sql"}})]},
        {"tools": [{"type": "custom", "custom": {"name": "sql"}}]},
    ),
    "one tool must be called": (
        {"tools": [WEATHER], "tool_choice": "weather"},
        {"tools": [WEATHER_JSON], "tool_choice": {"type": "function", "function": {"name": "weather"}}},
    ),
    "tool choice in OpenAI's words": (
        {"tools": [WEATHER], "tool_choice": {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": []}}},
        {
            "tools": [WEATHER_JSON],
            "tool_choice": {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": []}},
        },
    ),
    "text": ({"response_format": "text"}, {"response_format": {"type": "text"}}),
    "JSON mode": ({"response_format": "json"}, {"response_format": {"type": "json_object"}}),
    "a bare schema": (
        {"response_format": SCHEMA},
        {"response_format": {"type": "json_schema", "json_schema": {"name": "answer", "schema": SCHEMA}}},
    ),
    "a titled schema": (
        {"response_format": {**SCHEMA, "title": "Where to?"}},
        {
            "response_format": {
                "type": "json_schema",
                "json_schema": {"name": "Where_to_", "schema": {**SCHEMA, "title": "Where to?"}},
            }
        },
    ),
    "a described schema": (
        {"response_format": {"name": "place", "schema": SCHEMA, "strict": True, "description": "A place"}},
        {
            "response_format": {
                "type": "json_schema",
                "json_schema": {"name": "place", "schema": SCHEMA, "strict": True, "description": "A place"},
            }
        },
    ),
    "a schema in OpenAI's words": (
        {"response_format": {"type": "json_schema", "json_schema": {"name": "place", "schema": SCHEMA}}},
        {"response_format": {"type": "json_schema", "json_schema": {"name": "place", "schema": SCHEMA}}},
    ),
    "speech": (
        {"modalities": ["text", "audio"], "audio": {"voice": "alloy", "format": "pcm16"}},
        {"modalities": ["text", "audio"], "audio": {"voice": "alloy", "format": "pcm16"}},
    ),
    "prediction": ({"prediction": "x = 1"}, {"prediction": {"type": "content", "content": "x = 1"}}),
    "prediction of parts": (
        {"prediction": {"type": "content", "content": [{"type": "text", "text": "x"}]}},
        {"prediction": {"type": "content", "content": [{"type": "text", "text": "x"}]}},
    ),
    "search": ({"web_search": True}, {"web_search_options": {}}),
    "no search": ({"web_search": False}, {}),
    "search near here": (
        {"web_search": {"search_context_size": "low"}},
        {"web_search_options": {"search_context_size": "low"}},
    ),
}


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("call", OPTION_CALLS)
def test_options_are_sent_as_the_sdk_sends_them(call: str, stream: bool) -> None:
    ours, theirs = OPTION_CALLS[call]
    streamed = {"stream": True, "stream_options": {"include_usage": True}} if stream else {}

    assert body(HI, ours, stream=stream) == sent_by_sdk(model="big", messages=USER, **theirs, **streamed)


# -- extra


def test_extra_has_the_last_word_and_replaces_whole_fields() -> None:
    extra = {"stream_options": {"include_obfuscation": False}, "temperature": 1, "safety": [1]}
    streamed = {"stream": True, "stream_options": {"include_usage": True}}

    found = body(HI, {"temperature": 0}, stream=True, extra=extra)

    assert found == sent_by_sdk(model="big", messages=USER, temperature=0, extra_body=extra, **streamed)
    assert found["stream_options"] == {"include_obfuscation": False}


def test_extra_that_json_cannot_hold_is_a_type_error() -> None:
    with pytest.raises(TypeError, match="object"):
        build(extra={"x": object()})


def test_values_that_a_provider_is_known_not_to_take_are_refused_before_they_are_sent() -> None:
    limits = {"parameters": {"reasoning_effort": ("low", "high"), "format": ("raw",)}}

    assert body(HI, {"reasoning_effort": "low"}, extra={"format": "raw"}, fields=limits)["format"] == "raw"
    with pytest.raises(InvalidRequest, match=r"reasoning_effort = 'low' \| 'high'"):
        build(HI, {"reasoning_effort": "medium"}, fields=limits)
    with pytest.raises(InvalidRequest, match="format = 'raw', got 'parsed'"):
        build(extra={"format": "parsed"}, fields=limits)


def test_half_a_surrogate_pair_is_refused_with_words() -> None:
    with pytest.raises(InvalidRequest, match="surrogate"):
        build([Message("user", "\ud83d")])
