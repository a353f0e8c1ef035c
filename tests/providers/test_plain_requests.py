"""Requests written by a pattern are those that the wire writes, for every provider, or are left to it."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from exllm.errors import ExLLMError
from exllm.providers import registry
from exllm.providers.plain_requests import _MOST_PATTERNS, PlainRequests
from exllm.providers.spec import ProviderSpec
from exllm.providers.wire import Wire, supported_options
from exllm.types.message import Message
from exllm.types.options import check_options
from exllm.types.parts import Text
from exllm.types.request import Request

SPECS = [
    spec for name in sorted(registry._built_in_names()) if isinstance(spec := registry.get(name), ProviderSpec)
]  # fmt: skip
WITH_PATTERNS = [spec for spec in SPECS if getattr(registry.wire(spec.wire), "texts_stand_apart", False)]
MODELS = {
    "bedrock_converse": ["anthropic.claude-sonnet-4-5-20250929-v1:0", "amazon.nova-lite-v1:0", "nova-lite"],
    "bedrock_invoke": [
        "anthropic.claude-sonnet-4-5-20250929-v1:0", "amazon.nova-lite-v1:0", "meta.llama3-3-70b-instruct-v1:0",
        "amazon.titan-text-express-v1", "mistral.mistral-7b-instruct-v0:2", "mistral.mistral-large-2402-v1:0",
        "cohere.command-r-v1:0", "ai21.jamba-1-5-mini-v1:0", "deepseek.r1-v1:0", "writer.palmyra-x4-v1:0",
    ],
    "gemini_generate": ["gemini-2.5-flash", "gemini-3-pro-preview"],
    "anthropic_messages": ["claude-sonnet-4-5", "claude-opus-4-8"],
    "openai_responses": ["gpt-5", "gpt-4.1-mini"],
}  # fmt: skip
OPTIONS: list[dict[str, Any]] = [
    {},
    {"max_tokens": 100},
    {"temperature": 0.5, "stop": ["x"], "max_tokens": 9},
    {"cache_control": True},
    {"thinking": True, "max_tokens": 4096},
    {"tools": [{"name": "f", "description": "of turn 0", "schema": {"type": "object"}}]},
    {"response_format": {"type": "object", "properties": {}}},
]
WORDS = st.sampled_from(
    [
        "Hi.", "  Hi.", "Hi.\n", "", " ", "\n", 'say "yes"', "back\\slash", "\u2028é😀", "\x00\x1f", "<|eot_id|>",
        "User: x\nBot:", "text of turn 0 (exllm)", '"text of turn 1 (exllm)"', "{}", "[INST] x [/INST]",
    ]
) | st.text(st.characters(exclude_categories=["Cs"]), max_size=8)  # fmt: skip
MESSAGES = st.lists(
    st.builds(
        Message,
        st.sampled_from(["user", "assistant", "user", "assistant", "system", "developer"]),
        WORDS | st.just((Text("Hi."),)),
        st.none() | st.none() | st.none() | st.just("ann"),
    ),
    min_size=1,
    max_size=5,
)
TURNS = st.builds(
    lambda role, system, texts: (
        ([Message(role, system)] if role else [])
        + [Message("assistant" if place % 2 else "user", text) for place, text in enumerate(texts)]
    ),
    st.sampled_from([None, "system", "developer"]),
    WORDS,
    st.lists(WORDS, min_size=1, max_size=7),
)


def outcome(build: Any, *arguments: Any) -> Any:
    try:
        return build(*arguments)
    except ExLLMError as error:
        return type(error), error.message


def request_of(
    spec: ProviderSpec, model: str, messages: list[Message], options: dict[str, Any], stream: bool
) -> Request:
    taken = supported_options(registry.wire(spec.wire), spec)
    checked = check_options({name: value for name, value in options.items() if name in taken})
    return Request(spec.name, model, tuple(messages), checked, stream=stream)


@given(
    st.sampled_from(SPECS),
    st.integers(0, 20),
    st.sampled_from(OPTIONS),
    st.booleans(),
    st.lists(MESSAGES | TURNS, min_size=3, max_size=5),
)
def test_any_conversation_is_written_as_its_wire_does(
    spec: ProviderSpec, model: int, options: dict[str, Any], stream: bool, conversations: list[list[Message]]
) -> None:
    wire, models = registry.wire(spec.wire), MODELS.get(spec.wire, ["some-model"])
    requests = PlainRequests()
    for messages in conversations:
        request = request_of(spec, models[model % len(models)], messages, options, stream)
        assert outcome(requests.build, wire, request, spec) == outcome(wire.build, request, spec)


class Counted:
    """A wire that counts how often it is asked to build."""

    texts_stand_apart = True

    def __init__(self, wire: Wire) -> None:
        self.wire = wire
        self.builds = 0

    def build(self, request: Request, spec: ProviderSpec) -> Any:
        self.builds += 1
        return self.wire.build(request, spec)


def test_all_wires_of_conversations_have_patterns() -> None:
    wires = {spec.wire for spec in WITH_PATTERNS}
    assert wires >= {
        "anthropic_messages", "bedrock_converse", "bedrock_invoke", "cohere_chat", "gemini_generate", "ollama_chat",
        "openai_chat", "openai_responses",
    }  # fmt: skip


@pytest.mark.parametrize("role", [None, "system", "developer"])
@pytest.mark.parametrize("spec", WITH_PATTERNS, ids=lambda spec: spec.name)
def test_the_second_call_teaches_the_pattern(spec: ProviderSpec, role: str | None) -> None:
    wire: Any = Counted(registry.wire(spec.wire))
    model = MODELS.get(spec.wire, ["some-model"])[0]
    start = [] if role is None else [Message(role, 'Be "brief".')]  # type: ignore[arg-type]
    requests = PlainRequests()
    for text in ("One?", "Two?"):
        requests.build(wire, Request(spec.name, model, (*start, Message("user", text))), spec)
    learnt = wire.builds
    longer = (*start, Message("user", "1\n"), Message("assistant", "é\\"), Message("user", "3"))
    for messages in ((*start, Message("user", "Three?")), longer):
        request = Request(spec.name, model, messages)
        assert requests.build(wire, request, spec) == wire.wire.build(request, spec)
    assert wire.builds == learnt


def test_a_wire_is_asked_each_time_where_texts_do_not_stand_apart() -> None:
    spec = registry.get("openai")
    assert isinstance(spec, ProviderSpec)
    wire: Any = Counted(registry.wire(spec.wire))
    requests = PlainRequests()
    for extra, messages in (
        ({"seed": 1}, (Message("user", "Hi."),)),
        ({}, (Message("user", (Text("Hi."),)),)),
        ({}, (Message("user", "Hi.", "ann"),)),
        ({}, (Message("user", "Hi."), Message("assistant", "Hello."))),
        ({}, (Message("user", " "),)),
    ):
        for _ in range(4):
            wire.builds = 0
            requests.build(wire, Request("openai", "m", messages, extra=extra), spec)
            assert wire.builds == 1
    wire.texts_stand_apart = False
    for _ in range(4):
        wire.builds = 0
        requests.build(wire, Request("openai", "m", (Message("user", "Hi."),)), spec)
        assert wire.builds == 1


def test_true_is_not_one() -> None:
    """`thinking=True` and ``thinking=1`` are equal to Python, and not to Gemini."""
    spec = registry.get("gemini")
    assert isinstance(spec, ProviderSpec)
    wire, requests = registry.wire(spec.wire), PlainRequests()
    for thinking in (True, 1, True, 1, True, 1):
        request = request_of(spec, "gemini-2.5-flash", [Message("user", "Hi.")], {"thinking": thinking}, False)
        assert requests.build(wire, request, spec) == wire.build(request, spec)


def test_another_spec_of_the_same_name_has_its_own_patterns() -> None:
    spec = registry.get("openai")
    assert isinstance(spec, ProviderSpec)
    wire, requests = registry.wire(spec.wire), PlainRequests()
    request = Request("openai", "m", (Message("user", "Hi."),))
    for _ in range(3):
        requests.build(wire, request, spec)
    other = msgspec.structs.replace(spec, quirks=spec.quirks | {"model_in_path"})
    for _ in range(3):
        assert requests.build(wire, request, other) == wire.build(request, other)


def test_it_remembers_no_more_than_so_much() -> None:
    spec = registry.get("openai")
    assert isinstance(spec, ProviderSpec)
    wire, requests = registry.wire(spec.wire), PlainRequests()
    for number in range(3 * _MOST_PATTERNS):
        requests.build(wire, Request("openai", f"m{number}", (Message("user", "Hi."),)), spec)
        assert len(requests._known) <= _MOST_PATTERNS
