"""Lines of the standard input, while the event loop goes on."""

from __future__ import annotations

import asyncio
import os
import sys
import threading


class Lines:
    """What is typed or piped in, line by line.

    A thread reads the descriptor itself: nothing of Python's is locked when the command ends while it still waits.
    """

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._lines: asyncio.Queue[str | None] = asyncio.Queue()
        self._thread: threading.Thread | None = None

    async def next(self) -> str | None:
        """The next line, without its end; None at the end of the input."""
        if sys.stdin is None:
            return None
        if self._thread is None:
            self._thread = threading.Thread(target=self._read, args=(sys.stdin.fileno(),), daemon=True)
            self._thread.start()
        line = await self._lines.get()
        if line is None:
            self._lines.put_nowait(None)  # it stays at its end
        return line

    def _read(self, descriptor: int) -> None:
        rest = b""
        try:
            while data := os.read(descriptor, 65536):
                *whole, rest = (rest + data).split(b"\n")
                for line in whole:
                    self._give(line)
        except OSError:  # the terminal is gone
            pass
        try:
            if rest:
                self._give(rest)
            self._loop.call_soon_threadsafe(self._lines.put_nowait, None)
        except RuntimeError:  # the loop has ended meanwhile
            pass

    def _give(self, line: bytes) -> None:
        self._loop.call_soon_threadsafe(self._lines.put_nowait, line.decode("utf-8", "replace").rstrip("\r"))
