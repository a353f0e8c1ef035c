"""Conversations that visit several providers and come home: what each one signed is there again, and nothing else."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from exllm.errors import InvalidRequest
from exllm.types.message import Message
from exllm.types.parts import Audio, Document, FileRef, Image, Part, ProviderPart, Reasoning, Text, ToolCall, ToolResult
from tests.providers.test_messages_travel import build, conversation, is_same_house, sent
from tests.providers.travel_answers import WIRES, Answer, answers, opaque_strings
from tests.providers.travel_checks import TARGETS, Target, strings

HOMES = {
    "anthropic_messages": "anthropic",
    "openai_responses": "openai-responses",
    "gemini_generate": "gemini",
    "bedrock_converse": "bedrock",
    "openai_chat": "openrouter",
    "cohere_chat": "cohere",
    "ollama_chat": "ollama",
    "bedrock_invoke": "bedrock-invoke",
    "gemini_interactions": "gemini-interactions",
}


def target_of(name: str) -> Target:
    return next(target for target in TARGETS if target.name.startswith(name))


def turns(*made: Answer) -> tuple[Message, ...]:
    """A conversation in which these answers were given, each with the results of its calls and a next question."""
    first = conversation(made[0].message)
    return (*first, *(message for answer in made[1:] for message in conversation(answer.message)[2:]))


def homes_answers(wire: str) -> list[Answer]:
    return [answer for answer in answers(wire) if answer.provider == HOMES[wire]]


@pytest.mark.parametrize("wire", HOMES)
def test_what_home_signed_comes_back_to_it_whole(wire: str) -> None:
    """A, then B, then C, then A again: A's turn is written as it is without the others' turns around it."""
    others = [answers(other) for other in WIRES if other != wire]
    home = target_of(HOMES[wire])
    for number, answer in enumerate(homes_answers(wire)):
        away = [others[number % 7][number % 4], others[(number + 3) % 7][number % 3]]
        body, _ = sent(turns(answer, *away), home)
        alone = msgspec.json.decode(build(conversation(answer.message), home).body)
        secrets = set(opaque_strings(answer.message))
        then, now = list(strings(alone)), list(strings(body))
        kept = [secret for secret in secrets if secret in then]
        assert all(secret in now for secret in kept), f"{answer.name}: lost on the way home"
        foreign = {secret for each in away if not is_same_house(each, home) for secret in opaque_strings(each.message)}
        assert not [secret for secret in foreign - secrets if secret in now and secret not in then], answer.name


@pytest.mark.parametrize(
    "wire", ["anthropic_messages", "openai_responses", "gemini_generate", "bedrock_converse", "gemini_interactions"]
)
def test_home_signs_something_that_is_seen_to_come_back(wire: str) -> None:
    home = target_of(HOMES[wire])
    kept = 0
    for answer in homes_answers(wire):
        tokens = [part.signature or part.redacted for part in answer.message.parts if isinstance(part, Reasoning)]
        whole = build(turns(answer, answers("ollama_chat")[0], answers("cohere_chat")[0]), home).body.decode()
        kept += sum(token is not None and token in whole for token in tokens)
        kept += sum(
            part.data.get("type", "?") in whole for part in answer.message.parts if isinstance(part, ProviderPart)
        )
    assert kept


@pytest.mark.parametrize("target", TARGETS, ids=[target.name for target in TARGETS])
def test_ids_that_two_answers_share_are_told_apart(target: Target) -> None:
    """The accumulator makes up the same ids in every answer that has none; other services count from 0 as well."""
    answer = Answer(
        "", "gemini", "", Message("assistant", (ToolCall("call_0_0", "look"), ToolCall("functions.see:1", "see")))
    )
    body, _ = sent(turns(answer, answer, answer), target)
    if target.has_tools:
        assert len(target.ids(body).calls) == 6


@pytest.mark.parametrize("target", TARGETS, ids=[target.name for target in TARGETS])
@pytest.mark.parametrize(
    "part",
    [
        Image(url="https://example.org/cat.png"),
        Image(data=b"<svg/>", media_type="image/svg+xml"),
        Audio(data=b"RIFF", media_type="audio/wav"),
        Audio(url="https://example.org/a.wav"),
        Document(url="https://example.org/a.pdf"),
        Document(data=b"%PDF", media_type="application/pdf", title="A"),
        Document(data=b"\xff\xfe", media_type="text/plain"),
        Document(data=b"PK", media_type="application/zip"),
        FileRef("file-1"),
    ],
    ids=lambda part: f"{type(part).__name__}-{part.media_type or 'at a place'}",
)
def test_media_that_were_answered_elsewhere_keep_no_conversation_from_going_on(part: Part, target: Target) -> None:
    seen = (Text("seen"), part) if isinstance(part, Image | Document) else "seen"
    said: tuple[Any, ...] = (
        Message("user", (part,)),
        Message("assistant", (Text("I see."), ToolCall("call_1", "look", "{}"))),
        Message("tool", (ToolResult("call_1", seen),)),
        Message("user", "Go on."),
    )
    body, warnings = sent(said, target)
    whole = "\n".join(strings(body))
    assert "I see." in whole
    if "words were sent" in warnings:
        assert f"[{'file' if isinstance(part, FileRef) else type(part).__name__.lower()}" in whole


def test_more_images_than_a_provider_takes_keep_no_conversation_from_going_on() -> None:
    images = tuple(Image(data=bytes([number]), media_type="image/png") for number in range(6))
    said = (Message("user", images), Message("assistant", "Six."), Message("user", "Go on."))
    body, warnings = sent(said, target_of("groq"))
    assert [part["type"] for part in body["messages"][0]["content"]] == ["text", *["image_url"] * 5]
    assert "at most 5 images" in warnings
    with pytest.raises(InvalidRequest, match="at most 5 images"):
        build(said[:1], target_of("groq"))


def test_an_image_that_was_just_sent_is_refused_where_it_cannot_be_taken() -> None:
    shown = Message("user", (Image(url="https://example.org/cat.png"),))
    earlier = (Message("user", "Hi"), Message("assistant", "Hi."))
    for name in ("ollama", "bedrock", "deepseek", "bedrock-invoke/meta"):
        with pytest.raises(InvalidRequest, match=r"image|text"):
            build((*earlier, shown), target_of(name))
        assert build((shown, *earlier[1:], Message("user", "And?")), target_of(name)).warnings
