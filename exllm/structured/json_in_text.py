"""JSON in text that arrives in pieces: models like to say something first, and to put a fence around it. Sans-IO."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, Protocol, TypeVar

from exllm.structured.json_reader import Builder, JSONReader, JSONSyntaxError


class KnowsContent(Builder, Protocol):
    """A builder that knows whether it was told more than that the document begins."""

    @property
    def has_content(self) -> bool: ...


B = TypeVar("B", bound=KnowsContent)


class JSONInText(Generic[B]):
    """Passes over words and a Markdown fence, reads the JSON, and passes over what follows it.

    A bracket that turns out to belong to the words (``[see below] {"a": 1}``) is passed over as well.

    Args:
        make: makes a builder for JSON that begins with a certain character.
        starts: characters that the JSON may begin with.

    Attributes:
        builder: what was told of the JSON; a new one when what was taken for JSON was none.
        error: why nothing more is read: the JSON is broken.
        is_whole: the JSON is whole.
    """

    def __init__(self, make: Callable[[str], B], starts: str) -> None:
        self.builder = make(starts[0])
        self.error: JSONSyntaxError | None = None
        self.is_whole = False
        self._make = make
        self._starts = starts
        self._reader: JSONReader | None = None
        self._fed = 0  # characters that the reader has had

    def restart(self) -> None:
        """Forget all: the text begins anew."""
        self.__init__(self._make, self._starts)  # type: ignore[misc]

    def feed(self, text: str) -> None:
        """Read more of the text."""
        position = 0
        while position < len(text) and not self.is_whole and self.error is None:
            if self._reader is None:
                position = self._start(text, position)
                if position == len(text):
                    return
                self.builder = self._make(text[position])
                self._reader, self._fed = JSONReader(self.builder), 0
            reader, piece = self._reader, text[position:]
            try:
                reader.feed(piece, to_end=True)
            except JSONSyntaxError as error:
                if self.builder.has_content:
                    self.error = error
                    return
                position += error.position - self._fed
                self.builder, self._reader = self._make(self._starts[0]), None
                continue
            self._fed += len(piece)
            self.is_whole = reader.is_done
            return

    def _start(self, text: str, position: int) -> int:
        places = [place for mark in self._starts if (place := text.find(mark, position)) >= 0]
        return min(places, default=len(text))
