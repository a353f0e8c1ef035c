"""Headless Chromium, driven over its DevTools protocol: https://chromedevtools.github.io/devtools-protocol/."""

from __future__ import annotations

import asyncio
import json
import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from websockets.asyncio.client import ClientConnection, connect

START_S = 30.0
ANSWER_S = 30.0
HOW_TO_INSTALL = "Chromium is missing: apt-get install chromium"
_FLAGS = [
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-default-apps", "--disable-sync",
    "--remote-debugging-port=0", "--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream",
    "--autoplay-policy=no-user-gesture-required",
]  # fmt: skip


class Page:
    """One tab."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection
        self._count = 0
        self.console: list[str] = []

    async def open(self, url: str) -> None:
        """Load `url`, and wait until it has loaded."""
        await self.call("Page.enable")
        await self.call("Runtime.enable")
        await self.call("Page.navigate", url=url)
        await self.until("document.readyState === 'complete' && location.href !== 'about:blank'")

    async def run(self, script: str) -> Any:
        """The value of a JavaScript expression, awaited where it is a promise. Raises AssertionError when it throws."""
        told = await self.call("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in told, (told["exceptionDetails"], self.console)
        return told["result"].get("value")

    async def until(self, condition: str) -> None:
        """Wait until a JavaScript expression is true."""
        async with asyncio.timeout(ANSWER_S):
            while not await self.run(f"Boolean({condition})"):  # noqa: ASYNC110 - the page cannot call us
                await asyncio.sleep(0.02)

    async def call(self, method: str, **parameters: Any) -> Any:
        """One call of the DevTools protocol; what the page logs meanwhile is kept in `console`."""
        self._count += 1
        await self._connection.send(json.dumps({"id": self._count, "method": method, "params": parameters}))
        async with asyncio.timeout(ANSWER_S):
            while True:
                message = json.loads(await self._connection.recv())
                if message.get("method") in ("Runtime.consoleAPICalled", "Runtime.exceptionThrown"):
                    self.console.append(json.dumps(message["params"])[:500])
                if message.get("id") == self._count:
                    assert "error" not in message, message["error"]
                    return message["result"]


@asynccontextmanager
async def browser_page(*flags: str) -> AsyncIterator[Page]:
    """A page in a browser of its own, which ends with the block. Fails where Chromium is missing."""
    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    assert program is not None, HOW_TO_INSTALL
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        process = await asyncio.create_subprocess_exec(
            program, *_FLAGS, *flags, f"--user-data-dir={profile}", "about:blank",
            stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
        )  # fmt: skip
        try:
            async with connect(await _page_address(Path(profile), process), max_size=None) as connection:
                yield Page(connection)
        finally:
            if process.returncode is None:
                process.kill()
            await process.wait()


async def _page_address(profile: Path, process: asyncio.subprocess.Process) -> str:
    """The address of the first tab, once the browser has written where it listens."""
    port_file = profile / "DevToolsActivePort"
    async with asyncio.timeout(START_S):
        while not (port_file.exists() and len(port_file.read_text().splitlines()) == 2):
            assert process.returncode is None, "Chromium ended at once"
            await asyncio.sleep(0.05)
    port, path = port_file.read_text().splitlines()
    async with connect(f"ws://127.0.0.1:{port}{path}") as whole:
        await whole.send(json.dumps({"id": 1, "method": "Target.getTargets"}))
        targets = json.loads(await whole.recv())["result"]["targetInfos"]
    page = next(target for target in targets if target["type"] == "page")
    return f"ws://127.0.0.1:{port}/devtools/page/{page['targetId']}"
