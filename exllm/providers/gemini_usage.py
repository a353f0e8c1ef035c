"""Gemini's token counts in our words.

Gemini counts the prompt (cached tokens included), what tools of its own fed back to the model, the answer and the
thoughts apart; our input is the first two, our output the last two. Zeros are left out on the wire.
Source: https://ai.google.dev/api/generate-content#UsageMetadata
"""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from exllm.providers.gemini_events import NOTHING, ModalityCount, UsageMetadata, decode_details
from exllm.types.usage import Provenance, Usage

_TEXT = ("TEXT", 1)  # as a number with enum-encoding=int
_MEDIA: dict[str | int | None, str] = {"IMAGE": "image", 2: "image", "AUDIO": "audio", 4: "audio"}


class Media(NamedTuple):
    """The tokens of what is not text."""

    audio_input: int | None = None
    audio_output: int | None = None
    image: int | None = None
    cached_audio: int | None = None
    cached_image: int | None = None


NO_MEDIA = Media()


def have_same_media(one: UsageMetadata, other: UsageMetadata) -> bool:
    """Whether `media_of` is the same for both, as can be told without reading them."""
    return bool(
        one.prompt_tokens_details == other.prompt_tokens_details
        and one.candidates_tokens_details == other.candidates_tokens_details
        and one.tool_use_prompt_tokens_details == other.tool_use_prompt_tokens_details
        and one.cache_tokens_details == other.cache_tokens_details
    )


def media_of(counts: UsageMetadata) -> Media:
    """What the counts by medium say. Raises `msgspec.DecodeError` for lists of another shape."""
    asked = _media([*_details(counts.prompt_tokens_details), *_details(counts.tool_use_prompt_tokens_details)])
    answered = _media(_details(counts.candidates_tokens_details))
    cached = _media(_details(counts.cache_tokens_details))
    image = _sum(asked.get("image"), answered.get("image"))
    return Media(asked.get("audio"), answered.get("audio"), image, cached.get("audio"), cached.get("image"))


def usage_of(counts: UsageMetadata, provenance: Provenance, searches: int, media: Media | None = None) -> Usage:
    """The counts as `Usage`; `searches` is how many web searches were seen, `media` is `media_of` where it is known."""
    if media is None:
        media = media_of(counts)
    tier = counts.service_tier or counts.traffic_type
    asked, used = counts.prompt_token_count, counts.tool_use_prompt_token_count
    answered, thoughts = counts.candidates_token_count, counts.thoughts_token_count
    return Usage(
        input_tokens=asked if used is None else _sum(asked, used),
        output_tokens=answered if thoughts is None else _sum(answered, thoughts),
        total_tokens=counts.total_token_count,
        cached_input_tokens=counts.cached_content_token_count,
        reasoning_tokens=thoughts,
        audio_input_tokens=media.audio_input,
        audio_output_tokens=media.audio_output,
        image_tokens=media.image,
        cached_audio_tokens=media.cached_audio,
        cached_image_tokens=media.cached_image,
        search_requests=searches or None,
        service_tier=tier if isinstance(tier, str) else None,
        provenance=provenance,
    )


def says_more(counts: UsageMetadata) -> bool:
    """Whether there are counts that `Usage` has no place for: of video and documents, of tools."""
    if counts.tool_use_prompt_token_count or (counts.service_tier and counts.traffic_type):
        return True
    return any(
        each.modality not in _TEXT and each.modality not in _MEDIA
        for details in (counts.prompt_tokens_details, counts.candidates_tokens_details, counts.cache_tokens_details)
        for each in _details(details)
    )


def _details(raw: msgspec.Raw) -> list[ModalityCount]:
    return [] if raw is NOTHING else decode_details(raw) or []


def _media(details: list[ModalityCount]) -> dict[str, int]:
    """The tokens of each medium but text."""
    found: dict[str, int] = {}
    for each in details:
        if each.modality in _MEDIA:
            medium = _MEDIA[each.modality]
            found[medium] = found.get(medium, 0) + (each.token_count or 0)
    return found


def _sum(one: int | None, other: int | None) -> int | None:
    if other is None:
        return one
    return other if one is None else one + other
