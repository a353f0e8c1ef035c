"""From the bytes of tokens to text that may be shown."""

from __future__ import annotations

import codecs
from collections.abc import Sequence


class TextGate:
    """Holds back bytes of an unfinished character, and text that may yet turn out to be a stop sequence.

    Any slicing of the same bytes lets the same text through. Bytes that are no UTF-8 become U+FFFD; an unfinished
    character at the end of the answer is dropped, as the model never wrote it.
    """

    def __init__(self, stops: Sequence[str] = ()) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._stops = tuple(stop for stop in stops if stop)
        self._held = ""
        self.is_stopped = False

    def feed(self, data: bytes) -> str:
        """The text that is certain by now. After a stop sequence, `is_stopped` is set and there is no more."""
        if self.is_stopped:
            return ""
        text = self._decoder.decode(data)
        if not self._stops:
            return text
        if not text:
            return ""
        text = self._held + text
        # The one that is complete first counts, or the slicing of the text would make a difference.
        complete = [(at + len(stop), at) for stop in self._stops if (at := text.find(stop)) >= 0]
        if complete:
            self.is_stopped = True
            self._held = ""
            return text[: min(complete)[1]]
        keep = max(_overlap(text, stop) for stop in self._stops)
        self._held = text[len(text) - keep :]
        return text[: len(text) - keep]

    def close(self) -> str:
        """The text that was held back, as the answer has ended without a stop sequence."""
        held, self._held = self._held, ""
        return held


def _overlap(text: str, stop: str) -> int:
    """How many of the last characters of `text` are the beginning of `stop`."""
    for length in range(min(len(text), len(stop) - 1), 0, -1):
        if text.endswith(stop[:length]):
            return length
    return 0
