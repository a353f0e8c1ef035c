"""Text that arrives in many small pieces."""

from __future__ import annotations

MOST_LOOSE = 512
"""So many pieces may lie loose: a short string takes seven times the memory of its characters."""


class TextPieces:
    """A text that grows at its end, in memory hardly more than its characters.

    `append` is a list's own, which nothing can beat; whoever appends calls `tidy` now and then, which joins the loose
    pieces to a block. One buffer that grows would leave holes of four times its size in the heap.
    """

    __slots__ = ("_blocks", "_pieces", "append")

    def __init__(self, first: str = "") -> None:
        self._pieces = [first]
        self._blocks = 0  # so many at the start of `_pieces` are blocks
        self.append = self._pieces.append

    def tidy(self) -> None:
        """Join what lies loose, if there is enough of it."""
        pieces = self._pieces
        if len(pieces) - self._blocks > MOST_LOOSE:
            pieces[self._blocks :] = ["".join(pieces[self._blocks :])]
            self._blocks += 1

    @property
    def characters(self) -> int:
        """The length of it."""
        return sum(map(len, self._pieces))

    def text(self) -> str:
        """All of it."""
        pieces = self._pieces
        return pieces[0] if len(pieces) == 1 else "".join(pieces)


class CountedText:
    """A text of which only the length is kept; grows as `TextPieces` does."""

    __slots__ = ("_characters", "_pieces", "append")

    def __init__(self) -> None:
        self._pieces: list[str] = []
        self._characters = 0
        self.append = self._pieces.append

    def tidy(self) -> None:
        """Count what lies loose, if there is enough of it."""
        if len(self._pieces) > MOST_LOOSE:
            _ = self.characters

    @property
    def characters(self) -> int:
        """The length of it."""
        self._characters += sum(map(len, self._pieces))
        self._pieces.clear()
        return self._characters
