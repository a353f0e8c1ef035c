"""A slow consumer slows the server, byte for byte, and loses nothing: shown with real sockets."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

import exllm
from tests.faults.dialects import BEDROCK, DIALECTS, OLLAMA, OPENAI, REPLICATE, Dialect
from tests.faults.expect import client_for
from tests.faults.server import FaultServer, Peer

WORDS = 2000
WORD_CHARS = 1000
WHOLE_BYTES = WORDS * WORD_CHARS
SOCKET_BUFFER_BYTES = 32_768
"""What the sockets of both ends may hold; the system doubles it. Left to itself it would take up to six megabytes."""

IN_FLIGHT_BYTES = 600_000
"""Most that may be under way: the socket buffers of both ends, aiohttp's buffer (128 KiB), one network read (256 KiB),
the ring. The answer is three times as large, and could as well be a thousand times."""

AWAY_S = 0.25
"""Longer than it takes until a consumer is read ahead for."""

LOOK_AGAIN_S = 0.1
"""Both ends run on one event loop: whatever can move moves meanwhile."""


def _ids(dialect: Dialect) -> str:
    return dialect.provider


every_dialect = pytest.mark.parametrize("dialect", DIALECTS, ids=_ids)
every_framing = pytest.mark.parametrize("dialect", [OPENAI, OLLAMA, BEDROCK, REPLICATE], ids=_ids)
"""One protocol for each framing, and the one whose stream is found by another request: what is slowed is the reading of
bytes, which the wires have no part in. That all of them are slowed is shown once."""


@pytest.fixture(autouse=True)
def _small_sockets(monkeypatch: pytest.MonkeyPatch) -> None:
    connect = socket.socket.connect

    def connect_small(self: socket.socket, address: Any) -> None:
        self.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SOCKET_BUFFER_BYTES)
        connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", connect_small)


def word(number: int) -> str:
    return f"{number:<{WORD_CHARS}}"


@asynccontextmanager
async def long_answer(dialect: Dialect, **settings: int) -> AsyncIterator[tuple[FaultServer, exllm.Stream]]:
    async def behave(peer: Peer) -> None:
        await peer.begin_stream()
        for frame in dialect.opening:
            await peer.chunk(frame)
        for number in range(WORDS):
            await peer.chunk(dialect.text(word(number)))
        await peer.chunk(b"".join(dialect.closing))
        await peer.end_stream()

    asyncio.get_running_loop().set_debug(False)  # thousands of frames
    async with FaultServer(behave, send_buffer_bytes=SOCKET_BUFFER_BYTES) as server:
        async with (
            client_for(dialect, server.url, **settings) as client,
            client.stream(dialect.name, "Hi") as stream,
        ):
            yield server, stream
        await server.all_left()


async def _stands_still(server: FaultServer) -> int:
    """How much the server had sent when it could send no more; fails when it goes on."""
    async with asyncio.timeout(5):
        await asyncio.sleep(AWAY_S)
        sent = -1
        while server.bytes_sent != sent:  # the system moves what is under way until its buffers are full
            sent = server.bytes_sent
            await asyncio.sleep(LOOK_AGAIN_S)
    return sent


async def _sleeps_and_then_reads(dialect: Dialect, ring_capacity: int) -> None:
    async with long_answer(dialect, ring_capacity=ring_capacity) as (server, stream):
        texts = stream.text()
        seen = [await anext(texts)]
        frame_bytes = len(dialect.text(word(0)))
        assert await _stands_still(server) < IN_FLIGHT_BYTES + ring_capacity * frame_bytes
        assert stream.stats.ring_high_water <= ring_capacity
        assert stream.stats.paused_s > AWAY_S / 2
        seen += [text async for text in texts]
    assert seen == [word(number) for number in range(WORDS)]
    assert stream.stats.dropped == 0
    assert stream.stats.paused_s > AWAY_S / 2
    assert stream.stats.waiting_for_consumer_s > AWAY_S
    assert stream.stats.bytes > WHOLE_BYTES


@every_dialect
async def test_a_consumer_that_sleeps_stops_the_server_and_then_gets_everything(dialect: Dialect) -> None:
    await _sleeps_and_then_reads(dialect, ring_capacity=16)


@every_framing
@pytest.mark.parametrize("ring_capacity", [1, 256])
async def test_the_size_of_the_ring_is_what_is_read_ahead(dialect: Dialect, ring_capacity: int) -> None:
    await _sleeps_and_then_reads(dialect, ring_capacity)


@every_framing
async def test_nobody_reads_a_stream_that_was_only_entered(dialect: Dialect) -> None:
    async with long_answer(dialect, ring_capacity=8) as (server, stream):
        assert await _stands_still(server) < IN_FLIGHT_BYTES
        assert (await stream.collect()).text == "".join(map(word, range(WORDS)))


@every_framing
async def test_a_slow_block_branch_of_a_tee_stops_the_server(dialect: Dialect) -> None:
    async with long_answer(dialect, ring_capacity=16) as (server, stream):
        fast, slow = stream.tee(2, capacity=16)
        reading = asyncio.create_task(_count(fast))
        assert await _stands_still(server) < IN_FLIGHT_BYTES
        assert not reading.done()
        assert await _count(slow) == await reading == WORDS


@every_framing
async def test_a_slow_overwrite_branch_of_a_tee_does_not(dialect: Dialect) -> None:
    async with long_answer(dialect, ring_capacity=16) as (server, stream):
        fast, slow = stream.tee(2, overflow=("block", "overwrite"), capacity=16)
        assert await _count(fast) == WORDS
        assert server.bytes_sent > WHOLE_BYTES
        assert await _count(slow) < 16
        figures = slow.statistics()
        assert figures.popped + figures.overwritten == fast.statistics().popped
        assert figures.overwritten > WORDS - 16


@every_framing
async def test_a_batch_that_nobody_takes_stops_the_server(dialect: Dialect) -> None:
    async with long_answer(dialect, ring_capacity=16) as (server, stream):
        batches = stream.batches(max_size=10, max_delay=0.01)
        first = await anext(batches)
        assert await _stands_still(server) < IN_FLIGHT_BYTES
        rest = [batch async for batch in batches]
        words = [chunk.text for batch in (first, *rest) for chunk in batch if chunk.text]
        await batches.aclose()
    assert words == [word(number) for number in range(WORDS)]


async def _count(chunks: AsyncIterator[exllm.Chunk]) -> int:
    return sum([bool(chunk.text) async for chunk in chunks])
