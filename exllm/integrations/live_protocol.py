"""What a browser and `relay_live` say to each other. Described in docs/live.md, "Browsers".

Binary messages are PCM, 16 bits, little-endian, mono, both ways. Text messages are JSON objects with a ``type``: from
the browser the commands below, to the browser the events of `exllm.live` and the few that are below as well.
"""

from __future__ import annotations

from typing import Any

import msgspec

from exllm.types.live_events import (
    AudioOut,
    CitationOut,
    GenerationComplete,
    GoAway,
    InputTranscript,
    Interrupted,
    LiveEvent,
    MediaOut,
    OutputTranscript,
    Reconnected,
    Reconnecting,
    SpeechStarted,
    SpeechStopped,
    TextOut,
    ToolCall,
    ToolCallCancelled,
    ToolWaiting,
    TurnComplete,
    TurnStarted,
)

FORWARDED: tuple[type[LiveEvent], ...] = (
    TextOut, MediaOut, OutputTranscript, CitationOut, InputTranscript, SpeechStarted, SpeechStopped, ToolCall,
    ToolCallCancelled, ToolWaiting, TurnStarted, Interrupted, GenerationComplete, TurnComplete, GoAway, Reconnecting,
    Reconnected,
)  # fmt: skip
"""Events that a browser is told by default. Others may hold what is not for its eyes: instructions, handles with which
the session could be taken over, results of tools, the account's limits. Of calls that wait (`ToolWaiting`) it is
told those that ask the user."""


class _Message(msgspec.Struct, frozen=True, tag_field="type", forbid_unknown_fields=True):
    pass


# -- from the browser


class Say(_Message, frozen=True, tag="text"):
    """A turn of the conversation."""

    text: str
    complete: bool = True


class RealtimeText(_Message, frozen=True, tag="realtime_text"):
    """Text in the flow of realtime input."""

    text: str


class AudioFormat(_Message, frozen=True, tag="audio_format"):
    """The binary messages from here on have so many samples per second, not `Ready.input_rate_hz`: a usual rate."""

    rate_hz: int


class Video(_Message, frozen=True, tag="video"):
    """A frame of video, as an image."""

    data: bytes  # base64 in JSON
    media_type: str = "image/jpeg"


class AudioEnd(_Message, frozen=True, tag="audio_end"):
    """The microphone is off."""


class ActivityStart(_Message, frozen=True, tag="activity_start"):
    """The user begins to speak."""


class ActivityEnd(_Message, frozen=True, tag="activity_end"):
    """The user has finished."""


class Interrupt(_Message, frozen=True, tag="interrupt"):
    """Stop the answer; so much of its last item was heard."""

    played_ms: int | None = None


class Respond(_Message, frozen=True, tag="respond"):
    """Answer now."""


class AnswerCall(_Message, frozen=True, tag="tool_result"):
    """The answer to a `ToolCall` that the browser was told of."""

    id: str
    result: Any = None
    is_error: bool = False


Command = (
    Say | RealtimeText | AudioFormat | Video | AudioEnd | ActivityStart | ActivityEnd | Interrupt | Respond | AnswerCall
)

# -- to the browser


class Ready(_Message, frozen=True, tag="ready"):
    """The session may be used. `input_rate_hz`: samples per second that need no conversion here."""

    input_rate_hz: int
    protocol: int = 1


class Audio(_Message, frozen=True, tag="audio"):
    """The binary messages from here on belong to this item, and have so many samples per second."""

    rate_hz: int
    turn: str = ""
    item: str = ""


class Failure(_Message, frozen=True, tag="error"):
    """Something went wrong: the session goes on unless the connection is closed next."""

    error: dict[str, Any]


read_command = msgspec.json.Decoder(Command).decode
_encode = msgspec.json.Encoder().encode


def write_event(event: LiveEvent | Ready | Audio | Failure) -> str:
    """An event as a text message. Audio is not sent this way."""
    assert type(event) is not AudioOut
    if type(event) is Reconnecting:  # the reason is in words of the server's own
        event = Reconnecting(event.attempt, "", event.wait_s)
    return _encode(event).decode()
