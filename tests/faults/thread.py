"""A fault server on a thread and a loop of its own, for tests whose loop comes and goes, or must be measured alone."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.faults.server import Behaviour, FaultServer


@contextmanager
def server_thread(*behaviours: Behaviour, **settings: Any) -> Iterator[FaultServer]:
    """The server, listening. At the end all connections must be closed by the clients."""
    started = threading.Event()
    finish: list[Any] = []
    server = FaultServer(*behaviours, **settings)
    failure: list[BaseException] = []

    async def serve() -> None:
        done = asyncio.Event()
        finish.extend((asyncio.get_running_loop(), done))
        async with server:
            started.set()
            await done.wait()
            await server.all_left()

    def run() -> None:
        try:
            asyncio.run(serve())
        except BaseException as error:  # noqa: BLE001 - raised by the thread that waits
            failure.append(error)
            started.set()

    thread = threading.Thread(target=run, name="fault-server")
    thread.start()
    started.wait(10)
    try:
        yield server
    finally:
        loop, done = finish
        if not failure:
            loop.call_soon_threadsafe(done.set)
        thread.join(20)
    if failure:
        raise failure[0]
