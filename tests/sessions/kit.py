"""What the tests of sessions share."""

from __future__ import annotations

import asyncio
from typing import Any

import exllm
from exllm import AskUser, NotFound, Session, SessionConflict
from exllm.sessions import SessionInfo
from exllm.sessions.stores import info_of, with_new_revision
from tests.tools.kit import weather


@exllm.tool
def ask_date() -> Any:
    """Ask when."""
    return AskUser("On which day?")


@exllm.tool(needs_approval=True)
def delete(path: str) -> str:
    """Delete a file."""
    return f"deleted {path}"


@exllm.tool(manual=True)
def pay() -> None:
    """Pay."""


TOOLS = [ask_date, delete, pay, weather]


class MemoryStore:
    """A store that tells what it was given, in order, and fails or waits when it is told to."""

    def __init__(self) -> None:
        self.saves: list[Session] = []
        self.sessions: dict[str, Session] = {}
        self.failure: Exception | None = None
        self.delay_s = 0.0

    async def save(self, session: Session) -> Session:
        await asyncio.sleep(self.delay_s)
        if self.failure is not None:
            raise self.failure
        stored = self.sessions.get(session.id)
        if (stored.revision if stored else "") != session.revision:
            raise SessionConflict("it was changed")
        self.sessions[session.id] = saved = with_new_revision(session)
        self.saves.append(saved)
        return saved

    async def load(self, id: str) -> Session:
        if id not in self.sessions:
            raise NotFound(id)
        return self.sessions[id]

    async def list(self) -> list[SessionInfo]:
        return [info_of(session) for session in self.sessions.values()]

    async def delete(self, id: str) -> None:
        self.sessions.pop(id, None)

    async def exists(self, id: str) -> bool:
        return id in self.sessions
