"""Something that is fetched by blocking code and expires: fetched in a thread, shared, renewed ahead of its end."""

from __future__ import annotations

import asyncio
import math
import threading
from collections.abc import Callable
from concurrent.futures import Future
from copy import copy
from time import time as unix_time
from typing import Generic, TypeVar

import msgspec

T = TypeVar("T")

RENEW_AHEAD_S = 225.0
"""Renewed in the background from this long before the end. Both clouds' metadata servers have the next credentials at
least 4 to 5 minutes ahead; google-auth has the same number."""
SAFE_S = 15.0
"""What ends sooner is waited for: it could expire on its way to the provider."""
REREAD_S = 300.0
"""What names no end is read again after this long: other programs may have written new keys."""
PAUSE_S = 10.0
"""Between two attempts to renew in the background."""


class Granted(msgspec.Struct, Generic[T], frozen=True):
    """A value and its end as Unix time; None where it has none that is known."""

    value: T
    expires_at: float | None = None


class Lease(Generic[T]):
    """The newest value of `fetch`, which may block: it runs in a thread of its own, one at a time.

    All who ask while it runs wait for the same result, from any event loop. Who is cancelled leaves nothing behind: the
    thread ends by itself, and what it fetched serves the next. A failure is raised to all who waited, and not kept.
    """

    def __init__(self, fetch: Callable[[], Granted[T]]) -> None:
        self._fetch = fetch
        self._lock = threading.Lock()
        self._granted: Granted[T] | None = None
        self._renew_at = 0.0  # until then the value is handed out as it is
        self._worker: tuple[threading.Thread, Future[T]] | None = None

    async def get(self) -> T:
        """The value, fetched first if there is none that will last. Raises what `fetch` raises."""
        now = unix_time()
        granted = self._granted
        if granted is not None and now < self._renew_at:
            return granted.value
        future = self._begin(now, granted)
        if granted is not None and now < _safe_until(granted):
            return granted.value
        try:
            return await asyncio.wrap_future(future)
        except Exception as error:  # noqa: BLE001 - raised again
            raise copy(error) from error.__cause__  # each who waits notes facts of its own call on it

    def _begin(self, now: float, seen: Granted[T] | None) -> Future[T]:
        with self._lock:
            if self._granted is not None and self._granted is not seen:  # it came just now
                there: Future[T] = Future()
                there.set_result(self._granted.value)
                return there
            # Of a thread that is not alive nothing will come: it was left behind by a fork.
            if self._worker is None or not self._worker[0].is_alive():
                future: Future[T] = Future()
                future.set_running_or_notify_cancel()  # one who waits cannot cancel it for the others
                thread = threading.Thread(target=self._run, args=(future,), name="exllm-credentials", daemon=True)
                self._worker = thread, future
                if self._granted is not None:
                    self._renew_at = min(now + PAUSE_S, _safe_until(self._granted))
                thread.start()
            return self._worker[1]

    def _run(self, future: Future[T]) -> None:
        try:
            granted = self._fetch()
        except BaseException as error:  # noqa: BLE001 - raised to those who wait
            with self._lock:
                self._worker = None
            future.set_exception(error)
            return
        now = unix_time()
        renew_at = now + REREAD_S if granted.expires_at is None else granted.expires_at - RENEW_AHEAD_S
        with self._lock:
            self._granted = granted
            self._renew_at = min(max(renew_at, now + PAUSE_S), _safe_until(granted))
            self._worker = None
        future.set_result(granted.value)


def _safe_until(granted: Granted[T]) -> float:
    return math.inf if granted.expires_at is None else granted.expires_at - SAFE_S
