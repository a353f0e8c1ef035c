"""Costs as LiteLLM and genai-prices compute them: writes `tests/cost/oracle_cases.json`.

Both are too heavy, or too quick to change, to be installed for the tests, so their answers are kept. To make them anew,
in an environment of their own (the versions of the last run are in the file)::

    python -m venv oracle && oracle/bin/pip install litellm genai-prices
    oracle/bin/python tools/catalog_oracle.py [PRICE_MAP]

PRICE_MAP is the price map that the catalog was made from, where LiteLLM's package carries another.
Nothing is read from the network. A calculator that knows no price of a case gives null; where it knows none of a part,
it leaves the part out, which is why the tests tell for which shapes it counts.
"""

from __future__ import annotations

import datetime
import json
import os
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"

import genai_prices
import litellm
from litellm.cost_calculator import batch_cost_calculator, completion_cost
from litellm.types.utils import (
    Choices,
    CompletionTokensDetailsWrapper,
    Message,
    ModelResponse,
    PromptTokensDetailsWrapper,
    ServerToolUse,
    Usage,
)  # fmt: skip

OUT = Path(__file__).parent.parent / "tests" / "cost" / "oracle_cases.json"
AT = datetime.datetime(2026, 11, 9, 20, 0, tzinfo=datetime.UTC)  # a Monday evening: nobody's peak hours

# Our provider, the id, LiteLLM's provider, genai-prices' provider.
MODELS = [
    ("openai", "gpt-4o", "openai", "openai"),
    ("openai", "gpt-4o-mini", "openai", "openai"),
    ("openai", "gpt-4.1", "openai", "openai"),
    ("openai", "gpt-4.1-mini", "openai", "openai"),
    ("openai", "gpt-4.1-nano", "openai", "openai"),
    ("openai", "gpt-5", "openai", "openai"),
    ("openai", "gpt-5-mini", "openai", "openai"),
    ("openai", "gpt-5-nano", "openai", "openai"),
    ("openai", "gpt-5.5", "openai", "openai"),
    ("openai", "o3", "openai", "openai"),
    ("openai", "o4-mini", "openai", "openai"),
    ("openai", "gpt-realtime", "openai", "openai"),
    ("openai", "text-embedding-3-small", "openai", "openai"),
    ("anthropic", "claude-sonnet-4-5-20250929", "anthropic", "anthropic"),
    ("anthropic", "claude-sonnet-4-6", "anthropic", "anthropic"),
    ("anthropic", "claude-haiku-4-5-20251001", "anthropic", "anthropic"),
    ("anthropic", "claude-haiku-5-5", "anthropic", "anthropic"),
    ("anthropic", "claude-opus-4-5-20251101", "anthropic", "anthropic"),
    ("anthropic", "claude-opus-4-6", "anthropic", "anthropic"),
    ("gemini", "gemini-2.5-flash", "gemini", "google"),
    ("gemini", "gemini-2.5-pro", "gemini", "google"),
    ("gemini", "gemini-2.5-flash-lite", "gemini", "google"),
    ("gemini", "gemini-3.5-flash", "gemini", "google"),
    ("vertex", "gemini-2.5-pro", "vertex_ai", "google"),
    ("bedrock", "us.anthropic.claude-sonnet-4-5-20250929-v1:0", "bedrock", "aws"),
    ("bedrock", "anthropic.claude-haiku-4-5-20251001-v1:0", "bedrock", "aws"),
    ("bedrock", "amazon.nova-pro-v1:0", "bedrock", "aws"),
    ("azure", "gpt-4o", "azure", "azure"),
    ("mistral", "mistral-large-2512", "mistral", "mistral"),
    ("mistral", "codestral-2508", "mistral", "mistral"),
    ("groq", "openai/gpt-oss-120b", "groq", "groq"),
    ("groq", "openai/gpt-oss-20b", "groq", "groq"),
    ("xai", "grok-4.3", "xai", "x-ai"),
    ("xai", "grok-4.7", "xai", "x-ai"),
    ("deepseek", "deepseek-chat", "deepseek", "deepseek"),
    ("deepseek", "deepseek-v4-pro", "deepseek", "deepseek"),
    ("cohere", "command-a-03-2025", "cohere_chat", "cohere"),
    ("moonshot", "kimi-k3", "moonshot", "moonshotai"),
    ("cerebras", "gpt-oss-120b", "cerebras", "cerebras"),
    ("together", "openai/gpt-oss-120b", "together_ai", "together"),
    ("fireworks", "accounts/fireworks/models/gpt-oss-120b", "fireworks_ai", "fireworks"),
    ("perplexity", "sonar-deep-research", "perplexity", "perplexity"),
    ("zai", "glm-4.7", "zai", "zai"),
    ("minimax", "MiniMax-M2", "minimax", "minimax"),
]

# Fields are those of `exllm.Usage`; `tier` is the service tier or "batch".
SHAPES: dict[str, dict[str, Any]] = {
    "short": {"input_tokens": 1234, "output_tokens": 567},
    "nothing made": {"input_tokens": 77, "output_tokens": 0},
    "cached": {"input_tokens": 9000, "output_tokens": 321, "cached_input_tokens": 6144},
    "all cached": {"input_tokens": 4096, "output_tokens": 5, "cached_input_tokens": 4096},
    "written for 5 minutes": {"input_tokens": 12_000, "output_tokens": 800, "cache_write_tokens": 10_500},
    "written for an hour": {
        "input_tokens": 12_000, "output_tokens": 800, "cache_write_tokens": 10_500, "cache_write_1h_tokens": 4_500,
        "cached_input_tokens": 500,
    },
    "long": {"input_tokens": 300_001, "output_tokens": 2_000},
    "long and cached": {"input_tokens": 300_001, "output_tokens": 2_000, "cached_input_tokens": 280_000},
    "at the step": {"input_tokens": 200_000, "output_tokens": 10},
    "over the step": {"input_tokens": 200_001, "output_tokens": 10},
    "reasoning": {"input_tokens": 400, "output_tokens": 3_000, "reasoning_tokens": 2_800},
    "audio": {
        "input_tokens": 1_500, "output_tokens": 900, "audio_input_tokens": 1_200, "audio_output_tokens": 600,
    },
    "batch": {"input_tokens": 10_000, "output_tokens": 1_000, "tier": "batch"},
    "flex": {"input_tokens": 10_000, "output_tokens": 1_000, "cached_input_tokens": 2_000, "tier": "flex"},
    "priority": {"input_tokens": 10_000, "output_tokens": 1_000, "cached_input_tokens": 2_000, "tier": "priority"},
    "searches": {"input_tokens": 500, "output_tokens": 300, "search_requests": 3},
}  # fmt: skip


def by_litellm(model: str, provider: str, shape: dict[str, Any]) -> float | None:
    get = shape.get
    written, hour = get("cache_write_tokens", 0), get("cache_write_1h_tokens", 0)
    prompt = PromptTokensDetailsWrapper(
        cached_tokens=get("cached_input_tokens", 0), audio_tokens=get("audio_input_tokens", 0),
        cache_creation_tokens=written,
        cache_creation_token_details={
            "ephemeral_5m_input_tokens": written - hour, "ephemeral_1h_input_tokens": hour,
        } if written else None,
        web_search_requests=get("search_requests"),
    )  # fmt: skip
    completion = CompletionTokensDetailsWrapper(
        reasoning_tokens=get("reasoning_tokens", 0), audio_tokens=get("audio_output_tokens", 0),
        text_tokens=get("output_tokens", 0) - get("audio_output_tokens", 0) - get("reasoning_tokens", 0),
    )  # fmt: skip
    usage = Usage(
        prompt_tokens=shape["input_tokens"], completion_tokens=shape["output_tokens"],
        total_tokens=shape["input_tokens"] + shape["output_tokens"], prompt_tokens_details=prompt,
        completion_tokens_details=completion, cache_creation_input_tokens=written,
        cache_read_input_tokens=get("cached_input_tokens", 0),
        server_tool_use=ServerToolUse(web_search_requests=get("search_requests")) if get("search_requests") else None,
    )  # fmt: skip
    tier = get("tier")
    key = model if provider in ("openai", "anthropic", "bedrock") else f"{provider}/{model}"
    try:
        if tier == "batch":
            return sum(batch_cost_calculator(usage, key, provider))
        response = ModelResponse(
            model=model, choices=[Choices(message=Message(content="x"))], usage=usage, service_tier=tier
        )  # fmt: skip
        return completion_cost(response, model=key, custom_llm_provider=provider, service_tier=tier)
    except Exception as error:  # noqa: BLE001 - an oracle's failure is "no answer", of whatever kind
        print(f"litellm: {provider}/{model}: {str(error)[:100]}", file=sys.stderr)
        return None


def by_genai(model: str, provider: str, shape: dict[str, Any]) -> float | None:
    names = {
        "input_tokens": "input_tokens", "output_tokens": "output_tokens", "cached_input_tokens": "cache_read_tokens",
        "cache_write_tokens": "cache_write_tokens", "cache_write_1h_tokens": "cache_write_1h_tokens",
        "audio_input_tokens": "input_audio_tokens", "audio_output_tokens": "output_audio_tokens",
        "reasoning_tokens": "output_reasoning_tokens", "search_requests": "web_searches",
    }  # fmt: skip
    usage = genai_prices.Usage(**{theirs: shape[ours] for ours, theirs in names.items() if ours in shape})
    tier = shape.get("tier")
    context = {"processing": "batch"} if tier == "batch" else {"service_tier": tier} if tier else None
    try:
        price = genai_prices.calc_price(
            usage, model, provider_id=provider, genai_request_timestamp=AT, price_context=context
        )  # fmt: skip
    except Exception as error:  # noqa: BLE001
        print(f"genai-prices: {provider}/{model}: {str(error)[:100]}", file=sys.stderr)
        return None
    return float(price.total_price)


def main() -> None:
    if len(sys.argv) > 1:
        litellm.model_cost.clear()
        litellm.model_cost.update(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")))
        litellm.add_known_models()
    cases = []
    for ours, model, in_litellm, in_genai in MODELS:
        for name, shape in SHAPES.items():
            if model.startswith("text-embedding") and (shape["output_tokens"] or len(shape) > 2):
                continue
            cases.append(
                {
                    "model": f"{ours}/{model}", "shape": name, "litellm": by_litellm(model, in_litellm, shape),
                    "genai-prices": by_genai(model, in_genai, shape),
                }
            )  # fmt: skip
    head = {
        "litellm": version("litellm"), "genai-prices": version("genai-prices"), "at": AT.isoformat(),
        "licence": "figures computed with LiteLLM (MIT) and genai-prices (MIT)",
    }  # fmt: skip
    lines = ",\n".join(json.dumps(case) for case in cases)
    OUT.write_text(
        f'{{"made_with": {json.dumps(head)},\n"shapes": {json.dumps(SHAPES)},\n"cases": [\n{lines}\n]}}\n',
        encoding="utf-8",
    )
    print(f"{len(cases)} cases in {OUT}; litellm {litellm.__name__} {version('litellm')}")


if __name__ == "__main__":
    main()
