"""Text frames read without parsing: all but the text of one is, byte for byte, what stood in the one before."""

from __future__ import annotations

from typing import NamedTuple

from exllm.providers.openai_chat_events import UNREADABLE, decode_string

_CONTENT = b'"content":"'
_NOISE = b'"obfuscation":"'
"""OpenAI pads its frames with a field of random letters, which says nothing."""
_GIVE_UP_AFTER = 8


class Shape(NamedTuple):
    """What stands around the text in a frame that holds a piece of text and nothing else.

    Such a frame is `prefix`, text, `middle`, and, where it is padded, noise and `tail`. `middle` begins with the first
    quote after `prefix`, and `tail` with the first one after `middle`: so it is the same JSON document as the one
    learnt from, but for these two strings.

    Attributes:
        start: length of `prefix`, where the text begins.
        width: length of `middle`.
        choice: index of the choice that the text belongs to.
    """

    prefix: bytes
    middle: bytes
    tail: bytes
    start: int
    width: int
    choice: int


NO_SHAPE = Shape(b"\n", b"\n", b"", 1, 1, 0)
"""Matches no frame: none begins with a line end."""


class TextTemplate:
    """Learns the shape of a stream's text frames.

    Services that change something else from frame to frame (several choices in turn, counters) make no two frames
    match; after eight that were learnt for nothing, learning ends.

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
        if self._left < 0:
            self.shape = NO_SHAPE
            return self.shape
        start = data.find(_CONTENT) + len(_CONTENT)
        end = data.find(b'"', start)
        # Content written in another way, or with escapes, teaches nothing: another frame will do.
        if (
            start >= len(_CONTENT)
            and data[start:end] == text.encode("utf-8", "replace")
            and b"\\" not in data[start:end]
        ):
            middle, tail = data[end:], b""
            noise_at = middle.find(_NOISE)
            if noise_at >= 0:
                width = noise_at + len(_NOISE)
                middle, tail = middle[:width], middle[middle.find(b'"', width) :]
            self.shape = Shape(data[:start], middle, tail, start, len(middle), index)
        return self.shape


# A number is looked for in bytes at once; a byte string of length 1 takes the way of an exception first (CPython 3.11).
_QUOTE, _BACKSLASH = b'"\\'


def ends_alike(data: bytes, after: int, tail: bytes) -> bool:
    """Whether what follows `middle`, from `after` on, is nothing or noise, as in the frame learnt from."""
    if not tail:
        return after == len(data)
    stop = len(data) - len(tail)
    noise = data[after:stop]
    return stop >= after and _QUOTE not in noise and _BACKSLASH not in noise and data.endswith(tail)


def string_inside(raw: bytes) -> str | None:
    """The string that is `raw` between quotes in JSON; None when it is none, so that the whole frame must be parsed."""
    try:
        return decode_string(b'"%b"' % raw) if _BACKSLASH in raw else raw.decode()
    except UNREADABLE:
        return None
