"""Conversations that are put together in odd ways go to every service in an order that it takes."""

from __future__ import annotations

import itertools
import json
from typing import Any

import msgspec
import pytest

from exllm.types.message import Message
from exllm.types.normalise import normalise_messages
from exllm.types.parts import (
    Audio,
    CacheControl,
    Citation,
    Document,
    Image,
    ProviderPart,
    Reasoning,
    Refusal,
    Text,
    ToolCall,
    ToolResult,
)
from tests.providers.test_messages_travel import build, sent
from tests.providers.travel_checks import PNG, TARGETS, Target

IMAGE = Image(data=PNG, media_type="image/png")
PDF = Document(data=b"%PDF-1.4", media_type="application/pdf", title="a paper")
HI = Message("user", "Hi")
NEXT = Message("user", "And now?")
SEARCHED = {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {}}
FOUND = {"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": []}


def call(id_: str = "c1", arguments: str = '{"a":1}') -> ToolCall:
    return ToolCall(id_, "look", arguments)


def called(*parts: Any) -> Message:
    return Message("assistant", parts)


def result(content: Any, id_: str = "c1", **more: Any) -> Message:
    return Message("tool", (ToolResult(id_, content, **more),))


ODD = {
    "a result with an image": [HI, called(call()), result((Text("seen"), IMAGE)), NEXT],
    "a result that is an image": [HI, called(call()), result((IMAGE,))],
    "a result that is a document": [HI, called(call()), result((PDF,)), NEXT],
    "a result without content": [HI, called(call(arguments="")), result("", is_error=True), NEXT],
    "results in another order": [
        HI, called(Text("Let me see."), call("c1"), call("c2")),
        Message("tool", (ToolResult("c2", "2"), ToolResult("c1", "1"))),
    ],
    "results in two messages": [HI, called(call("c1"), call("c2")), result("1"), result("2", "c2"), NEXT],
    "one id twice": [HI, called(call()), result("x"), called(call()), result("y"), NEXT],
    "an id and a name of any length": [HI, called(call("é" * 90)), result("x", "é" * 90), NEXT],
    "arguments that broke off": [HI, called(call(arguments='{"a":')), result("x"), NEXT],
    "a blank text before a call": [HI, called(Text(" \n"), call()), result("x"), NEXT],
    "a system message in the middle": [HI, Message("assistant", "Yes?"), Message("system", "Be rude."), NEXT],
    "system and developer messages": [Message("system", "a"), Message("developer", "b"), Message("system", "c"), NEXT],
    "nothing said": [HI, Message("assistant", ""), NEXT],
    "no parts": [HI, Message("assistant", ()), NEXT],
    "thoughts alone": [HI, called(Reasoning("Hm.", "c2ln")), NEXT],
    "thoughts that nobody can read": [HI, called(Reasoning("", None, "c2VjcmV0")), NEXT],
    "two answers": [HI, Message("assistant", "One."), called(Text("Two."), call()), result("x"), NEXT],
    "two questions": [HI, Message("user", (Text("What is"), Text(" it?"))), NEXT],
    "names": [Message("user", "Hi", name="ann"), Message("assistant", "Yes?", name="bo"), NEXT],
    "breakpoints": [Message("user", (Text("Hi", cache_control=CacheControl(ttl="1h")),)), called(Text("Yes?")), NEXT],
    "a refusal": [HI, called(Refusal("No.")), NEXT],
    "what a provider ran": [
        HI,
        called(
            ProviderPart("anthropic", SEARCHED), ProviderPart("anthropic", FOUND),
            Text("So.", (Citation(url="https://a.example", title="A"),)),
        ),
        NEXT,
    ],
    "media of the assistant": [HI, called(IMAGE, PDF, Audio(data=b"abc", media_type="audio/wav"), Text("So.")), NEXT],
    "media that were answered": [
        Message("user", (Text("Hi"), IMAGE, PDF, Audio(data=b"abc", media_type="audio/wav"))),
        Message("assistant", "Yes?"), NEXT,
    ],
}  # fmt: skip
NO_CACHE_POINTS = {"openrouter"}
"""Have breakpoints, which OpenAI's types lack."""


@pytest.mark.parametrize("target", TARGETS, ids=[target.name for target in TARGETS])
def test_every_odd_conversation_is_written_as_the_service_takes_it(target: Target) -> None:
    for name, messages in ODD.items():
        if name == "breakpoints" and target.name in NO_CACHE_POINTS:
            continue
        body, _ = sent(normalise_messages(messages), target)
        if messages[-1] is NEXT:
            assert "And now?" in json.dumps(body), name


@pytest.mark.parametrize("target", TARGETS, ids=[target.name for target in TARGETS])
def test_a_greeting_of_the_assistant_is_kept(target: Target) -> None:
    http = build((Message("assistant", "How can I help?"), NEXT), target)
    assert "How can I help?" in http.body.decode()


def target_of(name: str) -> Target:
    return next(target for target in TARGETS if target.name == name)


def written(name: str, messages: list[Message]) -> tuple[Any, tuple[str, ...]]:
    http = build(normalise_messages(messages), target_of(name))
    body = msgspec.json.decode(http.body)
    return body.get("messages", body.get("contents")), http.warnings


MISTRAL_AFTER = {
    "system": {"user", "assistant", "system"},
    "user": {"user", "assistant"},
    "assistant": {"user", "assistant", "tool"},
    "tool": {"assistant", "tool"},
}


@pytest.mark.parametrize("name", ODD)
def test_mistral_gets_the_order_that_it_insists_on(name: str) -> None:
    messages, _ = written("mistral", ODD[name])
    roles = [message["role"] for message in messages]
    for before, after in itertools.pairwise(roles):
        assert after in MISTRAL_AFTER[before], roles
    assert roles[-1] in ("user", "tool")
    assert all(m.get("content") or m.get("tool_calls") for m in messages if m["role"] == "assistant")


def test_mistral_is_told_that_results_were_answered_and_that_is_said() -> None:
    messages, warnings = written("mistral", [HI, called(call()), result("x"), NEXT])
    assert [message["role"] for message in messages] == ["user", "assistant", "tool", "assistant", "user"]
    assert messages[3] == {"role": "assistant", "content": "..."}
    assert any("right after results" in warning for warning in warnings)
    messages, warnings = written("mistral", [HI, called(call()), result("x"), Message("assistant", "It is x."), NEXT])
    assert len(messages) == 5
    assert not warnings


def test_mistral_continues_an_answer_only_where_there_is_one() -> None:
    messages, _ = written("mistral", [HI, Message("assistant", "It")])
    assert messages[-1] == {"role": "assistant", "content": "It", "prefix": True}
    messages, _ = written("mistral", [HI, Message("assistant", "")])
    assert messages == [{"role": "user", "content": "Hi"}]


@pytest.mark.parametrize("name", ODD)
def test_perplexity_gets_turns_that_alternate(name: str) -> None:
    messages, _ = written("perplexity", ODD[name])
    roles = [message["role"] for message in messages]
    turns = roles[roles.count("system") :]
    assert "system" not in turns
    assert turns[0] == "user"
    for before, after in itertools.pairwise(turns):
        assert before != after or before == "tool", roles


def test_neighbours_are_merged_for_perplexity_with_all_that_they_hold() -> None:
    said = [
        Message("user", "One.", name="ann"), Message("user", (Text("Two."), IMAGE), name="bo"),
        Message("assistant", "Three."), Message("assistant", "Four."), Message("system", "Be brief."), NEXT,
    ]  # fmt: skip
    messages, warnings = written("perplexity", said)
    assert [message["role"] for message in messages] == ["system", "user", "assistant", "user"]
    assert [part["type"] for part in messages[1]["content"]] == ["text", "text", "image_url"]
    assert "name" not in messages[1]
    assert messages[2]["content"] == "Three.\n\nFour."
    assert [warning for warning in warnings if "system" in warning]
    messages, warnings = written("perplexity", [Message("assistant", "How can I help?"), NEXT])
    assert messages[0] == {"role": "user", "content": "..."}
    assert any("user to speak first" in warning for warning in warnings)


def test_others_keep_their_order() -> None:
    messages, warnings = written("openai", [HI, NEXT, Message("system", "Be brief.")])
    assert [message["role"] for message in messages] == ["user", "user", "system"]
    assert not warnings


@pytest.mark.parametrize("name", ["deepseek", "groq", "mistral", "xai"])
def test_refusals_are_words_where_openai_does_not_answer(name: str) -> None:
    messages, _ = written(name, [HI, called(Text("Sorry. "), Refusal("No.")), NEXT])
    assert messages[1] == {"role": "assistant", "content": "Sorry. No."}
    messages, _ = written("openai", [HI, called(Refusal("No.")), NEXT])
    assert messages[1] == {"role": "assistant", "content": None, "refusal": "No."}


@pytest.mark.parametrize("name", ["bedrock/amazon.nova-lite-v1:0", "bedrock-invoke/amazon.nova-lite-v1:0"])
def test_a_conversation_with_bedrock_begins_with_the_user(name: str) -> None:
    messages, warnings = written(name, [Message("assistant", "How can I help?"), NEXT])
    assert [turn["role"] for turn in messages] == ["user", "assistant", "user"]
    assert messages[0]["content"] == [{"text": "..."}]
    assert any("begins with the user" in warning for warning in warnings)


def test_answers_that_follow_each_other_are_one_turn_for_gemini() -> None:
    """A function call turn must come right after a turn of the user or the response of a function."""
    contents, _ = written("gemini", ODD["two answers"])
    assert [content["role"] for content in contents] == ["user", "model", "user", "user"]
    assert [*contents[1]["parts"][2]] == ["functionCall"]
