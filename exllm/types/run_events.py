"""What happens in a run beside the chunks of its answers."""

from __future__ import annotations

from typing import ClassVar

import msgspec

from exllm.types.chunks import Chunk
from exllm.types.parts import ToolCall, ToolResult
from exllm.types.response import Response
from exllm.types.run import Run


class _Event(msgspec.Struct, frozen=True, omit_defaults=True, tag_field="type"):
    text: ClassVar[str] = ""  # as chunks have it, so that joining `event.text` over a run works
    index: ClassVar[int] = 0


class TurnStarted(_Event, frozen=True, tag="turn_started"):
    """The model is asked for the `turn`-th time; the first is 1."""

    turn: int


class TurnFinished(_Event, frozen=True, tag="turn_finished"):
    """The model has answered, and all of its calls have results."""

    turn: int
    response: Response


class ToolStarted(_Event, frozen=True, tag="tool_started"):
    """A handler is about to be called."""

    call: ToolCall
    turn: int


class ToolProgress(_Event, frozen=True, tag="tool_progress"):
    """A handler said how far it is; see `ToolContext.report`."""

    call: ToolCall
    turn: int
    progress: float | None = None
    total: float | None = None
    message: str | None = None


class ToolFinished(_Event, frozen=True, tag="tool_finished"):
    """A call has its result, which may be an error. Calls that were refused or invalid had no `ToolStarted`."""

    call: ToolCall
    turn: int
    result: ToolResult
    duration_s: float = 0.0


class RunSuspended(_Event, frozen=True, tag="run_suspended"):
    """The run waits for answers to ``run.pending``; the last event of the stream."""

    run: Run


class RunFinished(_Event, frozen=True, tag="run_finished"):
    """The run is over, or the step is; the last event of the stream."""

    run: Run


RunEvent = (
    Chunk | TurnStarted | TurnFinished | ToolStarted | ToolProgress | ToolFinished | RunSuspended | RunFinished
)  # fmt: skip
"""Everything that a run streams, one tagged union."""
