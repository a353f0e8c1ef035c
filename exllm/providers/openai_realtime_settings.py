"""What a session was asked to be while it runs, and how much of that the service has taken."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from exllm.providers.openai_realtime_session import changes, session_of
from exllm.providers.spec import ProviderSpec
from exllm.types.live_settings import LiveSettings


class AskedSettings:
    """The settings of one session, over all its connections.

    Attributes:
        now: as they are; those of the last update that was not refused.
        session: the ``session`` to ask a new connection for. What was refused is not in it: it would keep the
            connection from being made.
    """

    def __init__(self, settings: LiveSettings, spec: ProviderSpec, warnings: list[str]) -> None:
        self.now = settings
        self.session = self._asked = session_of(settings, spec, warnings)
        self._spec = spec
        self._warnings = warnings
        self._before = settings, self.session
        self._updates = 0

    def update(self, settings: LiveSettings) -> dict[str, Any] | None:
        """The fields of the message that asks for other settings; None where nothing is to be said."""
        asked = session_of(settings, self._spec, self._warnings)
        changed = changes(self._asked, asked)
        before = self.now, self.session
        self.now, self._asked = settings, asked
        if not changed:
            return None
        self._before = before
        self._updates += 1
        self.session = _with(self.session, changed)
        kind = {"type": asked["type"]} if "type" in asked else {}
        return {"event_id": self._id(), "session": {**kind, **changed}}

    def refuse(self, event_id: str) -> bool:
        """A message was refused: whether it was the last update, which then is not in force."""
        is_last = bool(self._updates) and event_id == self._id()
        if is_last:
            self.now, self.session = self._before
        return is_last

    def _id(self) -> str:
        return f"settings_{self._updates}"


def _with(session: Mapping[str, Any], changed: Mapping[str, Any]) -> dict[str, Any]:
    """`session` after an update: what has a type is replaced, other objects change field by field."""
    after = dict(session)
    for name, value in changed.items():
        before = after.get(name)
        if isinstance(value, dict) and isinstance(before, dict) and "type" not in value:
            value = _with(before, value)
        after[name] = value
    return after
