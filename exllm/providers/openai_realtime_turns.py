"""When to ask the model for a response: one at a time, and not before every call of the last one has its result.

Source: https://developers.openai.com/api/docs/guides/realtime-conversations#create-responses
"""

from __future__ import annotations

from typing import Any

Fields = dict[str, Any]

_NAMELESS = "response"


class Turns:
    """The responses of one session, and what is wanted of the next.

    Attributes:
        active: the response that is being made in the conversation, ``""`` for none.
        has_spoken: there was audio of it.
        is_stopping: the service, or we, have cancelled it.
        calls: calls of functions that wait for their results.
        beside: responses that are being made, and are not of the conversation.
        beside_calls: calls that such ones made: the conversation has no place for their results.
        playing: in a call, the response that its other end hears, ``""`` for none.
    """

    def __init__(self) -> None:
        self.active = ""
        self.has_spoken = False
        self.is_stopping = False
        self.calls: set[str] = set()
        self.beside: set[str] = set()
        self.beside_calls: set[str] = set()
        self.playing = ""
        self._may_go_on = False  # a response that we know nothing of, from before the connection
        self._asked_beside = 0
        self._names_conversations = False
        self._is_requested = False
        self._may_be_refused = False  # what was asked for last
        self._wanted: Fields | None = None
        self._last: Fields = {}  # what was asked for last
        self._repeats = False  # what is wanted, or was asked for, was lost with a connection before
        self._waits_for_results = True

    @property
    def is_open(self) -> bool:
        """A response was asked for, or is being made."""
        return bool(self.active) or self._is_requested

    def want(self, options: Fields, *, waits_for_results: bool) -> None:
        """A response is to be made as soon as it can be."""
        self._wanted = options
        self._waits_for_results = waits_for_results
        self._repeats = False

    def take(self) -> Fields | None:
        """The options of the response to ask for now, once; None for not yet."""
        if self._wanted is None or self.is_open or (self._waits_for_results and self.calls):
            return None
        options, self._wanted = self._wanted, None
        self._is_requested = self._may_be_refused = True
        self._last = options
        return options

    def asked(self, options: Any) -> None:
        """A response was asked for with these options."""
        if isinstance(options, dict) and options.get("conversation") == "none":
            self._asked_beside += 1

    def is_beside(self, response: Fields) -> bool:
        """Whether a response that begins is not of the conversation: it says so by naming none, where the service
        names them at all, or where one was asked for."""
        named = response.get("conversation_id", "")
        if named is not None:
            self._names_conversations = self._names_conversations or bool(named)
            return False
        was_asked = self._asked_beside > 0
        self._asked_beside -= was_asked
        return was_asked or self._names_conversations

    def began(self, response: str) -> None:
        """The service makes a response."""
        self.active = response or _NAMELESS
        self.has_spoken = self.is_stopping = self._is_requested = self._repeats = self._may_go_on = False

    def ended(self, response: str) -> None:
        """A response is complete."""
        if self.active in ("", _NAMELESS) or response in ("", self.active):
            self.active = ""
            self.is_stopping = self._may_be_refused = self._may_go_on = False

    def talk_over(self) -> str:
        """The user speaks: the response that this interrupts, which the service stops by itself; ``""`` for none."""
        playing, self.playing = self.playing, ""
        if self.active and not self.is_stopping and (self.has_spoken or playing == self.active):
            self.is_stopping = True
            return self.active
        return playing

    def refused(self, code: str) -> None:
        """The service refused something, perhaps our request for a response."""
        self._is_requested = False
        if code == "conversation_already_has_active_response" and self._may_be_refused:
            self._may_be_refused = False
            if self._may_go_on:
                self.active = self.active or _NAMELESS
            if self._wanted is None:
                # It had begun one by itself, which we may have been told of before.
                self._wanted = self._last

    def give_up(self) -> None:
        """There is no connection, and what was lost with it is not wanted again."""
        if self.active:
            self.is_stopping = True
        elif self._repeats:
            self._wanted, self._is_requested, self._repeats = None, False, False

    def lost(self, *, goes_on: bool = False) -> None:
        """The connection is gone: a response that was not complete is wanted again, unless it `goes_on` without."""
        is_lost = self._is_requested or (bool(self.active) and not goes_on)
        if is_lost and not self.is_stopping and self._wanted is None:
            repeats = self._repeats or bool(self.active)
            self.want(self._last if self._is_requested else {}, waits_for_results=True)
            self._repeats = repeats
        self._may_go_on = goes_on
        self.active = self.playing = ""
        self.has_spoken = self.is_stopping = self._is_requested = self._may_be_refused = False
        self.beside.clear()
        self._asked_beside = 0
