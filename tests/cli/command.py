"""The `exllm` command as a process of its own, in pipes or at a pseudo-terminal."""

from __future__ import annotations

import asyncio
import atexit
import functools
import json
import os
import pty
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

from tests.faults.dialects import OPENAI
from tests.faults.server import FaultServer

KEY = "sk-test-0123456789"
LIMIT_S = 20.0
COMMAND = (sys.executable, "-m", "exllm.cli.main")


class Result(NamedTuple):
    """How a command ended."""

    code: int
    out: str
    err: str


def environment(**changes: str) -> dict[str, str]:
    """This process's environment without keys, proxies and settings of the terminal, and with `changes`."""
    inherited = {
        name: value
        for name, value in os.environ.items()
        if not name.upper().endswith(("_API_KEY", "_TOKEN", "_PROXY", "_BASE_URL")) and not name.startswith("EXLLM_")
    }
    for name in ("NO_COLOR", "FORCE_COLOR", "CLICOLOR_FORCE", "COLUMNS", "LINES"):
        inherited.pop(name, None)
    return {**inherited, "TERM": "xterm-256color", "PYTHONUTF8": "1", **changes}


def to(server: FaultServer) -> tuple[str, ...]:
    """Arguments that lead ``exllm chat`` to `server` in the place of OpenAI."""
    return ("chat", "-m", OPENAI.name, "-o", f"base_url={server.url}")


async def start(*arguments: str, stdin: int = asyncio.subprocess.DEVNULL, **changes: str) -> asyncio.subprocess.Process:
    """The command, running, with its outputs in pipes."""
    return await asyncio.create_subprocess_exec(
        *COMMAND,
        *arguments,
        stdin=stdin,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=environment(**{"OPENAI_API_KEY": KEY, **changes}),
    )


async def finish(process: asyncio.subprocess.Process, stdin: bytes | None = None) -> Result:
    """Read everything that is left, and wait for the end."""
    try:
        async with asyncio.timeout(LIMIT_S):
            out, err = await process.communicate(stdin)
    except TimeoutError:
        process.kill()
        await process.wait()
        raise
    assert process.returncode is not None
    return Result(process.returncode, out.decode(), err.decode())


async def run(*arguments: str, stdin: bytes | None = None, **changes: str) -> Result:
    """Run the command to its end; `stdin` is piped in.

    Without `stdin`, and where the interpreter need not be another, what has loaded the modules before is forked.
    """
    if stdin is not None or any(name.startswith("PYTHON") for name in changes):
        source = asyncio.subprocess.DEVNULL if stdin is None else asyncio.subprocess.PIPE
        return await finish(await start(*arguments, stdin=source, **changes), stdin)
    request = {
        "arguments": arguments,
        "environment": environment(**{"OPENAI_API_KEY": KEY, **changes}),
        "folder": os.getcwd(),
    }
    async with asyncio.timeout(LIMIT_S):
        reader, writer = await asyncio.open_unix_connection(_warm(), limit=1 << 26)
        try:
            writer.write(json.dumps(request).encode() + b"\n")
            return Result(**json.loads(await reader.readline()))
        finally:
            writer.close()
            await writer.wait_closed()


@functools.cache
def _warm() -> str:
    """Where the process listens that becomes the command; it ends with this one."""
    path = f"{tempfile.mkdtemp(prefix='exllm-tests-')}/warm"
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.cli.warm", path],
        cwd=Path(__file__).parents[2],
        env=environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    atexit.register(shutil.rmtree, os.path.dirname(path))
    atexit.register(process.communicate)
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    return path


class Terminal:
    """The command at a pseudo-terminal: what a person sees and types.

    Attributes:
        seen: everything shown so far, control sequences included.
    """

    def __init__(self, *arguments: str, **changes: str) -> None:
        self._arguments = arguments
        self._changes = changes
        self._data = b""
        self._arrived = asyncio.Event()

    @property
    def seen(self) -> str:
        return self._data.decode("utf-8", "replace")

    @property
    def text(self) -> str:
        """What is shown, without colours, links and the terminal's line ends."""
        return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b\]8;.*?\x1b\\", "", self.seen).replace("\r\n", "\n")

    async def __aenter__(self) -> Self:
        self._fd, child = pty.openpty()
        os.set_blocking(self._fd, False)
        self._process = await asyncio.create_subprocess_exec(
            *COMMAND,
            *self._arguments,
            stdin=child,
            stdout=child,
            stderr=child,
            env=environment(**{"OPENAI_API_KEY": KEY, **self._changes}),
            preexec_fn=_take_terminal,
        )
        os.close(child)
        asyncio.get_running_loop().add_reader(self._fd, self._read)
        return self

    async def __aexit__(
        self, _type: type[BaseException] | None, _value: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        if self._process.returncode is None:
            self._process.kill()
            await self._process.wait()
        asyncio.get_running_loop().remove_reader(self._fd)
        os.close(self._fd)

    def type(self, text: str) -> None:
        r"""Press keys: ``"\x03"`` is Ctrl-C, ``"\x04"`` Ctrl-D."""
        os.write(self._fd, text.encode())

    async def shows(self, text: str, times: int = 1) -> None:
        """Wait until `text` was shown `times` times."""
        try:
            async with asyncio.timeout(LIMIT_S):
                while self.text.count(text) < times:
                    self._arrived.clear()
                    await self._arrived.wait()
        except TimeoutError:
            raise AssertionError(f"{text!r} was not shown {times} times; there is {self.seen!r}") from None

    async def ends(self) -> int:
        """Wait for the end; the exit code."""
        try:
            async with asyncio.timeout(LIMIT_S):
                code = await self._process.wait()
        except TimeoutError:
            raise AssertionError(f"the command does not end; there is {self.seen!r}") from None
        self._read()
        return code

    def _read(self) -> None:
        try:
            while data := os.read(self._fd, 65536):
                self._data += data
        except BlockingIOError:
            pass
        except OSError:  # the other side has closed
            asyncio.get_running_loop().remove_reader(self._fd)
        self._arrived.set()


def _take_terminal() -> None:
    """In the child: make the pseudo-terminal the one whose keys send signals to it."""
    import fcntl
    import termios

    os.setsid()
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
