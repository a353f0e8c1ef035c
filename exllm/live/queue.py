"""What waits between the task that reads the socket and whoever iterates the session."""

from __future__ import annotations

from types import TracebackType
from typing import Any

from exllm.errors import ExLLMError
from exllm.streaming.line import WaitingLine
from exllm.streaming.ring import Overflow, RingBuffer, RingClosed
from exllm.types.live_events import AudioOut, LiveEvent

EVENT_CAPACITY = 1024


class EventQueue:
    """Events in the order in which they came, audio in a bounded ring of its own.

    Text, transcripts, tool calls and control events are never dropped: when too many wait, `put` waits, and nobody
    reads the socket. Audio does as its overflow policy says.
    """

    def __init__(self, audio_capacity: int, audio_overflow: Overflow) -> None:
        # An item carries its place in the order of both rings.
        self.events: RingBuffer[tuple[int, LiveEvent]] = RingBuffer(EVENT_CAPACITY)
        self.audio: RingBuffer[tuple[int, AudioOut]] = RingBuffer(audio_capacity, audio_overflow)
        self.discarded = 0
        self.count = 0
        self._late: AudioOut | None = None  # waits for room
        self._waiting = WaitingLine()
        self._is_ended = False
        self._failure: ExLLMError | None = None
        self._traceback: TracebackType | None = None  # of the failure; it would grow each time that it is raised

    # -- in

    async def put(self, event: LiveEvent) -> None:
        """Add an event, after waiting for room if need be. After the end it does nothing: nobody would take it."""
        ring: RingBuffer[Any] = self.audio if type(event) is AudioOut else self.events
        try:
            while not ring.push_nowait((self.count + 1, event)):
                if type(event) is not AudioOut:
                    await ring.wait_writable()
                elif not await self._has_room_for(event):
                    return
        except RingClosed:
            return
        self.count += 1
        self._waiting.wake()

    async def _has_room_for(self, piece: AudioOut) -> bool:
        """Wait until there is room; False when `piece` was thrown away meanwhile. One task at a time has audio."""
        self._late = piece
        try:
            await self.audio.wait_writable()
            return self._late is not None
        finally:
            self._late = None

    def discard_audio(self, turn: str) -> None:
        """Throw away the audio of `turn` that nobody has taken; of all turns where it has no name."""
        if self._is_ended:
            return
        if self._late is not None and _is_of(turn, self._late):
            self._late = None
            self.discarded += 1
        waiting = self.audio.pop_many()
        kept = [item for item in waiting if not _is_of(turn, item[1])]
        self.discarded += len(waiting) - len(kept)
        if kept:
            self.audio.push_many_nowait(kept)

    def close(self) -> None:
        """Nothing more comes; what is there can still be taken."""
        self._end()

    def fail(self, error: ExLLMError) -> None:
        """As `close`, but whoever has taken everything gets `error`."""
        if not self._is_ended:
            self._failure, self._traceback = error, error.__traceback__
            self._end()

    def abort(self, error: ExLLMError) -> None:
        """Throw away what nobody has taken. Whoever waits or comes later gets `error`, or the end that was before it
        where everything had been taken by then."""
        if self._is_ended and self._failure is None and self._has_items():
            self._is_ended = False  # that end would now be a lie
        self.events.abort()
        self.audio.abort()
        self.fail(error)

    def _end(self) -> None:
        self._is_ended = True
        self.events.close()
        self.audio.close()
        self._waiting.wake()

    # -- out

    def take(self) -> LiveEvent | None:
        """The oldest event; None where there is none."""
        events, audio = self.events.items, self.audio.items
        if audio and (not events or audio[0][0] < events[0][0]):
            return self.audio.pop_nowait()[1]
        if events:
            return self.events.pop_nowait()[1]
        return None

    async def get(self) -> LiveEvent:
        """The oldest event, after waiting for one if need be; a wait that is cancelled has taken nothing.

        Raises: StopAsyncIteration after `close`, else what `fail` or `abort` gave, once nothing is left.
        """
        while (event := self.take()) is None:
            if self._failure is not None:
                raise self._failure.with_traceback(self._traceback)
            if self._is_ended:
                raise StopAsyncIteration
            try:
                await self._waiting.wait(1, self._has_news)
            finally:
                self._waiting.wake()  # the next in line looks for itself
        return event

    def _has_news(self) -> bool:
        return self._is_ended or self._has_items()

    def _has_items(self) -> bool:
        return bool(self.events.items or self.audio.items)

    def waited_s(self) -> float:
        """Seconds during which somebody wanted an event and none was there."""
        return self._waiting.waited_s()


def _is_of(turn: str, piece: AudioOut) -> bool:
    return not turn or piece.turn in (turn, "")
