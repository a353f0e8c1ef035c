"""Token counts of the Interactions API in our words.

It counts the prompt (cached tokens included), what tools fed back to the model, the answer and the thoughts apart; our
input is the first two, our output the last two.
Source: https://ai.google.dev/api/interactions-api#Resource:Usage
"""

from __future__ import annotations

from typing import Any

from exllm.types.usage import Provenance, Usage

_TOTALS = frozenset({"total_input_tokens", "total_cached_tokens", "total_output_tokens", "total_thought_tokens",
                     "total_tool_use_tokens", "total_tokens"})  # fmt: skip
_NAMED_MEDIA = frozenset({"text", "image", "audio"})


def usage_of(counts: dict[str, Any], provenance: Provenance, searches: int, tier: Any) -> Usage:
    """The counts as `Usage`; `searches` is how many web searches were seen.

    Raises `AttributeError` or `TypeError` for counts of another shape.
    """
    asked = _media(counts, "input_tokens_by_modality", "tool_use_tokens_by_modality")
    answered = _media(counts, "output_tokens_by_modality")
    thoughts = _integer(counts.get("total_thought_tokens"))
    searched = sum(
        _integer(each.get("count")) or 0
        for each in counts.get("grounding_tool_count") or ()
        if each.get("type") == "google_search"
    )
    return Usage(
        input_tokens=_sum(counts.get("total_input_tokens"), counts.get("total_tool_use_tokens")),
        output_tokens=_sum(counts.get("total_output_tokens"), thoughts),
        total_tokens=_integer(counts.get("total_tokens")),
        cached_input_tokens=_integer(counts.get("total_cached_tokens")),
        reasoning_tokens=thoughts,
        audio_input_tokens=asked.get("audio"),
        audio_output_tokens=answered.get("audio"),
        image_tokens=_sum(asked.get("image"), answered.get("image")),
        search_requests=searched or searches or None,
        service_tier=tier if isinstance(tier, str) and tier else None,
        provenance=provenance,
    )


def unnamed(counts: dict[str, Any]) -> dict[str, Any]:
    """What was reported and has no place in `Usage`: tokens of tools, of video, of what was cached, of the first turn.

    The lists are left out that speak of text, images and audio alone.
    """
    more = {}
    for name, value in counts.items():
        if not value or (name in _TOTALS and name != "total_tool_use_tokens"):
            continue
        if name.endswith("_by_modality") and not (name.startswith("cached") and _beyond(value, {"text"})):
            if not _beyond(value, _NAMED_MEDIA):
                continue
        elif name == "grounding_tool_count" and all(each.get("type") == "google_search" for each in value):
            continue
        more[name] = value
    return more


def _beyond(details: list[dict[str, Any]], media: frozenset[str] | set[str]) -> bool:
    return any(each.get("modality") not in media for each in details)


def _media(counts: dict[str, Any], *names: str) -> dict[str, int]:
    """The tokens of each medium, from the lists with these names."""
    found: dict[str, int] = {}
    for name in names:
        for each in counts.get(name) or ():
            medium, tokens = each.get("modality"), _integer(each.get("tokens"))
            if medium in _NAMED_MEDIA and tokens is not None:
                found[medium] = found.get(medium, 0) + tokens
    return found


def _sum(one: Any, other: Any) -> int | None:
    numbers = [number for value in (one, other) if (number := _integer(value)) is not None]
    return sum(numbers) if numbers else None


def _integer(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None
