"""Recorded answers that state what they cost: the catalog comes to the same."""

from __future__ import annotations

import functools

import pytest

from exllm.cost import calculate, cost_of
from exllm.types.response import Response
from tests.providers.openai_chat_recordings import decode_body, decode_stream, fold, load, names

OUR_NAMES = {"openai-compatible": "xai", "vercel-gateway": "vercel"}
ROUNDED_BY_PERPLEXITY = 5.001e-6  # it states five decimal places

# Not to be had from the usage, and why.
GATEWAY_ADDS = "the gateway bills reasoning beside the output tokens that include it"
PLUGIN = "the gateway bills its web plugin by the results, which the usage does not count"
DIFFERS = {
    ("vercel", "openai/gpt-5"): GATEWAY_ADDS,
    ("openrouter", "openai/gpt-4o-mini"): PLUGIN,
    ("openrouter", "openai/gpt-4.1-mini"): PLUGIN,
    ("openrouter", "openai/gpt-5.2"): PLUGIN,
    ("openrouter", "deepseek/deepseek-chat"): PLUGIN,
    ("openrouter", "x-ai/grok-4.1-fast"): "no source knows the model any more",
}


def _answer(name: str, kind: str) -> tuple[str, Response]:
    recording = load(name)
    if kind == "stream":
        chunks = decode_stream(recording.provider, [recording.body])
    else:
        chunks = decode_body(recording.provider, recording.body)
    return OUR_NAMES.get(recording.provider, recording.provider), fold(recording.provider, chunks)


@functools.cache
def _stated() -> list[tuple[str, str, Response]]:
    found = []
    for kind in ("stream", "body"):
        for name in names(kind):
            if load(name).provider == "openai":  # other services behind OpenAI's SDK: nobody can say which
                continue
            try:
                provider, response = _answer(name, kind)
            except Exception:  # noqa: BLE001 - recordings of failures are the business of their own tests
                continue
            if response.usage.reported_cost_usd is not None:
                found.append((name, provider, response))
    return found


def test_a_stated_cost_is_reproduced_from_the_usage() -> None:
    seen: dict[str, int] = {}
    for name, provider, response in _stated():
        stated = response.usage.reported_cost_usd
        assert stated is not None
        ours = calculate(f"{provider}/{response.model}", response.usage)
        if (provider, response.model) in DIFFERS:
            continue
        tolerance = ROUNDED_BY_PERPLEXITY if provider == "perplexity" else 1e-12
        assert ours.total == pytest.approx(stated, rel=1e-9, abs=tolerance), name
        seen[provider] = seen.get(provider, 0) + 1
    assert seen["xai"] >= 20
    assert seen["openrouter"] >= 12
    assert seen["perplexity"] >= 9
    assert seen["vercel"] >= 20


def test_what_is_explained_differs_indeed() -> None:
    different = {
        (provider, response.model)
        for _, provider, response in _stated()
        if calculate(f"{provider}/{response.model}", response.usage).total
        != pytest.approx(response.usage.reported_cost_usd, rel=1e-6)
    }
    assert DIFFERS.keys() <= different


def test_the_stated_cost_goes_before_ours_and_has_our_parts_where_both_are_the_same() -> None:
    with_parts = 0
    for _, provider, response in _stated():
        cost = cost_of(response.usage, provider=provider, model=response.model)
        assert cost.total == response.usage.reported_cost_usd
        assert cost.source == "provider"
        if cost.input is not None:
            with_parts += 1
            parts = [cost.input, cost.cached_input, cost.cache_write, cost.output, cost.reasoning, cost.other]
            assert sum(part or 0.0 for part in parts) == pytest.approx(cost.total, rel=1e-6, abs=1e-12)
    assert with_parts >= 55
