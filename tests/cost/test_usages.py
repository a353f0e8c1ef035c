"""Usages of real answers, with the price that genai-prices gave them in August 2026 (`tools/catalog_usages.py`)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from exllm.cost import Quantities, calculate
from exllm.model_catalog import store
from exllm.types.usage import Usage

ROWS: list[list[Any]] = json.loads((Path(__file__).parent / "usages.json").read_text(encoding="utf-8"))

OUR_NAMES = {
    "aws": ["bedrock"], "google": ["gemini", "vertex"], "moonshotai": ["moonshot"], "x-ai": ["xai"],
    "zhipuai": ["zhipu"],
}  # fmt: skip

# Its reader for a provider takes any body of the form, so it prices ids that the provider has not.
FOREIGN = "an id of Anthropic's own API, which AWS does not take; there it is a pattern's guess"
FALLBACK = "genai-prices has no price of this provider's and falls back to the list of the model's maker"
SINCE = "the price has changed since August 2026"
STALE = "genai-prices has an older price; LiteLLM and models.dev agree against it"
LONG = "whether there is a price above 200k tokens: the release of genai-prices that the catalog is from says otherwise"
AUDIO = "has no price of the audio tokens and takes them for text, an eighth of their price"
ZERO = "a price of 0, which is taken for unknown"
EMPTY = "no usage at all, for which it says 0 and we say that it is not known"
DIFFERS: dict[tuple[str, str], str] = {
    ("aws", "claude-sonnet-4-5-20250929"): FOREIGN,
    ("aws", "claude-sonnet-4-6"): FOREIGN,
    ("aws", "claude-sonnet-4-20250514"): FOREIGN,
    ("aws", "claude-haiku-4-5-20251001"): FOREIGN,
    ("aws", "claude-opus-4-6"): FOREIGN,
    ("aws", "claude-opus-4-7"): FOREIGN,
    ("aws", "openai.gpt-5.6-luna"): SINCE,
    ("azure", "claude-3-7-sonnet"): FALLBACK,
    ("azure", "claude-sonnet-4-20250514"): FALLBACK,
    ("azure", "claude-sonnet-4-5-20250929"): LONG,
    ("azure", "gpt-4o-search-preview-2025-03-11"): FALLBACK,
    ("azure", "gpt-4o-audio-preview-2024-12-17"): AUDIO,
    ("azure", "gpt-5.6-sol"): SINCE,
    ("azure", "gpt-oss-120b"): FALLBACK,
    ("cerebras", "qwen-3-coder-480b"): ZERO,
    ("deepseek", "deepseek-r1-distill-llama-70b"): FALLBACK,
    ("deepseek", "deepseek-reasoner"): "prices of early 2025, see overrides.yml",
    ("deepseek", "deepseek-v4-flash"): SINCE,
    ("google", "anthropic/claude-sonnet-4.5"): FALLBACK,
    ("google", "claude-sonnet-4-5-20250929"): LONG,
    ("google", "gemini-2.0-flash-exp"): FALLBACK,
    ("google", "gemini-2.5-pro-preview-05-06"): FALLBACK,
    ("google", "google/gemini-2.0-flash-exp:free"): FALLBACK,
    ("mistral", "ministral-8b-latest"): SINCE,
    ("mistral", "mistral-large-latest"): STALE,
    ("mistral", "mistral-medium-latest"): SINCE,
    ("mistral", "mistral-small-latest"): SINCE,
    ("openai", "gpt-4o-audio-preview-2024-12-17"): AUDIO,
    ("openai", "gpt-5.6-sol"): SINCE,
    ("openrouter", "Qwen/Qwen2.5-VL-72B-Instruct"): SINCE,
    ("openrouter", "google/gemini-2.0-flash-exp:free"): ZERO,
    ("openrouter", "openai/gpt-oss-120b"): SINCE,
    ("openrouter", "qwen/qwen3-30b-a3b-instruct-2507"): SINCE,
    ("openrouter", "qwen/qwen3-32b"): SINCE,
    ("openrouter", "z-ai/glm-4.6"): SINCE,
}


def _ours(provider: str, model: str, usage: dict[str, int]) -> list[float | None]:
    """Our totals without searches, which the data set does not price; Google's list is of two providers of ours."""
    get = usage.get
    ours = Usage(
        input_tokens=get("input_tokens"),
        output_tokens=get("output_tokens"),
        cached_input_tokens=get("cache_read_tokens"),
        cache_write_tokens=get("cache_write_tokens"),
        cache_write_1h_tokens=get("cache_write_1h_tokens"),
        reasoning_tokens=get("output_reasoning_tokens"),
        audio_input_tokens=get("input_audio_tokens"),
        audio_output_tokens=get("output_audio_tokens"),
    )
    details = Quantities(
        cached_audio_tokens=get("cache_audio_read_tokens", 0),
        image_input_tokens=get("input_image_tokens", 0),
        image_output_tokens=get("output_image_tokens", 0),
    )
    if provider.startswith("huggingface_"):
        return [calculate(f"huggingface/{model}:{provider.removeprefix('huggingface_')}", ours, details).total]
    names = [name for name in OUR_NAMES.get(provider, [provider]) if store.current().provider(name)]
    return [calculate(f"{name}/{model}", ours, details).total for name in names]


@pytest.mark.parametrize("provider", sorted({row[0] for row in ROWS}))
def test_the_price_of_a_real_usage_is_reproduced_or_the_difference_is_explained(provider: str) -> None:
    unexplained = []
    for _, model, usage, spent_in, spent_out in (row for row in ROWS if row[0] == provider):
        wanted = float(spent_in) + float(spent_out)
        reproduced = any(total == pytest.approx(wanted, rel=1e-9, abs=1e-15) for total in _ours(provider, model, usage))
        if not reproduced and usage and (provider, model) not in DIFFERS:
            unexplained.append((model, usage, wanted))
    assert not unexplained


def test_an_empty_usage_has_no_price() -> None:
    empty = [(provider, model) for provider, model, usage, *_ in ROWS if not usage]
    assert empty, EMPTY
    for provider, model in empty:
        assert _ours(provider, model, {}) == [None]


def test_nearly_all_are_reproduced() -> None:
    reproduced = sum(
        any(total == pytest.approx(float(i) + float(o), rel=1e-9, abs=1e-15) for total in _ours(provider, model, usage))
        for provider, model, usage, i, o in ROWS
    )
    assert len(ROWS) > 1900
    assert reproduced / len(ROWS) > 0.85
