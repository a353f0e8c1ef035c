"""Claude on Vertex AI: path and body are those of Anthropic's SDK and of the recorded exchanges."""

from __future__ import annotations

import json
from typing import Any

import anthropic
import httpx2
import msgspec
import pytest

import exllm
from exllm.errors import ConfigurationError, InvalidRequest
from exllm.providers import ProviderSpec, registry
from exllm.providers.anthropic_messages import WIRE
from exllm.types.message import Message
from exllm.types.options import check_options
from exllm.types.parts import Part, Text, ToolCall, ToolResult
from exllm.types.request import Request
from tests.providers.anthropic_recordings import (
    ALL,
    DIRECTORY,
    EXPECTED,
    decode_body,
    decode_stream,
    fold,
    load,
    summary,
)

RECORDED = [name for name in ALL if name.startswith("vertex__")]
PLACE = "/projects/p/locations/us-east5"


def spec() -> ProviderSpec:
    found = registry.get("vertex-anthropic")
    assert isinstance(found, ProviderSpec)
    return found


def built(
    messages: Any, model: str, *, stream: bool = False, extra: Any = None, **options: Any
) -> tuple[str, Any, Any]:
    request = Request("vertex-anthropic", model, tuple(messages), check_options(options), extra or {}, stream=stream)
    http = WIRE.build(request, spec())
    assert http.warnings == ()
    return http.path, msgspec.json.decode(http.body), http.headers


def sdk_request(**arguments: Any) -> httpx2.Request:
    seen: list[httpx2.Request] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        seen.append(request)
        return httpx2.Response(500)

    client = anthropic.AnthropicVertex(
        region="us-east5",
        project_id="p",
        access_token="token",
        http_client=httpx2.Client(transport=httpx2.MockTransport(answer)),
        max_retries=0,
    )
    with client, pytest.raises(anthropic.InternalServerError):
        client.messages.create(**arguments)
    return seen[0]


@pytest.mark.parametrize("stream", [True, False], ids=["stream", "whole"])
@pytest.mark.parametrize("model", ["claude-sonnet-4-5@20250929", "claude-sonnet-5-5"])
def test_a_request_goes_where_the_sdk_sends_it(model: str, stream: bool) -> None:
    tool = exllm.Tool("look", "Looks.", {"type": "object", "properties": {}})
    path, body, headers = built(
        [Message("system", "Be kind."), Message("user", "Hi")],
        model, stream=stream, max_tokens=50, temperature=0.5, tools=[tool], betas=["context-1m-2025-08-07"],
    )  # fmt: skip
    theirs = sdk_request(
        model=model,
        max_tokens=50,
        system="Be kind.",
        messages=[{"role": "user", "content": "Hi"}],
        extra_body={"temperature": 0.5},
        tools=[{"name": "look", "description": "Looks.", "input_schema": {"type": "object", "properties": {}}}],
        extra_headers={"anthropic-beta": "context-1m-2025-08-07"},
        **({"stream": True} if stream else {}),
    )
    assert f"/v1{PLACE}{path}" == theirs.url.raw_path.decode()
    # The version is the one that the documentation of both companies names; the SDK's is newer.
    assert {**body, "anthropic_version": 0} == {**json.loads(theirs.content), "anthropic_version": 0}
    assert body["anthropic_version"] == "vertex-2023-10-16"
    assert headers == {"anthropic-beta": theirs.headers["anthropic-beta"]}


def test_the_version_may_be_another() -> None:
    _, body, _ = built([Message("user", "Hi")], "claude-x", extra={"anthropic_version": "2026-10-21"})
    assert body["anthropic_version"] == "2026-10-21"
    assert "model" not in body


def test_a_name_that_would_lead_elsewhere_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="model"):
        built([Message("user", "Hi")], "../claude")


@pytest.mark.parametrize("name", RECORDED)
def test_a_recorded_request_is_built_again(name: str) -> None:
    request = json.loads((DIRECTORY / f"{name}.json").read_text(encoding="utf-8"))["request"]
    body = json.loads(request["body"])
    messages = [Message("system", "".join(block["text"] for block in body.get("system", ())))]
    messages = [] if not messages[0].content else messages
    for turn in body["messages"]:
        messages.append(Message.of(turn["role"], [_part(block) for block in turn["content"]]))
    options: dict[str, Any] = {"max_tokens": body["max_tokens"]}
    if "tools" in body:
        options["tools"] = [exllm.Tool(each["name"], each.get("description", ""), {}) for each in body["tools"]]
    if "tool_choice" in body:
        options["tool_choice"] = body["tool_choice"]
    model = request["path"].rpartition("/")[2].partition(":")[0]
    path, ours, _ = built(messages, model, stream=body.get("stream", False), **options)
    assert request["path"].endswith(path)
    for each in (*body.get("tools", ()), *ours.get("tools", ())):
        del each["input_schema"]
    assert _in_blocks(ours) == body


def _part(block: dict[str, Any]) -> Part:
    match block["type"]:
        case "text":
            return Text(block["text"])
        case "tool_use":
            return ToolCall(block["id"], block["name"], json.dumps(block["input"]))
    (words,) = block["content"]
    return ToolResult(block["tool_use_id"], (Text(words["text"]),))


def _in_blocks(body: dict[str, Any]) -> dict[str, Any]:
    """A single text as the block that it stands for."""
    for holder, name in ((body, "system"), *((turn, "content") for turn in body["messages"])):
        if isinstance(holder.get(name), str):
            holder[name] = [{"type": "text", "text": holder[name]}]
    return body


@pytest.mark.parametrize("name", RECORDED)
def test_a_recorded_answer_is_read(name: str) -> None:
    body = load(name).body
    chunks = decode_stream([body])[0] if load(name).streaming else decode_body(body)
    assert summary(fold(chunks)) == EXPECTED[name]


def test_all_recordings_are_here() -> None:
    assert len(RECORDED) == 7


def test_where_claude_is_found() -> None:
    from exllm.access import access
    from exllm.config import Static

    def base_of(**settings: str) -> str:
        return access(spec(), Static({"vertex-anthropic": {"api_key": "token", **settings}}), None, None).base_url

    for region in ("us-east5", "global", "us", "eu"):
        theirs = anthropic.AnthropicVertex(region=region, project_id="p", access_token="t").base_url
        assert base_of(project="p", location=region) == f"{str(theirs).rstrip('/')}/projects/p/locations/{region}"
    assert base_of(project="p").endswith("/projects/p/locations/global")
    with pytest.raises(ConfigurationError, match="ANTHROPIC_VERTEX_PROJECT_ID"):
        base_of(location="eu")
