"""Costs asked for by model string: of a call, side by side, before it is sent."""

from __future__ import annotations

import datetime

import pytest

import exllm
from exllm import cost as costs
from exllm.cost import Quantities, calculate, compare, estimate, rates
from exllm.errors import ConfigurationError
from exllm.types.usage import Usage

USAGE = Usage(input_tokens=1_000_000, output_tokens=100_000)


def test_a_local_model_costs_nothing_whatever_it_used() -> None:
    cost = calculate("lmstudio/any-model-at-all", USAGE, tier="batch")
    assert (cost.input, cost.output, cost.total, cost.source) == (0.0, 0.0, 0.0, "local")


def test_a_model_that_nobody_knows_has_no_cost_and_a_reason() -> None:
    cost = calculate("openai/gpt-99-imaginary", USAGE)
    assert cost.total is None
    assert cost.reason == "the model catalog does not know openai/gpt-99-imaginary"


@pytest.mark.parametrize("model", ["openai", "nobody/gpt-4o"])
def test_a_provider_alone_or_an_unknown_one_is_refused(model: str) -> None:
    with pytest.raises(ConfigurationError):
        calculate(model, USAGE)


def test_an_alias_a_dated_id_and_a_second_protocol_have_the_price_of_the_model() -> None:
    expected = calculate("anthropic/claude-sonnet-4-5-20250929", Usage(input_tokens=1000, output_tokens=1000)).total
    assert expected == pytest.approx(0.018)
    for model in ("anthropic/claude-sonnet-4-5", "claude/claude-sonnet-4-5", "anthropic/Claude-Sonnet-4-5"):
        assert calculate(model, Usage(input_tokens=1000, output_tokens=1000)).total == expected
    assert calculate("openai-responses/gpt-4o", USAGE).total == calculate("openai/gpt-4o", USAGE).total


def test_pictures_by_size_and_quality() -> None:
    def price(size: str, quality: str) -> float | None:
        return calculate("azure/dall-e-3", quantities=Quantities(images=2), size=size, quality=quality).total

    assert price("1024x1024", "standard") == pytest.approx(0.088)
    assert price("1024x1024", "hd") == pytest.approx(0.176)
    assert price("1792x1024", "hd") == pytest.approx(0.264)


def test_transcription_is_billed_by_the_second_once() -> None:
    assert calculate("openai/whisper-1", quantities=Quantities(input_seconds=60)).total == pytest.approx(0.006)


def test_perplexity_bills_its_search_by_the_size_of_the_context() -> None:
    usage = Usage(input_tokens=0, output_tokens=0)
    low, high = calculate("perplexity/sonar", usage), calculate("perplexity/sonar", usage, search_size="high")
    assert (low.total, high.total) == (pytest.approx(0.005), pytest.approx(0.012))


def test_deepseek_bills_by_the_hour() -> None:
    peak = datetime.datetime(2026, 11, 9, 7, 0, tzinfo=datetime.UTC)  # a Monday, in China's afternoon
    night = datetime.datetime(2026, 11, 9, 20, 0, tzinfo=datetime.UTC)
    dear, cheap = (rates("deepseek/deepseek-v4-pro", at=at) for at in (peak, night))
    assert dear is not None
    assert cheap is not None
    assert dear["input"] == pytest.approx(2 * cheap["input"])
    sunday = datetime.datetime(2026, 11, 8, 7, 0, tzinfo=datetime.UTC)
    assert rates("deepseek/deepseek-v4-pro", at=sunday) == cheap


def test_rates_are_those_of_the_length_and_none_where_nothing_is_known() -> None:
    short, long = rates("gemini/gemini-2.5-pro"), rates("gemini/gemini-2.5-pro", input_tokens=200_001)
    assert short is not None
    assert long is not None
    assert (short["input"], long["input"]) == (1.25, 2.5)
    assert rates("openai/gpt-99-imaginary") is None
    assert rates("anthropic/claude-sonnet-4-5", tier="flex") is None


def test_comparison_is_cheapest_first_and_unknown_last() -> None:
    usage = Usage(input_tokens=10_000, output_tokens=1_000, service_tier="priority")
    lines = compare(usage, ["openai/gpt-4o", "openai/gpt-99", "openai/gpt-4o-mini", "anthropic/claude-sonnet-4-5"])
    assert [line.model for line in lines] == [
        "openai/gpt-4o-mini", "openai/gpt-4o", "anthropic/claude-sonnet-4-5", "openai/gpt-99",
    ]  # fmt: skip
    assert lines[0].times_cheapest == 1.0
    assert lines[1].times_cheapest == pytest.approx(0.035 / 0.0021)
    assert lines[-1].cost.total is None
    assert lines[-1].times_cheapest is None


def test_an_estimate_is_from_an_empty_to_the_longest_answer() -> None:
    guess = estimate("openai/gpt-4o", "x" * 4_001, max_output_tokens=100)
    assert (guess.input_tokens, guess.how) == (1_005, "estimated")  # four for the message
    assert guess.low == pytest.approx(1_005 * 2.5e-6)
    assert guess.high == pytest.approx(1_005 * 2.5e-6 + 100 * 10e-6)
    counted = estimate("openai/gpt-4o", 500)
    assert (counted.how, counted.output_tokens) == ("counted", 16_384)
    unknown = estimate("openai/gpt-99", 500)
    assert (unknown.low, unknown.high) == (None, None)
    assert unknown.reason == "the model catalog does not know openai/gpt-99"


def test_an_estimate_of_a_conversation_counts_its_text_calls_and_results() -> None:
    conversation = [
        {"role": "system", "content": "x" * 40},
        {"role": "user", "content": [{"type": "text", "text": "y" * 40}]},
        exllm.Message("assistant", (exllm.ToolCall("1", "weather", '{"city": "Rome"}'),)),
        exllm.Message("tool", (exllm.ToolResult("1", (exllm.Text("z" * 20),)),)),
    ]
    assert estimate("openai/gpt-4o", conversation).input_tokens == -(-(40 + 40 + 7 + 16 + 20) // 4) + 4 * 4
    picture = [{"role": "user", "content": [exllm.Image(url="https://example.org/a.png"), exllm.Text("What is it?")]}]
    guess = estimate("openai/gpt-4o", picture)
    assert (guess.low, guess.high) == (None, None)
    assert guess.reason == "the tokens of Image cannot be guessed; pass the number of input tokens"


@pytest.mark.parametrize(
    ("usd", "text"),
    [
        (None, "unknown"), (0, "$0"), (0.0, "$0"), (1.5e-8, "$0.000000015"), (0.0000042, "$0.0000042"),
        (0.00042, "$0.00042"), (0.0123, "$0.012"), (0.12, "$0.12"), (0.999, "$1.00"), (1.5, "$1.50"),
        (1234.5, "$1,234.50"), (-0.5, "-$0.50"),
    ],
)  # fmt: skip
def test_money_in_words_is_never_rounded_to_nothing(usd: float | None, text: str) -> None:
    assert costs.format(usd) == text
