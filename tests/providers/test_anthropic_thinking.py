"""How each model is told to think, how many tokens it gets, and when an answer must be streamed."""

from __future__ import annotations

import warnings
from typing import Any

import anthropic
import httpx2
import msgspec
import pytest

from exllm.errors import InvalidRequest
from exllm.providers.anthropic_messages import WIRE
from exllm.providers.anthropic_models import FOREIGN, model_facts
from exllm.providers.wire import HttpRequest
from exllm.types.message import Message
from exllm.types.options import check_options
from exllm.types.request import Request
from tests.providers.anthropic_recordings import SPEC


def request(model: str, *, extra: dict[str, Any] | None = None, **options: Any) -> Request:
    return Request("anthropic", model, (Message("user", "Hi"),), check_options(options), extra or {}, stream=False)


def build(model: str, **options: Any) -> HttpRequest:
    return WIRE.build(request(model, **options), SPEC)


def fields(model: str, **options: Any) -> dict[str, Any]:
    body = msgspec.json.decode(build(model, **options).body)
    return {name: body[name] for name in ("max_tokens", "thinking", "output_config") if name in body}


@pytest.mark.parametrize(
    ("model", "limit"),
    [
        ("claude-3-opus-20240229", 4_096),
        ("claude-3-haiku-20240307", 4_096),
        ("claude-3-5-sonnet-latest", 8_192),
        ("claude-3-5-haiku@20241022", 8_192),
        ("claude-3-7-sonnet-20250219", 64_000),
        ("claude-opus-4-20250514", 32_000),
        ("claude-4-opus-20250514", 32_000),
        ("us.anthropic.claude-opus-4-1-20250805-v1:0", 32_000),
        ("claude-sonnet-4-0", 64_000),
        ("claude-sonnet-4-5-20250929", 64_000),
        ("anthropic/claude-haiku-4.5", 64_000),
        ("claude-opus-4-5", 64_000),
        ("claude-sonnet-4-6", 128_000),
        ("claude-opus-4-6", 128_000),
        ("claude-sonnet-5", 128_000),
        ("claude-haiku-5-5", 128_000),
        ("claude-mythos-preview", 128_000),
        ("claude-instant-1.2", 4_096),
        ("kimi-k2-thinking", 8_192),
    ],
)
def test_without_a_limit_the_models_own_is_sent(model: str, limit: int) -> None:
    assert fields(model) == {"max_tokens": limit}


@pytest.mark.parametrize("model", ["claude-sonnet-4-5", "claude-opus-4-5", "claude-3-7-sonnet-latest", "MiniMax-M2"])
def test_models_without_adaptive_thinking_get_a_budget_that_leaves_room_for_an_answer(model: str) -> None:
    sent = fields(model, thinking=True)
    assert sent["thinking"]["type"] == "enabled"
    assert 1_024 <= sent["thinking"]["budget_tokens"] <= 0.8 * sent["max_tokens"]
    assert fields(model, thinking=True, max_tokens=2_000)["thinking"]["budget_tokens"] == 1_600
    assert fields(model, thinking=True, max_tokens=1_100)["thinking"]["budget_tokens"] == 1_024


@pytest.mark.parametrize("model", ["claude-opus-4-6", "claude-sonnet-4-6", "claude-opus-4-7", "claude-fable-5-2"])
def test_newer_models_decide_themselves_how_much_to_think(model: str) -> None:
    assert fields(model, thinking=True, max_tokens=100) == {"max_tokens": 100, "thinking": {"type": "adaptive"}}


def test_thinking_that_cannot_fit_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="at least 1024 tokens; max_tokens=1024 is too few"):
        build("claude-sonnet-4-5", thinking=True, max_tokens=1_024)


def test_a_budget_is_sent_as_given_and_raises_the_default_limit() -> None:
    thinking = {"type": "enabled", "budget_tokens": 10_000}
    assert fields("kimi-k2", thinking=10_000) == {"max_tokens": 14_096, "thinking": thinking}
    assert fields("claude-sonnet-4-5", thinking=10_000)["max_tokens"] == 64_000
    assert fields("kimi-k2", thinking=thinking)["max_tokens"] == 14_096


def test_a_budget_of_nothing_is_no_thinking_and_below_nothing_is_refused() -> None:
    assert fields("claude-sonnet-4-5", thinking=0)["thinking"] == {"type": "disabled"}
    with pytest.raises(InvalidRequest, match="-1"):
        build("claude-sonnet-4-5", thinking=-1)


@pytest.mark.parametrize("effort", ["low", "medium", "high", "xhigh", "max"])
@pytest.mark.parametrize("model", ["claude-opus-4-5", "claude-sonnet-4-6", "claude-opus-5-5"])
def test_effort_is_sent_to_models_that_know_it_and_switches_nothing_on(model: str, effort: str) -> None:
    http = build(model, reasoning_effort=effort)
    sent = msgspec.json.decode(http.body)
    assert sent["output_config"] == {"effort": effort}
    assert "thinking" not in sent
    assert http.warnings == ()


def test_effort_becomes_a_budget_where_the_model_knows_nothing_else_and_that_is_told() -> None:
    budgets = []
    for effort in ("minimal", "low", "medium", "high", "xhigh", "max"):
        http = build("claude-sonnet-4-5", reasoning_effort=effort)
        sent = msgspec.json.decode(http.body)
        assert sent["thinking"]["type"] == "enabled"
        assert "output_config" not in sent
        assert http.warnings == (
            f"claude-sonnet-4-5 knows no effort; {effort!r} was sent as a thinking budget of "
            f"{sent['thinking']['budget_tokens']} tokens",
        )
        budgets.append(sent["thinking"]["budget_tokens"])
    assert budgets == sorted(set(budgets))


def test_thinking_and_effort_together() -> None:
    assert fields("claude-opus-4-6", thinking=True, reasoning_effort="low", max_tokens=9) == {
        "max_tokens": 9,
        "thinking": {"type": "adaptive"},
        "output_config": {"effort": "low"},
    }
    assert fields("claude-sonnet-4-5", thinking=True, reasoning_effort="low")["thinking"]["budget_tokens"] == 4_096
    # Said twice, in two ways: both are sent, and the API decides.
    both = fields("claude-sonnet-4-5", thinking=2_000, reasoning_effort="low")
    assert (both["thinking"]["budget_tokens"], both["output_config"]) == (2_000, {"effort": "low"})


def test_no_effort_is_no_thinking() -> None:
    assert fields("claude-opus-5", reasoning_effort="none", max_tokens=9) == {
        "max_tokens": 9,
        "thinking": {"type": "disabled"},
    }


def test_minimal_effort_is_sent_as_low_and_told() -> None:
    http = build("claude-opus-4-6", reasoning_effort="minimal")
    assert msgspec.json.decode(http.body)["output_config"] == {"effort": "low"}
    assert http.warnings == ("claude-opus-4-6 knows no effort 'minimal'; 'low' was sent",)


def sdk_demands_a_stream(model: str, max_tokens: int) -> bool:
    def answer(_request: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(400)

    http_client = httpx2.Client(transport=httpx2.MockTransport(answer))
    client = anthropic.Anthropic(api_key="none", http_client=http_client, max_retries=0)
    hello: Any = [{"role": "user", "content": "Hi"}]
    refused = pytest.raises((anthropic.BadRequestError, ValueError))
    with client, warnings.catch_warnings(action="ignore"), refused as caught:  # warns of models that will retire
        client.messages.create(model=model, max_tokens=max_tokens, messages=hello)
    return "Streaming is required" in str(caught.value)


@pytest.mark.parametrize(
    "model", ["claude-sonnet-4-5", "claude-opus-4-20250514", "claude-opus-4-0", "claude-opus-4-5", "claude-opus-5-5"]
)
@pytest.mark.parametrize("max_tokens", [1, 8_192, 8_193, 21_333, 21_334, 64_000])
def test_a_long_answer_must_be_streamed_where_the_sdk_says_so(model: str, max_tokens: int) -> None:
    assert WIRE.must_stream(request(model, max_tokens=max_tokens)) is sdk_demands_a_stream(model, max_tokens)


def test_what_is_sent_decides_whether_an_answer_must_be_streamed() -> None:
    assert WIRE.must_stream(request("claude-sonnet-4-5"))
    assert not WIRE.must_stream(request("claude-3-5-sonnet-latest"))
    assert not WIRE.must_stream(request("claude-sonnet-4-5", extra={"max_tokens": 100}))
    assert WIRE.must_stream(request("claude-sonnet-4-5", max_tokens=100, extra={"max_tokens": 30_000}))


def test_models_of_others_are_not_taken_for_claude() -> None:
    assert model_facts("deepseek-chat") is FOREIGN
