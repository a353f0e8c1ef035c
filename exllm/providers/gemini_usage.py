"""Gemini's token counts in our words.

Gemini counts the prompt (cached tokens included), what tools of its own fed back to the model, the answer and the
thoughts apart; our input is the first two, our output the last two. Zeros are left out on the wire.
Source: https://ai.google.dev/api/generate-content#UsageMetadata
"""

from __future__ import annotations

from exllm.providers.gemini_events import ModalityCount, UsageMetadata
from exllm.types.usage import Provenance, Usage

_TEXT = ("TEXT", 1)  # as a number with enum-encoding=int
_MEDIA: dict[str | int | None, str] = {"IMAGE": "image", 2: "image", "AUDIO": "audio", 4: "audio"}
_Details = list[ModalityCount] | None


def usage_of(counts: UsageMetadata, provenance: Provenance, searches: int) -> Usage:
    """The counts as `Usage`; `searches` is how many web searches were seen."""
    asked = _media(counts.prompt_tokens_details, counts.tool_use_prompt_tokens_details)
    answered = _media(counts.candidates_tokens_details)
    tier = counts.service_tier or counts.traffic_type
    return Usage(
        input_tokens=_sum(counts.prompt_token_count, counts.tool_use_prompt_token_count),
        output_tokens=_sum(counts.candidates_token_count, counts.thoughts_token_count),
        total_tokens=counts.total_token_count,
        cached_input_tokens=counts.cached_content_token_count,
        reasoning_tokens=counts.thoughts_token_count,
        audio_input_tokens=asked.get("audio"),
        audio_output_tokens=answered.get("audio"),
        image_tokens=_sum(asked.get("image"), answered.get("image")),
        search_requests=searches or None,
        service_tier=tier if isinstance(tier, str) else None,
        provenance=provenance,
    )


def says_more(counts: UsageMetadata) -> bool:
    """Whether there are counts that `Usage` has no place for: of video and documents, of tools, of the cache."""
    if counts.tool_use_prompt_token_count or (counts.service_tier and counts.traffic_type):
        return True
    if any(each.modality not in _TEXT for each in counts.cache_tokens_details or ()):
        return True
    return any(
        each.modality not in _TEXT and each.modality not in _MEDIA
        for details in (counts.prompt_tokens_details, counts.candidates_tokens_details)
        for each in details or ()
    )


def _media(details: _Details, more: _Details = None) -> dict[str, int]:
    """The tokens of each medium but text."""
    found: dict[str, int] = {}
    for each in details + more if details and more else details or more or ():
        if each.modality in _MEDIA:
            medium = _MEDIA[each.modality]
            found[medium] = found.get(medium, 0) + each.token_count
    return found


def _sum(one: int | None, other: int | None) -> int | None:
    if one is None or other is None:
        return one if other is None else other
    return one + other
