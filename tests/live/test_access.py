"""Whom a session is opened with, and in whose name."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import pytest

import exllm
from exllm import live
from exllm.config import Static
from tests.live import openai
from tests.live.events import next_of
from tests.live.gemini import COMPLETE, set_up
from tests.live.scripted_server import Peer, ScriptedServer

PLACE = {"location": "europe-west4"}


async def accept(peer: Peer) -> None:
    await set_up(peer)
    await peer.send(COMPLETE)
    await peer.keep_receiving()


async def test_vertex_names_the_project_in_the_model_and_takes_an_access_token() -> None:
    async with ScriptedServer(accept) as server:
        config = Static({"vertex": {"api_key": "ya29.token", "project": "p-1", "live_url": server.url, **PLACE}})
        async with exllm.Client(config=config) as client, client.live("vertex/gemini-live-2.5-flash") as session:
            await next_of(session, live.TurnComplete)
    model = server.peers[0].received[0]["setup"]["model"]
    assert model == "projects/p-1/locations/europe-west4/publishers/google/models/gemini-live-2.5-flash"
    assert server.requests[0].headers["authorization"] == "Bearer ya29.token"


@pytest.mark.parametrize(
    ("location", "host"),
    [("europe-west4", "europe-west4-aiplatform.googleapis.com"), ("global", "aiplatform.googleapis.com")],
)
async def test_the_host_is_that_of_the_location(location: str, host: str) -> None:
    config = Static({"vertex": {"api_key": "ya29.token", "project": "p-1", "location": location}})
    async with exllm.Client(config=config) as client:
        assert client.live("vertex")._call.url == f"wss://{host}"


@pytest.mark.parametrize(
    ("provider", "values", "url"),
    [
        ("azure", {"base_url": "https://mine.openai.azure.com/openai/v1"}, "wss://mine.openai.azure.com"),
        ("azure", {"resource": "mine"}, "wss://mine.openai.azure.com"),
        ("openai", {}, "wss://api.openai.com"),
        ("openai", {"base_url": "https://api.openai.com/v1"}, "wss://api.openai.com"),
        ("openai", {"base_url": "http://gateway:8080/openai/v1"}, "ws://gateway:8080"),
        ("openai", {"base_url": "http://gateway:8080/v1", "live_url": "wss://live.gateway/x"}, "wss://live.gateway/x"),
    ],
)
async def test_a_session_goes_where_the_other_calls_go(provider: str, values: dict[str, str], url: str) -> None:
    async with exllm.Client(config=Static({provider: {"api_key": "k", **values}})) as client:
        assert client.live(f"{provider}/gpt-realtime")._call.url == url


class FakeSigner:
    """Credentials that know their project, and whose token is another one each time."""

    settings: Mapping[str, str] = {}
    fills = frozenset({"project"})

    def __init__(self) -> None:
        self.secrets: tuple[str, ...] = ()

    async def sign(
        self, _method: str, url: str, headers: Mapping[str, str], _body: bytes
    ) -> tuple[str, dict[str, str]]:
        self.secrets += (f"ya29.secret-{len(self.secrets)}",)
        return url.replace("{project}", "p-2"), {**headers, "authorization": f"Bearer {self.secrets[-1]}"}

    def lacks(self, _unfilled: Collection[str]) -> list[str]:
        return []


async def drop(peer: Peer) -> None:
    await set_up(peer)
    await peer.send({"sessionResumptionUpdate": {"newHandle": "h", "resumable": True}})
    peer.drop()


async def test_credentials_fill_in_their_project_and_give_a_token_for_each_connection(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("exllm.access.signer_for", lambda _spec, _source: FakeSigner())
    async with ScriptedServer(drop, accept) as server:
        config = Static({"vertex": {"live_url": server.url, **PLACE}})
        async with exllm.Client(config=config) as client, client.live("vertex/gemini-live-2.5-flash") as session:
            await next_of(session, live.TurnComplete)
    for peer in server.peers:
        assert peer.received[0]["setup"]["model"].startswith("projects/p-2/locations/europe-west4/")
    tokens = [request.headers["authorization"] for request in server.requests]
    assert len(set(tokens)) == 2
    assert all(token.startswith("Bearer ya29.secret-") for token in tokens)


async def test_a_function_may_give_the_key() -> None:
    async def token() -> str:
        return "minted"

    async def answer(peer: Peer) -> None:
        await openai.set_up(peer)
        await openai.receive(peer, "response.create")
        await peer.send(*openai.begin("r", "i"), *openai.done(peer, "r", "i", "x"))
        await peer.keep_receiving()

    async with ScriptedServer(answer) as server:
        config = Static({"openai": {"api_key": token, "live_url": server.url}})
        async with exllm.Client(config=config) as client, client.live("openai") as session:
            await session.send("Hi")
            await next_of(session, live.TurnComplete)
    assert server.requests[0].headers["authorization"] == "Bearer minted"
