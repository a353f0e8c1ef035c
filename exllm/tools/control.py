"""What a handler, a hook or an approval may say beside a result."""

from __future__ import annotations

from typing import Any


class AskUser(Exception):
    """Returned or raised by a handler: the run is suspended, and the user's answer becomes the result of the call."""

    def __init__(self, question: str) -> None:
        super().__init__(question)
        self.question = question


class Halt(Exception):
    """Returned or raised by a handler: the run ends, with `value` as ``run.value`` and as the result of the call.

    Calls of the same turn that have begun are finished; the others are not made.
    """

    def __init__(self, value: Any = None) -> None:
        super().__init__(value)
        self.value = value


class Deny(Exception):
    """By `approve`, `before_call` or a handler, returned or raised, or as an answer: the call is not allowed.

    The model is told `reason`.
    """

    def __init__(self, reason: str = "the user does not allow it") -> None:
        super().__init__(reason)
        self.reason = reason
