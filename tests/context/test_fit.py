"""What `fit_messages` keeps: it fits, it is a conversation, a part of the original, and more room never keeps less."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from exllm.context import STRATEGIES, context_stats, context_window, estimate_tokens, fit_messages
from exllm.context.exchanges import read_conversation
from exllm.context.window import reserve_for
from exllm.errors import ConfigurationError, ContextLengthExceeded
from exllm.providers import registry
from exllm.providers.spec import ProviderSpec
from exllm.types.message import Message
from exllm.types.parts import ToolCall, ToolResult
from exllm.types.request import Request
from tests.context.conversations import conversations

strategies = st.sampled_from(sorted(STRATEGIES))
limits = st.integers(60, 1500)
SLOW = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow], max_examples=120)
MODELS = ("openai/gpt-4.1", "openai-responses/gpt-4.1", "anthropic/claude-sonnet-4-5", "gemini/gemini-2.5-flash",
          "bedrock/amazon.nova-lite-v1:0", "cohere/command-a-03-2025", "ollama/qwen3")  # fmt: skip


def kept_of(messages: Sequence[Message], limit: int, strategy: str, model: str = "openai/gpt-4.1") -> list[Message]:
    """What is kept; nothing where even what must stay is too long."""
    try:
        return fit_messages(messages, model, max_tokens=limit, strategy=strategy)  # type: ignore[arg-type]
    except ContextLengthExceeded:
        return []


def places(kept: Sequence[Message], messages: Sequence[Message]) -> list[int]:
    """Where in `messages` the same objects are."""
    where = {id(message): index for index, message in enumerate(messages)}
    return [where[id(message)] for message in kept]


# -- properties


@SLOW
@given(conversations(), limits, strategies)
def test_what_is_kept_fits(messages: list[Message], limit: int, strategy: str) -> None:
    kept = kept_of(messages, limit, strategy)
    if kept:
        assert estimate_tokens("openai/gpt-4.1", kept).high <= limit


@SLOW
@given(conversations(), limits, strategies)
def test_what_is_kept_is_part_of_the_original_in_its_order(messages: list[Message], limit: int, strategy: str) -> None:
    indexes = places(kept_of(messages, limit, strategy), messages)
    assert indexes == sorted(set(indexes))


@SLOW
@given(conversations(), limits, strategies)
def test_calls_and_results_stay_and_go_together(messages: list[Message], limit: int, strategy: str) -> None:
    parts = [part for message in kept_of(messages, limit, strategy) for part in message.parts]
    open_calls: list[str] = []
    for part in parts:
        if type(part) is ToolCall:
            open_calls.append(part.id)
        elif type(part) is ToolResult:
            open_calls.remove(part.call_id)  # ValueError: a result whose call is gone, or comes later
    assert open_calls == []


@SLOW
@given(conversations(), limits, strategies)
def test_system_messages_and_the_newest_message_always_stay(messages: list[Message], limit: int, strategy: str) -> None:
    kept = kept_of(messages, limit, strategy)
    if kept:
        assert {id(each) for each in messages if each.role in ("system", "developer")} <= {id(each) for each in kept}
        assert kept[-1] is messages[-1]
        assert next(each for each in kept if each.role not in ("system", "developer")).role == "user"


@SLOW
@given(conversations(), limits, st.integers(0, 400), strategies)
def test_a_larger_window_never_keeps_less(messages: list[Message], limit: int, more: int, strategy: str) -> None:
    smaller = places(kept_of(messages, limit, strategy), messages)
    larger = places(kept_of(messages, limit + more, strategy), messages)
    assert set(smaller) <= set(larger)


@SLOW
@given(conversations(), limits, st.integers(0, 400), strategies, st.integers(30, 300))
def test_a_larger_window_never_keeps_less_with_budgets_too(
    messages: list[Message], limit: int, more: int, strategy: str, budget: int
) -> None:
    found = []
    for room in (limit, limit + more):
        try:
            kept = fit_messages(messages, max_tokens=room, strategy=strategy, budgets={"tool": budget}, count=size)  # type: ignore[arg-type]
        except ContextLengthExceeded:
            kept = []
        assert sum(map(size, (each for each in kept if each.role == "tool"))) <= budget
        found.append(set(places(kept, messages)))
    assert found[0] <= found[1]


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow], max_examples=40)
@given(conversations(max_exchanges=4), limits, strategies)
def test_what_is_kept_builds_for_every_wire(messages: list[Message], limit: int, strategy: str) -> None:
    kept = kept_of(messages, limit, strategy)
    if not kept:
        return
    for model in MODELS:
        provider, name = registry.parse_model(model)
        spec = registry.get(provider)
        assert isinstance(spec, ProviderSpec)
        assert name is not None
        assert registry.wire(spec.wire).build(Request(provider, name, tuple(kept)), spec).body


@SLOW
@given(conversations(), strategies)
def test_what_fits_whole_comes_back_whole(messages: list[Message], strategy: str) -> None:
    assert fit_messages(messages, max_tokens=10**7, strategy=strategy) == messages  # type: ignore[arg-type]


@SLOW
@given(conversations())
def test_every_message_is_in_exactly_one_place_of_the_exchanges(messages: list[Message]) -> None:
    conversation = read_conversation(messages)
    indexes = [*conversation.system, *(index for exchange in conversation.exchanges for index in exchange.whole)]
    assert sorted(indexes) == list(range(len(messages)))


# -- cases


def size(message: Message) -> int:
    """Ten tokens for a message, so that the limits below can be read."""
    return 10


def chat(*roles: str) -> list[Message]:
    return [Message(role, f"{role} {number}") for number, role in enumerate(roles)]  # type: ignore[arg-type]


def numbers(kept: Sequence[Message]) -> list[int]:
    return [int(message.text.rpartition(" ")[2]) for message in kept]


TALK = chat("system", "user", "assistant", "user", "assistant", "user", "assistant", "user")


@pytest.mark.parametrize(
    ("strategy", "kept"),
    [
        ("sliding_window", [0, 5, 6, 7]),
        ("fifo", [0, 5, 6, 7]),
        ("lifo", [0, 1, 2, 7]),
        ("smart", [0, 1, 2, 7]),
    ],
)
def test_each_strategy_keeps_what_it_says(strategy: str, kept: list[int]) -> None:
    """The ancestor's sliding window kept the oldest and lost the question."""
    found = fit_messages(TALK, max_tokens=45, strategy=strategy, count=size)  # type: ignore[arg-type]
    assert numbers(found) == kept


def test_smart_keeps_the_first_exchange_and_the_newest() -> None:
    assert numbers(fit_messages(TALK, max_tokens=65, strategy="smart", count=size)) == [0, 1, 2, 5, 6, 7]


def agent(steps: int) -> list[Message]:
    messages = [Message("system", "s 0"), Message("user", "u 1")]
    for number in range(steps):
        messages.append(Message("assistant", (ToolCall(f"c{number}", "f", "{}"),)))
        messages.append(Message("tool", (ToolResult(f"c{number}", f"r {number}"),)))
    return messages


@pytest.mark.parametrize("strategy", ["sliding_window", "fifo", "smart"])
def test_a_long_loop_of_calls_loses_its_oldest_steps_and_keeps_its_question(strategy: str) -> None:
    messages = agent(6)
    kept = fit_messages(messages, max_tokens=65, strategy=strategy, count=size)  # type: ignore[arg-type]
    assert places(kept, messages) == [0, 1, 10, 11, 12, 13]


def test_a_result_that_comes_after_the_next_question_stays_with_its_call() -> None:
    late = [
        Message("user", "a"),
        Message("assistant", (ToolCall("c", "f"), ToolCall("d", "f"))),
        Message("tool", (ToolResult("c", "1"),)),
        Message("user", "and?"),
        Message("tool", (ToolResult("d", "2"),)),
        Message("assistant", "done"),
        Message("user", "thanks"),
    ]
    assert places(fit_messages(late, max_tokens=15, count=size), late) == [6]
    assert places(fit_messages(late, max_tokens=69, count=size), late) == [0, 5, 6]
    assert places(fit_messages(late, max_tokens=75, count=size), late) == list(range(7))


def test_ids_that_are_used_again_pair_with_the_newest_call() -> None:
    again = [
        Message("user", "u 0"),
        Message("assistant", (ToolCall("c", "f"),)),
        Message("tool", (ToolResult("c", "1"),)),
        Message("assistant", "a 3"),
        Message("user", "u 4"),
        Message("assistant", (ToolCall("c", "f"),)),
        Message("tool", (ToolResult("c", "2"),)),
    ]
    assert places(fit_messages(again, max_tokens=35, count=size), again) == [4, 5, 6]


def test_what_must_stay_and_does_not_fit_is_an_error_that_says_by_how_much() -> None:
    with pytest.raises(ContextLengthExceeded, match="needs up to 20 tokens; there is room for 15"):
        fit_messages([Message("system", "s"), Message("user", "u")], max_tokens=15, count=size)


def test_room_for_the_answer_is_kept_free() -> None:
    assert numbers(fit_messages(TALK, max_tokens=65, max_output_tokens=20, strategy="lifo", count=size)) == [0, 1, 2, 7]


def test_a_models_window_counts_with_its_longest_answer_kept_free() -> None:
    window = context_window("openai/gpt-4o")
    assert window == 128_000
    assert reserve_for("openai/gpt-4o") == 16_384
    long = [Message("user", "word " * 60_000), Message("assistant", "ok"), Message("user", "word " * 60_000)]
    kept = fit_messages(long, "openai/gpt-4o")
    assert kept == long[2:]
    assert context_stats("openai/gpt-4o", kept, max_output_tokens=16_384).fits is True


def test_budgets_of_roles_leave_out_what_goes_beyond_and_keep_the_rest() -> None:
    messages = [*agent(3)[1:], Message("assistant", "a"), Message("user", "u")]
    kept = fit_messages(messages, max_tokens=1000, budgets={"tool": 10}, count=size)
    assert sum(message.role == "tool" for message in kept) == 1
    with pytest.raises(ContextLengthExceeded, match="user messages that must stay have 10 tokens, their budget is 5"):
        fit_messages(messages, max_tokens=1000, budgets={"user": 5}, count=size)


def test_tools_take_their_place() -> None:
    tool = {"name": "f", "description": "word " * 600, "parameters": {"type": "object"}}
    messages = [Message("user", "word " * 100), Message("assistant", "a"), Message("user", "b")]
    assert len(fit_messages(messages, "openai/gpt-4.1", max_tokens=720)) == 3
    assert len(fit_messages(messages, "openai/gpt-4.1", max_tokens=720, tools=[tool])) == 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"max_tokens": 10, "strategy": "summarize"}, "summarize_messages"),
        ({"max_tokens": 10, "strategy": "newest"}, "one of sliding_window, smart, fifo, lifo"),
        ({}, "pass a model, or max_tokens="),
        ({"model": "openai/no-such-model"}, "not known; pass max_tokens="),
    ],
)
def test_wrong_arguments_are_named(arguments: dict[str, object], words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        fit_messages("hi", **arguments)  # type: ignore[arg-type]
