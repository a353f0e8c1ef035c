"""A provider that nobody has heard of, in one YAML of at most 20 lines: it streams, calls tools, has its own limits."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

import exllm
from exllm.errors import AuthenticationError, ConfigurationError, InvalidRequest, UnsupportedOption
from tests.faults.server import FaultServer, Peer

SPEC = """\
name: quux
label: Quux AI
wire: openai_chat
base_url: https://{region}.quux.example/api
settings: {region: QUUX_REGION}
api_key_env: [QUUX_API_KEY]
auth: {header: x-quux-key, prefix: "Key "}
headers: {x-client: exllm}
header_env: {x-team: QUUX_TEAM}
paths: {chat: /talk, models: /models}
docs: https://docs.quux.example/api
default_model: quux-large
aliases: [qx]
quirks: [max_tokens_field, no_stream_options, no_developer_role, tool_result_name, random_seed]
unsupported: [logit_bias]
parameters:
  depth: {type: integer, min: 1, max: 9}
  sources: {max_items: 2, items: [web, books], not_with: [offline]}
limits: {images: 1}
timeouts: {first_chunk: 300}
"""

CITY = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}


def frame(delta: dict[str, Any], finish: str | None = None, **fields: Any) -> bytes:
    data = {"id": "q1", "model": "quux-large", "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}
    return b"data: " + json.dumps({**data, **fields}).encode() + b"\n\n"


USAGE = {"prompt_tokens": 5, "completion_tokens": 7, "total_tokens": 12}
CALL = [
    frame({"role": "assistant", "content": "Let me look. "}),
    frame({"tool_calls": [{"index": 0, "id": "c1", "function": {"name": "weather", "arguments": '{"city"'}}]}),
    frame({"tool_calls": [{"index": 0, "function": {"arguments": ': "Oslo"}'}}]}),
    frame({}, "tool_calls", usage=USAGE),
    b"data: [DONE]\n\n",
]
TEXT = [frame({"content": "It "}), frame({"content": "rains."}), frame({}, "stop", usage=USAGE), b"data: [DONE]\n\n"]


async def talk(peer: Peer) -> None:
    """Ask for a tool until its result is there; then answer."""
    body = peer.request.json
    frames = TEXT if any(message["role"] == "tool" for message in body["messages"]) else CALL
    await peer.stream(frames)


@pytest.fixture
def quux(tmp_path: Path) -> Iterator[None]:
    path = tmp_path / "quux.yaml"
    path.write_text(SPEC, encoding="utf-8")
    exllm.providers.register(path)
    yield
    exllm.providers.unregister("quux")


@pytest_asyncio.fixture
async def server() -> AsyncIterator[FaultServer]:
    async with FaultServer(talk) as running:
        yield running


def client_for(server: FaultServer, **settings: Any) -> exllm.Client:
    source = exllm.config.Static({"quux": {"api_key": "k-1", "base_url": f"{server.url}/api", "x-team": "blue"}})
    return exllm.Client(config=source, retry=exllm.RetryPolicy(attempts=1), **settings)


def test_twenty_lines_are_enough() -> None:
    assert len(SPEC.splitlines()) <= 20


@pytest.mark.usefixtures("quux")
async def test_it_streams_calls_a_tool_and_goes_on(server: FaultServer) -> None:
    weather = exllm.Tool("weather", "The weather of a city", CITY)
    asked = [exllm.Message("developer", "Be brief."), exllm.Message("user", "How is the weather in Oslo?")]
    async with client_for(server) as client:
        async with client.stream("quux", asked, tools=[weather], max_tokens=50, seed=7, extra={"depth": 3}) as stream:
            chunks = [chunk async for chunk in stream]
        first = stream.response
        (call,) = first.tool_calls
        result = exllm.Message.of("tool", [exllm.ToolResult(call.id, "rain", name=call.name)])
        async with client.stream("qx/quux-small", [*asked, first.message, result], tools=[weather]) as stream:
            texts = [text async for text in stream.text()]

    assert "".join(chunk.text for chunk in chunks) == first.text == "Let me look. "
    assert sum(isinstance(chunk, exllm.ToolCallDelta) for chunk in chunks) == 2
    assert (call.name, call.parse_arguments(), first.finish_reason) == ("weather", {"city": "Oslo"}, "tool_calls")
    assert (first.usage.input_tokens, first.usage.output_tokens) == (5, 7)
    assert (texts, stream.response.finish_reason) == (["It ", "rains."], "stop")

    began, went_on = server.requests
    assert (began.method, began.path) == ("POST", "/api/talk")
    assert (began.headers["x-quux-key"], began.headers["x-client"], began.headers["x-team"]) == (
        "Key k-1",
        "exllm",
        "blue",
    )
    assert "authorization" not in began.headers
    assert began.json == {
        "model": "quux-large",
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "How is the weather in Oslo?"},
        ],
        "max_tokens": 50,
        "random_seed": 7,
        "tools": [
            {
                "type": "function",
                "function": {"name": "weather", "description": "The weather of a city", "parameters": CITY},
            }
        ],
        "stream": True,
        "depth": 3,
    }
    assert went_on.json["model"] == "quux-small"
    assert went_on.json["messages"][-1] == {
        "role": "tool", "tool_call_id": "c1", "name": "weather", "content": "rain",
    }  # fmt: skip


@pytest.mark.usefixtures("quux")
@pytest.mark.parametrize(
    ("messages", "arguments", "kind", "words"),
    [
        ("Hi", {"extra": {"depth": 10}}, InvalidRequest, "Quux AI takes depth = a whole number from 1 to 9, got 10"),
        ("Hi", {"extra": {"sources": ["tv"]}}, InvalidRequest, r"sources\[0\] = 'web' \| 'books', got 'tv'"),
        ("Hi", {"extra": {"sources": [], "offline": True}}, InvalidRequest, "sources or offline, not both"),
        ("Hi", {"logit_bias": {"1": 1}}, UnsupportedOption, "Quux AI cannot take logit_bias"),
        (
            [exllm.Message.of("user", [exllm.Image(url=f"https://a.example/{n}") for n in range(2)])],
            {},
            InvalidRequest,
            "Quux AI takes at most 1 image in a request, got 2",
        ),
    ],
)
async def test_what_it_does_not_take_never_leaves(
    server: FaultServer, messages: Any, arguments: dict[str, Any], kind: type[Exception], words: str
) -> None:
    async with client_for(server) as client:
        with pytest.raises(kind, match=words):
            await client.chat("quux", messages, **arguments)
    assert server.requests == []


@pytest.mark.usefixtures("quux")
async def test_a_near_miss_is_among_the_responses_warnings(server: FaultServer) -> None:
    async with client_for(server) as client:
        response = await client.chat("quux", "Hi", extra={"dept": 3})
    assert response.warnings == ("Quux AI is not known to take dept; did you mean 'depth'?",)
    assert server.requests[0].json["dept"] == 3


@pytest.mark.usefixtures("quux")
async def test_its_errors_are_the_usual_ones() -> None:
    async def refuse(peer: Peer) -> None:
        await peer.answer(b'{"error": {"message": "unknown key", "code": "bad_key"}}', "401 Unauthorized")

    async with FaultServer(refuse) as server, client_for(server) as client:
        with pytest.raises(AuthenticationError, match="unknown key") as caught:
            await client.chat("quux", "Hi")
    assert (caught.value.provider, caught.value.code) == ("quux", "bad_key")
    assert "k-1" not in str(caught.value)


@pytest.mark.usefixtures("quux")
async def test_what_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("QUUX_REGION", raising=False)
    async with exllm.Client(config=exllm.config.Static({"quux": {"api_key": "k-1"}})) as client:
        with pytest.raises(ConfigurationError, match="set QUUX_REGION"):
            await client.chat("quux", "Hi")
    async with exllm.Client(config=exllm.config.Static({"quux": {"region": "eu"}})) as client:
        with pytest.raises(ConfigurationError, match="set QUUX_API_KEY"):
            await client.chat("quux", "Hi")
