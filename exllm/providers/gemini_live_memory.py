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


class _Question:
    """What the model was asked at once. A handle that comes before the answer begins may have crossed it."""

    __slots__ = ("is_answered", "was_crossed")

    def __init__(self) -> None:
        self.is_answered = False
        self.was_crossed = False

    def may_be_unknown(self) -> bool:
        """Whether the service may not have had it when it gave the handle that has come. Of two handles in a row the
        second knows it."""
        crossed, self.was_crossed = self.was_crossed, True
        return not self.is_answered and not crossed


class Memory:
    """The turns that would have to be told again.

    Attributes:
        has_forgotten: something was dropped to stay within `MAX_CHARS`.
    """

    def __init__(self) -> None:
        self.has_forgotten = False
        self._is_answering = False
        self._awaits_this = False  # the answer that the model makes, or is about to make
        self._awaits_next = False  # one after that: what was said while it answers
        self._repeats = False  # what it is about to make was lost with a connection before
        self._turns: deque[tuple[Content, int, _Question | None]] = deque()
        self._questions: deque[_Question] = deque()  # whose answers have not begun
        self._chars = 0
        self._spoken: list[str] = []
        self._answered: list[str] = []

    def __bool__(self) -> bool:
        return bool(self._turns or self._spoken or self._answered)

    @property
    def awaits_answer(self) -> bool:
        """The last turn was for the model to answer, and it has not."""
        return self._awaits_this or self._awaits_next

    def sent(self, contents: list[Content], chars: int, *, complete: bool) -> None:
        """Turns that were sent, `chars` long on the wire."""
        self._end()
        question = _Question() if complete else None
        for content in contents:
            self._keep(content, chars // len(contents), question)
        if question is not None:
            self._questions.append(question)
            self.asked()
        elif self._is_answering:
            self._awaits_next = False
        else:
            self._awaits_this = False

    def asked(self) -> None:
        """The model was asked for an answer."""
        if self._is_answering:
            self._awaits_next = True
        else:
            self._awaits_this, self._repeats = True, False

    def give_up(self) -> None:
        """The answer that the model makes, or that was lost, is not wanted any more."""
        if self._is_answering or self._repeats:
            self._awaits_this = self._repeats = False

    def heard(self, text: str) -> None:
        """A piece of what the user said."""
        if self._answered:
            self._end()
        self._spoken.append(text)

    def began(self) -> None:
        """The model answers what it was told or has heard."""
        self._is_answering, self._repeats = True, False
        self._awaits_this = self._awaits_this or bool(self)
        if self._questions:
            self._questions.popleft().is_answered = True

    def answered(self, text: str) -> None:
        """A piece of what the model says."""
        self._answered.append(text)

    def turn_complete(self) -> None:
        """The model's turn is over."""
        self._end()
        self._is_answering = False
        self._awaits_this, self._awaits_next = self._awaits_next or bool(self._questions), False

    def saved(self) -> None:
        """The service knows it all, and will under its new handle, but for questions that this may have crossed."""
        self._spoken.clear()
        self._answered.clear()
        self._questions = deque(question for question in self._questions if question.may_be_unknown())
        self._turns = deque(turn for turn in self._turns if turn[2] is not None and turn[2] in self._questions)
        self._chars = sum(chars for _, chars, _ in self._turns)
        if not self._questions:
            self._awaits_this = self._awaits_next = False

    def told(self) -> list[Content]:
        """The turns, to be told again over a new connection; they stay here until they are saved."""
        self._end()
        if self._is_answering:  # that answer is lost
            self._is_answering, self._repeats = False, not self._awaits_next
            self._awaits_this, self._awaits_next = self.awaits_answer, False
        return [content for content, _, _ in self._turns]

    def _end(self) -> None:
        for role, pieces in (("user", self._spoken), ("model", self._answered)):
            text = "".join(pieces).strip()
            pieces.clear()
            if text:
                self._keep({"parts": [{"text": text}], "role": role}, len(text))

    def _keep(self, content: Content, chars: int, question: _Question | None = None) -> None:
        self._turns.append((content, chars, question))
        self._chars += chars
        while self._chars > MAX_CHARS and len(self._turns) > 1:
            self._chars -= self._turns.popleft()[1]
            self.has_forgotten = True
