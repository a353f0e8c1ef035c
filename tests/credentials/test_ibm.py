"""IBM Cloud: an API key becomes a token, once for all calls, ahead of its end, and in no message."""

from __future__ import annotations

import asyncio
import json
import traceback
from typing import Any
from urllib.parse import parse_qs

import pytest

import exllm
from exllm.config import Chain, Static
from exllm.credentials import ibm
from exllm.credentials import lease as lease_module
from exllm.providers import registry
from tests.credentials.aws_server import ANSWER
from tests.credentials.threads import fetching
from tests.faults.expect import ONCE
from tests.faults.server import FaultServer, Peer

KEY = "AbCdEfGhIjKlMnOpQrStUvWxYz0123456789_-AbCdEf"
TOKEN = "eyJraWQiOiIx.eyJpYW1faWQi.c2lnbmF0"
SPEC = registry.get("watsonx")
assert isinstance(SPEC, exllm.providers.ProviderSpec)


@pytest.fixture(autouse=True)
def _no_tokens_of_before() -> None:
    """Tokens are kept for each key and address, and a server of another test may have had this one's port."""
    ibm._exchange.cache_clear()


class Cloud:
    """IBM's token service and a model service in one.

    Attributes:
        forms: what tokens were asked for with.
        tokens: what calls came with.
        refuse: how the token service answers instead, status and body.
    """

    def __init__(self, expires_in: Any = 3600) -> None:
        self.forms: list[dict[str, str]] = []
        self.tokens: list[str] = []
        self.refuse: tuple[str, bytes] | None = None
        self.gate = asyncio.Event()
        self.gate.set()
        self._expires_in = expires_in

    async def __call__(self, peer: Peer) -> None:
        if peer.request.path != "/identity/token":
            self.tokens.append(peer.request.headers["authorization"])
            await peer.answer(ANSWER)
            return
        assert peer.request.method == "POST"
        assert peer.request.headers["content-type"] == "application/x-www-form-urlencoded"
        self.forms.append({name: values[0] for name, values in parse_qs(peer.request.body.decode()).items()})
        await self.gate.wait()
        if self.refuse is not None:
            await peer.answer(self.refuse[1], self.refuse[0])
            return
        token = {
            "access_token": f"token.of.{len(self.forms)}",
            "refresh_token": "not_supported",
            "token_type": "Bearer",
        }
        await peer.answer(json.dumps({**token, "expires_in": self._expires_in, "scope": "ibm openid"}).encode())


def _config(server: FaultServer, **more: str) -> Static:
    own = {"api_key": KEY, "base_url": server.url, "iam_url": server.url, "project_id": "p-1"}
    return Static({"watsonx": {**own, **more}})


async def test_a_key_is_exchanged_once_for_many_calls() -> None:
    cloud = Cloud()
    cloud.gate.clear()
    async with FaultServer(cloud) as server, exllm.Client(config=_config(server)) as client:
        calls = [asyncio.create_task(client.chat("watsonx", "Hi")) for _ in range(5)]
        while not cloud.forms:  # noqa: ASYNC110
            await asyncio.sleep(0.001)
        cloud.gate.set()
        await asyncio.gather(*calls)
        await client.chat("watsonx-gateway/m", "Hi")
    assert cloud.forms == [{"grant_type": "urn:ibm:params:oauth:grant-type:apikey", "apikey": KEY}]
    assert set(cloud.tokens) == {"Bearer token.of.1"}
    assert len(cloud.tokens) == 6


async def test_the_loop_is_free_while_a_key_is_exchanged() -> None:
    cloud = Cloud()
    cloud.gate.clear()
    async with FaultServer(cloud) as server, exllm.Client(config=_config(server)) as client:
        call = asyncio.create_task(client.chat("watsonx", "Hi"))
        while not cloud.forms:  # noqa: ASYNC110 - this loop itself runs meanwhile, and serves
            await asyncio.sleep(0.001)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        cloud.gate.set()
        await client.chat("watsonx", "Hi")  # with what the cancelled call had asked for
    assert len(cloud.forms) == 1
    assert not fetching()


async def test_a_token_is_renewed_ahead_of_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    now = lease_module.unix_time()
    monkeypatch.setattr(lease_module, "unix_time", lambda: now)
    monkeypatch.setattr(ibm, "unix_time", lambda: now)
    cloud = Cloud()
    async with FaultServer(cloud) as server, exllm.Client(config=_config(server)) as client:
        await client.chat("watsonx", "Hi")
        now += 3600 - lease_module.RENEW_AHEAD_S - 1
        await client.chat("watsonx", "Hi")
        assert len(cloud.forms) == 1
        now += 2  # the old one still serves while the next is fetched
        await client.chat("watsonx", "Hi")
        while fetching():  # noqa: ASYNC110
            await asyncio.sleep(0.001)
        await client.chat("watsonx", "Hi")
        assert len(cloud.forms) == 2
        now += 3600  # what has run out is waited for
        await client.chat("watsonx", "Hi")
    assert cloud.tokens == [f"Bearer token.of.{number}" for number in (1, 1, 1, 2, 3)]


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (
            "400 Bad Request",
            {"errorCode": "BXNIM0415E", "errorMessage": f"no key {KEY} is known"},
            "AuthenticationError",
        ),
        ("401 Unauthorized", {"errorMessage": "no"}, "AuthenticationError"),
        ("429 Too Many Requests", {}, "RateLimited"),
        ("503 Service Unavailable", "<html>", "ServerError"),
        ("200 OK", {"expires_in": 3600}, "ProtocolError"),
        ("200 OK", "not json", "ProtocolError"),
        ("200 OK", [], "ProtocolError"),
    ],
)
async def test_a_refusal_is_told_without_the_key(status: str, body: Any, error: str) -> None:
    cloud = Cloud()
    cloud.refuse = (status, json.dumps(body).encode() if not isinstance(body, str) else body.encode())
    async with FaultServer(cloud) as server, exllm.Client(config=_config(server), retry=ONCE) as client:
        with pytest.raises(exllm.ExLLMError) as caught:
            await client.chat("watsonx", "Hi")
        cloud.refuse = None
        await client.chat("watsonx", "Hi")  # a failure is not kept
    assert type(caught.value).__name__ == error
    assert caught.value.provider == "watsonx"
    assert KEY not in "".join(traceback.format_exception(caught.value))
    if "BXNIM" in str(body):
        assert (caught.value.code, caught.value.status) == ("BXNIM0415E", 400)


async def test_a_token_service_that_is_not_there_is_a_failed_connection() -> None:
    config = Static({"watsonx": {"api_key": KEY, "iam_url": "http://127.0.0.1:9", "project_id": "p-1"}})
    async with exllm.Client(config=config, retry=ONCE) as client:
        with pytest.raises(exllm.ConnectionFailed, match="token service"):
            await client.chat("watsonx", "Hi")


async def test_a_token_goes_as_it_is_from_wherever_it_comes() -> None:
    cloud = Cloud()
    async with FaultServer(cloud) as server:
        async with exllm.Client(config=_config(server, api_key=TOKEN)) as client:
            await client.chat("watsonx", "Hi")
        async with exllm.Client(config=_config(server)) as client:
            await client.chat("watsonx", "Hi", api_key=TOKEN)
    assert cloud.forms == []
    assert cloud.tokens == [f"Bearer {TOKEN}"] * 2


async def test_a_key_of_the_call_itself_is_exchanged() -> None:
    cloud = Cloud()
    other = "another-key-of-another-tenant-0123456789"
    async with FaultServer(cloud) as server, exllm.Client(config=_config(server)) as client:
        await client.chat("watsonx", "Hi", api_key=other)
    assert [form["apikey"] for form in cloud.forms] == [other]


async def test_a_token_that_names_no_end_is_asked_for_again_later() -> None:
    cloud = Cloud(expires_in=None)
    async with FaultServer(cloud) as server, exllm.Client(config=_config(server)) as client:
        await client.chat("watsonx", "Hi")
        await client.chat("watsonx", "Hi")
    assert len(cloud.forms) == 1


def test_what_is_missing_is_told() -> None:
    with pytest.raises(exllm.ConfigurationError, match="WATSONX_API_KEY"):
        ibm.find_signer(SPEC, Static({}))
    with pytest.raises(exllm.ConfigurationError, match="https://"):
        ibm.find_signer(SPEC, Static({"watsonx": {"api_key": KEY, "iam_url": "http://iam.example.org"}}))
    with pytest.raises(exllm.ConfigurationError, match="characters"):
        ibm.find_signer(SPEC, Static({"watsonx": {"api_key": "a key"}}))
    assert registry.missing("watsonx", Static({})) == ("WATSONX_API_KEY",)
    assert registry.missing("watsonx", Static({"watsonx": {"api_key": KEY}})) == ()
    signer = ibm.find_signer(SPEC, Chain(Static({}), Static({"watsonx": {"api_key": KEY}})))
    assert signer is not None
    assert KEY not in repr(signer)
