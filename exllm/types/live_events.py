"""The events of a realtime session: one tagged union for every provider.

All are frozen and round-trip through ``msgspec.json`` as `LiveEvent`. `turn` is the provider's id of the model's turn
that an event belongs to, `item` its id of the conversation item, ``""`` where the provider has none.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from exllm.types.chunks import ProviderEvent
from exllm.types.parts import Citation
from exllm.types.usage import Usage


class _Event(msgspec.Struct, frozen=True, gc=False, omit_defaults=True, tag_field="type"):
    pass


# -- what the model says


class TextOut(_Event, frozen=True, tag="text_out"):
    """A piece of the model's answer in text."""

    text: str
    turn: str = ""
    item: str = ""


class AudioOut(_Event, frozen=True, tag="audio_out"):
    """A piece of the model's speech: raw samples in the session's output format, usually PCM, 16 bits, mono, 24 kHz."""

    data: bytes
    rate_hz: int = 24_000
    media_type: str = "audio/pcm"
    turn: str = ""
    item: str = ""


class MediaOut(_Event, frozen=True, tag="media_out"):
    """Anything else that the model made: an image, a frame of video."""

    data: bytes
    media_type: str
    turn: str = ""
    item: str = ""


class ReasoningOut(_Event, frozen=True, tag="reasoning_out"):
    """A piece of the model's thinking."""

    text: str
    turn: str = ""
    item: str = ""


class OutputTranscript(_Event, frozen=True, tag="output_transcript"):
    """A piece of what the model says, as text. With `final`, `text` is the rest or empty: the item is complete.

    With `replaces`, `text` is all of the item: the pieces before it were not right. `language` is its BCP-47 code,
    where the service tells.
    """

    text: str
    final: bool = False
    replaces: bool = False
    turn: str = ""
    item: str = ""
    language: str = ""


class CodeOut(_Event, frozen=True, tag="code_out"):
    """Code that the model ran at its provider, or what came of it; both have the same `id`, where there is one."""

    code: str = ""
    language: str = ""
    outcome: str = ""
    output: str = ""
    turn: str = ""
    id: str = ""


class CitationOut(_Event, frozen=True, tag="citation_out"):
    """A source of what the model says."""

    citation: Citation
    turn: str = ""


# -- what the user said


class InputTranscript(_Event, frozen=True, tag="input_transcript"):
    """A piece of what the user said, as text; `final` and `replaces` as in `OutputTranscript`.

    With `interim` it is a guess at all that was said, which a later event with the same `item` replaces. `language` as
    in `OutputTranscript`.
    """

    text: str
    final: bool = False
    replaces: bool = False
    interim: bool = False
    item: str = ""
    language: str = ""


class SpeechStarted(_Event, frozen=True, tag="speech_started"):
    """The service hears the user speak; `at_s` counts seconds of the audio sent so far, where it tells."""

    at_s: float | None = None
    item: str = ""


class SpeechStopped(_Event, frozen=True, tag="speech_stopped"):
    """The service hears that the user has finished."""

    at_s: float | None = None
    item: str = ""


class InputCommitted(_Event, frozen=True, tag="input_committed"):
    """The audio sent so far became a turn of the user, the conversation item `item`, which stands after `previous`."""

    item: str = ""
    previous: str = ""


# -- tools


class ToolCall(_Event, frozen=True, tag="tool_call"):
    """The model asks for a call of one of the session's tools; answer it with ``session.send_tool_result(call, ...)``.

    `arguments` is JSON text. With ``auto_tools=True`` the session answers by itself.
    """

    id: str
    name: str
    arguments: str = ""
    turn: str = ""

    def parse_arguments(self) -> Any:
        """The arguments as Python data, `{}` when empty. Raises `msgspec.DecodeError` when they are not JSON."""
        return msgspec.json.decode(self.arguments) if self.arguments.strip() else {}


class ToolCallCancelled(_Event, frozen=True, tag="tool_call_cancelled"):
    """The model no longer waits for the results of these calls."""

    ids: tuple[str, ...]


class ToolFinished(_Event, frozen=True, tag="tool_finished"):
    """A call that the session made by itself (``auto_tools=True``) is over; `result` is what the model is told."""

    id: str
    name: str
    result: str = ""
    is_error: bool = False


class ToolWaiting(_Event, frozen=True, tag="tool_waiting"):
    """A call that the session does not answer by itself (``auto_tools=True``): answer it with
    ``session.send_tool_result(id, ...)``.

    Attributes:
        kind: ``"question"``: the handler asks the user (`exllm.AskUser`), whose answer is the result; ``"approval"``:
            the tool needs one, make the call then; ``"manual"``: the tool has no function.
        question: what the handler asked.
    """

    id: str
    name: str
    kind: Literal["question", "approval", "manual"] = "manual"
    question: str = ""


# -- the course of the conversation


class SessionStarted(_Event, frozen=True, tag="session_started"):
    """The session may be used. `resumed` when the service continues an earlier one."""

    id: str = ""
    model: str = ""
    resumed: bool = False


class SessionUpdated(_Event, frozen=True, tag="session_updated"):
    """The service took new settings; `settings` are in its own words."""

    settings: dict[str, Any] = {}


class TurnStarted(_Event, frozen=True, tag="turn_started"):
    """The model begins to answer. `beside`: it was asked to, without the answer becoming part of the conversation."""

    turn: str = ""
    beside: bool = False


class Interrupted(_Event, frozen=True, tag="interrupted"):
    """The user spoke over the model: throw away what was not played yet.

    Audio of the interrupted turn that the session holds and nobody has taken is thrown away as well, and counted.
    """

    turn: str = ""
    item: str = ""


class GenerationComplete(_Event, frozen=True, tag="generation_complete"):
    """The model has made all of its answer; it may still be playing."""

    turn: str = ""


class TurnComplete(_Event, frozen=True, tag="turn_complete"):
    """The model's turn is over.

    Attributes:
        usage: tokens of this turn, or None where the service does not say.
        status: ``"completed"``, ``"interrupted"`` (cancelled by the user's speech or by you), ``"length"``,
            ``"content_filter"``, ``"failed"``.
        reason: the provider's own word for it.
    """

    usage: Usage | None = None
    status: Literal["completed", "interrupted", "length", "content_filter", "failed"] = "completed"
    reason: str = ""
    turn: str = ""


class UsageReport(_Event, frozen=True, tag="usage_report"):
    """What was used apart from a turn's end.

    Attributes:
        usage: token counts.
        model: whose they are, where it is not the session's: of speech that another writes down.
        seconds: of audio, where these are billed and not tokens.
    """

    usage: Usage
    model: str = ""
    seconds: float = 0.0


class RateLimit(msgspec.Struct, frozen=True, gc=False):
    """One limit: how much of it is left, and when it is whole again."""

    name: str
    limit: float
    remaining: float
    reset_s: float


class RateLimits(_Event, frozen=True, tag="rate_limits"):
    """What is left of the account's limits."""

    limits: tuple[RateLimit, ...]


class RemoteError(_Event, frozen=True, tag="remote_error"):
    """The service refused something and goes on; what ends a session raises instead.

    `code` and `kind` are its own words, `kind` the less exact; `event_id` is the message that was refused, where it had
    an id.
    """

    message: str
    code: str = ""
    param: str = ""
    event_id: str = ""
    kind: str = ""


# -- the connection


class GoAway(_Event, frozen=True, tag="go_away"):
    """The service will close the connection in `time_left_s`; the session reconnects by itself where it can."""

    time_left_s: float = 0.0


class ResumptionUpdate(_Event, frozen=True, tag="resumption_update"):
    """The `handle` with which another session could continue this one; None while it cannot be."""

    handle: str | None = None
    resumable: bool = False
    last_consumed: int | None = None


class Reconnecting(_Event, frozen=True, tag="reconnecting"):
    """The connection is gone, or about to be; the session makes a new one. `attempt` counts from 1."""

    attempt: int
    reason: str = ""
    wait_s: float = 0.0


class Reconnected(_Event, frozen=True, tag="reconnected"):
    """The session goes on over a new connection: resumed by handle, or rebuilt from the conversation so far."""

    attempts: int = 1
    resumed_by: Literal["handle", "replay", "new"] = "handle"


LiveEvent = (
    TextOut
    | AudioOut
    | MediaOut
    | ReasoningOut
    | OutputTranscript
    | CodeOut
    | CitationOut
    | InputTranscript
    | SpeechStarted
    | SpeechStopped
    | InputCommitted
    | ToolCall
    | ToolCallCancelled
    | ToolFinished
    | ToolWaiting
    | SessionStarted
    | SessionUpdated
    | TurnStarted
    | Interrupted
    | GenerationComplete
    | TurnComplete
    | UsageReport
    | RateLimits
    | RemoteError
    | GoAway
    | ResumptionUpdate
    | Reconnecting
    | Reconnected
    | ProviderEvent
)
"""What a realtime session hands out."""
