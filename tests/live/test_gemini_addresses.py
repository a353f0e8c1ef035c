"""Gemini's sessions go where Google's own client goes, with the same key, and say the same there first."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

import pytest
from google import genai
from google.genai import live as google_live
from google.genai import types as google
from google.oauth2.credentials import Credentials

import exllm
from exllm.config import Static
from tests.live.gemini import set_up
from tests.live.scripted_server import Peer, ScriptedServer
from tests.providers.google_live_client import in_camel_case

PLACE = {"project": "p", "location": "us-central1"}


CASES: dict[str, tuple[genai.Client, str, dict[str, str], dict[str, Any]]] = {
    **{
        f"key, {version}": (
            genai.Client(api_key="k", http_options=google.HttpOptions(api_version=version)),
            "gemini", {"api_key": "k"}, {} if version == "v1beta" else {"endpoint": version},
        )
        for version in ("v1", "v1beta", "v1alpha")
    },
    "access token": (
        genai.Client(vertexai=True, credentials=Credentials("ya29.token"), **PLACE),
        "vertex", {"api_key": "ya29.token", **PLACE}, {},
    ),
    "key of Google Cloud": (genai.Client(vertexai=True, api_key="k"), "vertex-express", {"api_key": "k"}, {}),
    "short-lived token": (
        genai.Client(api_key="auth_tokens/t", http_options=google.HttpOptions(api_version="v1alpha")),
        "gemini", {"api_key": "auth_tokens/t"}, {},
    ),
}  # fmt: skip


class _Socket:
    def __init__(self) -> None:
        self.sent: list[str] = []

    async def send(self, message: str) -> None:
        self.sent.append(message)

    async def recv(self, **_: Any) -> bytes:
        return b'{"setupComplete":{}}'


async def opened_by_google(client: genai.Client, monkeypatch: pytest.MonkeyPatch) -> tuple[str, dict[str, str], Any]:
    """Its address, headers and first message."""
    asked: list[Any] = []
    socket = _Socket()

    @asynccontextmanager
    async def connect(url: str, *, additional_headers: dict[str, str], **_: Any) -> AsyncIterator[_Socket]:
        asked.append((url, {name.lower(): value for name, value in additional_headers.items()}))
        yield socket

    monkeypatch.setattr(google_live, "ws_connect", connect)
    config: Any = {"response_modalities": ["AUDIO"], "session_resumption": {}}
    async with client.aio.live.connect(model="gemini-live", config=config):
        ((url, headers),) = asked
    return url, headers, in_camel_case(json.loads(socket.sent[0]))


@pytest.mark.filterwarnings("ignore:The SDK's ephemeral token support")
@pytest.mark.parametrize("case", CASES)
async def test_addresses_and_keys_are_those_of_google_s_client(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    client, provider, values, settings = CASES[case]
    url, headers, message = await opened_by_google(client, monkeypatch)

    async def accept(peer: Peer) -> None:
        await set_up(peer)
        await peer.keep_receiving()

    async with ScriptedServer(accept) as server:
        config = Static({provider: {"live_url": server.url, **values}})
        async with (
            exllm.Client(config=config) as ours,
            ours.live(f"{provider}/gemini-live", modalities=["audio"], **settings),
        ):
            pass
        async with exllm.Client(config=Static({provider: values})) as ours:
            assert ours.live(f"{provider}/gemini-live", **settings)._call.url == f"wss://{urlsplit(url).hostname}"
    (request,), (peer,) = server.requests, server.peers
    path, _, query = request.path.partition("?")
    assert path == urlsplit(url).path.replace("//", "/")
    assert peer.received[0] == message
    if case == "short-lived token":  # by the other of the two ways that there are: browsers can set no header
        assert (query, headers["authorization"]) == ("access_token=auth_tokens%2Ft", "Token auth_tokens/t")
    else:
        name = "authorization" if "authorization" in headers else "x-goog-api-key"
        assert request.headers[name] == headers[name]
        assert not query
