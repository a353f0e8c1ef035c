"""Thousands of streams, long streams: as many sockets, tasks and bytes at the end as at the beginning."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from itertools import count

import pytest

import exllm
from exllm.streaming.accumulator import Accumulator
from exllm.testing import MockProvider
from tests.faults.dialects import ANTHROPIC, DIALECTS, OPENAI, TEXT, Dialect
from tests.faults.expect import client_for, open_connections
from tests.faults.server import FaultServer, Peer

STREAMS = 2000
AT_ONCE = 50
MOST_GROWTH_BYTES = 4_000_000
"""Noise of the allocator over the second half of the soak; one leaked stream in ten would be far more."""


def rss_bytes() -> int:
    """The resident memory of this process (Linux), or its peak where the system tells no more."""
    with contextlib.suppress(FileNotFoundError), open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


async def test_two_thousand_streams_of_all_fates_leave_nothing() -> None:
    asyncio.get_running_loop().set_debug(False)  # it would take most of the time
    numbers = count()

    async def behave(peer: Peer) -> None:
        dialect = OPENAI if "chat/completions" in peer.request.path else ANTHROPIC
        match next(numbers) % 8:
            case 0:
                await dialect.refuse("500 Whatever")(peer)
            case 1:
                peer.reset()
            case 2:
                await peer.begin_stream()
                await peer.chunk(b"".join(dialect.frames()[:3]))
            case 3:
                await peer.begin_stream()
                await peer.chunk(b"".join(dialect.frames()[:3]))
                await peer.left()
            case _:
                await dialect.reply()(peer)

    fates: dict[str, int] = {}

    async def one(number: int, client: exllm.Client, dialect: Dialect) -> None:
        stream = client.stream(dialect.name, "Hi", timeout=exllm.Timeouts(idle=0.1, first_chunk=2))
        fate = "whole"
        try:
            match number % 4:
                case 0:
                    async with stream:
                        async for text in stream.text():
                            assert TEXT.startswith(text)
                            break
                    fate = "left"
                case 1:
                    async with asyncio.timeout(0.002 * (number % 5)):
                        await stream.collect()
                case 2:
                    async with stream:
                        first, second = stream.tee(2)
                        for branch in (first, second):
                            async for _ in branch:
                                pass
                case _:
                    assert (await stream.collect()).text == TEXT
        except exllm.ExLLMError as error:
            fate = type(error).__name__
        except TimeoutError:
            fate = "cancelled"
        fates[fate] = fates.get(fate, 0) + 1

    async with FaultServer(behave) as server:
        async with (
            client_for(OPENAI, server.url) as openai,
            client_for(ANTHROPIC, server.url) as anthropic,
        ):
            work = iter(range(STREAMS))

            async def worker() -> None:
                for number in work:
                    which = DIALECTS[number // 4 % 2]
                    await one(number, openai if which is OPENAI else anthropic, which)

            async def half(streams: int) -> int:
                nonlocal work
                work = iter(range(streams))
                await asyncio.gather(*(worker() for _ in range(AT_ONCE)))
                gc.collect()
                return rss_bytes()

            before = asyncio.all_tasks() - server.tasks
            bytes_at_half = await half(STREAMS // 2)
            bytes_at_end = await half(STREAMS // 2)
            server.left_at.clear()
            left = {task for task in asyncio.all_tasks() - before - server.tasks if "exllm" in repr(task)}
            assert not left
            assert open_connections(openai) == open_connections(anthropic) == 0
        await server.all_left()
    assert sum(fates.values()) == STREAMS
    assert {"whole", "left", "cancelled", "ServerError", "ConnectionFailed", "StreamInterrupted", "IdleTimeout"} <= set(
        fates
    ), fates
    assert bytes_at_end - bytes_at_half < MOST_GROWTH_BYTES


# -- one long stream

LONG_STREAM = """
import asyncio, sys
sys.path.insert(0, {root!r})
import exllm
from tests.faults.dialects import {dialect}
from tests.faults.expect import client_for
from tests.test_soak import rss_bytes

async def main():
    chunks = 0
    async with client_for({dialect}, {url!r}) as client:
        async with client.stream({dialect}.name, "Hi", accumulate=False) as stream:
            async for chunk in stream:
                chunks += 1
                if chunks == 10_000:
                    before = rss_bytes()
        assert stream.response.text == ""
        assert stream.response.finish_reason == "stop"
        assert stream.response.usage.output_tokens == 5
    print(chunks, rss_bytes() - before)

asyncio.run(main())
"""


@pytest.mark.parametrize("dialect", ["OPENAI", "ANTHROPIC"])
def test_q13_a_stream_of_200_000_chunks_grows_by_less_than_a_megabyte(dialect: str) -> None:
    from tests.faults.thread import server_thread

    which = OPENAI if dialect == "OPENAI" else ANTHROPIC
    many = which.text("word ") * 500

    async def behave(peer: Peer) -> None:
        asyncio.get_running_loop().set_debug(False)
        await peer.begin_stream()
        await peer.chunk(b"".join(which.opening))
        for _ in range(400):
            await peer.chunk(many)
        await peer.chunk(b"".join(which.closing))
        await peer.end_stream()

    root = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    growths = []
    with server_thread(behave) as server:
        for _ in range(6):  # the best of some: the allocator has moods, more of them on a busy machine
            script = textwrap.dedent(LONG_STREAM).format(root=root, dialect=dialect, url=server.url)
            done = subprocess.run(
                [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False
            )
            assert done.returncode == 0, done.stderr
            chunks, growth = map(int, done.stdout.split())
            assert chunks >= 200_000
            growths.append(growth)
            if growth < 1_000_000:
                break
    assert min(growths) < 1_000_000, growths


@pytest.mark.parametrize("size", [1, 8])
def test_q13_the_accumulator_holds_at_most_twice_the_text(size: int) -> None:
    import tracemalloc

    chunks = 200_000
    accumulator = Accumulator("p", "m")
    piece = "abcdefgh"[:size]
    accumulator.add([exllm.TextDelta(piece)])
    tracemalloc.start()
    try:
        for _ in range(chunks // 100):
            accumulator.add([exllm.TextDelta(piece) for _ in range(100)])
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert accumulator.response().text == piece * (chunks + 1)
    assert held <= 2 * chunks * size + 10_000


@pytest.mark.parametrize("is_read_to_the_end", [True, False], ids=["read", "left"])
@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.provider)
async def test_q13_a_stream_that_is_over_leaves_nothing_to_the_garbage_collector(
    dialect: Dialect, is_read_to_the_end: bool
) -> None:
    """Memory is free at once, and no event loop is held up by a collector that finds thousands of streams."""

    async def one() -> None:
        async with client.stream(dialect.name, "Hi") as stream:
            await anext(stream)
            if is_read_to_the_end:
                assert (await stream.collect()).text == TEXT

    asyncio.get_running_loop().set_debug(False)  # it notes who made what
    async with FaultServer(dialect.reply()) as server, client_for(dialect, server.url) as client:
        await one()  # what is made once is made
        await asyncio.sleep(0.01)
        gc.collect()
        gc.disable()
        gc.set_debug(gc.DEBUG_SAVEALL)
        try:
            for _ in range(5):
                await one()
            await asyncio.sleep(0.01)  # the loop lets go of tasks and transports
            gc.collect()
            left = {type(found).__qualname__ for found in gc.garbage if type(found).__module__.startswith("exllm")}
        finally:
            gc.set_debug(0)
            gc.garbage.clear()
            gc.enable()
    assert not left


# -- the time of a chunk does not depend on how many there were


FEW, MANY, FACTOR = 1000, 32_000, 3.0
"""Quadratic work would make a chunk 32 times as dear; the factor leaves room for caches and a busy machine."""


@pytest.mark.parametrize(
    ("dialect", "kind"),
    [
        (dialect, kind)
        for dialect in DIALECTS
        for kind in ("text", "arguments")
        if kind == "text" or (dialect.tool_frames and not dialect.calls_come_whole)
    ],
    ids=lambda value: value if isinstance(value, str) else value.provider,
)
def test_q14_a_chunk_costs_the_same_at_1_000_and_at_32_000(dialect: Dialect, kind: str) -> None:
    """Bytes through framing, wire and accumulator, in the network reads of a live stream: one frame each."""
    from exllm.providers import registry
    from exllm.providers.spec import ProviderSpec
    from exllm.streaming import EventStreamDecoder, NDJSONDecoder, SSEDecoder

    spec = registry.get(dialect.provider)
    assert isinstance(spec, ProviderSpec)
    wire = registry.wire(spec.wire)
    framings = {"sse": SSEDecoder, "ndjson": NDJSONDecoder, "aws_eventstream": EventStreamDecoder}
    request = exllm.Request(dialect.provider, dialect.model, (exllm.Message("user", "Hi"),))

    def run(frames: list[bytes]) -> Accumulator:
        framing, decoder = framings[wire.framing](), wire.decoder(request, spec)
        accumulator = Accumulator(dialect.provider, dialect.model)
        for frame in frames:
            accumulator.add(decoder.feed(framing.feed(frame)))
        return accumulator

    def costs_s(chunks: int, tries: int) -> Iterator[float]:
        pieces = ["abcd "] * chunks
        call_frames = dialect.tool_frames
        frames = call_frames(pieces) if kind == "arguments" and call_frames else dialect.frames(pieces)
        for _ in range(tries):
            started = time.process_time()
            accumulator = run(frames)
            cost_s = (time.process_time() - started) / chunks
            response = accumulator.response()
            assert (response.text if kind == "text" else response.tool_calls[0].arguments) == "".join(pieces)
            yield cost_s

    run(dialect.frames())  # what is made once is made
    few_s = min(costs_s(FEW, tries=4))
    assert any(many_s < FACTOR * few_s for many_s in costs_s(MANY, tries=3))


async def test_q14_delivery_costs_the_same_at_1_000_and_at_32_000() -> None:
    asyncio.get_running_loop().set_debug(False)

    async def cost_s(chunks: int) -> float:
        best = float("inf")
        with MockProvider([exllm.TextDelta("abcd ")] * chunks):
            for _ in range(2):
                started = time.process_time()
                async with exllm.Client() as client, client.stream("mock", "Hi") as stream:
                    seen = sum([len(text) async for text in stream.text()])
                assert seen == 5 * chunks == len(stream.response.text)
                best = min(best, (time.process_time() - started) / chunks)
        return best

    await cost_s(FEW)
    assert await cost_s(MANY) < FACTOR * await cost_s(FEW)
