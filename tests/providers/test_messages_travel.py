"""A conversation made with one provider goes on with any other.

Every kind of answer that the recordings know is appended to a conversation, its calls are answered, and the next turn
goes to every wire and to the services that differ from it most. Nothing may raise; the vendors' own SDKs say whether
the body is right; what only the first provider understands stays behind, and is told.
"""

from __future__ import annotations

import base64
from typing import Any

import msgspec
import pytest

from exllm.errors import ExLLMError, InvalidRequest
from exllm.providers import ProviderSpec, registry
from exllm.providers.wire import HttpRequest
from exllm.types.message import Message
from exllm.types.normalise import normalise_messages
from exllm.types.parts import Audio, Document, Image, ProviderPart, Reasoning, Refusal, Text, ToolCall, ToolResult
from exllm.types.request import Request
from tests.providers.travel_answers import WIRES, Answer, answers, opaque_strings
from tests.providers.travel_checks import PNG, TARGETS, Target, check_ids, strings

PAIRS = [
    pytest.param(wire, target, id=f"{wire} to {target.name}") for wire in WIRES for target in TARGETS
]  # fmt: skip


def spec_of(provider: str) -> ProviderSpec:
    spec = registry.get(provider)
    assert isinstance(spec, ProviderSpec)
    return spec


def conversation(message: Message) -> tuple[Message, ...]:
    """A question with a picture, the answer, the results of its calls, and the next question."""
    said: list[Message] = [
        Message("system", "Be brief."),
        Message("user", (Text("What is in this picture?"), Image(data=PNG, media_type="image/png"))),
        message,
    ]
    if message.tool_calls:
        said.append(Message("tool", tuple(_results(message.tool_calls))))
    return normalise_messages([*said, Message("user", "And what does that mean?")])


def _results(calls: tuple[ToolCall, ...]) -> list[ToolResult]:
    contents: list[Any] = ["sunny", (Text("seen"), Image(data=PNG, media_type="image/png")), ""]
    return [
        ToolResult(call.id, contents[index % 3], call.name if index % 2 else None, is_error=index % 3 == 2)
        for index, call in enumerate(calls)
    ]


def build(messages: tuple[Message, ...], target: Target) -> HttpRequest:
    spec = spec_of(target.provider)
    model = target.model or spec.default_model
    assert model is not None
    return registry.wire(spec.wire).build(Request(target.provider, model, messages, extra=dict(target.extra)), spec)


def sent(messages: tuple[Message, ...], target: Target) -> tuple[dict[str, Any], str]:
    """The body, which is right, and the warnings."""
    http = build(messages, target)
    body = msgspec.json.decode(http.body)
    check_ids(target, body)
    model = target.model or spec_of(target.provider).default_model
    problem = target.problem(msgspec.json.decode(http.body), str(model))
    assert not problem, problem
    return body, "\n".join(http.warnings)


@pytest.mark.parametrize(("wire", "target"), PAIRS)
def test_every_kind_of_answer_travels(wire: str, target: Target) -> None:
    failures = []
    for answer in answers(wire):
        try:
            check(answer, target)
        except (AssertionError, ExLLMError) as error:
            failures.append(f"{answer.provider}: {answer.name}: {type(error).__name__}: {str(error)[:600]}")
    assert not failures, "\n".join(failures)


@pytest.mark.parametrize("name", ["openai-completions", "mistral-fim", "ollama-generate"])
def test_endpoints_that_complete_one_prompt_say_who_takes_conversations(name: str) -> None:
    """Models were trained on different forms of a conversation; none is guessed, and nothing is sent."""
    spec = spec_of(name)
    request = Request(name, "m", conversation(answers("openai_chat")[0].message))
    with pytest.raises(InvalidRequest, match=r"completes one prompt .* takes conversations"):
        registry.wire(spec.wire).build(request, spec)


def check(answer: Answer, target: Target) -> None:
    messages = conversation(answer.message)
    body, warnings = sent(messages, target)
    all_strings = list(strings(body))
    whole = "\n".join(all_strings)
    for message in messages:
        for part in message.parts:
            if isinstance(part, Text | Refusal):
                assert part.text.strip() in whole, f"text is lost: {part.text[:80]!r}"
            elif isinstance(part, ToolResult) and target.has_tools:
                said = (
                    [inner.text for inner in part.content if isinstance(inner, Text)]
                    if isinstance(part.content, tuple)
                    else [part.content]
                )
                assert all(text in whole for text in said), f"a result is lost: {said}"
    if not is_same_house(answer, target):
        readable = readable_text(answer.message)
        for secret in opaque_strings(answer.message):
            assert secret in readable or secret not in whole, (
                f"what only {answer.provider} understands was sent: {secret[:80]!r}"
            )
    check_told(answer, target, whole, warnings)


def readable_text(message: Message) -> str:
    """What everybody may see: a provider's own part may quote it."""
    texts = [part.text for part in message.parts if isinstance(part, Text | Refusal | Reasoning)]
    return "\n".join(
        [*texts, *(value for call in message.tool_calls for value in (call.id, call.name, call.arguments))]
    )


def is_same_house(answer: Answer, target: Target) -> bool:
    """Providers that read each other's signatures, and their own."""
    return answer.provider == target.provider or any(
        answer.provider in house and target.provider in house for house in HOUSES
    )


HOUSES = (
    {"gemini", "vertex", "gemini-openai"},
    # https://platform.claude.com/docs/en/build-with-claude/extended-thinking#thinking-encryption
    {"anthropic", "vertex-anthropic", "bedrock", "bedrock-invoke"},
)


def check_told(answer: Answer, target: Target, whole: str, warnings: str) -> None:
    """What stays behind is named."""
    if is_same_house(answer, target):
        return
    for part in answer.message.parts:
        match part:
            case ProviderPart() if not _is_fact(part):
                assert part.provider in warnings or "ProviderPart" in warnings, (
                    f"a part of {part.provider} went missing"
                )
            case Reasoning() if part.text not in whole or not part.text:
                assert "reasoning" in warnings or "thoughts" in warnings, "reasoning went missing"
            case Image() | Audio() | Document() if encoded(part) not in whole:
                assert type(part).__name__ in warnings, f"a {type(part).__name__} went missing"
            case ToolCall(provider_executed=True):
                assert "call" in warnings or "tools" in warnings, "a call that the provider ran went missing"


def encoded(part: Image | Audio | Document) -> str:
    return base64.b64encode(part.data).decode() if part.data is not None else str(part.url)


def _is_fact(part: ProviderPart) -> bool:
    """Something about the message that is no content."""
    return part.data.get("type") == "message"
