"""Text objects read without parsing: all but text and counts is, byte for byte, what stood in the one before."""

from __future__ import annotations

import re
from typing import NamedTuple

from exllm.providers.gemini_events import NOTHING, Answer, Candidate, Content, Part

_TEXT = re.compile(rb'"text": ?"')
_USAGE = re.compile(rb'"usageMetadata": ?')


class Shape(NamedTuple):
    """What stands around text and counts in an object that says nothing else.

    Such an object is `prefix`, text, `middle`, counts and `tail`. `middle` begins with the first quote after `prefix`;
    where the counts are one JSON value, it is the same document as the one learnt from, but for these two.

    Attributes:
        start: length of `prefix`, where the text begins.
        width: length of `middle`.
        choice: index of the candidate that the text belongs to.
    """

    prefix: bytes
    middle: bytes
    tail: bytes
    start: int
    width: int
    choice: int


NO_SHAPE = Shape(b"\n", b"\n", b"", 1, 1, 0)
"""Matches no object: none begins with a line end."""


def shape_of(data: bytes, answer: Answer) -> Shape:
    """The shape of `data`, of which `answer` was decoded; `NO_SHAPE` if it says more than a piece of text."""
    candidates = answer.candidates
    if candidates is None or len(candidates) != 1 or answer.usage_metadata is NOTHING:
        return NO_SHAPE
    candidate = candidates[0]
    parts = candidate.content.parts if candidate.content is not None else None
    text = parts[0].text if parts else None
    # Built from what was taken, so that it is equal only where nothing else is there.
    plain = Answer(
        [Candidate(Content([Part(text)]), index=candidate.index)],
        answer.usage_metadata,
        answer.model_version,
        answer.response_id,
        answer.create_time,
    )
    texts, usages = list(_TEXT.finditer(data)), list(_USAGE.finditer(data))
    if not text or answer != plain or len(texts) != 1 or len(usages) != 1:
        return NO_SHAPE
    start, counts_at = texts[0].end(), usages[0].end()
    counts = bytes(answer.usage_metadata)
    end = data.find(b'"', start)
    # Text with escapes teaches nothing, and neither do counts before the text: another object will do.
    if data[start:end] != text.encode("utf-8", "replace") or b"\\" in data[start:end] or counts_at < end:
        return NO_SHAPE
    if not data.startswith(counts, counts_at):
        return NO_SHAPE
    middle, tail = data[end:counts_at], data[counts_at + len(counts) :]
    return Shape(data[:start], middle, tail, start, len(middle), candidate.index or 0)
