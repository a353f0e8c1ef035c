"""The figures of one stream, put together from what its parts have noted."""

from __future__ import annotations

from exllm.streaming.attempts import Attempts
from exllm.streaming.intake import Intake
from exllm.streaming.ring import RingStatistics
from exllm.streaming.timing import Timing
from exllm.types.stats import StreamStats


def stream_stats(
    now: float, consumer_waited_s: float, attempts: Attempts, intake: Intake, ring: RingStatistics, timing: Timing
) -> StreamStats:
    """See `StreamStats`.

    Args:
        now: on the loop's clock.
        consumer_waited_s: for the provider, and not at the ring.
    """
    duration_s = timing.duration_s(now)
    waiting_for_network_s = ring.waited_s + consumer_waited_s
    if duration_s is not None:  # two readers of one stream wait twice
        waiting_for_network_s = min(waiting_for_network_s, duration_s)
    return StreamStats(
        first_chunk_s=timing.first_chunk_s,
        duration_s=duration_s,
        chunks=intake.chunks,
        bytes=attempts.bytes_read,
        tokens_per_s=timing.tokens_per_s(intake.accumulator.usage.output_tokens),
        inter_chunk_p50_s=timing.gaps.quantile_s(0.5),
        inter_chunk_p95_s=timing.gaps.quantile_s(0.95),
        waiting_for_network_s=waiting_for_network_s,
        waiting_for_consumer_s=max(0.0, (duration_s or 0.0) - waiting_for_network_s),
        ring_capacity=ring.capacity,
        ring_high_water=ring.high_water,
        paused_s=ring.paused_s,
        dropped=ring.dropped + ring.overwritten,
        attempts=attempts.count,
    )
