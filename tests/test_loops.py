"""One client, many event loops: one after the other, and several at once in threads."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import gc
import threading
import weakref
from collections.abc import Iterator

import pytest

import exllm
from exllm import default_client
from exllm.providers import ProviderSpec, registry
from tests.faults.dialects import DIALECTS, TEXT, Dialect
from tests.faults.expect import KEY
from tests.faults.server import FaultServer
from tests.faults.thread import server_thread

CALLS_PER_LOOP = 5


@pytest.fixture(params=DIALECTS, ids=lambda dialect: dialect.provider)
def dialect(request: pytest.FixtureRequest) -> Dialect:
    found: Dialect = request.param
    return found


@pytest.fixture
def server(dialect: Dialect, monkeypatch: pytest.MonkeyPatch) -> Iterator[FaultServer]:
    """A server that the module-level client finds by the environment."""
    monkeypatch.setattr(default_client, "_client", None)
    with server_thread(dialect.reply(), detour=dialect.detour) as server:
        spec = registry.get(dialect.provider)
        assert isinstance(spec, ProviderSpec)
        monkeypatch.setenv(next(iter(spec.api_key_env), f"{spec.name}_api_key".replace("-", "_").upper()), KEY)
        monkeypatch.setenv(spec.base_url_env[0], server.url)
        for setting, value in dialect.settings.items():
            monkeypatch.setenv(f"{dialect.provider}_{setting}".upper(), value)
        yield server


async def use(dialect: Dialect) -> weakref.ref[asyncio.AbstractEventLoop]:
    async def call(number: int) -> str:
        if number % 2:
            return (await exllm.chat(dialect.name, "Hi")).text
        async with exllm.stream(dialect.name, "Hi") as stream:
            if number % 4 == 0:
                async for text in stream.text():
                    return TEXT if text else ""
            return (await stream.collect()).text

    assert await asyncio.gather(*map(call, range(CALLS_PER_LOOP))) == [TEXT] * CALLS_PER_LOOP
    return weakref.ref(asyncio.get_running_loop())


def test_q10_the_module_level_client_works_in_three_loops_in_a_row(dialect: Dialect, server: FaultServer) -> None:
    loops = [asyncio.run(use(dialect)) for _ in range(3)]
    gc.collect()  # a socket or session that is left complains here
    assert len(server.requests) == 3 * CALLS_PER_LOOP
    assert [loop() for loop in loops] == [None] * 3, "a loop that is over is kept alive"
    assert default_client.default_client()._transport.pool.open_sessions == 0


def test_q10_the_module_level_client_works_in_the_loops_of_four_threads(dialect: Dialect, server: FaultServer) -> None:
    failures = []
    together = threading.Barrier(4)

    def work() -> None:
        try:
            together.wait(10)
            for _ in range(3):
                asyncio.run(use(dialect))
        except BaseException as error:  # noqa: BLE001 - raised below, in the test's own thread
            failures.append(error)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert not failures
    gc.collect()
    assert len(server.requests) == 4 * 3 * CALLS_PER_LOOP


@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning", "ignore:Unclosed:ResourceWarning")
def test_loops_that_were_only_closed_do_not_pile_up(dialect: Dialect, server: FaultServer) -> None:
    loops = []
    for _ in range(4):
        loop = asyncio.new_event_loop()
        loop.run_until_complete(exllm.chat(dialect.name, "Hi"))
        loop.close()
        loops.append(weakref.ref(loop))
        del loop
    asyncio.run(use(dialect))
    gc.collect()
    assert [loop() for loop in loops] == [None] * 4


def test_threads_that_ask_at_once_get_one_module_level_client(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(default_client, "_client", None)
    meeting = threading.Barrier(2)
    made: list[exllm.Client] = []

    class Slow(exllm.Client):
        def __init__(self) -> None:
            with contextlib.suppress(threading.BrokenBarrierError):
                meeting.wait(0.2)  # whoever comes first stays until the other one has come too
            super().__init__()
            made.append(self)

    monkeypatch.setattr(default_client, "Client", Slow)
    with concurrent.futures.ThreadPoolExecutor(2) as threads:
        found = list(threads.map(lambda _: default_client.default_client(), range(2)))
    assert found == made * 2


def test_a_stream_left_open_at_the_end_of_its_loop_leaves_no_socket(dialect: Dialect, server: FaultServer) -> None:
    kept = []

    async def leave() -> None:
        stream = exllm.stream(dialect.name, "Hi")
        await stream.__aenter__()
        await anext(stream)
        kept.append(stream)

    asyncio.run(leave())
    stream = kept.pop()
    assert stream.response.text in TEXT
    del stream
    gc.collect()


def test_a_client_used_after_its_loop_is_over_is_closed_on_the_loop_that_closes_it(
    dialect: Dialect, server: FaultServer
) -> None:
    async def open_one(client: exllm.Client) -> None:
        await client.chat(dialect.name, "Hi")

    async def close(client: exllm.Client) -> None:
        await client.chat(dialect.name, "Hi")
        await client.aclose()

    client = exllm.Client()
    asyncio.run(open_one(client))
    asyncio.run(close(client))
    del client
    gc.collect()
