"""A process that has loaded what the `exllm` command needs, and becomes the command once for each request.

Hundreds of commands are run by the tests, and loading is most of what each of them does. A request and its answer are
lines of JSON on a connection. Each command is a process of its own, with its own pipes, environment and end; only that
its modules were loaded before is different.

``python -m tests.cli.warm SOCKET`` listens at that path until its standard input ends.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import runpy
import select
import signal
import socket
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

MODULE = "exllm.cli.main"
LOADED = (
    "aiohttp", "rich.markdown", "typer", "exllm.cli.app", "exllm.cli.chat", "exllm.cli.models", "exllm.cli.sessions",
)  # fmt: skip
MOST_S = 60
"""How long a command may run before it is ended, whoever waits for it."""


def _serve(path: str) -> dict[str, Any]:
    """Answer requests until nobody is there to make one; returns the request in the processes that shall carry it out.

    The process that took a request answers it, and waits for another that does what was asked.
    """
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(path)
        listening.listen(64)
        print("ready", flush=True)
        while True:
            ready, _, _ = select.select([listening, 0], [], [])
            if 0 in ready:
                os._exit(0)
            connection, _ = listening.accept()
            with connection:
                if os.fork() == 0:
                    listening.close()
                    return _answer(connection)
            while _reap():
                pass


def _reap() -> bool:
    """Whether one that answered is over, and may be others."""
    try:
        return os.waitpid(-1, os.WNOHANG)[0] > 0
    except ChildProcessError:
        return False


def _answer(connection: socket.socket) -> dict[str, Any]:
    with connection.makefile("rb") as lines:
        request: dict[str, Any] = json.loads(lines.readline())
    (out, out_end), (err, err_end) = os.pipe(), os.pipe()
    command = os.fork()
    if command == 0:
        connection.close()
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(out_end, 1)
        os.dup2(err_end, 2)
        os.closerange(3, 64)
        return request
    os.close(out_end)
    os.close(err_end)
    with ThreadPoolExecutor(2) as pool:
        both = pool.map(_read_all, (out, err))
    _, status = os.waitpid(command, 0)
    answer = {"code": os.waitstatus_to_exitcode(status), **dict(zip(("out", "err"), both, strict=True))}
    connection.sendall(json.dumps(answer).encode() + b"\n")
    os._exit(0)


def _read_all(end: int) -> str:
    with open(end, "rb") as file:
        return file.read().decode()


def main() -> None:
    for name in LOADED:
        importlib.import_module(name)
    gc.freeze()
    request = _serve(sys.argv[1])
    signal.alarm(MOST_S)
    os.environ.clear()
    os.environ.update(request["environment"])
    os.chdir(request["folder"])
    sys.path[0] = request["folder"]
    sys.argv = [MODULE, *request["arguments"]]
    runpy.run_module(MODULE, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
