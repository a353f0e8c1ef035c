"""Reading the sources: files and addresses, and as of when their figures are."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from exllm.errors import ConfigurationError, ConnectionFailed
from exllm.model_catalog.sync import fetch as module
from exllm.model_catalog.sync.fetch import fetch
from tests.faults.server import FaultServer, Peer


def _serving(*headers: tuple[str, str], status: str = "200 OK") -> FaultServer:
    async def behave(peer: Peer) -> None:
        assert peer.request.headers["user-agent"].startswith("exllm/")
        await peer.head(status, (("content-length", "2"), *headers))
        await peer.send(b"{}")

    return FaultServer(behave)


@pytest.mark.parametrize(
    ("headers", "as_of"),
    [
        ([("date", "Tue, 03 Nov 2026 10:00:00 GMT")], "2026-11-03"),
        (
            [("date", "Tue, 03 Nov 2026 10:00:00 GMT"), ("last-modified", "Mon, 02 Nov 2026 23:59:59 GMT")],
            "2026-11-02",
        ),
    ],
)
async def test_an_address_is_as_of_the_day_that_its_server_says(headers: list[tuple[str, str]], as_of: str) -> None:
    async with _serving(*headers) as server:
        text = await asyncio.to_thread(fetch, server.url)
        stated = await asyncio.to_thread(fetch, server.url, "2025-01")
    assert (text.text, text.as_of) == (b"{}", as_of)
    assert stated.as_of == "2025-01"


async def test_an_address_that_refuses_or_gives_too_much_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    async with _serving(status="404 Not Found") as server:
        with pytest.raises(ConnectionFailed, match="404"):
            await asyncio.to_thread(fetch, server.url)

    async def cut(peer: Peer) -> None:
        await peer.head(headers=(("content-length", "20"), ("date", "rubbish")))
        await peer.send(b"{}")

    async with FaultServer(cut) as server:
        with pytest.raises(ConnectionFailed, match="cut short: 2 of 20 bytes"):
            await asyncio.to_thread(fetch, server.url)
    async with _serving(("date", "rubbish")) as server:
        assert (await asyncio.to_thread(fetch, server.url)).as_of >= "2026-11-21"
    monkeypatch.setattr(module, "MAX_BYTES", 1)
    async with _serving() as server:
        with pytest.raises(ConnectionFailed, match="more than 1 bytes"):
            await asyncio.to_thread(fetch, server.url)


def test_a_file_is_as_of_its_last_change(tmp_path: Path) -> None:
    path = tmp_path / "data.json"
    path.write_text("[]")
    os.utime(path, (1_780_000_000, 1_780_000_000))
    assert fetch(str(path)).as_of == "2026-05-28"
    assert fetch(str(path), "2026-11").as_of == "2026-11"
    with pytest.raises(ConfigurationError, match="cannot read"):
        fetch(str(tmp_path / "none.json"))
