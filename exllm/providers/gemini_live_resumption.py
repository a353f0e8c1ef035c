"""How a Gemini Live session goes on over another connection: by the last handle, or by being told all again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

from exllm.providers.gemini_live_memory import Content, Memory
from exllm.types.live_events import (
    InputTranscript,
    LiveEvent,
    OutputTranscript,
    ResumptionUpdate,
    TextOut,
    TurnComplete,
    TurnStarted,
)


class Resumption:
    """What the next connection is set up with and told first.

    Attributes:
        handle: the last one that the service gave, or the one to begin with.
        memory: what was said since.
    """

    def __init__(self, handle: str | None, history: list[Content], *, remembers: bool) -> None:
        self.handle = handle
        self.memory = Memory()
        self._history = history
        self._notes = _NOTES if remembers else _NOTES_OF_HANDLES

    @property
    def by(self) -> Literal["handle", "replay", "new"]:
        """How it would go on now."""
        if self.handle is not None:
            return "handle"
        return "replay" if self.memory or self._history else "new"

    def set_up(self, setup: dict[str, Any], *, resumable: bool) -> dict[str, Any]:
        """The setup with the handle, or, where the session is `resumable`, with the wish for one."""
        if not resumable and self.handle is None:
            return setup
        resumption = dict(setup.get("sessionResumption") or {})
        setup = {**setup, "sessionResumption": resumption}
        if self.handle is not None:
            resumption["handle"] = self.handle
            setup.pop("historyConfig", None)  # it would wait for a history that it knows
        return setup

    def told_first(self, setup: dict[str, Any]) -> list[dict[str, Any]]:
        """The content that says what the service does not know: without a handle the history, and all since."""
        turns, asks = self.memory.told(), self.memory.awaits_answer
        history = self._history if self.handle is None else []
        contents: list[dict[str, Any]] = []
        if self.handle is None and (setup.get("historyConfig") or {}).get("initialHistoryInClientContent"):
            # The service waits for all that was before, in one, and does not answer it.
            if history or turns:
                contents.append({"turns": [*history, *turns], "turnComplete": True})
        else:
            if history:
                contents.append({"turns": history, "turnComplete": False})
            if turns:
                contents.append({"turns": turns, "turnComplete": asks})
                asks = False
        if asks:
            contents.append({"turnComplete": True})
        return contents

    def note(self, events: list[LiveEvent]) -> None:
        """Keep what a new connection would have to be told."""
        for event in events:
            note = self._notes.get(type(event))
            if note is not None:
                note(self, event)

    def _resumable(self, event: ResumptionUpdate) -> None:
        if event.resumable and event.handle is not None:
            self.handle = event.handle
            self.memory.saved()

    def _answered(self, event: TextOut | OutputTranscript) -> None:
        self.memory.answered(event.text)

    def _heard(self, event: InputTranscript) -> None:
        if not event.interim:
            self.memory.heard(event.text)

    def _began(self, _event: TurnStarted) -> None:
        self.memory.began()

    def _completed(self, _event: TurnComplete) -> None:
        self.memory.turn_complete()


_NOTES_OF_HANDLES: dict[type, Callable[[Resumption, Any], None]] = {ResumptionUpdate: Resumption._resumable}
_NOTES = _NOTES_OF_HANDLES | {
    TextOut: Resumption._answered,
    OutputTranscript: Resumption._answered,
    InputTranscript: Resumption._heard,
    TurnStarted: Resumption._began,
    TurnComplete: Resumption._completed,
}
