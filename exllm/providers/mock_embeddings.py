"""The mock's vectors: made of the words of a text, so that texts which share words are near to each other."""

from __future__ import annotations

import functools
import hashlib
import math
import re

DEFAULT_DIMENSIONS = 64

_WORD = re.compile(r"\w+")


def word_vector(text: str, dimensions: int = DEFAULT_DIMENSIONS) -> list[float]:
    """A vector of length 1: the sum of a direction for each word, whatever its case. The same on every machine."""
    total = [0.0] * dimensions
    for word in _WORD.findall(text.lower()) or [text]:
        for place, number in enumerate(_direction(word, dimensions)):
            total[place] += number
    length = math.sqrt(math.fsum(number * number for number in total)) or 1.0
    return [number / length for number in total]


@functools.lru_cache(maxsize=4096)
def _direction(word: str, dimensions: int) -> tuple[float, ...]:
    """Random numbers, but for that they are always the same for this word."""
    data = hashlib.shake_128(word.encode("utf-8", "surrogatepass")).digest(dimensions)
    return tuple(byte - 127.5 for byte in data)
