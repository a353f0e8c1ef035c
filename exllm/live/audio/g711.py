"""G.711, the codec of telephony: 8 bits a sample, mu-law (North America, Japan) and A-law (elsewhere).

Source: ITU-T Recommendation G.711 (11/88), tables 1a to 2b.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable
from functools import lru_cache
from itertools import pairwise

from exllm.live.audio.samples import to_pcm, to_samples


def ulaw_encode(pcm: bytes) -> bytes:
    """16-bit PCM as mu-law. Raises ValueError for half a sample."""
    return _encode(pcm, _encoder(_ulaw_value))


def ulaw_decode(data: bytes) -> bytes:
    """mu-law as 16-bit PCM."""
    return to_pcm(map(_values(_ulaw_value).__getitem__, data))


def alaw_encode(pcm: bytes) -> bytes:
    """16-bit PCM as A-law. Raises ValueError for half a sample."""
    return _encode(pcm, _encoder(_alaw_value))


def alaw_decode(data: bytes) -> bytes:
    """A-law as 16-bit PCM."""
    return to_pcm(map(_values(_alaw_value).__getitem__, data))


DECODERS = {"audio/pcmu": ulaw_decode, "audio/pcma": alaw_decode}
"""By media type, without its parameters."""


def _ulaw_value(code: int) -> int:
    code = ~code & 0xFF
    magnitude = ((((code & 0x0F) << 3) + 0x84) << (code >> 4 & 0x07)) - 0x84
    return -magnitude if code & 0x80 else magnitude


def _alaw_value(code: int) -> int:
    code ^= 0x55
    exponent, mantissa = code >> 4 & 0x07, (code & 0x0F) << 4
    magnitude = mantissa + 8 if not exponent else (mantissa + 0x108) << (exponent - 1)
    return magnitude if code & 0x80 else -magnitude


def _encode(pcm: bytes, table: bytes) -> bytes:
    return bytes([table[sample + 32768] for sample in to_samples(pcm)])


@lru_cache
def _values(value_of: Callable[[int], int]) -> tuple[int, ...]:
    return tuple(map(value_of, range(256)))


@lru_cache
def _encoder(value_of: Callable[[int], int]) -> bytes:
    """For each 16-bit sample, from -32768 on, the code whose value is nearest."""
    by_value = sorted((value, code) for code, value in enumerate(_values(value_of)))
    values = [value for value, _ in by_value]
    between = [(low + high) / 2 for low, high in pairwise(values)]
    return bytes(by_value[bisect_right(between, sample)][1] for sample in range(-32768, 32768))
