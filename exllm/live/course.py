"""What the events of a session mean for the session itself: whose turn it is, what it costs, when to leave."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable
from typing import Any

import msgspec

from exllm.budgeted_backend import Charge
from exllm.errors import BudgetExceeded
from exllm.live.queue import EventQueue
from exllm.live.spending import Spending
from exllm.live.tool_calls import ToolCalls
from exllm.types.live_events import (
    AudioOut,
    GoAway,
    Interrupted,
    LiveEvent,
    OutputTranscript,
    ResumptionUpdate,
    TextOut,
    ToolCall,
    ToolCallCancelled,
    TurnComplete,
    TurnStarted,
    UsageReport,
)
from exllm.types.usage import Usage

LEAVE_EARLY_S = 1.0
"""How long before a connection is closed by the service it is left at the latest."""

LINGER_S = 0.25
"""How long a connection that is to be left must be quiet between two turns: what the conversation is resumed by comes
after the end of a turn."""


OPEN_MICROPHONE_S = 1.0
"""How much audio may have been sent since the last turn for the user not to be speaking."""


class Course:
    """Where a session stands.

    Args:
        queue: loses audio at interruptions.
        tools: makes calls, where the session makes them by itself.
        spending: counts tokens.
        leaves_early: whether a connection that the service is going to close is left before.
        audio_sent: how many seconds of realtime audio were sent so far.

    Attributes:
        turn: the model's, while it goes on.
        has_answered: the model has said something in this conversation.
        has_served: a turn was completed over this connection.
        charge: what budgets are told, where there are any; `exceeded` says which was not kept.
    """

    def __init__(
        self,
        queue: EventQueue,
        tools: ToolCalls | None,
        spending: Spending,
        *,
        handle: str | None,
        leaves_early: bool,
        audio_sent: Callable[[], float],
    ) -> None:
        self.turn: str | None = None
        self.has_answered = False
        self.has_served = False
        self.charge: Charge | None = None
        self.exceeded: BudgetExceeded | None = None
        self.resumption_handle = handle
        self.first_audio_at: float | None = None
        self.audio_in_bytes = 0
        self.tool_calls = 0
        self._queue = queue
        self._tools = tools
        self._spending = spending
        self._leaves_early = leaves_early
        self._beside: set[str] = set()  # turns beside the conversation, which take no other's place
        self._cut: str | None = None  # a turn that was interrupted: what still comes of its audio is not wanted
        self._spoken = ("", "")  # turn and item of the audio that came last
        self._leave_at = math.inf
        self._audio_sent = audio_sent
        self._answered_s = 0.0  # of the audio that was sent: to here the model has answered

    def begin_connection(self) -> None:
        """There will be a new connection."""
        self.has_served = False
        self._leave_at = math.inf
        self._answered_s = self._audio_sent()

    def leave_at(self, now: float) -> float:
        """The loop time at which the connection should be left if it stays quiet until then; usually never."""
        if self._leave_at < math.inf and self.turn is None and not self._user_may_speak():
            return min(self._leave_at, now + LINGER_S)
        return self._leave_at

    def _user_may_speak(self) -> bool:
        """What was sent of a sentence is lost with the connection: the end of the next turn is a better moment."""
        return self._audio_sent() - self._answered_s > OPEN_MICROPHONE_S

    def cut_turn(self) -> None:
        """The application interrupts the model: nobody wants to hear the rest."""
        self._cut = self.turn
        self._queue.discard_audio("")

    def talked_over(self) -> Interrupted | None:
        """The user speaks: whether that interrupts an answer that is complete, and that nobody has taken to its end.

        The service knows nothing of it: it made the answer faster than anybody can speak.
        """
        if self.turn is not None or not self._queue.waiting_audio:
            return None
        turn, item = self._spoken
        return Interrupted(turn, item)

    def lose_turns(self) -> list[TurnComplete]:
        """The connection is gone: the ends of the turn that went on, and of those beside it."""
        turns = sorted(self._beside - {self.turn})
        if self.turn is not None:
            turns.append(self.turn)
            self.turn = self._cut = None
        self._beside.clear()
        return [TurnComplete(status="interrupted", reason="connection_lost", turn=turn) for turn in turns]

    def note(self, event: LiveEvent) -> bool:
        """Take note of an event; False when the application is not to see it."""
        noted = _NOTES.get(type(event))
        return noted is None or noted(self, event)

    def _audio(self, event: AudioOut) -> bool:
        if event.turn == self._cut:
            self._queue.discarded += 1
            return False
        self.audio_in_bytes += len(event.data)
        if self.first_audio_at is None:
            self.first_audio_at = time.monotonic()
        self._spoken = (event.turn, event.item)
        return self._answering(event)

    def _started(self, event: TurnStarted) -> bool:
        if event.beside:
            self._beside.add(event.turn)
        return self._answering(event)

    def _answering(self, event: AudioOut | TurnStarted | TextOut | OutputTranscript) -> bool:
        if event.turn != self.turn and (self.turn is None or event.turn not in self._beside):
            self.turn = event.turn
        if event.turn not in self._beside:
            self.has_answered = True
        return True

    def _interrupted(self, event: Interrupted) -> bool:
        self._cut = event.turn or None  # where turns have no names, what comes now is of the next
        self._queue.discard_audio(event.turn)
        return True

    def _completed(self, event: TurnComplete) -> bool:
        if event.turn in self._beside:
            self._beside.discard(event.turn)
            self.turn = None if self.turn == event.turn else self.turn
            return self._spend(event.usage)
        self.turn = None
        self.has_served = True
        self._answered_s = self._audio_sent()
        if event.turn == self._cut:
            self._cut = None
        return self._spend(event.usage)

    def _used(self, event: UsageReport) -> bool:
        return self._spend(event.usage, event.model, event.seconds)

    def _spend(self, usage: Usage | None, model: str = "", seconds: float = 0.0) -> bool:
        self._spending.add(usage, model, seconds)
        if self.charge is not None and self.exceeded is None:
            self.exceeded = self.charge.count(self._spending.cost.total)
        return True

    def _going_away(self, event: GoAway) -> bool:
        if self._leaves_early and self._leave_at == math.inf:
            left_s = event.time_left_s
            self._leave_at = asyncio.get_running_loop().time() + max(left_s - LEAVE_EARLY_S, left_s / 2)
        return True

    def _resumable(self, event: ResumptionUpdate) -> bool:
        if event.handle is not None:
            self.resumption_handle = event.handle
        return True

    def _called(self, event: ToolCall) -> bool:
        self.tool_calls += 1
        if self._tools is not None:
            self._tools.start(event)
        return True

    def _cancelled(self, event: ToolCallCancelled) -> bool:
        if self._tools is not None:
            self._tools.cancel(event.ids)
        return True


_NOTES: dict[type[msgspec.Struct], Callable[[Course, Any], bool]] = {
    AudioOut: Course._audio,
    TextOut: Course._answering,
    OutputTranscript: Course._answering,
    TurnStarted: Course._started,
    Interrupted: Course._interrupted,
    TurnComplete: Course._completed,
    UsageReport: Course._used,
    GoAway: Course._going_away,
    ResumptionUpdate: Course._resumable,
    ToolCall: Course._called,
    ToolCallCancelled: Course._cancelled,
}
