"""Figures of one stream."""

from __future__ import annotations

import msgspec


class StreamStats(msgspec.Struct, frozen=True, gc=False):
    """What a stream cost in time and how it flowed. Times are seconds; None where nothing has happened yet."""

    first_chunk_s: float | None = None  # from sending the request to the first chunk
    duration_s: float | None = None  # from sending the request to the end, or until now
    chunks: int = 0  # chunks decoded
    bytes: int = 0  # body bytes read, after decompression
    tokens_per_s: float | None = None  # output tokens after the first chunk; needs the provider's usage
    inter_chunk_p50_s: float | None = None  # gap between chunks; chunks of one network read have gap 0
    inter_chunk_p95_s: float | None = None
    waiting_for_network_s: float = 0.0  # the consumer wanted a chunk and none was there
    waiting_for_consumer_s: float = 0.0  # chunks were there and nobody took them
    ring_capacity: int = 0
    ring_high_water: int = 0  # most chunks that ever waited in the ring
    paused_s: float = 0.0  # the ring was full, so the socket was not read
    dropped: int = 0  # chunks lost to an opt-in `drop` or `overwrite` policy
    attempts: int = 1  # requests sent, retries included
