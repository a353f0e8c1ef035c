"""Conversations begun with Ollama or Cohere go on with another provider, and the other way round."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from exllm.providers import ProviderSpec, registry
from exllm.providers.wire import HttpRequest
from exllm.types.message import Message
from exllm.types.parts import Citation, Image, Part, ProviderPart, Reasoning, Text, ToolCall, ToolResult
from exllm.types.request import Request
from tests.providers import cohere_recordings, ollama_recordings

CITED_ANSWER = "cohere__cohere-v2-chat__chat-citations-with-cohere-command-a-plus-05-2026-streams-ci__0"
PLANNED_CALLS = "cohere__cohere-v2-chat__test-cohere-v2-chat-legacy-with-tool-calls-and-streaming__0"
THOUGHT_CALL = "ollama__ollama-chat__test-chat-with-tool-call__0"
OTHERS = ("openai", "anthropic", "groq")


def cohere_answer(name: str) -> Message:
    chunks, error = cohere_recordings.decode_stream([cohere_recordings.load(name).body])
    assert error is None
    return cohere_recordings.fold(chunks).message


def ollama_answer(name: str) -> Message:
    return ollama_recordings.fold(ollama_recordings.decode_body(ollama_recordings.load(name).body)).message


def sent(provider: str, *messages: Message) -> tuple[HttpRequest, list[dict[str, Any]]]:
    spec = registry.get(provider)
    assert isinstance(spec, ProviderSpec)
    http = registry.wire(spec.wire).build(Request(provider, spec.default_model or "m", messages), spec)
    body = msgspec.json.decode(http.body)
    return http, body["messages"]


@pytest.mark.parametrize("provider", [*OTHERS, "ollama"])
def test_cited_text_of_cohere_travels_as_text(provider: str) -> None:
    answer = cohere_answer(CITED_ANSWER)
    _, messages = sent(provider, Message("user", "Who?"), answer, Message("user", "When?"))
    assert [message["role"] for message in messages] == ["user", "assistant", "user"]
    content = messages[1]["content"]
    assert (content if isinstance(content, str) else "".join(block["text"] for block in content)) == answer.text
    assert b'"sources"' not in msgspec.json.encode(messages)


@pytest.mark.parametrize("provider", [*OTHERS, "cohere", "ollama"])
@pytest.mark.parametrize(
    "answer", [cohere_answer(PLANNED_CALLS), ollama_answer(THOUGHT_CALL)], ids=["of cohere", "of ollama"]
)
def test_calls_travel_with_their_results(provider: str, answer: Message) -> None:
    results = Message("tool", [ToolResult(call.id, "done") for call in answer.tool_calls])
    http, messages = sent(provider, Message("user", "Look."), answer, results)
    written = http.body.decode()
    for call in answer.tool_calls:
        assert written.count(f'"{call.id}"') == 2, "the call, and its result"
    assert messages[0] == {"role": "user", "content": "Look."}


def test_thoughts_of_ollama_go_back_to_cohere_and_plans_of_cohere_to_ollama() -> None:
    _, messages = sent("cohere", Message("user", "Look."), ollama_answer(THOUGHT_CALL))
    assert messages[1]["content"][0]["type"] == "thinking"
    plan = "I will search for the current time and weather in Tokyo."
    _, messages = sent("ollama", Message("user", "Look."), cohere_answer(PLANNED_CALLS))
    assert messages[1]["thinking"] == plan


FOREIGN: tuple[Part, ...] = (
    Reasoning("Hm.", signature="c2ln"),
    Text("See.", (Citation(url="https://example.org", source={"type": "url_citation"}),)),
    ToolCall("srv_1", "web_search", '{"q":"x"}', provider_executed=True),
    ProviderPart("anthropic", {"type": "web_search_tool_result", "content": []}),
    ToolCall("call_1", "look", '{"at":"fox"}', signature="b3BhcXVl"),
)


@pytest.mark.parametrize("provider", ["ollama", "cohere"])
def test_what_others_alone_understand_stays_behind_and_is_told(provider: str) -> None:
    seen = ToolResult("call_1", (Text("A fox:"), Image(data=b"\x89PNG", media_type="image/png")))
    http, messages = sent(provider, Message("user", "Look."), Message("assistant", FOREIGN), Message("tool", [seen]))
    assert messages[1]["tool_calls"][0]["function"]["name"] == "look"
    assert len(messages[1]["tool_calls"]) == 1
    for secret in ("c2ln", "b3BhcXVl", "web_search", "url_citation"):
        assert secret.encode() not in http.body
    assert len(http.warnings) >= 2
    assert all(warning.startswith(("Ollama", "Cohere")) for warning in http.warnings)
