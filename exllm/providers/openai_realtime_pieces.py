"""Texts and transcripts that arrive in pieces, until the event that says them whole."""

from __future__ import annotations

_MOST_OPEN = 1_000
"""Items that are open at once: more are of a service that never completes them."""


class OpenTexts:
    """The pieces of what is not complete, by item and place in it."""

    __slots__ = ("_pieces",)

    def __init__(self) -> None:
        self._pieces: dict[tuple[str, int], list[str]] = {}

    def add(self, item: str, index: int, piece: str) -> None:
        """The next piece."""
        pieces = self._pieces.get((item, index))
        if pieces is None:
            if len(self._pieces) >= _MOST_OPEN:
                del self._pieces[next(iter(self._pieces))]
            pieces = self._pieces[item, index] = []
        pieces.append(piece)

    def complete(self, item: str, index: int, whole: str) -> tuple[str, bool]:
        """What `whole` says more than its pieces did, and whether it says something else instead.

        Spaces around the whole do not count: transcripts of speech begin with one in pieces, and with none whole.
        """
        said = "".join(self._pieces.pop((item, index), ())).lstrip()
        if whole.strip() == said.rstrip():
            return "", False
        if not said:
            return whole, False
        if whole.lstrip().startswith(said):
            return whole.lstrip()[len(said) :], False
        return whole, True

    def drop(self, item: str, index: int) -> None:
        """It will not be completed."""
        self._pieces.pop((item, index), None)

    def clear(self) -> None:
        """None of them will be."""
        self._pieces.clear()
