"""What a session was asked to be while it runs, and how much of that the service has taken."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from exllm.providers.openai_realtime_session import changes, session_of
from exllm.providers.spec import ProviderSpec
from exllm.types.live_settings import LiveSettings

_MOST_OPEN = 16
"""Updates that a service may still refuse."""


class AskedSettings:
    """The settings of one session, over all its connections.

    Attributes:
        now: as they are; those of the last update that was not refused.
    """

    def __init__(self, settings: LiveSettings, spec: ProviderSpec, warnings: list[str]) -> None:
        self._asked = session_of(settings, spec, warnings)
        self._taken = settings, self._asked
        self._open: dict[str, tuple[LiveSettings, dict[str, Any]]] = {}  # by id, what each update changed
        self._spec = spec
        self._warnings = warnings
        self._updates = 0
        self.now = settings

    @property
    def session(self) -> dict[str, Any]:
        """The ``session`` to ask a new connection for. What was refused is not in it: it would keep the connection
        from being made."""
        session = self._taken[1]
        for _, changed in self._open.values():
            session = _with(session, changed)
        return session

    def update(self, settings: LiveSettings) -> dict[str, Any] | None:
        """The fields of the message that asks for other settings; None where nothing is to be said."""
        asked = session_of(settings, self._spec, self._warnings)
        changed = changes(self._asked, asked)
        self.now, self._asked = settings, asked
        if not changed:
            return None
        self._updates += 1
        id_ = f"settings_{self._updates}"
        self._open[id_] = settings, changed
        if len(self._open) > _MOST_OPEN:
            oldest, change = self._open.pop(next(iter(self._open)))
            self._taken = oldest, _with(self._taken[1], change)
        kind = {"type": asked["type"]} if "type" in asked else {}
        return {"event_id": id_, "session": {**kind, **changed}}

    def refuse(self, event_id: str) -> bool:
        """A message was refused: whether it was an update, which then is not in force."""
        if self._open.pop(event_id, None) is None:
            return False
        self.now = next((settings for settings, _ in reversed(self._open.values())), self._taken[0])
        return True


def _with(session: Mapping[str, Any], changed: Mapping[str, Any]) -> dict[str, Any]:
    """`session` after an update: what has a type is replaced, other objects change field by field."""
    after = dict(session)
    for name, value in changed.items():
        before = after.get(name)
        if isinstance(value, dict) and isinstance(before, dict) and "type" not in value:
            value = _with(before, value)
        after[name] = value
    return after
