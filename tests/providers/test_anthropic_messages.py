"""The wire as the registry and the client see it."""

from __future__ import annotations

from typing import Any

import msgspec
from aiohttp import web
from aiohttp.test_utils import TestServer

import exllm
from exllm.providers import registry
from exllm.providers.anthropic_messages import QUIRKS, WIRE, MessagesWire
from exllm.providers.spec import ProviderSpec
from exllm.providers.wire import Wire
from exllm.types.request import Request
from tests.providers.anthropic_recordings import SPEC, load

STREAM = load("anthropic__anthropic-messages__testanthropiccommon-claude-sonnet-4-multi-tool-streaming__0")
BODY = load("anthropic__anthropic-messages__test-anthropic-tools-legacy__0")


def as_wire(wire: Wire) -> Wire:
    return wire


def test_the_registry_finds_the_wire() -> None:
    assert as_wire(registry.wire("anthropic_messages")) is WIRE
    assert isinstance(WIRE, MessagesWire)
    assert set(QUIRKS) == {"vertex"}


def test_the_built_in_provider_speaks_the_newest_version_and_the_older_one_for_sampling() -> None:
    spec = registry.get("anthropic")
    assert isinstance(spec, ProviderSpec)
    messages = (exllm.Message("user", "Hi"),)
    sent = {}
    for temperature in (None, 0.5):
        request = Request("anthropic", "claude-sonnet-4-5", messages, exllm.Options(temperature))
        sent[temperature] = {**spec.headers, **WIRE.build(request, spec).headers}
    assert sent == {None: {"anthropic-version": "2026-10-21"}, 0.5: {"anthropic-version": "2023-06-01"}}


def test_all_options_that_are_not_refused_are_known_ones() -> None:
    assert WIRE.options <= set(exllm.Options.__struct_fields__)


async def asked(stream_from: bytes, content_type: str, **call: Any) -> tuple[Any, list[dict[str, Any]], exllm.Response]:
    """What a server of our own was sent, and the client's response."""
    seen: list[dict[str, Any]] = []
    heads: list[Any] = []

    async def answer(request: web.Request) -> web.Response:
        seen.append(await request.json())
        heads.append(request.headers)
        return web.Response(body=stream_from, content_type=content_type)

    app = web.Application()
    app.router.add_post("/v1/messages", answer)
    spec = msgspec.structs.replace(SPEC, name="anthropic-here")
    registry.register(spec, replace=True)
    try:
        async with TestServer(app) as server, exllm.Client() as client:
            base_url = str(server.make_url("")).rstrip("/")
            reply = await client.chat(
                "anthropic-here/claude-sonnet-4-5", "Hi", api_key="key-for-test", base_url=base_url, **call
            )
    finally:
        registry.unregister(spec.name)
    return heads[0], seen, reply


async def test_a_long_chat_is_streamed_and_says_the_same() -> None:
    headers, (body,), reply = await asked(STREAM.body, "text/event-stream")
    assert body["stream"] is True
    assert body["max_tokens"] == 64_000
    assert (headers["x-api-key"], headers["anthropic-version"]) == ("key-for-test", "2026-10-21")
    assert [call.name for call in reply.tool_calls] == ["add", "multiply"]
    assert reply.finish_reason == "tool_calls"


async def test_a_short_chat_is_one_whole_answer() -> None:
    _, (body,), reply = await asked(BODY.body, "application/json", max_tokens=1024)
    assert "stream" not in body
    assert len(reply.tool_calls) == 2
    assert reply.usage.provenance == "reported"
