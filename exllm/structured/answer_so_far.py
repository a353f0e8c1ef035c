"""What a validator sees of an answer while it arrives."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from exllm.structured.json_in_text import JSONInText
from exllm.structured.partial_json import PlainBuilder

Validator = Callable[["AnswerSoFar"], "str | None"]


class AnswerSoFar:
    """The text of an answer as far as it has come, for validators.

    ::

        def no_apologies(answer: exllm.AnswerSoFar) -> str | None:
            return "Do not apologise." if "sorry" in answer.text else None

        await client.chat("openai/gpt-4.1-mini", "...", validators=[no_apologies])

    A validator is called after each read from the provider that brought text, and once more at the end. Words that it
    returns, or raises as `ValueError`, stop the answer: they are what the model is told, where there are retries left.

    Attributes:
        new: the text that came since the last call.
        is_done: the answer is whole.
    """

    def __init__(self) -> None:
        self.new = ""
        self.is_done = False
        self._pieces: list[str] = []
        self._unread: list[str] = []
        self._json: JSONInText[PlainBuilder] | None = None

    def add(self, text: str) -> None:
        """More of the answer has come."""
        self.new = text
        self._pieces.append(text)
        self._unread.append(text)

    @property
    def text(self) -> str:
        """All of it. Joined anew for each call that asks: use `new` where that will do for long answers."""
        if len(self._pieces) > 1:
            self._pieces = ["".join(self._pieces)]
        return self._pieces[0] if self._pieces else ""

    @property
    def json(self) -> Any:
        """The JSON in it as far as it has come, see `exllm.structured.PartialJSON`; None before it begins.

        An object or array grows in place. Only what is new is read, so this is cheap.
        """
        if self._json is None:
            self._json = JSONInText(lambda _start: PlainBuilder(), "{[")
        unread, self._unread = "".join(self._unread), []
        if unread:
            self._json.feed(unread)
        return self._json.builder.value


def complaint(answer: AnswerSoFar, validators: Iterable[Validator]) -> str | None:
    """The words of the first validator that objects."""
    for validator in validators:
        try:
            words = validator(answer)
        except ValueError as error:
            words = str(error) or type(error).__name__
        if words is not None and not isinstance(words, str):
            raise TypeError(f"a validator returns words or None, got {words!r}")
        if words:
            return words
    return None
