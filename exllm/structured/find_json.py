"""JSON in the text of an answer: alone, in a Markdown fence, or with prose around it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

_FENCED = re.compile(r"```[\w+-]*[ \t]*\r?\n(.*?)(?:\n[ \t]*```|\Z)", re.DOTALL)
_START = re.compile(r"[{\[]")
_MOST_STARTS = 64  # places in prose that are tried: each may be read to the end of the text

_DECODER = json.JSONDecoder(strict=False)  # models put line ends into strings as they are


def find_json(text: str) -> Iterator[Any]:
    """Every JSON value that the text may be meant to be, the likeliest first. Pure.

    The whole text; the blocks between fences; objects and arrays within prose, the longest first.
    """
    text = text.strip().removeprefix("\ufeff")
    try:
        yield _DECODER.decode(text)
        return
    except (ValueError, RecursionError):
        pass
    for block in _FENCED.finditer(text):
        try:
            yield _DECODER.decode(block[1].strip())
        except (ValueError, RecursionError):
            continue
    yield from (value for _, value in sorted(_in_prose(text), key=lambda found: -found[0]))


def _in_prose(text: str) -> Iterator[tuple[int, Any]]:
    """Length and value of each object and array that lies in no other."""
    position = 0
    for _ in range(_MOST_STARTS):
        start = _START.search(text, position)
        if start is None:
            return
        try:
            value, position = _DECODER.raw_decode(text, start.start())
            yield position - start.start(), value
        except (ValueError, RecursionError):
            position = start.end()
