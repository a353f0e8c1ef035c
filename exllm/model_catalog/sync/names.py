"""Which provider of ours a source means, and what its id is without the source's prefix."""

from __future__ import annotations

import re

# Only where the source's word is not ours. A provider that exllm has no spec of keeps the source's word.
LITELLM = {
    "amazon_nova": "amazon-nova", "azure_ai": "azure", "azure_text": "azure", "bedrock_converse": "bedrock",
    "bedrock_mantle": "bedrock", "bigmodel": "zhipu", "clf_ai_gateway": "cloudflare-ai-gateway",
    "cohere_chat": "cohere", "dashscope": "alibaba", "featherless_ai": "featherless", "fireworks_ai": "fireworks",
    "fireworks_ai-embedding-models": "fireworks", "friendliai": "friendli", "gmi": "gmicloud",
    "gradient_ai": "digitalocean", "lambda_ai": "lambda", "nvidia_nim": "nvidia",
    "text-completion-codestral": "codestral", "text-completion-inception": "inception",
    "text-completion-openai": "openai", "together_ai": "together", "vercel_ai_gateway": "vercel",
    "xiaomi_mimo": "xiaomi",
}  # fmt: skip
LITELLM_NOT_A_PROVIDER = {"agentcore", "bing_grounding", "duckduckgo", "google_pse", "searxng"}

GENAI: dict[str, tuple[str, ...]] = {
    "aws": ("bedrock",), "google": ("gemini", "vertex"), "moonshotai": ("moonshot",), "voyageai": ("voyage",),
    "x-ai": ("xai",), "zhipuai": ("zhipu",),
}  # fmt: skip

MODELS_DEV = {
    "amazon-bedrock": "bedrock", "azure-cognitive-services": "azure", "cloudflare-workers-ai": "cloudflare",
    "fireworks-ai": "fireworks", "google": "gemini", "google-vertex": "vertex", "google-vertex-anthropic": "vertex",
    "llama": "meta-llama", "moonshotai": "moonshot", "moonshotai-cn": "moonshot-cn", "nova": "amazon-nova",
    "novita-ai": "novita", "perplexity-agent": "perplexity", "snowflake-cortex": "snowflake", "togetherai": "together",
    "zhipuai": "zhipu", "zhipuai-coding-plan": "zhipu-coding-plan",
}  # fmt: skip

# Prefixes of LiteLLM's ids, beside the provider's own word. The longest match is taken off.
_PREFIXES = {
    "azure": ("azure/", "azure_ai/"),
    "bedrock": ("bedrock/invoke/", "bedrock/converse/", "bedrock_mantle/", "bedrock/"),
    "vertex": ("vertex_ai/",),
    "gemini": ("gemini/",),
    "fireworks": ("fireworks_ai/",),
    "amazon-nova": ("amazon-nova/",),
    "codestral": ("codestral/", "text-completion-codestral/"),
    "inception": ("inception/", "text-completion-inception/"),
}

SUBSCRIPTIONS = re.compile(r"(coding|token)-plan|^(chatgpt|github-copilot|github-models|microsoft-365-copilot)$")
"""Providers that bill by the month: a price of 0 per token is the truth there."""

LOCAL = frozenset({"ollama", "lmstudio", "lemonade", "llamacpp", "local", "vllm", "sglang", "atomic-chat"})
"""Providers on the user's machine: no prices, their calls cost nothing."""


def of_litellm(word: str) -> str:
    if word.startswith("vertex_ai"):
        return "vertex"
    return LITELLM.get(word, word.lower().replace("_", "-").replace(" ", "-"))


def of_genai(word: str) -> tuple[str, ...]:
    """The providers that a genai-prices provider stands for; Google's list is of two."""
    return GENAI.get(word, ("huggingface",) if word.startswith("huggingface_") else (word,))


def of_models_dev(word: str) -> str:
    return MODELS_DEV.get(word, word)


def without_prefix(key: str, word: str, provider: str) -> str:
    """The id that the provider's API takes, of LiteLLM's key."""
    prefixes = (*_PREFIXES.get(provider, ()), f"{word}/", f"{provider}/")
    matching = [prefix for prefix in prefixes if key.startswith(prefix) and len(key) > len(prefix)]
    # Only one prefix is a routing prefix: "perplexity/perplexity/kimi-k3" is the model "perplexity/kimi-k3".
    return key[len(max(matching, key=len)) :] if matching else key
