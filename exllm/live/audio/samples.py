"""PCM bytes as samples and back."""

from __future__ import annotations

import sys
from array import array
from collections.abc import Iterable


def to_samples(pcm: bytes | bytearray | memoryview) -> array[int]:
    """16-bit samples of little-endian `pcm`. Raises ValueError for half a sample."""
    if len(pcm) % 2:
        raise ValueError(f"PCM of 16 bits has an even number of bytes, got {len(pcm)}")
    samples = array("h")
    samples.frombytes(pcm)
    if sys.byteorder == "big":
        samples.byteswap()
    return samples


def to_pcm(samples: Iterable[int]) -> bytes:
    """Little-endian bytes of 16-bit samples."""
    packed = samples if isinstance(samples, array) and samples.typecode == "h" else array("h", samples)
    if sys.byteorder == "big":
        packed = array("h", packed)
        packed.byteswap()
    return packed.tobytes()
