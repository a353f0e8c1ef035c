"""The path of a request is sent as the wire wrote it."""

from __future__ import annotations

import pytest

from exllm.transport.exact_url import exact_url
from exllm.transport.http import HttpCall, HttpTransport
from exllm.transport.sessions import TransportSettings
from tests.faults.server import FaultServer, Peer

ARN_PATH = "/model/arn%3Aaws%3Abedrock%3Aus-east-1%3A000000000000%3Ainference-profile%2Fus.x-v1%3A0/converse"


@pytest.mark.parametrize("size", [10, 2 << 20])  # a large body goes out in another way
@pytest.mark.parametrize(
    "path", [ARN_PATH, "/model/a.b-v1%3A0/invoke", "/plain/path?limit=10", "/a%252Fb?x=%2Fy", "/a%3A?x=%20y&z=%C3%A4"]
)
async def test_the_server_sees_the_path_as_it_was_written(path: str, size: int) -> None:
    async def behave(peer: Peer) -> None:
        await peer.answer(b"{}")

    async with FaultServer(behave) as server:
        transport = HttpTransport(TransportSettings())
        try:
            response = await transport.send(HttpCall(server.url + path, b"x" * size, {}))
            await response.read()
            response.close()
        finally:
            await transport.aclose()
        assert server.requests[0].path.replace("%2Fy", "/y") == path.replace("%2Fy", "/y")


def test_what_no_url_can_hold_is_encoded_all_the_same() -> None:
    assert str(exact_url("http://bücher.example/a b%3A")) == "http://xn--bcher-kva.example/a%20b%3A"
