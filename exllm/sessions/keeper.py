"""Saving one session again and again, whatever is cancelled meanwhile."""

from __future__ import annotations

import asyncio

import msgspec

from exllm.errors import TotalTimeout
from exllm.sessions.session import Session
from exllm.sessions.stores import SessionStore

SAVE_TIMEOUT_S = 60.0
"""How long one save may take; the end of a turn waits for it, whatever is cancelled."""

CLEAN_UP_S = 5.0
"""How long a cancelled save may go on until it is left to itself."""


class Keeper:
    """Knows which revision of a session its store has from us. Without a store it does nothing.

    One save at a time. A save that has begun is never left half done: a store may have written by the time somebody
    stops waiting for it, and without its new revision the next save would be a conflict.
    """

    def __init__(self, store: SessionStore | None) -> None:
        self.store = store
        self._revision: str | None = None
        self._saving: asyncio.Task[Session] | None = None

    async def save(self, session: Session) -> Session:
        """Save `session`; returns it as it is stored.

        Raises: what `SessionStore.save` raises; TotalTimeout for a store that does not answer.
        """
        if self.store is None:
            return session
        if self._saving is not None:  # somebody stopped waiting for it
            await self._wait(self._saving)
            self._take()
        saving = self.store.save(self.marked(session))
        task = self._saving = asyncio.get_running_loop().create_task(saving, name="exllm-session")
        try:
            await self._wait(task)
        except asyncio.CancelledError:
            await asyncio.wait([task], timeout=CLEAN_UP_S)
            raise
        finally:
            self._take()
        return task.result()

    def marked(self, session: Session) -> Session:
        """`session` with the revision that the store has from us."""
        return session if self._revision is None else msgspec.structs.replace(session, revision=self._revision)

    async def _wait(self, task: asyncio.Task[Session]) -> None:
        done, _ = await asyncio.wait([task], timeout=SAVE_TIMEOUT_S)
        if not done:
            task.cancel()
            raise TotalTimeout(f"the store took longer than {SAVE_TIMEOUT_S:g} s to save the session")

    def _take(self) -> None:
        """Note what has become of the save, if it is over."""
        task = self._saving
        if task is None or not task.done():
            return
        self._saving = None
        if not task.cancelled() and task.exception() is None:
            self._revision = task.result().revision
