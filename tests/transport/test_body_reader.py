"""`BodyReader` gives the bytes that aiohttp's own reader gives, and stops the socket where that does."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable

import aiohttp
import pytest
from aiohttp import web
from aiohttp.streams import StreamReader

from exllm.transport.body_reader import IS_AVAILABLE, BodyReader, read_whole_reads

BODY = random.Random(7).randbytes(300_000)
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


async def _pieces(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse()
    if request.query.get("gzip"):
        response.enable_compression(web.ContentCoding.gzip, strategy=0)
    await response.prepare(request)
    seeded, position = random.Random(request.query["seed"]), 0
    while position < len(BODY):
        size = seeded.choice((1, 7, 100, 5_000, 70_000))
        await response.write(BODY[position : position + size])
        position += size
        if seeded.random() < 0.1:
            await asyncio.sleep(0)
    return response


async def _sized(_request: web.Request) -> web.StreamResponse:
    return web.Response(body=BODY)


@pytest.fixture
async def address() -> AsyncIterator[str]:
    app = web.Application()
    app.router.add_get("/pieces", _pieces)
    app.router.add_get("/sized", _sized)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


async def _read(session: aiohttp.ClientSession, url: str, *, swap: bool) -> bytes:
    async with session.get(url) as response:
        if swap:
            read_whole_reads(response)
            assert type(response.content) is BodyReader
        pieces = []
        while piece := await response.content.readany():
            pieces.append(piece)
        assert response.content.at_eof()
        return b"".join(pieces)


def test_it_is_available_with_the_installed_aiohttp() -> None:
    assert IS_AVAILABLE


@pytest.mark.parametrize("path", ["/sized", *[f"/pieces?seed={seed}" for seed in range(5)], "/pieces?seed=1&gzip=1"])
async def test_gives_the_bytes_that_were_sent_and_the_connection_is_used_again(address: str, path: str) -> None:
    connector = aiohttp.TCPConnector(limit=1)
    async with aiohttp.ClientSession(connector=connector, read_bufsize=4096) as session:
        assert await _read(session, address + path, swap=False) == BODY
        assert await _read(session, address + path, swap=True) == BODY
        assert await _read(session, address + path, swap=True) == BODY
        assert len(connector._conns) == 1


async def test_a_body_that_waits_to_be_taken_stops_the_socket(address: str) -> None:
    async with (
        aiohttp.ClientSession(read_bufsize=4096) as session,
        session.get(f"{address}/pieces?seed=3") as response,
    ):
        read_whole_reads(response)
        await asyncio.sleep(0.1)
        assert response.content._size < 4096 * 2 + 300_000 // 4
        assert response.content._protocol._reading_paused
        pieces = []
        while piece := await response.content.readany():
            pieces.append(piece)
        assert b"".join(pieces) == BODY


async def test_a_reader_that_has_given_something_already_is_left_alone(address: str) -> None:
    async with aiohttp.ClientSession() as session, session.get(f"{address}/sized") as response:
        await response.content.read(10)
        read_whole_reads(response)
        assert type(response.content) is StreamReader


async def test_a_lost_connection_raises_after_what_had_come() -> None:
    async def cut(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf of it")
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(cut, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{port}/") as response:
        read_whole_reads(response)
        await asyncio.sleep(0.05)  # the end of the connection is known before anybody reads
        assert await response.content.readany() == b"half of it"
        with pytest.raises(aiohttp.ClientPayloadError):
            await response.content.readany()
    server.close()
    await server.wait_closed()
