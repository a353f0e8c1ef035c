"""The figures of a session, read from its parts when somebody asks."""

from __future__ import annotations

import time

from exllm.live.engine import LiveEngine
from exllm.live.stats import LiveStats


def figures_of(engine: LiveEngine) -> LiveStats:
    """The figures of a session so far."""
    queue, outbox, link, tools, now = engine.queue, engine.outbox, engine.link, engine.tools, time.monotonic()
    events, audio = queue.events.statistics(), queue.audio.statistics()

    def after(moment: float | None) -> float | None:
        return None if moment is None else moment - engine.started_at

    return LiveStats(
        duration_s=0.0 if engine.is_unused else (engine.ended_at or now) - engine.started_at,
        ready_s=after(engine.ready_at),
        first_audio_s=after(engine.course.first_audio_at),
        connections=link.connections,
        reconnects=engine.continuity.reconnects,
        messages_in=link.messages_in,
        bytes_in=link.bytes_in,
        events=queue.count,
        audio_in_bytes=engine.course.audio_in_bytes,
        audio_dropped=audio.dropped,
        audio_overwritten=audio.overwritten,
        audio_discarded=queue.discarded,
        waiting_events=queue.waiting_events,
        waiting_audio=queue.waiting_audio,
        events_high_water=events.high_water,
        audio_high_water=audio.high_water,
        paused_s=events.paused_s + audio.paused_s,
        waited_for_events_s=queue.waited_s(),
        messages_out=outbox.messages,
        bytes_out=outbox.bytes_sent,
        audio_out_bytes=outbox.audio_bytes,
        send_waited_s=outbox.waited_s,
        buffered_bytes=outbox.buffered_bytes,
        buffered_high_water=outbox.buffered_high_water,
        pending=outbox.pending,
        pending_dropped_bytes=outbox.dropped_bytes,
        tool_calls=engine.course.tool_calls,
        tools_finished=0 if tools is None else tools.finished,
        tools_cancelled=0 if tools is None else tools.cancelled,
    )
