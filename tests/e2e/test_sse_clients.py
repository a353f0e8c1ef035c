"""Answers in the AI SDK's and AG-UI's dialects, read by these protocols' own clients in Node.js."""

from __future__ import annotations

import asyncio
import json
import subprocess
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.routing import Route

import exllm
from exllm import ToolCall
from exllm.integrations.fastapi import SSEResponse
from tests.e2e.aimock.server import HOW_TO_INSTALL
from tests.integrations.web import serving
from tests.sse.answers import ANSWERS, CUT, SEEN_AND_HEARD, THOUGHT, mock
from tests.sse.test_runs import LOOKED_UP, weather

pytestmark = pytest.mark.node

SCRIPT = Path(__file__).parent / "clients/read_sse.mjs"
LIMIT_S = 60.0
ReadBy = Callable[..., Awaitable[Any]]


class Clients:
    """One process of Node.js with both clients, for all tests."""

    def __init__(self) -> None:
        assert (SCRIPT.parent.parent / "node_modules/ai").is_dir(), HOW_TO_INSTALL
        self._process = subprocess.Popen(["node", str(SCRIPT)], stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    async def read(self, dialect: str, url: str) -> Any:
        return json.loads(await asyncio.wait_for(asyncio.to_thread(self._read, dialect, url), LIMIT_S))

    def _read(self, dialect: str, url: str) -> bytes:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"dialect": dialect, "url": url}).encode() + b"\n")
        self._process.stdin.flush()
        return self._process.stdout.readline()

    def close(self) -> None:
        self._process.kill()
        self._process.communicate()


@pytest.fixture(scope="module")
def clients() -> Iterator[Clients]:
    made = Clients()
    yield made
    made.close()


@pytest.fixture
def read_by(clients: Clients) -> ReadBy:
    async def read_by(dialect: Any, *answers: Any, source: Callable[[exllm.Client], Any] = streamed) -> Any:
        """What the client of `dialect` has understood."""

        async def reply(request: Request) -> SSEResponse:
            body = await request.json()
            facts = {"thread_id": body["threadId"], "run_id": body["runId"]} if dialect == "ag-ui" else {}
            return SSEResponse(source(client), dialect=dialect, **facts)

        async with exllm.Client() as client:
            with mock(*answers):
                async with serving(Starlette(routes=[Route("/", reply, methods=["POST"])])) as url:
                    return await clients.read(dialect, url)

    return read_by


def streamed(client: exllm.Client) -> exllm.Stream:
    return client.stream("mocked", "Hi")


def run_of(client: exllm.Client) -> Any:
    return client.stream_run("mocked", "Hi", tools=[weather])


async def folded(answer: Any) -> exllm.Response:
    with mock(answer):
        async with exllm.Client() as client:
            return await client.stream("mocked", "Hi").collect()


@pytest.mark.parametrize("name", ANSWERS)
async def test_the_ai_sdk_reads_the_same_answer(name: str, read_by: ReadBy) -> None:
    expected, read = await folded(ANSWERS[name]), await read_by("vercel", ANSWERS[name])
    assert read["errors"] == []
    parts = read["message"]["parts"]
    text = "".join(part["text"] for part in parts if part["type"] == "text")
    assert text == expected.text + (expected.refusal or "")
    assert "".join(part["text"] for part in parts if part["type"] == "reasoning") == expected.reasoning
    calls = [(part["toolCallId"], part["toolName"], part["input"]) for part in parts if part["type"] == "dynamic-tool"]
    assert calls == [(call.id, call.name, call.parse_arguments()) for call in expected.tool_calls]
    assert [part["url"] for part in parts if part["type"] == "source-url"] == [c.url for c in expected.citations]
    assert read["message"]["metadata"]["usage"]["input_tokens"] == 20


async def test_the_ai_sdk_keeps_files_and_signatures(read_by: ReadBy) -> None:
    seen = await read_by("vercel", SEEN_AND_HEARD)
    (file,) = [part for part in seen["message"]["parts"] if part["type"] == "file"]
    assert file["url"] == "data:image/png;base64,iVBORw=="
    thought = await read_by("vercel", THOUGHT)
    (reasoning,) = [part for part in thought["message"]["parts"] if part["type"] == "reasoning"]
    assert reasoning["providerMetadata"] == {"exllm": {"signature": "c2ln"}}
    assert all(part.get("state", "done") == "done" for part in thought["message"]["parts"])


async def test_the_ai_sdk_shows_a_run_with_its_results(read_by: ReadBy) -> None:
    read = await read_by("vercel", *LOOKED_UP, source=run_of)
    assert read["errors"] == []
    kinds = [part["type"] for part in read["message"]["parts"]]
    assert kinds == ["step-start", "text", "dynamic-tool", "step-start", "text"]
    call = read["message"]["parts"][2]
    assert (call["state"], call["output"]) == ("output-available", {"city": "Oslo", "celsius": 4})


async def test_the_ai_sdk_is_told_of_failures(read_by: ReadBy) -> None:
    read = await read_by("vercel", CUT)
    assert read["errors"] == ["the connection ended"]
    assert read["message"]["parts"][-1]["text"] == "Once upon "


@pytest.mark.parametrize("name", ANSWERS)
async def test_ag_ui_reads_the_same_answer(name: str, read_by: ReadBy) -> None:
    expected, read = await folded(ANSWERS[name]), await read_by("ag-ui", ANSWERS[name])
    assert read["errors"] == []
    assistant = [message for message in read["messages"] if message["role"] == "assistant"]
    text = "".join(message.get("content") or "" for message in assistant)
    assert text == expected.text + (expected.refusal or "")
    calls = [call for message in assistant for call in message.get("toolCalls") or []]
    assert [(call["id"], call["function"]["name"], json.loads(call["function"]["arguments"])) for call in calls] == [
        (call.id, call.name, call.parse_arguments()) for call in expected.tool_calls
    ]
    assert read["events"][0] == "RUN_STARTED"
    assert read["events"][-1] == "RUN_FINISHED"


async def test_ag_ui_shows_a_run_with_its_results(read_by: ReadBy) -> None:
    read = await read_by("ag-ui", *LOOKED_UP, source=run_of)
    assert read["errors"] == []
    (result,) = [message for message in read["messages"] if message["role"] == "tool"]
    assert (result["toolCallId"], json.loads(result["content"])) == ("c1", {"city": "Oslo", "celsius": 4})
    assert read["messages"][-1]["content"] == "It is 4 degrees."


async def test_ag_ui_is_told_of_failures(read_by: ReadBy) -> None:
    read = await read_by("ag-ui", CUT)
    assert any("the connection ended" in error for error in read["errors"])


async def test_errors_of_tools_reach_both(read_by: ReadBy) -> None:
    answers = (ToolCall("c1", "weather", '{"city": "Nowhere"}'), "Hm.")
    vercel = await read_by("vercel", *answers, source=run_of)
    (call,) = [part for part in vercel["message"]["parts"] if part["type"] == "dynamic-tool"]
    assert call["state"] == "output-error"
    assert "no such city" in call["errorText"]
    ag_ui = await read_by("ag-ui", *answers, source=run_of)
    assert any("no such city" in (message.get("content") or "") for message in ag_ui["messages"])
