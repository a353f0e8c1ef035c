"""What was said in a Gemini Live session since the service last gave a handle: what a resumed one does not know.

A handle holds the conversation up to the moment in which it was given. Turns after that are told again over the next
connection: the user's as they were sent (spoken ones as far as they were transcribed), the model's as its words. Calls
of tools are not: a turn that was not answered in full is asked again, and its calls come again.
"""

from __future__ import annotations

from collections import deque
from typing import Any

Content = dict[str, Any]

MAX_CHARS = 200_000


class Memory:
    """The turns that would have to be told again.

    Attributes:
        awaits_answer: the last turn was for the model to answer, and it has not.
        has_forgotten: something was dropped to stay within `MAX_CHARS`.
    """

    def __init__(self) -> None:
        self.awaits_answer = False
        self.has_forgotten = False
        self._turns: deque[tuple[Content, int]] = deque()
        self._chars = 0
        self._spoken: list[str] = []
        self._answered: list[str] = []

    def __bool__(self) -> bool:
        return bool(self._turns or self._spoken or self._answered)

    def sent(self, contents: list[Content], chars: int, *, complete: bool) -> None:
        """Turns that were sent, `chars` long on the wire."""
        self._end()
        for content in contents:
            self._keep(content, chars // len(contents))
        self.awaits_answer = complete

    def heard(self, text: str) -> None:
        """A piece of what the user said."""
        if self._answered:
            self._end()
        self._spoken.append(text)

    def answered(self, text: str) -> None:
        """A piece of what the model says."""
        self._answered.append(text)

    def turn_complete(self) -> None:
        """The model's turn is over."""
        self._end()
        self.awaits_answer = False

    def saved(self) -> None:
        """The service knows it all, and will under its new handle."""
        self._turns.clear()
        self._chars = 0
        self._spoken.clear()
        self._answered.clear()
        self.awaits_answer = False

    def told(self) -> list[Content]:
        """The turns, to be told again; they stay here until they are saved."""
        self._end()
        return [content for content, _ in self._turns]

    def _end(self) -> None:
        for role, pieces in (("user", self._spoken), ("model", self._answered)):
            text = "".join(pieces).strip()
            pieces.clear()
            if text:
                self._keep({"parts": [{"text": text}], "role": role}, len(text))

    def _keep(self, content: Content, chars: int) -> None:
        self._turns.append((content, chars))
        self._chars += chars
        while self._chars > MAX_CHARS and len(self._turns) > 1:
            self._chars -= self._turns.popleft()[1]
            self.has_forgotten = True
