"""Recorded answers that call tools, as the first turn of a run: the next request, judged by the vendors' own types."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

import exllm
from exllm import Reasoning, Run, Tool, ToolCall, ToolContext
from tests.providers.travel_checks import TARGETS, Target, check_ids, strings
from tests.tools.kit import assert_valid

RECORDINGS = Path(__file__).parent.parent / "recordings"
WIRES = {
    "anthropic_messages": "anthropic",
    "gemini_generate": "gemini",
    "openai_responses": "openai-responses",
}
_NAMES = re.compile(r'"name"\s*:\s*"([\w-]{1,64})"')
_OPAQUE = re.compile(r"[A-Za-z0-9+/_=-]{40,}")


def _recorded(directory: str) -> list[str]:
    """The streamed answers with the calls of tools that are called here."""
    names: list[str] = []
    for path in sorted((RECORDINGS / directory).glob("*.json")):
        data = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(data, dict) or not data.get("streaming") or data["response"]["status"] != 200:
            continue
        if re.search(r'"tool_use"|"functionCall"|"function_call"', data["response"]["body"]):
            names.append(path.stem)
    return names


async def _run(
    provider: str, body: str, content_type: str = "text/event-stream"
) -> tuple[Run | None, list[dict[str, Any]]]:
    """A run whose first answer is `body`, and the bodies of its requests; the second is refused."""
    asked: list[dict[str, Any]] = []

    async def answer(request: web.Request) -> web.Response:
        asked.append(await request.json())
        if len(asked) > 1:
            return web.json_response({"error": {"message": "enough"}}, status=400)
        return web.Response(body=body.encode(), headers={"content-type": content_type})

    async def executor(_tool: Tool, _arguments: dict[str, Any], _context: ToolContext) -> dict[str, bool]:
        return {"done": True}

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    tools = [Tool(name) for name in sorted(set(_NAMES.findall(body)))]
    async with TestServer(app) as server, exllm.Client() as client:
        try:
            run = await client.run(
                provider, "Hi", tools=tools, executor=executor, max_tokens=5000,
                api_key="a-key", base_url=str(server.make_url("/")),
            )  # fmt: skip
        except exllm.ExLLMError as error:
            return error.run, asked  # type: ignore[attr-defined]
        return run, asked


def _check(target: Target, run: Run | None, asked: list[dict[str, Any]], name: str) -> int:
    """How many signatures the second request carries."""
    assert run is not None, name
    assert_valid(run.messages)
    if len(asked) < 2:  # the provider made the calls itself, or ended with an error
        return 0
    signed = 0
    said = list(strings(asked[1]))
    for part in run.messages[1].parts:
        if isinstance(part, Reasoning | ToolCall) and part.signature is not None:
            opaque = _OPAQUE.findall(part.signature)
            assert all(any(piece in one for one in said) for piece in opaque), f"{name}: a signature was lost"
            signed += bool(opaque)
    assert target.problem(asked[1], "m") == "", name
    check_ids(target, asked[1])
    return signed


@pytest.mark.parametrize("directory", WIRES)
async def test_the_request_after_a_recorded_answer_with_calls_is_sound(directory: str) -> None:
    target = next(one for one in TARGETS if one.name == WIRES[directory])
    signed = second_requests = 0
    for name in _recorded(directory):
        response = json.loads((RECORDINGS / directory / f"{name}.json").read_text(encoding="utf-8"))["response"]
        headers = {key.lower(): value for key, value in response["headers"].items()}
        run, asked = await _run(target.provider, response["body"], headers.get("content-type", "text/event-stream"))
        signed += _check(target, run, asked, name)
        second_requests += len(asked) == 2
    assert second_requests > 2
    assert signed or directory == "anthropic_messages"  # where none of them thinks before it calls


async def test_thoughts_before_a_call_go_back_to_anthropic_as_they_came() -> None:
    """The events are those of platform.claude.com, "Extended thinking", with a tool."""
    signature, redacted = "EqQBCgIYAhIM" + "s1" * 30, "EmwKAhgBEgy3" + "va" * 30
    blocks: list[tuple[dict[str, Any], list[dict[str, Any]]]] = [
        (
            {"type": "thinking", "thinking": "", "signature": ""},
            [
                {"type": "thinking_delta", "thinking": "I should look."},
                {"type": "signature_delta", "signature": signature},
            ],
        ),
        ({"type": "redacted_thinking", "data": redacted}, []),
        ({"type": "text", "text": ""}, [{"type": "text_delta", "text": "Let me see."}]),
        (
            {"type": "tool_use", "id": "toolu_01", "name": "weather", "input": {}},
            [{"type": "input_json_delta", "partial_json": '{"city": "Oslo"}'}],
        ),
    ]
    usage = {"input_tokens": 1, "output_tokens": 1}
    about = {"id": "m", "type": "message", "role": "assistant", "model": "c", "content": [], "usage": usage}
    events: list[dict[str, Any]] = [{"type": "message_start", "message": about}]
    for index, (block, deltas) in enumerate(blocks):
        events.append({"type": "content_block_start", "index": index, "content_block": block})
        events += [{"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas]
        events.append({"type": "content_block_stop", "index": index})
    events += [
        {"type": "message_delta", "delta": {"stop_reason": "tool_use"}, "usage": usage},
        {"type": "message_stop"},
    ]
    body = "".join(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n" for event in events)

    target = next(one for one in TARGETS if one.name == "anthropic")
    run, asked = await _run("anthropic", body)
    assert _check(target, run, asked, "made by hand") == 1
    assert asked[1]["messages"][1] == {
        "role": "assistant",
        "content": [
            {"type": "thinking", "thinking": "I should look.", "signature": signature},
            {"type": "redacted_thinking", "data": redacted},
            {"type": "text", "text": "Let me see."},
            {"type": "tool_use", "id": "toolu_01", "name": "weather", "input": {"city": "Oslo"}},
        ],
    }
