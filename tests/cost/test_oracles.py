"""The same calls through LiteLLM's and genai-prices' own calculators (`tools/catalog_oracle.py` asked them)."""

from __future__ import annotations

import datetime
import json
from pathlib import Path
from typing import Any

import pytest

from exllm.cost import calculate
from exllm.types.usage import Cost, Usage

DATA = json.loads((Path(__file__).parent / "oracle_cases.json").read_text(encoding="utf-8"))
AT = datetime.datetime.fromisoformat(DATA["made_with"]["at"])
SHAPES: dict[str, dict[str, Any]] = DATA["shapes"]
CASES: list[dict[str, Any]] = DATA["cases"]
TIERS = ("batch", "flex", "priority")

# Where one of the two says something else, and why. Shape None is every shape.
DIFFERS: dict[tuple[str, str, str | None], str] = {
    ("genai-prices", "gemini/gemini-2.5-flash", "flex"): "has no flex and priority prices of Gemini 2.5",
    ("genai-prices", "gemini/gemini-2.5-flash", "priority"): "as above",
    ("genai-prices", "gemini/gemini-2.5-pro", "flex"): "as above",
    ("genai-prices", "gemini/gemini-2.5-pro", "priority"): "as above",
    ("genai-prices", "gemini/gemini-2.5-flash-lite", "flex"): "as above",
    ("genai-prices", "gemini/gemini-2.5-flash-lite", "priority"): "as above",
    ("genai-prices", "gemini/gemini-3.5-flash", "flex"): "has no tiers of this model and charges the standard price",
    ("genai-prices", "gemini/gemini-3.5-flash", "priority"): "as above",
    ("genai-prices", "gemini/gemini-3.5-flash", "batch"): "as above",
    ("genai-prices", "vertex/gemini-2.5-pro", "flex"): "as above",
    ("genai-prices", "vertex/gemini-2.5-pro", "priority"): "as above",
    ("genai-prices", "bedrock/amazon.nova-pro-v1:0", "flex"): "as above",
    ("genai-prices", "bedrock/amazon.nova-pro-v1:0", "priority"): "as above",
    ("genai-prices", "bedrock/amazon.nova-pro-v1:0", "batch"): "as above",
    ("genai-prices", "bedrock/us.anthropic.claude-sonnet-4-5-20250929-v1:0", "batch"): "as above",
    ("genai-prices", "azure/gpt-4o", "batch"): "as above",
    ("genai-prices", "xai/grok-4.7", "batch"): "as above",
    ("genai-prices", "bedrock/us.anthropic.claude-sonnet-4-5-20250929-v1:0", "long"): "has no price above 200k tokens",
    ("genai-prices", "bedrock/us.anthropic.claude-sonnet-4-5-20250929-v1:0", "long and cached"): "as above",
    ("genai-prices", "bedrock/us.anthropic.claude-sonnet-4-5-20250929-v1:0", "over the step"): "as above",
    ("genai-prices", "bedrock/anthropic.claude-haiku-4-5-20251001-v1:0", None): "has the price of the regional ids",
    ("genai-prices", "deepseek/deepseek-chat", None): "has the prices of early 2025, see overrides.yml",
    ("litellm", "anthropic/claude-sonnet-4-5-20250929", "long"): "has no price above 200k: the long window was retired",
    ("litellm", "anthropic/claude-sonnet-4-5-20250929", "long and cached"): "as above",
    ("litellm", "anthropic/claude-sonnet-4-5-20250929", "over the step"): "as above",
    ("litellm", "deepseek/deepseek-chat", "written for 5 minutes"): "charges nothing for tokens written to a cache",
    ("litellm", "deepseek/deepseek-chat", "written for an hour"): "as above",
    ("litellm", "deepseek/deepseek-v4-pro", "written for 5 minutes"): "as above",
    ("litellm", "deepseek/deepseek-v4-pro", "written for an hour"): "as above",
    ("litellm", "zai/glm-4.7", "written for 5 minutes"): "as above",
    ("litellm", "zai/glm-4.7", "written for an hour"): "as above",
    ("litellm", "fireworks/accounts/fireworks/models/gpt-oss-120b", "priority"): "finds the short id, without tiers",
    ("genai-prices", "fireworks/accounts/fireworks/models/gpt-oss-120b", "priority"): "has no tiers of Fireworks",
}


def _ours(case: dict[str, Any]) -> Cost:
    shape = dict(SHAPES[case["shape"]])
    tier = shape.pop("tier", None)
    return calculate(case["model"], Usage(**shape), tier=tier, at=AT)


def _same(one: float | None, other: float | None) -> bool:
    return one is not None and other is not None and one == pytest.approx(other, rel=1e-12, abs=1e-15)


def _explained(oracle: str, case: dict[str, Any]) -> bool:
    return (oracle, case["model"], case["shape"]) in DIFFERS or (oracle, case["model"], None) in DIFFERS


# Searches are apart: LiteLLM bills one whatever their number, genai-prices none where it has no price.
COMPARED = [case for case in CASES if case["shape"] != "searches"]


@pytest.mark.parametrize("case", COMPARED, ids=lambda case: f"{case['model']} {case['shape']}")
def test_a_cost_is_that_of_both_calculators_or_the_difference_is_explained(case: dict[str, Any]) -> None:
    ours = _ours(case)
    if ours.total is None:
        # They charge the standard price, or half of it, for a tier that they have no price of; we say so.
        assert case["shape"] in TIERS
        assert ours.reason is not None
        assert f"the {case['shape']} tier" in ours.reason
        return
    for oracle in ("litellm", "genai-prices"):
        assert _same(ours.total, case[oracle]) or _explained(oracle, case), (oracle, ours, case)


def test_no_explanation_is_without_a_difference() -> None:
    needed = {
        (oracle, case["model"], shape)
        for case in COMPARED
        for oracle in ("litellm", "genai-prices")
        for shape in (case["shape"], None)
        if not _same(_ours(case).total, case[oracle])
    }
    assert DIFFERS.keys() <= needed


def test_most_cases_agree_with_both_and_at_least_one_agrees_with_nearly_all() -> None:
    both = one = unknown = 0
    for case in COMPARED:
        total = _ours(case).total
        agree = _same(total, case["litellm"]), _same(total, case["genai-prices"])
        both, one, unknown = both + all(agree), one + any(agree), unknown + (total is None)
    assert both >= 510
    assert one == len(COMPARED) - unknown - 3  # three calls that both calculators give otherwise are explained above
    assert len(COMPARED) >= 600


@pytest.mark.parametrize(
    "case", [case for case in CASES if case["shape"] == "searches"], ids=lambda case: case["model"]
)
def test_every_search_is_billed_and_one_without_a_price_makes_the_total_unknown(case: dict[str, Any]) -> None:
    ours = _ours(case)
    if ours.total is None:
        assert ours.reason == "no price is known of its 3 web searches"
        return
    assert ours.search is not None
    without = calculate(case["model"], Usage(input_tokens=500, output_tokens=300), at=AT).total
    assert without is not None
    assert ours.total == pytest.approx(without + ours.search)
    billed_once = case["litellm"] == pytest.approx(without + ours.search / 3)
    assert _same(ours.total, case["genai-prices"]) or _same(ours.total, case["litellm"]) or billed_once
