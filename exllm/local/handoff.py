"""From a thread that makes items to the event loop that takes them: bounded, in order, without polling."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Sequence
from typing import Generic, TypeVar

T = TypeVar("T")


class HandoffClosed(Exception):
    """Nobody takes items any more; the thread should end."""


class Handoff(Generic[T]):
    """One producer thread, one consumer task on `loop`.

    The thread sleeps on a condition while `capacity` items wait, and is woken when half of them are gone. The task is
    woken once for all the items that came while it was on its way.
    """

    def __init__(self, capacity: int, loop: asyncio.AbstractEventLoop) -> None:
        self._capacity = capacity
        self._loop = loop
        self._items: deque[T] = deque()
        self._room = threading.Condition()
        self._reader: asyncio.Future[None] | None = None
        self._is_over = False
        self._is_closed = False
        self._error: BaseException | None = None
        self.waited_for_room = 0  # how often the thread had to sleep

    # -- the thread's side

    @property
    def is_closed(self) -> bool:
        """Whether `close` was called."""
        return self._is_closed

    def put(self, items: Sequence[T]) -> None:
        """Add all, sleeping whenever there is no room. Raises HandoffClosed."""
        for item in items:
            with self._room:
                if len(self._items) >= self._capacity and not self._is_closed:
                    self.waited_for_room += 1
                    self._room.wait_for(lambda: self._is_closed or len(self._items) <= self._capacity // 2)
                if self._is_closed:
                    raise HandoffClosed
                self._items.append(item)
                self._wake_reader()

    def finish(self, error: BaseException | None = None) -> None:
        """Nothing more comes; the consumer gets `error` after the items that are there."""
        with self._room:
            self._is_over = True
            self._error = error
            self._wake_reader()

    def _wake_reader(self) -> None:
        reader, self._reader = self._reader, None
        if reader is not None:
            try:
                self._loop.call_soon_threadsafe(_wake, reader)
            except RuntimeError:  # the loop was closed: nobody is there any more
                self._is_closed = True

    # -- the task's side

    async def get(self) -> T:
        """The next item. Raises the error given to `finish`, or StopAsyncIteration after its end."""
        while True:
            with self._room:
                if self._items:
                    item = self._items.popleft()
                    if len(self._items) == self._capacity // 2:
                        self._room.notify()
                    return item
                if self._error is not None:
                    raise self._error
                if self._is_over:
                    raise StopAsyncIteration
                reader = self._reader = self._loop.create_future()
            await reader

    def close(self) -> None:
        """Throw the items away and let the thread's next or current `put` raise; a reader still waits for `finish`.

        Any thread may call it; idempotent.
        """
        with self._room:
            self._is_closed = True
            self._items.clear()
            self._room.notify_all()
            self._wake_reader()


def _wake(reader: asyncio.Future[None]) -> None:
    if not reader.done():
        reader.set_result(None)
