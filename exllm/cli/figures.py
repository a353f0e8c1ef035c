"""One line of figures about an answer."""

from __future__ import annotations

from exllm.types.response import Response
from exllm.types.usage import Cost, Usage


def figures(response: Response) -> str:
    """Model, tokens, cost, speed and times. What is not known is left out; unknown tokens are said to be unknown."""
    parts = [f"{response.provider}/{response.model}", *tokens(response.usage), *price(response.cost), *_speed(response)]
    if response.finish_reason is None:
        parts.append("cut off")
    elif response.finish_reason not in ("stop", "tool_calls"):
        parts.append(f"finish: {response.finish_reason}")
    return " · ".join(parts)


def tokens(usage: Usage) -> list[str]:
    """Token counts in words."""
    about = "~" if usage.provenance in ("estimated", "partial") else ""
    counts = [
        f"{about}{count:,} {word}"
        for count, word in (
            (usage.input_tokens, "in"),
            (usage.cached_input_tokens or None, "cached"),
            (usage.output_tokens, "out"),
            (usage.reasoning_tokens or None, "reasoning"),
        )
        if count is not None
    ]
    return [f"tokens: {', '.join(counts)}" if counts else "tokens unknown"]


def price(cost: Cost) -> list[str]:
    """What it cost in words; nothing where that is not known."""
    total = cost.total
    if total is None:
        return []
    return [
        "free"
        if total == 0
        else f"${total:.2f}"
        if total >= 1
        else f"${total:.2g}"
        if total >= 1e-4
        else f"${total:.1e}"
    ]


def _speed(response: Response) -> list[str]:
    stats = response.stats
    if stats is None:
        return []
    parts = []
    if stats.tokens_per_s is not None:
        parts.append(f"{stats.tokens_per_s:,.1f} tokens/s")
    if stats.first_chunk_s is not None:
        parts.append(f"first chunk {stats.first_chunk_s:.2f} s")
    if stats.duration_s is not None:
        parts.append(f"total {stats.duration_s:.2f} s")
    if stats.attempts > 1:
        parts.append(f"{stats.attempts} attempts")
    return parts
