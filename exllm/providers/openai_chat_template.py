"""Text frames read without parsing: all but the text of one is, byte for byte, what stood in the one before."""

from __future__ import annotations

from typing import NamedTuple

from exllm.providers.openai_chat_events import UNREADABLE, decode_string

_CONTENT = b'"content":"'
_GIVE_UP_AFTER = 8


class Shape(NamedTuple):
    """What stands before and after the text in a frame that holds a piece of text and nothing else.

    A frame that begins with `prefix`, ends with `suffix` and has no quote in between is the same JSON document as the
    one learnt from, but for the text: the string that `prefix` opens can end nowhere but at the quote that `suffix`
    begins with.

    Attributes:
        start, stop: where the text is, `stop` from the end.
        least: bytes in a frame with the empty text.
        choice: index of the choice that the text belongs to.
    """

    prefix: bytes
    suffix: bytes
    start: int
    stop: int
    least: int
    choice: int


NO_SHAPE = Shape(b"\n", b"\n", 1, -1, 2, 0)
"""Matches no frame: none begins with a line end."""


class TextTemplate:
    """Learns the shape of a stream's text frames.

    Services that change something else from frame to frame (OpenAI's `obfuscation`, several choices in turn) make no
    two frames match; after eight that were learnt for nothing, learning ends.

    Attributes:
        shape: of the frame last learnt.
        matched: set by the reader when a frame had that shape.
    """

    __slots__ = ("_left", "matched", "shape")

    def __init__(self) -> None:
        self.shape = NO_SHAPE
        self.matched = False
        self._left = _GIVE_UP_AFTER

    def learn(self, data: bytes, text: str, index: int) -> Shape:
        """Take `data`, a frame that says `text` for the choice `index` and nothing else, as the pattern."""
        self._left = _GIVE_UP_AFTER if self.matched else self._left - 1
        self.matched = False
        if self._left >= 0:
            start = data.find(_CONTENT) + len(_CONTENT)
            end = data.find(b'"', start)
            # Content written in another way, or with escapes, teaches nothing: another frame will do.
            if (
                start >= len(_CONTENT)
                and data[start:end] == text.encode("utf-8", "replace")
                and b"\\" not in data[start:end]
            ):
                self.shape = Shape(data[:start], data[end:], start, end - len(data), start + len(data) - end, index)
        else:
            self.shape = NO_SHAPE
        return self.shape


def string_inside(raw: bytes) -> str | None:
    """The string that is `raw` between quotes in JSON; None when it is none, so that the whole frame must be parsed."""
    try:
        text = raw.decode()
        if '"' in text:
            return None
        return decode_string(b'"%b"' % raw) if "\\" in text else text
    except UNREADABLE:
        return None
