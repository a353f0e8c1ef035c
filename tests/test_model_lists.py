"""`Client.list_models` against a loopback server: pages, what is kept, what stands in."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import botocore.session
import pytest
from botocore.serialize import create_serializer

import exllm
from exllm import model_lists
from exllm.config import Static
from exllm.model_lists import MODEL_LIST_TTL_S, catalog_models
from exllm.providers import registry
from exllm.testing import MockProvider
from exllm.transport import model_list
from exllm.types.model import ModelEntry
from tests.faults.expect import KEY, ONCE
from tests.faults.server import FaultServer, Peer

NAMES = ("openai", "anthropic", "gemini", "cohere", "ollama", "mistral", "perplexity")


def client_of(server: FaultServer | None = None, **more: Any) -> exllm.Client:
    url = server.url if server is not None else "http://127.0.0.1:9"
    config = Static({name: {"api_key": KEY, "base_url": url} for name in NAMES})
    return exllm.Client(**{"config": config, "retry": ONCE, **more})


def ids(entries: list[ModelEntry]) -> list[str]:
    return [entry.id for entry in entries]


def query_of(peer: Peer) -> dict[str, str]:
    return dict(parse_qsl(urlsplit(peer.request.path).query))


OPENAI = {
    "object": "list",
    "data": [
        {"id": "gpt-4.1", "object": "model", "owned_by": "system"},
        {"id": "text-embedding-3-small", "object": "model"},
        {"id": "whisper-1", "object": "model"},
        {"id": "something-new", "object": "model"},
    ],
}


async def openai(peer: Peer) -> None:
    assert (peer.request.method, peer.request.path) == ("GET", "/models")
    assert peer.request.headers["authorization"].startswith("Bearer ")
    await peer.answer(json.dumps(OPENAI).encode())


# -- what is listed


async def test_what_chats_or_embeds_is_listed_and_what_nobody_knows_the_kind_of() -> None:
    async with FaultServer(openai) as server, client_of(server) as client:
        entries = await client.list_models("openai")
        assert ids(entries) == ["gpt-4.1", "something-new", "text-embedding-3-small"]
        assert {entry.source for entry in entries} == {"provider"}
        assert ids(await client.list_models("openai", kinds=["embedding"])) == [
            "something-new",
            "text-embedding-3-small",
        ]
        assert ids(await client.list_models("openai", kinds=["transcription"])) == ["something-new", "whisper-1"]
        assert await client.list_models("openai", kinds="embedding") == await client.list_models(
            "openai", kinds=["embedding"]
        )
        assert len(await client.list_models("openai", kinds=None)) == 4


async def test_what_the_provider_does_not_tell_the_catalog_does() -> None:
    async with FaultServer(openai) as server, client_of(server) as client:
        entries = {entry.id: entry for entry in await client.list_models("openai", kinds=None)}
    known = entries["gpt-4.1"]
    assert (known.owned_by, known.source) == ("system", "provider")
    assert {"context_window", "input_usd_per_mtok", "capabilities"} <= set(known.from_catalog)
    assert known.context_window
    assert known.input_usd_per_mtok
    assert "function_calling" in known.capabilities
    assert entries["whisper-1"].kinds == ("transcription",)
    assert entries["something-new"] == ModelEntry(
        "openai", "something-new", raw={"id": "something-new", "object": "model"}
    )


async def pages(peer: Peer, name: str, rows: dict[str, Any], token: str, *, anthropic: bool = False) -> None:
    """Three pages of one model each."""
    number = int(query_of(peer).get(token, "page-0").rpartition("-")[2])
    row = {key: value.format(number) for key, value in rows.items()}
    listing: dict[str, Any] = {name: [row]}
    if anthropic:
        listing |= {"has_more": number < 2, "last_id": f"claude-{number + 1}"}
    elif number < 2:
        listing |= {{"pageToken": "nextPageToken", "page_token": "next_page_token"}[token]: f"page-{number + 1}"}
    await peer.answer(json.dumps(listing).encode())


@pytest.mark.parametrize(
    ("provider", "name", "rows", "token", "path", "kept"),
    [
        ("anthropic", "data", {"id": "claude-{}"}, "after_id", "/v1/models", {"limit": "1000"}),
        ("gemini", "models", {"name": "models/gemini-{}"}, "pageToken", "/v1beta/models", {"pageSize": "1000"}),
        ("cohere", "models", {"name": "command-{}"}, "page_token", "/v1/models", {"page_size": "1000"}),
    ],
)
async def test_all_pages_are_read(
    provider: str, name: str, rows: dict[str, str], token: str, path: str, kept: dict[str, str]
) -> None:
    async def behave(peer: Peer) -> None:
        await pages(peer, name, rows, token, anthropic=provider == "anthropic")

    async with FaultServer(behave) as server, client_of(server) as client:
        entries = await client.list_models(provider)
    assert [entry.id[-1] for entry in entries] == ["0", "1", "2"]
    assert [urlsplit(request.path).path for request in server.requests] == [path] * 3
    queries = [dict(parse_qsl(urlsplit(request.path).query)) for request in server.requests]
    assert [query.pop(token, None) is None for query in queries] == [True, False, False]
    assert queries == [kept] * 3


async def test_a_list_without_an_end_is_a_protocol_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model_list, "MOST_PAGES", 5)
    count = 0

    async def endless(peer: Peer) -> None:
        nonlocal count
        count += 1
        await peer.answer(json.dumps({"models": [{"name": f"m{count}"}], "nextPageToken": str(count)}).encode())

    async with FaultServer(endless) as server, client_of(server) as client:
        with pytest.raises(exllm.ProtocolError, match="does not end after 5 pages"):
            await client.list_models("gemini")
    assert len(server.requests) == 5


async def test_a_page_that_names_itself_as_the_next_is_the_last() -> None:
    async def circle(peer: Peer) -> None:
        await peer.answer(b'{"models": [{"name": "gemini-1"}], "nextPageToken": "same"}')

    async with FaultServer(circle) as server, client_of(server) as client:
        assert ids(await client.list_models("gemini")) == ["gemini-1"]
    assert len(server.requests) == 2


async def test_ollama_lists_what_is_pulled() -> None:
    async def tags(peer: Peer) -> None:
        assert peer.request.path == "/api/tags"
        await peer.answer(b'{"models": [{"name": "qwen3:8b", "model": "qwen3:8b", "size": 5}]}')

    async with FaultServer(tags) as server, client_of(server) as client:
        assert ids(await client.list_models("ollama")) == ["qwen3:8b"]


async def test_bedrocks_list_is_asked_for_at_its_control_plane_and_signed(monkeypatch: pytest.MonkeyPatch) -> None:
    spec = registry.get("bedrock")
    host, path = spec.models_endpoint()  # type: ignore[union-attr]
    service = botocore.session.get_session().get_service_model("bedrock")
    operation = service.operation_model("ListFoundationModels")
    assert path == create_serializer("rest-json").serialize_to_request({}, operation)["url_path"]
    assert host == "https://bedrock.{region}.amazonaws.com"

    async def models(peer: Peer) -> None:
        if peer.request.path.startswith("/inference-profiles"):
            await profiles(peer)
            return
        assert peer.request.path == path
        assert peer.request.headers["authorization"].startswith("AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/")
        assert "/eu-west-1/bedrock/aws4_request" in peer.request.headers["authorization"]
        row = {"modelId": "cohere.embed-v4:0", "modelArn": "arn", "outputModalities": ["EMBEDDING"]}
        await peer.answer(json.dumps({"modelSummaries": [row]}).encode())

    async def profiles(peer: Peer) -> None:
        assert "/eu-west-1/bedrock/aws4_request" in peer.request.headers["authorization"]
        query = query_of(peer)
        assert query.pop("maxResults") == "1000"
        number = 2 if query else 1
        assert query in ({}, {"nextToken": "token"})
        answer = {"inferenceProfileSummaries": [{"inferenceProfileId": f"eu.amazon.nova-{number}", "models": []}]}
        await peer.answer(json.dumps(answer | ({"nextToken": "token"} if number == 1 else {})).encode())

    for variable in ("AWS_BEARER_TOKEN_BEDROCK", "AWS_PROFILE", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret-0123456789")
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    async with FaultServer(models) as server, exllm.Client(retry=ONCE) as client:
        entries = await client.list_models("bedrock", base_url=server.url)
        assert await client.list_models("bedrock", base_url=server.url) == entries
        assert len(server.requests) == 3
    assert ids(entries) == ["cohere.embed-v4:0", "eu.amazon.nova-1", "eu.amazon.nova-2"]
    assert entries[0].kinds == ("embedding",)


# -- what is kept


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [1000.0]
    monkeypatch.setattr(model_lists.time, "monotonic", lambda: now[0])
    return now


async def test_a_list_is_kept_for_an_hour(clock: list[float]) -> None:
    async with FaultServer(openai) as server, client_of(server) as client:
        first = await client.list_models("openai")
        first.clear()  # the caller's own
        assert len(await client.list_models("openai")) == 3
        clock[0] += MODEL_LIST_TTL_S - 1
        assert len(await client.list_models("openai")) == 3
        assert len(server.requests) == 1
        clock[0] += 1
        assert len(await client.list_models("openai")) == 3
        assert len(server.requests) == 2
        await client.list_models("openai", refresh=True)
        assert len(server.requests) == 3
        await client.list_models("openai")
        assert len(server.requests) == 3


async def test_each_key_and_each_client_has_lists_of_its_own() -> None:
    async with FaultServer(openai) as server, client_of(server) as client:
        await client.list_models("openai")
        await client.list_models("openai", api_key="sk-another-0123456789")
        await client.list_models("openai")
        await client.list_models("openai", api_key="sk-another-0123456789")
        assert len(server.requests) == 2
        async with client_of(server) as other:
            await other.list_models("openai")
        assert len(server.requests) == 3
        assert KEY not in repr(vars(client._model_lists))


async def test_a_failure_is_not_kept() -> None:
    async def broken(peer: Peer) -> None:
        await peer.answer(b"{}", "500 Internal Server Error")

    async with FaultServer(broken, openai) as server, client_of(server) as client:
        with pytest.raises(exllm.ServerError):
            await client.list_models("openai")
        assert len(await client.list_models("openai")) == 3


async def test_a_page_is_asked_for_again_as_the_retry_policy_says() -> None:
    async def busy(peer: Peer) -> None:
        await peer.answer(b"{}", "503 Service Unavailable", "application/json", ("retry-after-ms", "5"))

    policy = exllm.RetryPolicy(attempts=2)
    async with FaultServer(busy, openai) as server, client_of(server, retry=policy) as client:
        assert len(await client.list_models("openai")) == 3
        assert len(server.requests) == 2
    async with FaultServer(busy) as server, client_of(server, retry=policy) as client:
        with pytest.raises(exllm.Overloaded) as caught:
            await client.list_models("openai")
    assert (caught.value.attempts, caught.value.provider) == (2, "openai")


# -- what stands in


async def test_the_catalog_answers_for_a_provider_that_cannot_be_asked_if_told_to() -> None:
    async def refuse(peer: Peer) -> None:
        await peer.answer(b'{"error": {"message": "wrong key"}}', "401 Unauthorized")

    async with FaultServer(refuse) as server, client_of(server) as client:
        with pytest.raises(exllm.AuthenticationError):
            await client.list_models("openai")
        entries = await client.list_models("openai", fallback=True)
    assert {entry.source for entry in entries} == {"catalog"}
    known = {entry.id: entry for entry in entries}
    assert known["gpt-4.1"].kinds == ("chat",)
    assert known["gpt-4.1"].context_window
    assert "embedding" in known["text-embedding-3-small"].kinds
    assert all({"chat", "embedding"} & set(entry.kinds) or not entry.kinds for entry in entries)


async def test_without_a_key_the_catalog_may_answer_as_well() -> None:
    async with exllm.Client(config=Static({})) as client:
        with pytest.raises(exllm.ConfigurationError, match="no key for OpenAI"):
            await client.list_models("openai")
        assert {entry.source for entry in await client.list_models("openai", fallback=True)} == {"catalog"}


async def test_a_provider_without_a_list_is_answered_for_by_the_catalog() -> None:
    without = [
        info.name
        for info in registry.list_providers()
        if isinstance(spec := registry.get(info.name), exllm.providers.ProviderSpec)
        and spec.paths.models is None
        and catalog_models(info.name)
    ]
    assert without
    async with exllm.Client(config=Static({})) as client:
        for name in without:
            entries = await client.list_models(name, kinds=None)
            assert ids(entries) == sorted(ids(entries))
            assert {(entry.provider, entry.source) for entry in entries} == {(name, "catalog")}


async def test_a_provider_that_nobody_knows_the_models_of_is_told() -> None:
    registry.register({"name": "nobody-knows", "label": "NK", "wire": "openai_chat", "base_url": "https://x.example"})
    try:
        async with exllm.Client(config=Static({"nobody-knows": {"api_key": KEY}})) as client:
            with pytest.raises(exllm.ConfigurationError, match="NK has no model list"):
                await client.list_models("nobody-knows", fallback=True)
    finally:
        registry.unregister("nobody-knows")


async def test_foreign_backends_are_filtered_alike() -> None:
    class Backend(MockProvider):
        async def list_models(self) -> list[ModelEntry]:
            return [ModelEntry("foreign", "a", kinds=("image",)), ModelEntry("foreign", "b"),
                    ModelEntry("foreign", "c", kinds=("chat",))]  # fmt: skip

    with Backend(name="foreign"):
        async with exllm.Client() as client:
            assert ids(await client.list_models("foreign")) == ["b", "c"]
            assert ids(await client.list_models("foreign", kinds=None)) == ["a", "b", "c"]
