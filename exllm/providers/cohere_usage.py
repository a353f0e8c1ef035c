"""Cohere's token counts in our words.

`tokens` is what the model read and wrote, `billed_units` what is on the bill: without the provider's own preamble, for
one. Ours are the first, as with every provider; the second are passed on as the `ProviderEvent` ``billed_units``.
Tokens of images are counted apart from `input_tokens`; ours includes them.
Source: https://docs.cohere.com/reference/chat#response.body.usage, and the recorded answers in the tests.
"""

from __future__ import annotations

from typing import Any

import msgspec

from exllm.providers.cohere_events import BilledUnits, TokenCounts, UsageCounts
from exllm.types.usage import Usage

_NOTHING_COUNTED = TokenCounts()
_NOTHING_BILLED = BilledUnits()


def usage_of(counts: UsageCounts) -> Usage:
    """All counts of a finished answer. Where only billed units are reported, they are taken for the tokens."""
    tokens = counts.tokens or _NOTHING_COUNTED
    billed = counts.billed_units or _NOTHING_BILLED
    images = _whole(tokens.image_tokens)
    used = _whole(tokens.input_tokens)
    if used is None:
        used = _whole(billed.input_tokens)
    elif images:
        used += images
    made = _whole(billed.output_tokens if tokens.output_tokens is None else tokens.output_tokens)
    return Usage(
        input_tokens=used,
        output_tokens=made,
        total_tokens=None if used is None or made is None else used + made,
        cached_input_tokens=_whole(counts.cached_tokens),
        reasoning_tokens=_whole(tokens.reasoning_tokens),
        image_tokens=images,
        search_requests=_whole(billed.search_units),
        provenance="reported",
    )


def billed_units(counts: UsageCounts) -> dict[str, Any] | None:
    """What is billed, as it was reported."""
    billed = counts.billed_units
    if billed is None:
        return None
    return {name: value for name, value in msgspec.structs.asdict(billed).items() if value is not None} or None


def _whole(count: float | None) -> int | None:
    return None if count is None else int(count)
