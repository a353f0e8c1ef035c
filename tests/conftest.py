"""Checks that surround every test: nothing is left behind, and nobody but this machine is talked to.

An async test fails when, after its own fixtures were torn down, a task of its event loop is alive or a socket of the
process is open that was not before. Any test fails when it connects to, or looks up, another host.
"""

from __future__ import annotations

import asyncio
import asyncio.constants
import gc
import inspect
import os
import signal
import socket
import sys
import traceback
from collections.abc import AsyncIterator, Iterator
from typing import Any

import hypothesis
import pytest
import pytest_asyncio

pytest.register_assert_rewrite("exllm.testing.conformance", "tests.faults.expect")

from tests.conformance_matrix import pytest_runtest_makereport, pytest_terminal_summary  # noqa: E402, F401 - hooks

GRACE_S = 0.3
"""How long the last callbacks of a test may take to run; a leak is still there afterwards."""

FRAMES_OF_ORIGIN = 4
"""How much of where a task, a future or a callback was made asyncio's debug mode notes.

By default it notes all of it for each future, and looks at each file of it on the disk: a third of the time of a test
of one request.
"""
asyncio.constants.DEBUG_STACK_DEPTH = FRAMES_OF_ORIGIN
traceback.extract_stack.__defaults__ = (None, FRAMES_OF_ORIGIN)  # what the futures written in C call, without arguments

# No limits by the clock for an example and for thinking it out: on a busy machine any takes longer now and then.
hypothesis.settings.register_profile("exllm", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
hypothesis.settings.load_profile("exllm")

_LOCAL = frozenset({"127.0.0.1", "::1", "localhost", "0.0.0.0", "::", ""})


def pytest_configure() -> None:
    """What is compiled is kept, for the next run and for the hundreds of processes that the tests start; these hear
    Ctrl-C though the tests may run in the background, where SIGINT is ignored."""
    sys.dont_write_bytecode = False
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_finish() -> None:
    """Leave what was collected to itself: tens of thousands of tests are millions of objects, and the collector would
    hold up an event loop for a second whenever it looks through all of them."""
    gc.collect()
    gc.freeze()


# -- nothing is left


def _open_sockets() -> set[str]:
    """The sockets of this process; empty where the system does not tell."""
    folder = "/proc/self/fd"
    found = set()
    for entry in os.listdir(folder) if os.path.isdir(folder) else ():
        try:
            target = os.readlink(f"{folder}/{entry}")
        except OSError:  # the descriptor of the listing itself
            continue
        if target.startswith("socket:"):
            found.add(target)
    return found


def _other_tasks() -> set[asyncio.Task[Any]]:
    return asyncio.all_tasks() - {asyncio.current_task()}  # type: ignore[arg-type]


@pytest_asyncio.fixture
async def _leak_check() -> AsyncIterator[None]:
    tasks_before, sockets_before = _other_tasks(), _open_sockets()
    yield
    gc.collect(1)  # what the test dropped and only the collector finds complains here, not in another test
    loop = asyncio.get_running_loop()
    deadline = loop.time() + GRACE_S
    while True:
        tasks, sockets = _other_tasks() - tasks_before, _open_sockets() - sockets_before
        if not tasks and not sockets:
            return
        if loop.time() > deadline:
            break
        await asyncio.sleep(0.005)
    if tasks:
        pytest.fail(f"{len(tasks)} tasks were left behind, such as {tasks.pop()!r}")
    pytest.fail(f"{len(sockets)} sockets were left open")


@pytest.fixture(autouse=True)
def _nothing_is_left(request: pytest.FixtureRequest) -> None:
    if inspect.iscoroutinefunction(getattr(request, "function", None)):
        request.getfixturevalue("_leak_check")


# -- nobody else is talked to


_strangers: list[str] = []


def _is_local(host: object) -> bool:
    if isinstance(host, bytes):
        host = host.decode("ascii", "replace")
    return host is None or host in _LOCAL or (isinstance(host, str) and host.startswith("127."))


@pytest.fixture(autouse=True, scope="session")
def _network_guard() -> Iterator[None]:
    connect, connect_ex, getaddrinfo = socket.socket.connect, socket.socket.connect_ex, socket.getaddrinfo

    def check(host: object) -> None:
        if not _is_local(host):
            _strangers.append(str(host))
            raise OSError(f"the tests do not talk to {host}")

    def guarded_connect(self: socket.socket, address: Any) -> None:
        if self.family in (socket.AF_INET, socket.AF_INET6):
            check(address[0])
        connect(self, address)

    def guarded_connect_ex(self: socket.socket, address: Any) -> int:
        if self.family in (socket.AF_INET, socket.AF_INET6):
            check(address[0])
        return connect_ex(self, address)

    def guarded_getaddrinfo(host: Any, *args: Any, **kwargs: Any) -> Any:
        check(host)
        return getaddrinfo(host, *args, **kwargs)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", guarded_connect)
        patch.setattr(socket.socket, "connect_ex", guarded_connect_ex)
        patch.setattr(socket, "getaddrinfo", guarded_getaddrinfo)
        yield


@pytest.fixture(autouse=True)
def _no_strangers() -> Iterator[None]:
    _strangers.clear()
    yield
    assert not _strangers, f"the test tried to reach {_strangers}"
