"""A whole sound, given out as fast as it is spoken."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

MOST_BEHIND_S = 0.1
"""What was held up for longer is not made up for: speech has its speed."""


async def paced(pcm: bytes, rate_hz: int, *, piece_ms: float = 20.0) -> AsyncIterator[bytes]:
    """The pieces of a sound (16 bits, mono) one after another, each at its time, as a microphone would give them.

    ::

        pcm, rate_hz = read_wav("question.wav")
        async for piece in paced(pcm, rate_hz):
            await session.send_audio(piece, rate_hz)

    Services listen for the end of speech by the clock: a file that is sent all at once is not heard as it was spoken.
    Where they do that by themselves (no ``turn_detection="manual"``), let a second of silence follow the speech.

    Args:
        rate_hz: samples per second of `pcm`.
        piece_ms: length of a piece, to the nearest sample; the last one may be shorter.

    Raises ValueError for half a sample and for rates and lengths that are none.
    """
    if rate_hz < 1 or not 0 < piece_ms < float("inf"):
        raise ValueError(f"pieces of {piece_ms:g} ms at {rate_hz} Hz are none")
    if len(pcm) % 2:
        raise ValueError(f"PCM of 16 bits has an even number of bytes, got {len(pcm)}")
    piece_bytes = 2 * max(round(rate_hz * piece_ms / 1000), 1)
    clock = asyncio.get_running_loop().time
    next_at = clock()
    for start in range(0, len(pcm), piece_bytes):
        await asyncio.sleep(next_at - clock())
        next_at = max(next_at, clock() - MOST_BEHIND_S) + piece_bytes / 2 / rate_hz
        yield pcm[start : start + piece_bytes]
