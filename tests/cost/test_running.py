"""When tokens count as reported, and when they are guessed from the text."""

from __future__ import annotations

import pytest

import exllm
from exllm.cost.running import RunningCost
from exllm.streaming.accumulator import Accumulator
from exllm.types.chunks import Chunk

INPUT, OUTPUT = 3e-6, 15e-6  # dollars a token of claude-sonnet-4-5
TEXT = exllm.TextDelta("x" * 400)  # 100 tokens


def _cost(*chunks: Chunk, input_tokens: int = 7) -> exllm.Cost:
    folded = Accumulator("anthropic", "claude-sonnet-4-5", keep_content=False)
    folded.add(chunks)
    running = RunningCost("anthropic", "claude-sonnet-4-5", input_tokens)
    return running.of(folded.usage, folded.characters, is_counted=folded.is_counted, model=folded.model)


def _reported(input_tokens: int | None, output_tokens: int | None) -> exllm.UsageUpdate:
    return exllm.UsageUpdate(exllm.Usage(input_tokens, output_tokens, provenance="reported"))


def test_input_that_was_reported_at_the_start_stands_and_the_answer_is_guessed() -> None:
    cost = _cost(exllm.StreamStart(), _reported(50, 1), TEXT)
    assert [cost.input, cost.output] == pytest.approx([50 * INPUT, 100 * OUTPUT])
    assert cost.estimated


def test_a_report_in_the_midst_of_the_answer_stands() -> None:
    cost = _cost(_reported(50, 1), TEXT, _reported(None, 80))
    assert [cost.input, cost.output] == pytest.approx([50 * INPUT, 80 * OUTPUT])
    assert not cost.estimated


def test_a_report_before_the_text_of_an_answer_that_has_ended_stands() -> None:
    cost = _cost(_reported(50, 80), TEXT, exllm.Finish("stop"))
    assert cost.output == pytest.approx(80 * OUTPUT)
    assert not cost.estimated


def test_without_any_report_both_are_guessed() -> None:
    cost = _cost(TEXT, exllm.Finish("stop"))
    assert cost.total == pytest.approx(7 * INPUT + 100 * OUTPUT)
    assert cost.estimated


def test_what_the_provider_says_it_cost_goes_first() -> None:
    cost = _cost(TEXT, exllm.UsageUpdate(exllm.Usage(reported_cost_usd=0.5)))
    assert (cost.total, cost.source, cost.estimated) == (0.5, "provider", False)


def test_free_is_what_costs_nothing_and_not_what_has_no_price() -> None:
    assert RunningCost("ollama", "any", 5, local=True).is_free
    assert not RunningCost("anthropic", "claude-sonnet-4-5", 5).is_free
    assert not RunningCost("openai", "gpt-none", 5).is_free
    assert RunningCost("openai", "gpt-none", 5).of_input() is None
