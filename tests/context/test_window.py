"""Windows, how full they are, and what is refused."""

from __future__ import annotations

import pytest

from exllm.context import TokenCount, context_stats, context_window, estimate_tokens, fit_messages, validate_context
from exllm.context.window import stats_of
from exllm.errors import ConfigurationError, ContextLengthExceeded

MODEL = "openai/gpt-4o"


def test_windows_are_the_catalogs() -> None:
    assert context_window(MODEL) == 128_000
    assert context_window("anthropic/claude-sonnet-4-5") == context_window("anthropic/claude-sonnet-4-5-20250929")
    assert context_window("openai/no-such-model") is None
    for wrong in ("openai", "no-such-provider/m"):
        with pytest.raises(ConfigurationError):
            context_window(wrong)


def test_stats_tell_what_is_left_and_how_sure_that_is() -> None:
    count = TokenCount(100_000, "estimate", 75_000, 125_000)
    some = stats_of(MODEL, count, 10_000)
    assert (some.window, some.left, some.used, some.fits) == (128_000, 18_000, 110_000 / 128_000, None)
    assert stats_of(MODEL, count, 3_000).fits is True
    assert stats_of(MODEL, count, 53_000).fits is None
    assert stats_of(MODEL, count, 53_001).fits is False
    exact = TokenCount(100_000, "provider", 100_000, 100_000)
    assert stats_of(MODEL, exact, 28_000).fits is True
    assert stats_of(MODEL, exact, 28_001).fits is False
    unread = TokenCount(100, "estimate", 80, 120, ("images at a URL",))
    assert stats_of(MODEL, unread).fits is None


def test_an_unknown_window_refuses_nothing() -> None:
    stats = validate_context("openai/no-such-model", "word " * 500_000)
    assert (stats.window, stats.fits, stats.left, stats.used) == (None, None, None, None)


def test_only_what_surely_does_not_fit_is_refused() -> None:
    assert context_stats(MODEL, "word " * 130_000).fits is None
    assert validate_context(MODEL, "word " * 130_000).fits is None
    with pytest.raises(ContextLengthExceeded, match=r"about .* tokens and the answer may have 16,000; the window of"):
        validate_context(MODEL, "word " * 200_000, max_output_tokens=16_000)


def test_a_negative_room_for_the_answer_is_no_room() -> None:
    with pytest.raises(ValueError, match="max_output_tokens must not be negative"):
        context_stats(MODEL, "hi", max_output_tokens=-1)


def test_tools_and_other_scripts_count() -> None:
    plain = estimate_tokens(MODEL, "hi")
    assert estimate_tokens(MODEL, "hi", tools=[{"name": "f", "description": "a b c d"}]).tokens > plain.tokens
    assert estimate_tokens(MODEL, "今日はとても良い天気ですね。" * 10).tokens > 60
    assert estimate_tokens(MODEL, []).tokens >= 0
    assert plain.low <= plain.tokens <= plain.high


def test_a_number_in_the_place_of_the_model_is_told() -> None:
    with pytest.raises(TypeError, match="max_tokens="):
        fit_messages("Hi", 3000)  # type: ignore[arg-type]
