"""aimock as a process of its own, with the fixtures beside this file."""

from __future__ import annotations

import re
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp

import exllm

KEY = "sk-test.0123456789.token"  # of the form that IBM takes for a token, and not for a key to exchange
FOLDER = Path(__file__).parent
SCRIPT = FOLDER.parent / "node_modules/@copilotkit/aimock/dist/cli.js"
START_S = 30.0
HOW_TO_INSTALL = "run `npm --prefix tests/e2e ci --ignore-scripts`"


# Where the base URL of a provider ends, below aimock's own: before the version, after it, or further on.
BASES = {
    "openai": "/v1",
    "openai-responses": "/v1",
    "anthropic": "",
    "bedrock": "",
    "bedrock-invoke": "",
    "gemini": "",
    "gemini-interactions": "",
    "vertex": "/v1/projects/p/locations/global",
    "ollama": "",
    "ollama-generate": "",
    "cohere": "",
    "azure": "",
    "azure-deployments": "",
    "openrouter": "/api/v1",
}


class Aimock(NamedTuple):
    """A running aimock. `url` is where all of its endpoints begin."""

    url: str

    def base_url(self, provider: str) -> str:
        """The base URL of `provider`."""
        return self.url + BASES[provider]

    def client(self, **arguments: Any) -> exllm.Client:
        """A client whose providers are this server, and which tries once unless told otherwise."""
        config = exllm.config.Static({name: {"api_key": KEY, "base_url": self.base_url(name)} for name in BASES})
        return exllm.Client(**{"config": config, "retry": exllm.RetryPolicy(attempts=1), **arguments})

    async def arrived(self, request_id: str | None) -> dict[str, Any]:
        """What aimock received as the request that it gave this id: `method`, `path`, `headers`, `body`."""
        assert request_id, "the answer has no request id"
        (entry,) = await self._get(f"/__aimock/journal?requestId={request_id}")
        found: dict[str, Any] = entry
        return found

    async def _get(self, path: str) -> Any:
        async with aiohttp.ClientSession() as session, session.get(self.url + path) as response:
            assert response.status == 200
            return await response.json()


@contextmanager
def running_aimock() -> Iterator[Aimock]:
    """Start aimock on a free port, and end it. Fails with what is missing where it cannot be started."""
    node = shutil.which("node")
    assert node, "these tests need Node.js 20 or newer"
    assert SCRIPT.exists(), f"these tests need aimock: {HOW_TO_INSTALL}"
    process = subprocess.Popen(
        [node, str(SCRIPT), "-p", "0", "-f", str(FOLDER / "fixtures.json"), "--chunk-size", "8", "--strict",
         "--validate-on-load"],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    watchdog = threading.Timer(START_S, process.kill)
    watchdog.start()
    try:
        said: list[str] = []
        for line in process.stdout:
            said.append(line)
            if found := re.search(r"listening on (http://\S+)", line):
                break
        else:
            raise AssertionError(f"aimock did not start: {''.join(said)}")
        watchdog.cancel()
        drain = threading.Thread(target=process.stdout.read, daemon=True)  # a full pipe would stop it
        drain.start()
        yield Aimock(found.group(1))
    finally:
        watchdog.cancel()
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()
