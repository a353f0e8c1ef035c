"""What must be known of a model before a request to the Responses API can be written.

Sources: https://developers.openai.com/api/docs/guides/reasoning#encrypted-reasoning-items,
https://developers.openai.com/api/docs/guides/prompt-caching
"""

from __future__ import annotations

import re

import msgspec


class ModelFacts(msgspec.Struct, frozen=True, gc=False):
    """What a model can do.

    Attributes:
        reasons: whether it thinks before it answers; None where the name does not tell (deployments of Azure).
        cache_breakpoints: whether parts of a prompt may be marked as cacheable.
    """

    reasons: bool | None = None
    cache_breakpoints: bool = False


# The first pattern that the name begins with decides.
_FAMILIES: tuple[tuple[str, ModelFacts], ...] = (
    (r"gpt-5(\.\d+)?-chat", ModelFacts(reasons=False)),
    (r"gpt-(5\.([6-9]|\d\d)|[6-9]|\d\d)", ModelFacts(reasons=True, cache_breakpoints=True)),
    (r"gpt-5|o[1-9]\b|codex|computer-use", ModelFacts(reasons=True)),
    (r"gpt-oss|gpt-[34]|chatgpt", ModelFacts(reasons=False)),  # gpt-oss shows its reasoning; nothing is encrypted
)
_PATTERNS = tuple((re.compile(pattern), facts) for pattern, facts in _FAMILIES)
_UNKNOWN = ModelFacts()


def model_facts(model: str) -> ModelFacts:
    """What the name says: ``gpt-5.6-luna``, ``openai/gpt-5.6-sol`` (gateways) and ``openai.gpt-5.5`` (Bedrock)."""
    name = model.lower().rpartition("/")[2].removeprefix("openai.")
    return next((facts for pattern, facts in _PATTERNS if pattern.match(name)), _UNKNOWN)
