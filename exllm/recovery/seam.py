"""Joining a continuation to what it continues: what it says twice is left out."""

from __future__ import annotations

import re

LONGEST_OVERLAP = 1000
"""Characters at the end of an answer that a continuation may repeat."""

_SURE_CHARACTERS = 16
"""An overlap this long is one, wherever it begins; a shorter one must begin where a word does."""

_DOTS = ("...", "…")
_FENCE = re.compile(r"^[ \t]*(`{3,}|~{3,})([^`\n]*)$", re.MULTILINE)

_UNSPACED = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]"
)
"""Characters of scripts without spaces between words: Thai, Lao, Burmese, Khmer, Japanese, Chinese."""

_SURE_UNSPACED = 3
"""An overlap of so many of these is one."""


class Seam:
    """Takes a continuation piece by piece, and gives what follows the text so far.

    A model that is asked to continue often begins with the last word, sentence or line once more, and in a block of
    code with its fence. Text is held back as long as it may be such a repetition; then the longest is left out.

    Args:
        text: what is continued.
        is_asked: the continuation was asked for, and may begin with dots that only say that it is one. Otherwise it is
            what follows by itself, and any end of `text` that it begins with is a repetition. In either case the model
            has not seen spaces at the end of `text`.
    """

    def __init__(self, text: str, *, is_asked: bool = True) -> None:
        self._tail = text[-LONGEST_OVERLAP:]
        self._is_asked = is_asked
        self._marks = _marks_of(text) if is_asked else ()
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
        held = self._without_mark()
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
        held = self._without_mark()
        if not held:  # a mark alone, or the beginning of one, is none
            held = self._held
        self._held = ""
        candidates = (held, held.lstrip()) if self._is_asked else (held,)
        repeated, text = max(((self._repeated(text), text) for text in candidates), key=lambda found: found[0])
        return text[repeated:] if repeated else held

    def _repeated(self, text: str) -> int:
        """How many characters at the start of `text` the end of the text so far has already."""
        tail = self._tail
        for length in range(min(len(text), len(tail)), 0, -1):
            start = len(tail) - length
            if text.startswith(tail[start:]) and self._may_begin(start):
                return length
        return 0

    def _may_begin(self, start: int) -> bool:
        """What is repeated may begin at `start` of the tail: where a word does, or far enough from the end."""
        tail = self._tail
        length = len(tail) - start
        if not self._is_asked or length >= _SURE_CHARACTERS or tail[start:].isspace():
            return True
        if start == 0 or not tail[start - 1].isalnum() or not tail[start].isalnum():
            return True
        return length >= _SURE_UNSPACED and _UNSPACED.match(tail, start) is not None

    def _without_mark(self) -> str | None:
        """What is held back, less a mark of a continuation; None while there may be more of one."""
        held = self._held
        for mark in self._marks:
            if held.startswith(mark):
                return held[len(mark) :]
        return None if any(mark.startswith(held) for mark in self._marks) else held


def _marks_of(text: str) -> tuple[str, ...]:
    """What a continuation of `text` may begin with that only says that it is one."""
    marks = () if text.rstrip().endswith(_DOTS) else _DOTS
    fence = ""  # that of the block of code in which the text ends
    for line in _FENCE.finditer(text):
        if not fence:
            fence = line[1] + line[2].rstrip()
        elif fence.startswith(line[1]) and not line[2].strip():
            fence = ""
    # Without the name of a language it may as well be the end of the block.
    return (*marks, fence + "\n") if fence.strip("`~") else marks
