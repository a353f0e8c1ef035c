"""The two output streams of the command: colour, control characters, broken pipes, and waiting without blocking."""

from __future__ import annotations

import asyncio
import os
import select
import stat
import sys
from typing import TextIO

RED, DIM = "31", "2"
_PIPE_BYTES = 512  # POSIX: a pipe or terminal that is ready takes at least this many bytes without blocking
_CAN_WAIT = sys.platform != "win32"  # there, pipes and consoles can be neither selected nor watched

# What a model writes is not trusted with the terminal: escape sequences could retitle it, or fake what is on it.
_UNSAFE = dict.fromkeys([*range(0x20), *range(0x7F, 0xA0)])
del _UNSAFE[ord("\n")], _UNSAFE[ord("\t")]


def printable(text: str) -> str:
    """`text` without control characters other than line end and tab."""
    return text.translate(_UNSAFE)


class Output:
    """One of stdout and stderr.

    Attributes:
        is_terminal: a person may be looking at it.
        has_colour: it is a terminal, not a dumb one, and ``NO_COLOR`` (https://no-color.org) is not set.
    """

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self._fd = file.fileno()
        self._can_wait = _CAN_WAIT and not stat.S_ISREG(os.fstat(self._fd).st_mode)
        self._encoding = file.encoding or "utf-8"
        self._is_at_line_start = True
        self.is_terminal = file.isatty()
        self.has_colour = self.is_terminal and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"

    async def write(self, text: str, style: str | None = None) -> None:
        """Write all of `text`; waits, without holding up the event loop, while the reader is slow.

        On a terminal, control characters other than line end and tab are left out. Raises: BrokenPipeError.
        """
        data = memoryview(self._encoded(text, style))
        while data:
            if self._can_wait:
                await self._writable()
            data = data[os.write(self._fd, data[:_PIPE_BYTES] if self._can_wait else data) :]

    def write_now(self, text: str, style: str | None = None) -> None:
        """The same, for short messages: waits for the reader with all else standing still."""
        data = memoryview(self._encoded(text, style))
        while data:
            data = data[os.write(self._fd, data) :]

    def end_line(self) -> str:
        """What is missing for the next text to begin on a line of its own: a line end, or nothing."""
        return "" if self._is_at_line_start else "\n"

    def _encoded(self, text: str, style: str | None) -> bytes:
        if self.is_terminal:
            text = printable(text)
        if not text:
            return b""
        self._is_at_line_start = text.endswith("\n")
        if style is not None and self.has_colour:
            text = f"\x1b[{style}m{text}\x1b[0m"
        return text.encode(self._encoding, "replace")

    async def _writable(self) -> None:
        if select.select((), (self._fd,), (), 0)[1]:
            return
        loop = asyncio.get_running_loop()
        ready = asyncio.Event()
        try:
            loop.add_writer(self._fd, ready.set)
        except (OSError, NotImplementedError):  # a device that cannot be watched: the write itself will wait
            return
        try:
            await ready.wait()
        finally:
            loop.remove_writer(self._fd)


class Screen:
    """Answers go to `out`, everything about them to `err`."""

    def __init__(self) -> None:
        # Python has None for a stream that the shell closed (``>&-``).
        self.out = Output(sys.stdout or open(os.devnull, "w"))  # noqa: SIM115 - open as long as the process
        self.err = Output(sys.stderr or open(os.devnull, "w"))  # noqa: SIM115

    def say(self, text: str, style: str | None = DIM) -> None:
        """A line on stderr, on a line of its own even where both outputs are the same terminal."""
        if self.out.is_terminal and self.err.is_terminal:
            self.out.write_now(self.out.end_line())
        self.err.write_now(f"{self.err.end_line()}{text}\n", style)

    def fail(self, text: str) -> None:
        """A line about what went wrong."""
        self.say(f"error: {text}", RED)
