"""What waits between the task that reads the socket and whoever iterates the session."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any

from exllm.errors import ExLLMError
from exllm.streaming.interrupt import Interruptible
from exllm.streaming.line import WaitingLine
from exllm.streaming.ring import Overflow, RingBuffer, RingClosed
from exllm.types.live_events import AudioOut, LiveEvent

EVENT_CAPACITY = 1024


class EventQueue:
    """Events in the order in which they came, audio in a bounded ring of its own.

    Text, transcripts, tool calls and control events are never dropped: when too many wait, `put` waits, and nobody
    reads the socket. Audio does as its overflow policy says. See `giving_way` for the exception.
    """

    def __init__(self, audio_capacity: int, audio_overflow: Overflow) -> None:
        # An item carries its place in the order of all three.
        self.events: RingBuffer[tuple[int, LiveEvent]] = RingBuffer(EVENT_CAPACITY)
        self.audio: RingBuffer[tuple[int, AudioOut]] = RingBuffer(audio_capacity, audio_overflow)
        self.beyond: deque[tuple[int, LiveEvent]] = deque()  # what the rings had no room for; see `giving_way`
        self.discarded = 0
        self.count = 0
        self._waits: dict[Interruptible, LiveEvent | None] = {}  # for room; None: was thrown away meanwhile
        self._givers = 0
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
                if self._givers:
                    self.beyond.append((self.count + 1, event))
                    break
                if not await self._has_room_for(event, ring):
                    return
        except RingClosed:
            return
        self.count += 1
        self._waiting.wake()

    async def _has_room_for(self, event: LiveEvent, ring: RingBuffer[Any]) -> bool:
        """Wait until there is room; False when `event` was thrown away meanwhile."""
        wait = Interruptible()
        self._waits[wait] = event
        try:
            with wait:
                await ring.wait_writable()
        except TimeoutError:
            pass  # see `giving_way`
        finally:
            is_wanted = self._waits.pop(wait) is not None
        return is_wanted

    @contextmanager
    def giving_way(self) -> Iterator[None]:
        """While somebody waits for a new connection: nobody waits for room, as who takes events may be just who waits.

        There is little that can come until then: what had arrived of the lost connection, and what is told of the new.
        """
        self._givers += 1
        for wait in self._waits:
            wait.interrupt()
        try:
            yield
        finally:
            self._givers -= 1

    def discard_audio(self, turn: str) -> None:
        """Throw away the audio of `turn` that nobody has taken; of all turns where it has no name."""
        if self._is_ended:
            return
        for wait, event in self._waits.items():
            if type(event) is AudioOut and _is_of(turn, event):
                self._waits[wait] = None
                self.discarded += 1
        waiting = self.audio.pop_many()
        kept = [item for item in waiting if not _is_of(turn, item[1])]
        self.discarded += len(waiting) - len(kept)
        if kept:
            self.audio.push_many_nowait(kept)
        if self.beyond:
            all_beyond = list(self.beyond)
            self.beyond = deque(one for one in all_beyond if type(one[1]) is not AudioOut or not _is_of(turn, one[1]))
            self.discarded += len(all_beyond) - len(self.beyond)

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
        self.beyond.clear()
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
        ring: RingBuffer[Any] | None = None
        if audio and (not events or audio[0][0] < events[0][0]):
            ring = self.audio
        elif events:
            ring = self.events
        if self.beyond and (ring is None or self.beyond[0][0] < ring.items[0][0]):
            return self.beyond.popleft()[1]
        if ring is None:
            return None
        event: LiveEvent = ring.pop_nowait()[1]
        return event

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
        return bool(self.events.items or self.audio.items or self.beyond)

    @property
    def waiting_audio(self) -> int:
        """Pieces of audio that nobody has taken."""
        return len(self.audio.items) + sum(type(event) is AudioOut for _, event in self.beyond)

    @property
    def waiting_events(self) -> int:
        """Other events that nobody has taken."""
        return len(self.events.items) + sum(type(event) is not AudioOut for _, event in self.beyond)

    def waited_s(self) -> float:
        """Seconds during which somebody wanted an event and none was there."""
        return self._waiting.waited_s()


def _is_of(turn: str, piece: AudioOut) -> bool:
    return not turn or piece.turn in (turn, "")
