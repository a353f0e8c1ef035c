"""Where Gemini's thought signatures are kept, so that each goes back with the part that it came with.

A signature may come with any part of an answer. With a function call it is `ToolCall.signature`; with a thought it is
that `Reasoning`'s own. `Text`, `Image` and `Audio` have no place for one: a `Reasoning` without text stands before them
and carries it. All reasoning of Gemini has an `id` that says so, and what its signature belongs to: another provider's
signature would be refused by Gemini, and Gemini's by others.
Source: https://ai.google.dev/gemini-api/docs/thought-signatures
"""

from __future__ import annotations

import re

OWN = "gemini"
"""The signature is of this part: a thought, or an empty piece of text that only carries it."""
NEXT = "gemini:next"
"""The signature is of the part that follows."""

_SIGNATURE = re.compile(r"[A-Za-z0-9+/_-]{8,}={0,2}")
_MADE_UP_ID = re.compile(r"call_\d+_\d+")


def is_signature(text: str | None) -> bool:
    """Whether `text`, the signature of a tool call, may be one of Gemini's: base64, as those of others are not."""
    return text is not None and len(text) % 4 == 0 and _SIGNATURE.fullmatch(text) is not None


def is_made_up(call_id: str) -> bool:
    """Whether the id of a call is none of Gemini's: the accumulator makes one up where there was none."""
    return _MADE_UP_ID.fullmatch(call_id) is not None
