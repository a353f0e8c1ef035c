"""The conversation of a realtime session as messages, folded from what was said on both sides."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Literal

from exllm.types.live_events import (
    InputCommitted,
    InputTranscript,
    Interrupted,
    LiveEvent,
    OutputTranscript,
    ReasoningOut,
    TextOut,
    ToolCall,
    TurnComplete,
    TurnStarted,
)
from exllm.types.message import Message
from exllm.types.parts import Part, Reasoning, Text, ToolResult
from exllm.types.parts import ToolCall as ToolCallPart


class _Entry:
    """One turn that may still grow. Texts are kept in pieces, by item, and joined when somebody looks."""

    __slots__ = ("calls", "is_guess", "key", "role", "texts", "thoughts")

    def __init__(self, role: Literal["user", "assistant"], key: str = "") -> None:
        self.role = role
        self.key = key  # the model's turn
        self.is_guess = False  # what was heard so far will be replaced
        self.texts: dict[str, list[str]] = {}
        self.thoughts: list[str] = []
        self.calls: list[ToolCallPart] = []

    def message(self) -> Message | None:
        parts: list[Part] = []
        if thought := "".join(self.thoughts):
            parts.append(Reasoning(thought))
        if text := "".join(piece for pieces in self.texts.values() for piece in pieces):
            parts.append(Text(text))
        parts += self.calls
        if not parts:
            return None
        only = parts[0]
        return Message(self.role, only.text if len(parts) == 1 and type(only) is Text else tuple(parts))


class Transcript:
    """What was said so far: typed turns as they were given, speech as the transcripts tell it.

    Speech that the service does not write down is not in it, nor is what the model answers beside the conversation.
    What the model was interrupted in stays as far as it came.
    """

    def __init__(self, history: Iterable[Message] = ()) -> None:
        self._said: list[Message | _Entry] = list(history)
        self._answer: _Entry | None = None  # of the turn that goes on
        self._speech: _Entry | None = None  # what the user says without an item, until the model has answered
        self._speeches: dict[str, _Entry] = {}
        self._beside: set[str] = set()  # turns that are not of the conversation
        self._beside_calls: set[str] = set()

    def messages(self) -> tuple[Message, ...]:
        """The conversation so far."""
        made = (one if isinstance(one, Message) else one.message() for one in self._said)
        return tuple(message for message in made if message is not None)

    def answer(self) -> Message | None:
        """The model's turn that is under way, as far as it came."""
        return None if self._answer is None else self._answer.message()

    def say(self, messages: Sequence[Message]) -> None:
        """The user typed these, or tools answered."""
        self._end_speech()
        self._said += messages

    def answer_calls(self, results: Sequence[ToolResult]) -> None:
        """Calls were answered: before anything else that the model says."""
        results = [result for result in results if result.call_id not in self._beside_calls]
        if results:
            self._said.append(Message("tool", tuple(results)))
            self._answer = None

    def add(self, event: LiveEvent) -> None:
        """Take what an event says of the conversation; most say nothing."""
        handler = _HANDLERS.get(type(event))
        if handler is not None:
            handler(self, event)

    def _text(self, event: TextOut) -> None:
        self._entry(event.turn).texts.setdefault(event.item, []).append(event.text)

    def _spoken(self, event: OutputTranscript) -> None:
        pieces = self._entry(event.turn).texts.setdefault(event.item, [])
        if event.replaces:
            pieces.clear()
        pieces.append(event.text)

    def _thought(self, event: ReasoningOut) -> None:
        self._entry(event.turn).thoughts.append(event.text)

    def _call(self, event: ToolCall) -> None:
        if event.turn in self._beside:
            self._beside_calls.add(event.id)
        self._entry(event.turn).calls.append(ToolCallPart(event.id, event.name, event.arguments))

    def _heard(self, event: InputTranscript) -> None:
        entry = self._speeches.get(event.item) if event.item else self._speech
        if entry is None:
            entry = self._hear(event.item)
        pieces = entry.texts.setdefault("", [])
        if event.replaces or event.interim or entry.is_guess:
            pieces.clear()
        pieces.append(event.text)
        entry.is_guess = event.interim

    def _committed(self, event: InputCommitted) -> None:
        """The place of what was said: its words may come after the answer has begun."""
        if event.item and event.item not in self._speeches:
            self._hear(event.item)

    def _hear(self, item: str) -> _Entry:
        entry = _Entry("user")
        if item:
            self._speeches[item] = entry
        else:
            self._speech = entry
        # Words without an item that come while the model answers are those that it answers to.
        place = len(self._said)
        if not item and self._answer is not None and self._said and self._said[-1] is self._answer:
            place -= 1
        self._said.insert(place, entry)
        return entry

    def _started(self, event: TurnStarted) -> None:
        if event.beside:
            self._beside.add(event.turn)
        elif self._answer is not None and self._answer.key != event.turn:
            self._answer = None

    def _over(self, event: Interrupted | TurnComplete) -> None:
        if event.turn in self._beside:
            if isinstance(event, TurnComplete):
                self._beside.discard(event.turn)
            return
        self._answer = None
        self._end_speech()

    def _end_speech(self) -> None:
        self._speech = None

    def _entry(self, turn: str) -> _Entry:
        if turn in self._beside:
            return _Entry("assistant", turn)  # nobody looks at it
        answer = self._answer
        if answer is None or answer.key != turn:
            answer = self._answer = _Entry("assistant", turn)
            self._said.append(answer)
        return answer


_HANDLERS: dict[type, Callable[[Transcript, Any], None]] = {
    TextOut: Transcript._text,
    OutputTranscript: Transcript._spoken,
    ReasoningOut: Transcript._thought,
    ToolCall: Transcript._call,
    InputTranscript: Transcript._heard,
    InputCommitted: Transcript._committed,
    TurnStarted: Transcript._started,
    Interrupted: Transcript._over,
    TurnComplete: Transcript._over,
}
