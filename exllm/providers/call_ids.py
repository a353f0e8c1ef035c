"""Ids of tool calls, as the provider takes them that the conversation goes to.

Each provider gives ids of its own form, and where one gives none the accumulator makes up ``call_0_0``, in every answer
anew. So an id may hold characters that another provider refuses, be too long for it, or come twice in a conversation.
An id that is right goes as it is.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable

Spelling = Callable[[str, int], str]
"""An id, and how often it was tried to find one that is free, to the id that is sent."""


class CallIds:
    """Gives every call of one request an id of its own, and every result the id of the call that it answers."""

    def __init__(self, spelling: Spelling) -> None:
        self._spelling = spelling
        self._taken: set[str] = set()
        self._of_calls: dict[str, list[str]] = {}
        self._answered: dict[str, int] = {}

    def of_call(self, id_: str) -> str:
        """The id to send for a call."""
        times = 1
        while (sent := self._spelling(id_, times)) in self._taken:
            times += 1
        self._taken.add(sent)
        self._of_calls.setdefault(id_, []).append(sent)
        return sent

    def of_result(self, call_id: str) -> str:
        """The id to send for a result: of the first call with that id which is not answered yet, else of the last."""
        calls = self._of_calls.get(call_id)
        if calls is None:
            return self.of_call(call_id)
        answered = self._answered.get(call_id, 0)
        self._answered[call_id] = answered + 1
        return calls[min(answered, len(calls) - 1)]


def spelt(refused: str, longest: int) -> Spelling:
    """Ids without the characters that the pattern `refused` matches, and at most `longest` characters long."""
    pattern = re.compile(refused)

    def spelling(id_: str, times: int) -> str:
        clean = pattern.sub("_", id_) or "call"
        if times == 1 and len(clean) <= longest:
            return clean
        # Long ids often differ at their ends only.
        mark = hashlib.sha256(id_.encode(errors="replace")).hexdigest()[:8] if len(clean) > longest else ""
        end = "_".join(filter(None, (mark, str(times) if times > 1 else "")))
        return f"{clean[: longest - len(end) - 1]}_{end}"

    return spelling


def hashed(right: str, length: int) -> Spelling:
    """Ids that match the pattern `right` in full; hashes of `length` hexadecimal digits for others."""
    pattern = re.compile(right)

    def spelling(id_: str, times: int) -> str:
        if times == 1 and pattern.fullmatch(id_):
            return id_
        text = id_ if times == 1 else f"{id_} {times}"
        return hashlib.sha256(text.encode(errors="replace")).hexdigest()[:length]

    return spelling
