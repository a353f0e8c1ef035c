"""The wire as the registry and the client see it, with a server of our own."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

import exllm
from exllm.config import Static
from exllm.providers import registry
from exllm.providers.gemini_generate import QUIRKS, WIRE, GenerateWire
from exllm.providers.spec import check_quirks
from exllm.providers.wire import Wire
from tests.providers.gemini_recordings import EXPECTED, Recording, load, spec_of, summary

STREAM = load("gemini__gemini-streamGenerateContent__test-google-model-file-search-tool-stream__3")
LIST = load("gemini__gemini-streamGenerateContent__test-tools__0")
BODY = load("gemini__gemini-generateContent__testgooglethinking-gemini-3-pro-preview-thinking__0")
REFUSED = load("gemini__gemini-generateContent__chat-error-handling-with-gemini-gemini-2-5-flash-raises-appr__0")
MODEL = "gemini/gemini-2.5-flash"


def as_wire(wire: Wire) -> Wire:
    return wire


def test_the_registry_finds_the_wire() -> None:
    assert as_wire(registry.wire("gemini_generate")) is WIRE
    assert isinstance(WIRE, GenerateWire)
    for name in ("gemini", "vertex", "vertex-express"):
        check_quirks(spec_of(name), QUIRKS, name)
    assert registry.parse_model("google/gemini-x") == ("gemini", "gemini-x")
    assert registry.parse_model("vertexai/gemini-x") == ("vertex", "gemini-x")


def test_all_options_that_are_not_refused_are_known_ones() -> None:
    assert WIRE.options <= set(exllm.Options.__struct_fields__)


@asynccontextmanager
async def served(recording: Recording) -> AsyncIterator[tuple[exllm.Client, list[web.Request]]]:
    """A client, and what the server that answers with the recording was asked."""
    seen: list[web.Request] = []

    async def answer(request: web.Request) -> web.Response:
        await request.read()
        seen.append(request)
        kind = recording.headers["content-type"]
        return web.Response(body=recording.body, status=recording.status, headers={"content-type": kind})

    app = web.Application()
    app.router.add_post("/{path:.*}", answer)
    async with TestServer(app) as server:
        base_url = str(server.make_url("")).rstrip("/")
        config = Static({"gemini": {"api_key": "key-for-test", "base_url": base_url}})
        async with exllm.Client(config=config, retry=exllm.RetryPolicy(attempts=1)) as client:
            yield client, seen


async def stream_of(client: exllm.Client, **call: Any) -> exllm.Response:
    async with client.stream(MODEL, "Hi", **call) as stream:
        texts = [chunk.text async for chunk in stream]
    assert "".join(texts) == stream.response.text
    return stream.response


async def test_a_stream_is_asked_for_and_read_as_events() -> None:
    async with served(STREAM) as (client, seen):
        reply = await stream_of(client, tools=[{"fileSearch": {"fileSearchStoreNames": ["fileSearchStores/x"]}}])
    (request,) = seen
    assert request.path_qs == "/v1beta/models/gemini-2.5-flash:streamGenerateContent?alt=sse"
    assert request.headers["x-goog-api-key"] == "key-for-test"
    assert "authorization" not in request.headers
    assert request.headers["accept"] == "text/event-stream"
    assert summary(reply) == EXPECTED[STREAM.name]


async def test_a_list_of_answers_in_place_of_a_stream_is_read() -> None:
    async with served(LIST) as (client, _):
        assert summary(await stream_of(client)) == EXPECTED[LIST.name]
        assert summary(await client.chat(MODEL, "Hi")) == EXPECTED[LIST.name]


async def test_a_chat_is_one_whole_answer_and_keeps_what_came_when_asked() -> None:
    async with served(BODY) as (client, seen):
        reply = await client.chat(MODEL, "Hi", include_raw=True)
    assert seen[0].path_qs == "/v1beta/models/gemini-2.5-flash:generateContent"
    assert summary(reply) == EXPECTED[BODY.name]
    assert reply.raw == json.loads(BODY.body)


async def test_a_stream_keeps_its_last_object_when_asked() -> None:
    async with served(STREAM) as (client, _):
        reply = await stream_of(client, include_raw=True)
    assert reply.raw["candidates"][0]["finishReason"] == "STOP"
    assert reply.raw["candidates"][0]["groundingMetadata"]["groundingChunks"]


async def test_a_refusal_is_the_right_exception_and_holds_no_key() -> None:
    async with served(REFUSED) as (client, _):
        with pytest.raises(exllm.AuthenticationError) as caught:
            await client.chat(MODEL, "Hi")
        with pytest.raises(exllm.AuthenticationError):
            await stream_of(client)
    assert caught.value.code == "API_KEY_INVALID"
    assert "key-for-test" not in str(caught.value)


async def test_what_the_provider_cannot_take_is_told_before_anything_is_sent() -> None:
    async with served(BODY) as (client, seen):
        for option in ({"logit_bias": {"1": 1}}, {"min_p": 0.1}, {"parallel_tool_calls": False}, {"user": "u"}):
            with pytest.raises(exllm.UnsupportedOption):
                await client.chat(MODEL, "Hi", **option)
    assert seen == []


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"region": "x"}, "setting 'region' is not known"),
        ({"zone": "x"}, None),
    ],
)
def test_defaults_of_settings_are_of_settings(settings: dict[str, str], words: str | None) -> None:
    data = {
        "name": "acme", "wire": "gemini_generate", "base_url": "https://{zone}.acme.example/v1",
        "settings": {"zone": "ACME_ZONE"}, "setting_defaults": settings, "hosts": {"x.acme.example": "acme.example"},
    }  # fmt: skip
    from exllm.access import access
    from exllm.providers.spec import parse_spec

    if words is not None:
        with pytest.raises(exllm.ConfigurationError, match=words):
            parse_spec(data, "test")
        return
    spec = parse_spec(data, "test")
    assert access(spec, Static({}), "key", None).base_url == "https://acme.example/v1"
    assert access(spec, Static({"acme": {"zone": "y"}}), "key", None).base_url == "https://y.acme.example/v1"
    assert access(spec, Static({}), "key", "https://x.acme.example/v2").base_url == "https://x.acme.example/v2"
    assert registry.configured("gemini", Static({"gemini": {"api_key": "k"}}))
    assert registry.configured("vertex", Static({"vertex": {"api_key": "k", "project": "p"}}))
    assert not registry.configured("vertex", Static({"vertex": {"api_key": "k"}}))
