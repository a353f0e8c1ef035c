"""Which inputs go together in one request."""

from __future__ import annotations

from collections.abc import Sequence

BYTES_PER_TOKEN = 2
"""What a token is at least, for nearly all texts: English has over four bytes to one, digits and Chinese two to three.
Requests are so kept below the provider's limit without its tokenizer."""


def plan_batches(inputs: Sequence[str], max_inputs: int, max_tokens: int | None) -> list[slice]:
    """Parts of `inputs`, in order, each of at most `max_inputs` texts and, by estimate, `max_tokens` tokens.

    A text that is over the limit alone is a part of its own: the provider may cut it, or say so.
    """
    if max_tokens is None:
        return [slice(start, min(start + max_inputs, len(inputs))) for start in range(0, len(inputs), max_inputs)]
    batches: list[slice] = []
    start = tokens = 0
    for position, text in enumerate(inputs):
        needed = estimated_tokens(text)
        if position > start and (position - start == max_inputs or tokens + needed > max_tokens):
            batches.append(slice(start, position))
            start, tokens = position, 0
        tokens += needed
    batches.append(slice(start, len(inputs)))
    return batches


def estimated_tokens(text: str) -> int:
    """More tokens than `text` is likely to have."""
    size = len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))
    return -(-size // BYTES_PER_TOKEN)
