"""Answers that are had at another address than the one that was asked, and the work that goes on there meanwhile."""

from __future__ import annotations

import asyncio
from urllib.parse import urlsplit

import msgspec

from exllm.errors import ProtocolError
from exllm.providers.wire import Elsewhere
from exllm.streaming.loop_end import loop_is_ending
from exllm.transport.http import HttpCall, HttpTransport

STOP_S = 2.0
"""Time limit of the request that ends the work."""


def call_for(there: Elsewhere, asked: HttpCall, base_url: str, key_header: str) -> HttpCall:
    """The request for what is `there`, after `asked` named the place.

    Credentials go along to the same host and port alone; elsewhere the address itself is what proves the right to it.

    Raises: ProtocolError for an address that is none, or that leaves TLS.
    """
    url = base_url + there.url if there.url.startswith("/") else there.url
    try:
        is_at_home = _origin(url) == _origin(base_url)
        is_usable = is_at_home or urlsplit(url).scheme == "https"
    except ValueError:
        is_usable = False
    if not is_usable:
        raise ProtocolError("the provider names an address for its answer that is not one of https://")
    left_out = {"content-type"} if is_at_home else {"content-type", key_header.lower()}
    headers = {name: value for name, value in asked.headers.items() if name.lower() not in left_out}
    headers["accept"] = there.accept
    signer = asked.signer if is_at_home else None
    return msgspec.structs.replace(asked, url=url, body=b"", headers=headers, method="GET", signer=signer)


def stop_call(path: str, asked: HttpCall, base_url: str) -> HttpCall:
    """The request that ends the work which `asked` began."""
    return msgspec.structs.replace(asked, url=base_url + path, body=b"")


class RemoteWork:
    """Work at a service that goes on whoever listens: `stop` ends it, so that nobody pays for what nobody reads.

    `stop` returns at once and may be called again; `stopped` waits for the service to hear of it. Where no event loop
    runs any more, or it is ending, nothing can be sent. That it could not be stopped is no failure of the call.
    """

    def __init__(self, transport: HttpTransport, call: HttpCall) -> None:
        self._transport = transport
        self._call = call
        self._task: asyncio.Task[None] | None = None

    def stop(self) -> None:
        if self._task is None:
            try:
                loop = asyncio.get_running_loop()
            except RuntimeError:
                return
            if loop_is_ending():
                return
            self._task = loop.create_task(self._send(), name="exllm-stop")
            _stopping.add(self._task)
            self._task.add_done_callback(_stopping.discard)

    async def stopped(self) -> None:
        if self._task is None or self._task.done():
            return
        try:
            await asyncio.wait([self._task])
        except asyncio.CancelledError:
            self._task.cancel()  # who closes is in a hurry; nothing is left behind
            await asyncio.wait([self._task], timeout=STOP_S)
            raise

    async def _send(self) -> None:
        try:
            async with asyncio.timeout(STOP_S):
                response = await self._transport.send(self._call)
                try:
                    await response.read()
                finally:
                    response.close()
        except Exception:  # noqa: BLE001 - it ends by itself, then
            return


_stopping: set[asyncio.Task[None]] = set()  # the loop holds tasks weakly


def _origin(url: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port
