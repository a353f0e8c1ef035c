"""How many tokens something is, and how that is known."""

from __future__ import annotations

from typing import Literal

import msgspec

CountedBy = Literal["provider", "tokenizer", "local", "estimate"]


class TokenCount(msgspec.Struct, frozen=True):
    """The input tokens of a call that has not been made.

    Attributes:
        tokens: the number.
        how: ``provider`` (its own endpoint counted), ``tokenizer`` (the model's own tokens, with what the provider puts
            around messages and tools as published or measured), ``local`` (the local model's own vocabulary and
            template), ``estimate`` (a rule that was measured on recorded calls).
        low, high: the error band: where the true number lies; both are `tokens` where it was counted. The bands of
            estimates are from recorded calls, see ``docs/context.md``.
        uncounted: what is not in the number, because nobody can count it before sending: an image at a URL, audio.
            `high` is then no upper limit.
        reason: for an estimate that stands in for a count, why there is none.
    """

    tokens: int
    how: CountedBy
    low: int
    high: int
    uncounted: tuple[str, ...] = ()
    reason: str | None = None

    @property
    def is_exact(self) -> bool:
        """Whether all was counted, and nothing guessed."""
        return self.low == self.tokens == self.high and not self.uncounted
