"""Cohere's token counts in our words.

`tokens` is what the model read and wrote, `billed_units` what is on the bill: without Cohere's own preambles and the
forms in which tools and documents are put before the model, often a tenth of the first. `Usage.input_tokens` is the
first, as with every provider; the cost comes from the second, in `Usage.billed_input_tokens`.
Tokens of images are counted apart from `input_tokens`; ours includes them.
Sources: https://docs.cohere.com/reference/chat#response.body.usage,
https://docs.cohere.com/docs/how-does-cohere-pricing-work, and the recorded answers in the tests.
"""

from __future__ import annotations

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
        billed_input_tokens=_whole(billed.input_tokens),
        billed_output_tokens=_whole(billed.output_tokens),
        provenance="reported",
    )


def _whole(count: float | None) -> int | None:
    return None if count is None else int(count)
