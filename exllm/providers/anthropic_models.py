"""What differs between the Claude models and a request must know: limits, and how they are told to think.

Read from the model's name, so that dated snapshots, ``-latest`` and the names of Bedrock and Vertex are understood, and
models to come count as the newest. Sources: https://platform.claude.com/docs/en/about-claude/models/overview,
https://platform.claude.com/docs/en/build-with-claude/mid-conversation-system-messages,
https://platform.claude.com/docs/en/build-with-claude/adaptive-thinking,
https://platform.claude.com/docs/en/build-with-claude/effort and, for the unstreamed limit, Anthropic's Python SDK.
"""

from __future__ import annotations

import functools
import re

import msgspec


class ModelFacts(msgspec.Struct, frozen=True):
    """What one model takes.

    Attributes:
        max_output_tokens: the most it can be asked for; sent where the caller names no `max_tokens`, since the API
            demands one.
        adaptive: thinks as much as it finds right (``thinking: {type: adaptive}``); the others need a token budget.
        budget: takes a token budget for thinking; newer ones answer 400 to it.
        effort: knows ``output_config.effort``.
        system_turns: takes system messages in the middle of a conversation.
        max_unstreamed_tokens: the largest `max_tokens` of an unstreamed call, where less than ten minutes' worth.
    """

    max_output_tokens: int
    adaptive: bool = False
    budget: bool = True
    effort: bool = False
    system_turns: bool = False
    max_unstreamed_tokens: int | None = None


FOREIGN = ModelFacts(8_192)
"""Any model that is no Claude: services that speak this protocol with models of their own."""

_NEWEST = ModelFacts(128_000, adaptive=True, budget=False, effort=True, system_turns=True)
_NAME = re.compile(
    r"claude-(?:(?P<family>[a-z]+)-)?(?P<major>\d{1,2})(?:[-.](?P<minor>\d{1,2}))?(?!\d)(?:-(?P<family_after>[a-z]+))?"
)


@functools.lru_cache(maxsize=256)
def model_facts(model: str) -> ModelFacts:
    """The facts of the model with this id."""
    name = model.lower()
    if "claude" not in name:
        return FOREIGN
    found = _NAME.search(name)
    if found is None:  # claude-mythos-preview
        return _NEWEST
    family = found["family"] or found["family_after"] or ""
    version = (int(found["major"]), int(found["minor"] or 0))
    if version < (3, 5):
        return ModelFacts(4_096)
    if version < (3, 7):
        return ModelFacts(8_192)
    if version < (4, 5):
        return ModelFacts(32_000, max_unstreamed_tokens=8_192) if family == "opus" else ModelFacts(64_000)
    if version < (4, 6):
        return ModelFacts(64_000, effort=family == "opus")
    if version < (4, 8):
        return ModelFacts(128_000, adaptive=True, budget=version < (4, 7), effort=True)
    return _NEWEST
