"""Thoughts that come as text, before a closing tag, in whatever pieces."""

from __future__ import annotations

_END = "</think>"


class ThoughtSplitter:
    """Tells thoughts from the answer: all is thought until ``</think>``, which the prompt has opened.

    `feed` and `close` return the next thought and the next text; a tag that came in part is held back.
    """

    __slots__ = ("_held", "_is_answering", "_is_first")

    def __init__(self) -> None:
        self._held = ""
        self._is_answering = False
        self._is_first = True

    def feed(self, text: str) -> tuple[str, str]:
        if self._is_answering:
            return "", self._trimmed(text)
        text = self._held + text
        self._held = ""
        thought, tag, said = text.partition(_END)
        if tag:
            self._is_answering = True
            return thought, self._trimmed(said)
        kept = next((size for size in range(len(_END) - 1, 0, -1) if text.endswith(_END[:size])), 0)
        if kept:
            text, self._held = text[:-kept], text[-kept:]
        return text, ""

    def close(self) -> tuple[str, str]:
        held, self._held = self._held, ""
        return held, ""

    def _trimmed(self, text: str) -> str:
        """The empty lines between the thoughts and the answer belong to neither."""
        if self._is_first:
            text = text.lstrip("\n")
            self._is_first = not text
        return text
