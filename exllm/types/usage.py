"""Tokens and money, with one meaning for every provider."""

from __future__ import annotations

from typing import Literal

import msgspec

Provenance = Literal["reported", "partial", "estimated", "unknown"]


class Usage(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """Token counts of one call.

    `input_tokens` includes cached and cache-written ones, `output_tokens` includes reasoning, so that
    input = uncached + `cached_input_tokens` + `cache_write_tokens`. A count that nobody reported is None, never 0.

    `provenance`: ``reported`` (the provider's final word), ``partial`` (reported, but the call ended before the final
    word), ``estimated`` (counted by exllm), ``unknown``.
    """

    input_tokens: int | None = None
    output_tokens: int | None = None
    total_tokens: int | None = None
    cached_input_tokens: int | None = None
    cache_write_tokens: int | None = None
    cache_write_1h_tokens: int | None = None  # the part of cache_write_tokens kept for an hour, which costs more
    reasoning_tokens: int | None = None
    audio_input_tokens: int | None = None
    audio_output_tokens: int | None = None
    image_tokens: int | None = None
    accepted_prediction_tokens: int | None = None
    rejected_prediction_tokens: int | None = None
    search_requests: int | None = None  # server-side web searches, billed per request
    service_tier: str | None = None
    billed_input_tokens: int | None = None  # where the bill is not for all that the model read (Cohere)
    billed_output_tokens: int | None = None
    reported_cost_usd: float | None = None  # what the provider itself says the call cost
    provenance: Provenance = "unknown"
    # Fields are added at the end: pickles, such as of stored sessions, hold values without names.
    cached_audio_tokens: int | None = None  # the part of cached_input_tokens that is audio
    cached_image_tokens: int | None = None  # and that is images


class Cost(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """US dollars per component; the components add up to `total`.

    None, never 0, where the price is not known, with the reason in `reason`; 0.0 for local models. A component that did
    not occur is None as well.
    """

    input: float | None = None  # what was neither read from a cache nor written to one, without audio and images
    cached_input: float | None = None
    cache_write: float | None = None
    output: float | None = None  # without reasoning, audio and images
    reasoning: float | None = None
    audio: float | None = None  # in and out
    image: float | None = None  # in and out
    search: float | None = None
    total: float | None = None
    source: str | None = None  # where the price is from: "catalog", "provider", "local"
    other: float | None = None  # per request, page, second of video, session...
    reason: str | None = None  # why `total` is not known
    estimated: bool = False  # some of the tokens were guessed by exllm, not reported
