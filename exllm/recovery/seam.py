"""Joining a continuation to what it continues: what it says twice is left out."""

from __future__ import annotations

LONGEST_OVERLAP = 1000
"""Characters at the end of an answer that a continuation may repeat."""

_SURE_CHARACTERS = 16
"""An overlap this long is one, wherever it begins; a shorter one must begin where a word does."""

_DOTS = ("...", "…")


class Seam:
    """Takes a continuation piece by piece, and gives what follows the text so far.

    A model that is asked to continue often begins with the last word, sentence or line once more. Text is held back as
    long as it may be such a repetition; then the longest repetition is left out.

    Args:
        text: what is continued.
        is_asked: the continuation was asked for, and may begin with dots that only say that it is one. Otherwise it is
            what follows by itself, and any end of `text` that it begins with is a repetition.
    """

    def __init__(self, text: str, *, is_asked: bool = True) -> None:
        self._tail = text[-LONGEST_OVERLAP:]
        self._is_asked = is_asked
        self._is_marked = is_asked and not text.rstrip().endswith(_DOTS)
        self._held = ""
        self._is_open = bool(self._tail)

    def feed(self, text: str) -> str:
        """The next piece; returns what is new of it, perhaps nothing yet."""
        if not self._is_open:
            return text
        self._held += text
        if self._may_be_more():
            return ""
        return self._released()

    def close(self) -> str:
        """The continuation is over: what was still held back."""
        return self._released() if self._is_open else ""

    def _may_be_more(self) -> bool:
        held = self._without_dots()
        if held is None:
            return True
        if self._is_within(held):
            return True
        if not self._is_asked:
            return False
        return self._is_within(held.lstrip()) if held.strip() else len(self._held) < _SURE_CHARACTERS

    def _is_within(self, held: str) -> bool:
        """Something at the end of the text so far begins with it, and is longer."""
        tail = self._tail
        start = tail.find(held)
        while start >= 0:
            if start + len(held) < len(tail) and self._may_begin(start):
                return True
            start = tail.find(held, start + 1)
        return False

    def _released(self) -> str:
        self._is_open = False
        held = self._without_dots()
        if not held:  # dots alone, or the beginning of them, are no mark
            held = self._held
        self._held = ""
        for candidate in (held, held.lstrip()) if self._is_asked else (held,):
            for length in range(min(len(candidate), len(self._tail)), 0, -1):
                start = len(self._tail) - length
                if candidate.startswith(self._tail[start:]) and self._may_begin(start):
                    return candidate[length:]
        return held

    def _may_begin(self, start: int) -> bool:
        """What is repeated may begin at `start` of the tail: where a word does, or far enough from the end."""
        tail = self._tail
        if not self._is_asked or len(tail) - start >= _SURE_CHARACTERS:
            return True
        return tail[start:].strip() != "" and (start == 0 or not tail[start - 1].isalnum() or not tail[start].isalnum())

    def _without_dots(self) -> str | None:
        """What is held back, less the dots that mark a continuation; None while there may be more of them."""
        held = self._held
        if not self._is_marked:
            return held
        for dots in _DOTS:
            if held.startswith(dots):
                return held[len(dots) :]
        return None if any(dots.startswith(held) for dots in _DOTS) else held
