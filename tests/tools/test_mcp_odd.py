"""MCP servers that write rubbish, lie, refuse, drop connections or never end: typed errors, and nothing is left."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

pytest.importorskip("mcp")

from aiohttp import web
from aiohttp.test_utils import TestServer

import exllm
import exllm.tools.mcp
from tests.tools.kit import assert_valid, call, model, results, until

Answer = Callable[[web.Request, str, dict[str, Any]], Awaitable[web.StreamResponse | None]]


def odd(mode: str, **arguments: Any) -> Any:
    return exllm.mcp.stdio(sys.executable, ["-m", "tests.tools.mcp_odd_server", mode], **arguments)


def _holders() -> list[asyncio.Task[Any]]:
    return [task for task in asyncio.all_tasks() if task.get_name() == "exllm-mcp"]


@asynccontextmanager
async def served(odd_answer: Answer) -> AsyncIterator[str]:
    """The address of a server with the tool ``t``; `odd_answer` may answer a request in its own way."""

    async def handle(request: web.Request) -> web.StreamResponse:
        asked = await request.json() if request.method == "POST" else {}
        method = asked.get("method", request.method)
        if (own := await odd_answer(request, method, asked)) is not None:
            return own
        if "id" not in asked:
            return web.Response(status=405 if request.method == "GET" else 202)
        result: dict[str, Any] = {}
        if method == "initialize":
            version, about = asked["params"]["protocolVersion"], {"name": "odd", "version": "1"}
            result = {"protocolVersion": version, "capabilities": {"tools": {}}, "serverInfo": about}
        elif method == "tools/list":
            result = {"tools": [{"name": "t", "inputSchema": {"type": "object"}}]}
        elif method == "tools/call":
            result = {"content": [{"type": "text", "text": "fine"}]}
        answer = {"jsonrpc": "2.0", "id": asked["id"], "result": result}
        return web.json_response(answer, headers={"Mcp-Session-Id": "s"})

    app = web.Application()
    app.router.add_route("*", "/mcp", handle)
    async with TestServer(app, shutdown_timeout=0.01) as server:
        yield str(server.make_url("/mcp"))


def refuses(at: str, status: int) -> Answer:
    async def answer(_request: web.Request, method: str, _asked: dict[str, Any]) -> web.Response | None:
        return web.Response(status=status, text="no") if method == at else None

    return answer


@pytest.mark.filterwarnings("ignore")
async def test_what_a_server_writes_beside_its_messages_is_passed_over() -> None:
    async with odd("rubbish") as server, model(call("t", '{"a": 1}'), "Done.") as (client, _):
        run = await client.run("mock/m", "Hi", tools=server.tools)
    assert [one.content for one in results(run)] == ['t {"a": 1}']


async def test_names_that_are_listed_twice_or_are_none_are_made_to_differ() -> None:
    async with odd("same_names") as server:
        names = [tool.name for tool in server.tools]
        async with model([call(name) for name in names], "Done.") as (client, _):
            run = await client.run("mock/m", "Hi", tools=server.tools)
    assert len(set(names)) == 6
    assert (names[0], names[3]) == ("t", "_")
    assert [one.content for one in results(run)] == ["t {}", "t {}", "t {}", " {}", "é {}", "_ {}"]


async def test_a_schema_that_makes_no_sense_refuses_nothing_and_a_parameter_may_have_any_name() -> None:
    async with odd("odd_schema") as server, model(call("t", '{"self": 1}'), call("t"), "Done.") as (client, _):
        run = await client.run("mock/m", "Hi", tools=server.tools)
    assert [one.content for one in results(run)] == ['t {"self": 1}', "t was not called: at $: `self` is missing"]


async def test_a_list_without_end_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exllm.tools.mcp, "_MOST_PAGES", 20)
    with pytest.raises(exllm.ConnectionFailed, match=r"lists its tools without end$"):
        async with odd("endless"):
            pass


@pytest.mark.parametrize("at", ["initialize", "tools/list"])
@pytest.mark.parametrize(
    ("status", "kind"),
    [(401, exllm.AuthenticationError), (403, exllm.PermissionDenied), (404, exllm.NotFound), (500, exllm.ServerError)],
)
async def test_a_server_that_refuses_is_the_error_of_its_status(at: str, status: int, kind: type[Exception]) -> None:
    async with served(refuses(at, status)) as url:
        with pytest.raises(exllm.ExLLMError) as failure:
            async with exllm.mcp.http(url, headers={"Authorization": "Bearer secret"}):
                pass
    assert type(failure.value) is kind
    assert failure.value.status == status
    assert "secret" not in str(failure.value)
    assert not _holders()


@pytest.mark.parametrize(("status", "words"), [(401, "AuthenticationError"), (404, "Session terminated")])
async def test_a_call_that_is_refused_is_told_and_the_run_goes_on(status: int, words: str) -> None:
    calls = [call("t", "", "a"), call("t", "", "b")]
    async with (
        served(refuses("tools/call", status)) as url,
        exllm.mcp.http(url) as server,
        model(calls, "Done.") as (it, _),
    ):
        run = await it.run("mock/m", "Hi", tools=server.tools)
    assert run.status == "completed"
    assert all(one.is_error and words in str(one.content) for one in results(run))
    assert_valid(run.messages)


async def test_a_connection_that_is_lost_says_so_for_good() -> None:
    async def drop(request: web.Request, method: str, _asked: dict[str, Any]) -> web.Response | None:
        if method != "tools/call":
            return None
        assert request.transport is not None
        request.transport.close()
        return web.Response()

    async with served(drop) as url, exllm.mcp.http(url) as server:
        with pytest.raises(exllm.ConnectionFailed, match="could not call t"):
            await server.call("t", {})
        await until(lambda: not _holders())
        with pytest.raises(exllm.ConnectionFailed, match="is lost, connect to it anew: "):
            await server.call("t", {})
    with pytest.raises(exllm.ConnectionFailed):
        await server.call("t", {})


@pytest.mark.parametrize("at", ["initialize", "DELETE"])
async def test_a_server_that_does_not_answer_holds_nobody_up(at: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exllm.tools.mcp, "CLOSE_S", 0.2)
    asked = asyncio.Event()

    async def hang(_request: web.Request, method: str, _asked: dict[str, Any]) -> None:
        if method == at:
            asked.set()
            await asyncio.sleep(60)

    async with served(hang) as url, asyncio.timeout(15):
        if at == "DELETE":
            async with exllm.mcp.http(url) as server:
                assert [tool.name for tool in server.tools] == ["t"]
        else:
            with pytest.raises(exllm.ConnectTimeout):
                async with exllm.mcp.http(url, timeout=0.5):
                    pass
        assert asked.is_set()
        assert not _holders()


async def test_leaving_while_it_connects_leaves_nothing() -> None:
    asked = asyncio.Event()

    async def hang(_request: web.Request, _method: str, _asked: dict[str, Any]) -> None:
        asked.set()
        await asyncio.sleep(60)

    async def connect(url: str) -> None:
        async with exllm.mcp.http(url):
            pass

    async with served(hang) as url:
        user = asyncio.create_task(connect(url))
        await asked.wait()
        user.cancel()
        with pytest.raises(asyncio.CancelledError):
            await user
        assert not _holders()
