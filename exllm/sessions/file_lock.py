"""One process at a time, by a lock on a file."""

from __future__ import annotations

import errno
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

BUSY_S = 30.0
"""How long to wait for another process that holds the lock."""

_RETRY_S = 0.005

if sys.platform == "win32":
    import msvcrt

    def _try_lock(descriptor: int) -> None:
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)

    def _unlock(descriptor: int) -> None:
        os.lseek(descriptor, 0, os.SEEK_SET)
        msvcrt.locking(descriptor, msvcrt.LK_UNLCK, 1)

else:
    import fcntl

    def _try_lock(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def _unlock(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_UN)


def _lock(descriptor: int, path: Path) -> None:
    deadline = time.monotonic() + BUSY_S
    while True:
        try:
            return _try_lock(descriptor)
        except (BlockingIOError, PermissionError):  # Windows says the latter
            if time.monotonic() >= deadline:
                raise TimeoutError(errno.ETIMEDOUT, f"locked by others for {BUSY_S:g} s", str(path)) from None
        time.sleep(_RETRY_S)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock of the file at `path`, which is made where it is missing. Waits; for threads, not for coroutines.

    The lock ends with its process, however that ends. Raises: TimeoutError where another one keeps it; OSError.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o600)
    try:
        _lock(descriptor, path)
        try:
            yield
        finally:
            _unlock(descriptor)
    finally:
        os.close(descriptor)
