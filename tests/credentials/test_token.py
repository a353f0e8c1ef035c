"""Keys that a function gives: asked for at each attempt, sent as bearer tokens, off the loop."""

from __future__ import annotations

import asyncio
import json
import pickle
import threading
import traceback

import pytest

import exllm
from exllm.access import access
from exllm.config import Chain, Env, Static, TokenProvider, lookup
from exllm.errors import AuthenticationError, ConfigurationError, PermissionDenied, RateLimited
from exllm.policies.retry import RetryPolicy
from exllm.providers import ProviderSpec, registry
from tests.credentials.aws_server import ANSWER
from tests.faults.server import FaultServer, Peer


async def answer(peer: Peer) -> None:
    await peer.answer(ANSWER)


async def fail(peer: Peer) -> None:
    await peer.answer(b"{}", "503 Service Unavailable")


def fixed_token() -> str:
    return "entra-token"


class Tokens:
    """A caching object such as the SDKs of clouds give, as a plain function and as an async one."""

    def __init__(self) -> None:
        self.count = 0
        self.threads: set[int] = set()

    def plain(self) -> str:
        self.count += 1
        self.threads.add(threading.get_ident())
        return f"token-{self.count}"

    async def slow(self) -> str:
        await asyncio.sleep(0)
        return self.plain()


@pytest.mark.parametrize("form", ["plain", "async", "lambda"])
async def test_each_attempt_asks_and_sends_a_bearer_token(form: str) -> None:
    tokens = Tokens()
    key: TokenProvider = {"plain": tokens.plain, "async": tokens.slow, "lambda": lambda: tokens.slow()}[form]
    config = Static({"azure": {"api_key": key}})
    async with FaultServer(fail, answer) as server:
        async with exllm.Client(config=config, retry=RetryPolicy(base_s=0.001)) as client:
            assert client.configured("azure") is False  # there is no resource
            assert (await client.chat("azure/m", "Hi", base_url=server.url)).text == "signed"
            async with client.stream("azure/m", "Hi", base_url=server.url) as stream:
                await stream.collect()
        sent = [request.headers["authorization"] for request in server.requests]
        assert sent == ["Bearer token-1", "Bearer token-2", "Bearer token-3"]
        assert not any("api-key" in request.headers for request in server.requests)
    assert (threading.get_ident() in tokens.threads) is (form != "plain")  # what may block is not run on the loop


@pytest.mark.parametrize("provider", ["bedrock", "vertex", "anthropic"])
async def test_it_takes_the_place_of_every_other_kind_of_credentials(provider: str) -> None:
    config = Chain(Static({provider: {"api_key": fixed_token, "region": "us-east-1", "project": "p"}}), Env())
    spec = registry.get(provider)
    assert isinstance(spec, ProviderSpec)
    assert registry.configured(provider, config)
    way = access(spec, config, None, None)
    assert way.signer is not None
    _, headers = await way.signer.sign("POST", way.base_url, way.headers, b"")
    assert headers["authorization"] == "Bearer entra-token"
    assert "x-amz-date" not in headers
    assert "x-api-key" not in headers


async def test_a_key_for_one_call_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    async with FaultServer(answer) as server, exllm.Client(config=Static({"groq": {"api_key": fixed_token}})) as client:
        await client.chat("groq/m", "Hi", base_url=server.url, api_key="mine")
        assert server.requests[0].headers["authorization"] == "Bearer mine"


def broken() -> str:
    raise LookupError("the vault is sealed")


async def broken_later() -> str:
    raise LookupError("the vault is sealed")


def own_error() -> str:
    raise RateLimited("slowly")


@pytest.mark.parametrize(
    ("key", "expected", "words"),
    [
        (broken, AuthenticationError, "failed: LookupError: the vault is sealed"),
        (broken_later, AuthenticationError, "failed: LookupError: the vault is sealed"),
        (own_error, RateLimited, "slowly"),
        (lambda: None, ConfigurationError, "gave none"),
        (lambda: "", ConfigurationError, "gave none"),
        (lambda: "two\r\nlines", ConfigurationError, "gave none"),
    ],
)
async def test_a_function_that_fails(key: TokenProvider, expected: type[exllm.ExLLMError], words: str) -> None:
    config = Static({"groq": {"api_key": key}})
    async with exllm.Client(config=config, retry=RetryPolicy(attempts=1)) as client:
        with pytest.raises(expected, match=words) as failed:
            await client.chat("groq/m", "Hi", base_url="http://127.0.0.1:9")
    assert failed.value.provider == "groq"


async def test_the_token_is_taken_out_of_errors() -> None:
    async def tell(peer: Peer) -> None:
        await peer.answer(b'{"error": {"message": "no such token: entra-token"}}', "403 Forbidden")

    config = Static({"groq": {"api_key": fixed_token}})
    async with FaultServer(tell) as server, exllm.Client(config=config) as client:
        with pytest.raises(PermissionDenied, match="no such token") as failed:
            await client.chat("groq/m", "Hi", base_url=server.url)
    assert "entra-token" not in "".join(traceback.format_exception(failed.value)) + repr(vars(failed.value))


async def test_the_tokens_of_all_attempts_are_taken_out_of_errors() -> None:
    async def tell(peer: Peer) -> None:
        told = f"not {peer.request.headers['authorization']} and not token-1"
        await peer.answer(json.dumps({"error": {"message": told}}).encode(), "403 Forbidden")

    config = Static({"groq": {"api_key": Tokens().plain}})
    async with FaultServer(fail, tell) as server:
        async with exllm.Client(config=config, retry=RetryPolicy(base_s=0.001)) as client:
            with pytest.raises(PermissionDenied, match=r"not Bearer \*\*\* and not \*\*\*"):
                await client.chat("groq/m", "Hi", base_url=server.url)
        assert [request.headers["authorization"] for request in server.requests] == ["Bearer token-1", "Bearer token-2"]


def test_only_a_key_may_be_a_function() -> None:
    with pytest.raises(ConfigurationError, match="'base_url' holds function, expected text"):
        Static({"groq": {"base_url": fixed_token}})

    class Source:
        def get(self, provider: str, key: str) -> TokenProvider:
            return fixed_token

    assert lookup(Source(), "groq", "api_key") is fixed_token
    with pytest.raises(ConfigurationError, match="gave function, expected str or None"):
        lookup(Source(), "groq", "base_url")


def test_it_is_not_shown_and_travels_where_it_can() -> None:
    source = Static({"groq": {"api_key": fixed_token}})
    assert repr(source) == "Static(groq: {api_key: ***})"
    assert pickle.loads(pickle.dumps(source)).get("groq", "api_key") is fixed_token
