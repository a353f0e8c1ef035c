"""Figures of a realtime session."""

from __future__ import annotations

import msgspec


class LiveStats(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What went through a session so far. Times are seconds; None where nothing has happened yet."""

    duration_s: float = 0.0  # since it was entered
    ready_s: float | None = None  # from entering it until it could be used
    first_audio_s: float | None = None  # from entering it to the model's first audio
    connections: int = 0  # made so far, the first included
    reconnects: int = 0  # of these, those that took the place of another

    # received
    messages_in: int = 0  # WebSocket messages
    bytes_in: int = 0
    events: int = 0  # events that these were decoded to, and those of the session itself
    audio_in_bytes: int = 0  # of the model's speech
    audio_dropped: int = 0  # pieces of audio that were new when the ring was full (overflow "drop")
    audio_overwritten: int = 0  # pieces of audio that had to go for newer ones (overflow "overwrite")
    audio_discarded: int = 0  # pieces of audio thrown away because the user interrupted the model
    waiting_events: int = 0  # events that nobody has taken yet, audio apart
    waiting_audio: int = 0  # pieces of audio that nobody has taken yet
    events_high_water: int = 0  # most events that ever waited
    audio_high_water: int = 0  # most pieces of audio that ever waited
    paused_s: float = 0.0  # the consumer did not keep up, so the socket was not read
    waited_for_events_s: float = 0.0  # the consumer wanted an event and none was there

    # sent
    messages_out: int = 0
    bytes_out: int = 0
    audio_out_bytes: int = 0  # of the user's audio, in the session's input format
    send_waited_s: float = 0.0  # senders waited because the socket was full
    buffered_bytes: int = 0  # handed to the socket and not sent yet
    buffered_high_water: int = 0
    pending: int = 0  # inputs that wait for a new connection
    pending_dropped_bytes: int = 0  # audio that waited for a new connection, and became too much

    # tools
    tool_calls: int = 0  # that the model asked for
    tools_finished: int = 0  # that the session itself has answered
    tools_cancelled: int = 0  # that the session itself had begun, and the model no longer wanted
