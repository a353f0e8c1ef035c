"""Fetching from public addresses alone, against a server on this machine, which is not one."""

from __future__ import annotations

import asyncio
import gc
import gzip
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web

from exllm.errors import ConnectionFailed, InvalidRequest, NotFound, ServerError, TotalTimeout
from exllm.transport import public_fetch
from exllm.transport.public_fetch import fetch, is_public

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@asynccontextmanager
async def serving(**handlers: Handler) -> AsyncIterator[str]:
    app = web.Application()
    for name, handler in handlers.items():
        app.router.add_get(f"/{name}", handler)
    runner = web.AppRunner(app, shutdown_timeout=0.1, handler_cancellation=True)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{site._server.sockets[0].getsockname()[1]}"  # type: ignore[union-attr]
    finally:
        await runner.cleanup()


@pytest.fixture
def _this_machine_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(public_fetch, "is_public", lambda address: address == "127.0.0.1" or is_public(address))


async def picture(_request: web.Request) -> web.Response:
    return web.Response(body=b"\x89PNG picture", content_type="image/png", charset="utf-8")


class TestWhatIsPublic:
    @pytest.mark.parametrize(
        "address", ["8.8.8.8", "1.1.1.1", "2606:4700:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"]
    )
    def test_these_are(self, address: str) -> None:
        assert is_public(address)

    @pytest.mark.parametrize(
        "address",
        [
            "127.0.0.1", "127.9.9.9", "0.0.0.0", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254",
            "100.64.0.1", "224.0.0.1", "255.255.255.255", "240.0.0.1", "198.18.0.1", "192.0.2.1", "::1", "::",
            "fe80::1", "fe80::1%eth0", "fc00::1", "fd00:ec2::254", "ff02::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1",
            "2002:7f00:1::", "64:ff9b::7f00:1", "2001:db8::1", "fec0::1", "192.0.0.192", "168.63.129.16", "3fff::1",
            "64:ff9b:1::7f00:1", "2001:0:4136:e378:8000:63bf:f7f7:f7f7", "::7f00:1",
        ],
    )  # fmt: skip
    def test_these_are_not(self, address: str) -> None:
        assert not is_public(address)

    @pytest.mark.parametrize(
        "url", ["http://127.0.0.1:1/x", "http://[::1]/x", "http://169.254.169.254/latest", "http://[::ffff:10.0.0.1]/"]
    )
    async def test_addresses_of_private_networks_are_refused(self, url: str) -> None:
        with pytest.raises(InvalidRequest, match="not a public address"):
            await fetch(url)

    @pytest.mark.parametrize(
        "host",
        [
            "localhost", "LOCALHOST", "127.1", "2130706433", "0", "[::]", "127.0.0.1.",
            # IDNA makes plain digits and dots of these, after which no resolver is asked
            "\uff11\uff12\uff17.0.0.1", "\u2460\u2461\u2466.\u24ea.\u24ea.\u2460", "127\u30020\u30020\u30021",
        ],
    )  # fmt: skip
    async def test_names_that_lead_there_are_refused(self, host: str) -> None:
        with pytest.raises(InvalidRequest, match=r"not a public address|no address that can be fetched"):
            await fetch(f"http://{host}:1/x", timeout=5)

    @pytest.mark.parametrize("addresses", [["10.0.0.1"], ["8.8.8.8", "10.0.0.1"], ["::1"]])
    async def test_a_name_with_any_private_address_is_refused(
        self, addresses: list[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async def getaddrinfo(host: str, port: int, **_more: Any) -> list[Any]:
            assert host == "rebound.example"
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in addresses]

        monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", getaddrinfo)
        with pytest.raises(InvalidRequest, match=r"rebound\.example is at \S+, which is not a public address"):
            await fetch("http://rebound.example/x", timeout=5)

    async def test_a_name_that_nobody_knows(self, monkeypatch: pytest.MonkeyPatch) -> None:
        async def getaddrinfo(*_given: Any, **_more: Any) -> list[Any]:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

        monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", getaddrinfo)
        with pytest.raises(ConnectionFailed, match="no such host"):
            await fetch("http://nobody.example/x", timeout=5)

    async def test_nothing_is_sent_to_them(self) -> None:
        seen: list[str] = []

        async def watch(request: web.Request) -> web.Response:
            seen.append(request.path)
            return web.Response()

        async with serving(x=watch) as url:
            for host in ("127.0.0.1", "localhost", "\uff11\uff12\uff17.0.0.1", "[::ffff:127.0.0.1]"):
                address = url.replace("127.0.0.1", host)
                with pytest.raises(InvalidRequest):
                    await fetch(f"{address}/x")
        assert seen == []


@pytest.mark.usefixtures("_this_machine_counts")
class TestFetching:
    async def test_bytes_and_media_type(self) -> None:
        async with serving(a=picture) as url:
            assert await fetch(f"{url}/a") == (b"\x89PNG picture", "image/png")

    async def test_redirects_are_followed_a_few_times(self) -> None:
        async def on(request: web.Request) -> web.Response:
            raise web.HTTPFound(f"/{chr(ord(request.path[1]) + 1)}")

        async with serving(a=on, b=on, c=on, d=on, e=on, f=picture) as url:
            assert (await fetch(f"{url}/a"))[0] == b"\x89PNG picture"

        async def around(_request: web.Request) -> web.Response:
            raise web.HTTPFound("/a")

        async with serving(a=around) as url:
            with pytest.raises(InvalidRequest, match="redirects more than 5 times"):
                await fetch(f"{url}/a")

    @pytest.mark.parametrize(
        "target",
        [
            "http://10.0.0.1/secret", "http://[::1]:9/", "file:///etc/passwd", "ftp://x/y", "//10.0.0.1/",
            "//me@b.org/", "http://\uff11\uff10.0.0.1/", "http://[",
        ],
    )  # fmt: skip
    async def test_a_redirect_into_the_private_network_is_refused(self, target: str) -> None:
        async def away(_request: web.Request) -> web.Response:
            return web.Response(status=302, headers={"location": target})

        async with serving(a=away) as url:
            with pytest.raises(InvalidRequest, match=r"not a public address|no http://|not sent"):
                await fetch(f"{url}/a")

    async def test_more_than_wanted_ends_it(self) -> None:
        async def endless(request: web.Request) -> web.StreamResponse:
            answer = web.StreamResponse()
            await answer.prepare(request)
            while True:
                try:
                    await answer.write(b"0" * 65536)
                except ConnectionError:
                    return answer

        async with serving(a=endless) as url:
            with pytest.raises(InvalidRequest, match="more than max_bytes=100,000"):
                await fetch(f"{url}/a", max_bytes=100_000)

    async def test_what_is_packed_small_counts_unpacked(self) -> None:
        async def bomb(_request: web.Request) -> web.Response:
            return web.Response(body=gzip.compress(b"0" * 10_000_000), headers={"content-encoding": "gzip"})

        async with serving(a=bomb) as url:
            with pytest.raises(InvalidRequest, match="more than max_bytes"):
                await fetch(f"{url}/a", max_bytes=1_000_000)

    async def test_gzip_is_unpacked_and_must_be_whole(self) -> None:
        packed = gzip.compress(b"some text " * 1000)

        async def whole(_request: web.Request) -> web.Response:
            return web.Response(body=packed + b"and more", headers={"content-encoding": "gzip"})

        async def half(_request: web.Request) -> web.Response:
            return web.Response(body=packed[:-20], headers={"content-encoding": "gzip"})

        async def no_gzip(_request: web.Request) -> web.Response:
            return web.Response(body=b"not packed", headers={"content-encoding": "gzip"})

        async with serving(a=whole, b=half, c=no_gzip) as url:
            assert (await fetch(f"{url}/a", max_bytes=10_000))[0] == b"some text " * 1000
            for broken in "bc":
                with pytest.raises(ConnectionFailed):
                    await fetch(f"{url}/{broken}")

    @pytest.mark.parametrize("packing", ["br", "zstd", "deflate", "gzip, gzip"])
    async def test_other_packing_is_not_asked_for_and_not_unpacked(self, packing: str) -> None:
        asked: list[str] = []

        async def packed(request: web.Request) -> web.Response:
            asked.append(request.headers["accept-encoding"])
            return web.Response(body=b"\0" * 100, headers={"content-encoding": packing})

        async with serving(a=packed) as url:
            with pytest.raises(ConnectionFailed, match="not asked for"):
                await fetch(f"{url}/a")
        assert asked == ["gzip"]

    async def test_a_server_that_drips_is_left_in_time(self) -> None:
        async def drip(request: web.Request) -> web.StreamResponse:
            answer = web.StreamResponse()
            await answer.prepare(request)
            while True:
                await answer.write(b"0")
                await asyncio.sleep(0.01)

        async with serving(a=drip) as url:
            with pytest.raises(TotalTimeout):
                await fetch(f"{url}/a", timeout=0.2)

    @pytest.mark.parametrize(("status", "error"), [(404, NotFound), (403, NotFound), (500, ServerError)])
    async def test_refusals(self, status: int, error: type[Exception]) -> None:
        async def refuse(_request: web.Request) -> web.Response:
            return web.Response(status=status)

        async with serving(a=refuse) as url:
            with pytest.raises(error, match=f"status {status}"):
                await fetch(f"{url}/a?token=secret")

    async def test_a_server_that_says_nothing(self) -> None:
        async def wait(_request: web.Request) -> web.Response:
            await asyncio.sleep(30)
            return web.Response()

        async with serving(a=wait) as url:
            with pytest.raises(TotalTimeout, match=r"within 0\.2 s"):
                await fetch(f"{url}/a", timeout=0.2)
        gc.collect()

    async def test_nobody_there(self) -> None:
        with pytest.raises(ConnectionFailed, match="cannot be fetched"):
            await fetch("http://127.0.0.1:1/a")

    async def test_no_secret_of_the_address_is_told(self) -> None:
        with pytest.raises(ConnectionFailed) as told:
            await fetch("http://127.0.0.1:1/bot-s3cret/a?token=s3cret")
        assert "s3cret" not in str(told.value)

    @pytest.mark.parametrize(
        "url", ["http://me:s3cret@example.org/", "no address", "http://", "http://[", "http://a:99999/"]
    )
    async def test_what_is_no_address(self, url: str) -> None:
        with pytest.raises(InvalidRequest) as told:
            await fetch(url)
        assert "s3cret" not in str(told.value)

    async def test_cancelled_it_leaves_nothing(self) -> None:
        started = asyncio.Event()

        async def wait(_request: web.Request) -> web.Response:
            started.set()
            await asyncio.sleep(30)
            return web.Response()

        async with serving(a=wait) as url:
            task: asyncio.Task[Any] = asyncio.create_task(fetch(f"{url}/a"))
            await started.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        gc.collect()  # a socket left open would warn, and warnings are errors
