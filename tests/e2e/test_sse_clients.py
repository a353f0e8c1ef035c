"""Answers in the AI SDK's and AG-UI's dialects, read by these protocols' own clients in Node.js."""

from __future__ import annotations

import asyncio
import json
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


async def read_by(dialect: Any, *answers: Any, is_run: bool = False) -> Any:
    """What the client of `dialect` has understood."""

    async def reply(request: Request) -> SSEResponse:
        body = await request.json()
        facts = {"thread_id": body["threadId"], "run_id": body["runId"]} if dialect == "ag-ui" else {}
        source = client.stream_run("mocked", "Hi", tools=[weather]) if is_run else client.stream("mocked", "Hi")
        return SSEResponse(source, dialect=dialect, **facts)

    assert (SCRIPT.parent.parent / "node_modules/ai").is_dir(), HOW_TO_INSTALL
    async with exllm.Client() as client:
        with mock(*answers):
            async with serving(Starlette(routes=[Route("/", reply, methods=["POST"])])) as url:
                process = await asyncio.create_subprocess_exec(
                    "node", str(SCRIPT), dialect, url, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
                )
                out, err = await asyncio.wait_for(process.communicate(), LIMIT_S)
    assert process.returncode == 0, err.decode()
    return json.loads(out)


async def folded(answer: Any) -> exllm.Response:
    with mock(answer):
        async with exllm.Client() as client:
            return await client.stream("mocked", "Hi").collect()


@pytest.mark.parametrize("name", ANSWERS)
async def test_the_ai_sdk_reads_the_same_answer(name: str) -> None:
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


async def test_the_ai_sdk_keeps_files_and_signatures() -> None:
    seen = await read_by("vercel", SEEN_AND_HEARD)
    (file,) = [part for part in seen["message"]["parts"] if part["type"] == "file"]
    assert file["url"] == "data:image/png;base64,iVBORw=="
    thought = await read_by("vercel", THOUGHT)
    (reasoning,) = [part for part in thought["message"]["parts"] if part["type"] == "reasoning"]
    assert reasoning["providerMetadata"] == {"exllm": {"signature": "c2ln"}}
    assert all(part.get("state", "done") == "done" for part in thought["message"]["parts"])


async def test_the_ai_sdk_shows_a_run_with_its_results() -> None:
    read = await read_by("vercel", *LOOKED_UP, is_run=True)
    assert read["errors"] == []
    kinds = [part["type"] for part in read["message"]["parts"]]
    assert kinds == ["step-start", "text", "dynamic-tool", "step-start", "text"]
    call = read["message"]["parts"][2]
    assert (call["state"], call["output"]) == ("output-available", {"city": "Oslo", "celsius": 4})


async def test_the_ai_sdk_is_told_of_failures() -> None:
    read = await read_by("vercel", CUT)
    assert read["errors"] == ["the connection ended"]
    assert read["message"]["parts"][-1]["text"] == "Once upon "


@pytest.mark.parametrize("name", ANSWERS)
async def test_ag_ui_reads_the_same_answer(name: str) -> None:
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


async def test_ag_ui_shows_a_run_with_its_results() -> None:
    read = await read_by("ag-ui", *LOOKED_UP, is_run=True)
    assert read["errors"] == []
    (result,) = [message for message in read["messages"] if message["role"] == "tool"]
    assert (result["toolCallId"], json.loads(result["content"])) == ("c1", {"city": "Oslo", "celsius": 4})
    assert read["messages"][-1]["content"] == "It is 4 degrees."


async def test_ag_ui_is_told_of_failures() -> None:
    read = await read_by("ag-ui", CUT)
    assert any("the connection ended" in error for error in read["errors"])


async def test_errors_of_tools_reach_both() -> None:
    answers = (ToolCall("c1", "weather", '{"city": "Nowhere"}'), "Hm.")
    vercel = await read_by("vercel", *answers, is_run=True)
    (call,) = [part for part in vercel["message"]["parts"] if part["type"] == "dynamic-tool"]
    assert call["state"] == "output-error"
    assert "no such city" in call["errorText"]
    ag_ui = await read_by("ag-ui", *answers, is_run=True)
    assert any("no such city" in (message.get("content") or "") for message in ag_ui["messages"])
