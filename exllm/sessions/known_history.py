"""What a store knows to hold already, so that a save writes only what is new."""

from __future__ import annotations

from collections import OrderedDict

from exllm.sessions.session import Session
from exllm.types.message import Message

_MOST_SESSIONS = 64


class KnownHistories:
    """The histories of the sessions that were saved or loaded last, by id."""

    def __init__(self) -> None:
        self._known: OrderedDict[str, tuple[str, tuple[Message, ...]]] = OrderedDict()

    def remember(self, session: Session) -> None:
        """`session` is what the store holds now."""
        self._known[session.id] = (session.revision, session.history)
        self._known.move_to_end(session.id)
        if len(self._known) > _MOST_SESSIONS:
            self._known.popitem(last=False)

    def unchanged(self, session: Session) -> int:
        """How many messages at the beginning the store has already, if it holds the revision that `session` is made
        from; 0 where that is not known, and all are to be written."""
        revision, history = self._known.get(session.id, ("", ()))
        if not revision or revision != session.revision:
            return 0
        count = 0
        for mine, theirs in zip(session.history, history, strict=False):
            if mine is not theirs:  # messages are immutable, so the same object is the same message
                break
            count += 1
        return count
