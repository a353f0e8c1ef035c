"""MCP servers, real ones, over stdio and streamable HTTP."""

from __future__ import annotations

import asyncio
import socket
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import psutil
import pytest

import exllm
from exllm import Document, Image, Text, ToolProgress
from exllm.tools.mcp_results import result_of_content
from tests.tools.kit import assert_valid, call, double, model, results
from tests.tools.mcp_server import PNG

pytest.importorskip("mcp", reason="needs the extra mcp")

ROOT = str(Path(__file__).parents[2])
SERVER = ["-m", "tests.tools.mcp_server"]
START_S = 30.0


def local(*arguments: str, **options: Any) -> AbstractAsyncContextManager[exllm.mcp.Server]:
    return exllm.mcp.stdio(sys.executable, [*SERVER, *(arguments or ("stdio",))], cwd=ROOT, **options)


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """The endpoint of a server that speaks streamable HTTP."""
    import subprocess

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = subprocess.Popen([sys.executable, *SERVER, "http", str(port)], cwd=ROOT, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + START_S
        while time.monotonic() < deadline:
            assert process.poll() is None, "the server ended"
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                time.sleep(0.05)
        yield f"http://127.0.0.1:{port}/mcp"
    finally:
        process.kill()
        process.wait()


@pytest.fixture
async def server(request: pytest.FixtureRequest) -> AsyncIterator[exllm.mcp.Server]:
    """One over HTTP, which is there already; `BOTH` runs a test with one over stdio as well, which takes seconds."""
    way = local() if getattr(request, "param", "http") == "stdio" else exllm.mcp.http(request.getfixturevalue("url"))
    async with way as server:
        yield server


BOTH = pytest.mark.parametrize("server", ["stdio", "http"], indirect=True)


@pytest.fixture(autouse=True)
def _no_process_is_left() -> Iterator[None]:
    before = {child.pid for child in psutil.Process().children(recursive=True)}
    yield
    left = [child for child in psutil.Process().children(recursive=True) if child.pid not in before]
    left = [child for child in left if child.is_running() and "http" not in child.cmdline()]
    assert not left, left


def named(server: exllm.mcp.Server, name: str) -> exllm.Tool:
    return next(tool for tool in server.tools if tool.name == name)


@BOTH
async def test_the_servers_tools_are_tools_like_any_others(server: exllm.mcp.Server) -> None:
    add = named(server, "add")
    assert add.description == "Add two numbers."
    assert add.schema["required"] == ["a"]
    assert server.instructions == "Add with add."
    calls = [call("add", '{"a": 2, "b": 3}'), call("double", '{"number": 4}'), call("add", '{"a": "x"}', "bad")]
    async with model(calls, "Done.") as (client, _):
        run = await client.run("mock/m", "Hi", tools=[*server.tools, double])
    assert [(one.content, one.is_error) for one in results(run)] == [
        ("5", False),
        ("8", False),
        ('add was not called: at $.a: Expected `integer`, got `string`; there was "x"', True),
    ]


async def test_images_resources_and_links_become_parts_and_text(server: exllm.mcp.Server) -> None:
    async with model([call("picture"), call("mixed")], "Done.") as (client, _):
        run = await client.run("mock/m", "Hi", tools=server.tools)
    picture, mixed = results(run)
    assert picture.content == (Text("see:"), Image(data=PNG, media_type="image/png"))
    assert mixed.content == (
        "words\nin the file\nb.txt - another - file:///b.txt\n[audio: 3 bytes of audio/wav, which cannot be shown]"
    )


async def test_an_error_of_the_tool_is_told_and_the_server_lives_on(server: exllm.mcp.Server) -> None:
    async with model(call("fail"), call("add", '{"a": 1}'), "Done.") as (client, _):
        run = await client.run("mock/m", "Hi", tools=server.tools)
    failed, added = results(run)
    assert failed.is_error
    assert "fail" in str(failed.content)
    assert added.content == "2"


@BOTH
async def test_progress_of_the_server_is_progress_of_the_run(server: exllm.mcp.Server) -> None:
    answers = (call("slow", '{"seconds": 0.1}'), "Done.")
    async with model(*answers) as (client, _), client.stream_run("mock/m", "Hi", tools=server.tools) as run:
        said = [event async for event in run if isinstance(event, ToolProgress)]
    assert [(event.progress, event.total, event.message) for event in said] == [(1.0, 2.0, "half")]
    assert results(run.run)[0].content == "done"


async def test_a_call_that_takes_too_long_is_given_up_and_the_next_is_made(server: exllm.mcp.Server) -> None:
    async with model(call("slow", '{"seconds": 30}'), call("add", '{"a": 1}'), "Done.") as (client, _):
        run = await client.run("mock/m", "Hi", tools=server.tools, tool_timeout=0.3)
    slow, added = results(run)
    assert slow.content == "slow was given up after 0.3 s"
    assert added.content == "2"


async def test_calls_run_side_by_side(server: exllm.mcp.Server) -> None:
    calls = [call("slow", '{"seconds": 1}', str(number)) for number in range(5)]
    async with model(calls, "Done.") as (client, _):
        began_at = time.monotonic()
        run = await client.run("mock/m", "Hi", tools=server.tools)
    assert time.monotonic() - began_at < 4.5
    assert [one.content for one in results(run)] == ["done"] * 5


async def test_names_are_made_fit_and_may_have_a_prefix() -> None:
    async with local(prefix="mine_", call_timeout=7) as server:
        names = [tool.name for tool in server.tools]
        assert "mine_add" in names
        assert "mine_with_odd_name" in names
        assert {tool.timeout for tool in server.tools} == {7}
        async with model(call("mine_with_odd_name"), "Done.") as (client, _):
            run = await client.run("mock/m", "Hi", tools=server.tools)
        assert results(run)[0].content == "odd"
        assert await server.refresh() == server.tools


async def test_the_server_gets_the_variables_that_it_is_given_and_no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    async with local(env={"MINE": "1"}) as server:
        result = await server.call("environment", {})
    assert '"MINE"' in str(result.content)
    assert "sk-secret" not in str(result.content)


async def test_a_server_that_ends_in_a_call_is_told_and_nothing_hangs() -> None:
    async with local() as server, model(call("end"), call("add", '{"a": 1}'), "Done.") as (client, _):
        async with asyncio.timeout(20):
            run = await client.run("mock/m", "Hi", tools=server.tools)
    assert all(one.is_error and "ConnectionFailed: the MCP server" in str(one.content) for one in results(run))
    assert_valid(run.messages)


async def test_tools_of_a_closed_server_say_so() -> None:
    async with local() as server:
        pass
    async with model(call("add", '{"a": 1}'), "Done.") as (client, _):
        run = await client.run("mock/m", "Hi", tools=server.tools)
    assert "is closed; use its tools within its `async with`" in str(results(run)[0].content)


async def test_a_command_that_is_not_there_is_a_failed_connection() -> None:
    with pytest.raises(exllm.ConnectionFailed, match="no-such-command could not connect"):
        async with exllm.mcp.stdio("no-such-command"):
            pass


async def test_a_server_that_says_nothing_is_given_up_and_ended() -> None:
    with pytest.raises(exllm.ConnectTimeout, match="was not ready within 1 s"):
        async with local("deaf", timeout=1):
            pass


async def test_an_address_where_nobody_listens_is_a_failed_connection() -> None:
    with pytest.raises(exllm.ConnectionFailed) as failure:
        async with exllm.mcp.http("http://127.0.0.1:9/mcp?key=secret", timeout=10):
            pass
    assert "secret" not in str(failure.value)


async def test_an_error_in_the_block_leaves_as_it_is_and_the_server_ends() -> None:
    with pytest.raises(KeyError, match="mine"):
        async with local():
            raise KeyError("mine")


@pytest.mark.parametrize("when_s", [0.0, 0.05, 0.5, 3.0])
async def test_a_server_ends_when_its_user_is_cancelled_at_any_time(when_s: float) -> None:
    async def use() -> None:
        async with local() as server:
            await server.call("slow", {"seconds": 60})

    user = asyncio.create_task(use())
    await asyncio.sleep(when_s)
    user.cancel()
    with pytest.raises(asyncio.CancelledError):
        await user


async def test_headers_are_sent_with_every_request() -> None:
    seen: list[str | None] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        seen.append(next((line for line in head.splitlines() if line.startswith("authorization")), None))
        writer.write(b"HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
        await writer.drain()
        writer.close()

    listener = await asyncio.start_server(answer, "127.0.0.1", 0)
    port = listener.sockets[0].getsockname()[1]
    try:
        with pytest.raises(exllm.ExLLMError) as failure:
            async with exllm.mcp.http(
                f"http://127.0.0.1:{port}/mcp", headers={"Authorization": "Bearer sk-mine"}, timeout=10
            ):
                pass
    finally:
        listener.close()
        await listener.wait_closed()
    assert seen
    assert set(seen) == {"authorization: bearer sk-mine"}
    assert "sk-mine" not in str(failure.value)


async def test_many_servers_at_once() -> None:
    calls = [call("a_add", '{"a": 1}'), call("b_add", '{"a": 2}')]
    async with local(prefix="a_") as one, local(prefix="b_") as two, model(calls, "Done.") as (client, _):
        run = await client.run("mock/m", "Hi", tools=[*one.tools, *two.tools])
    assert [one.content for one in results(run)] == ["2", "3"]


def test_results_that_no_server_of_ours_gives() -> None:
    from mcp_types import BlobResourceContents, CallToolResult, EmbeddedResource, ImageContent

    def blob(media_type: str | None, data: str = "JVBERg==") -> EmbeddedResource:
        return EmbeddedResource(
            type="resource", resource=BlobResourceContents(uri="file:///x", blob=data, mime_type=media_type)
        )  # fmt: skip

    def content_of(*blocks: Any, **more: Any) -> Any:
        return result_of_content(CallToolResult(content=list(blocks), **more)).content

    assert content_of(blob("application/pdf")) == (Document(data=b"%PDF", media_type="application/pdf"),)
    assert content_of(blob("image/png")) == (Image(data=b"%PDF", media_type="image/png"),)
    assert content_of(blob(None)) == "[file:///x: 4 bytes of an unknown type, which cannot be shown]"
    assert content_of(ImageContent(type="image", data="!", mime_type="image/png")) == "[image: not valid base64]"
    assert content_of(structured_content={"a": 1}) == '{"a":1}'
    assert content_of() == ""


async def test_without_the_package_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mcp", None)
    with pytest.raises(exllm.MissingExtra, match=r'pip install "exllm\[mcp\]"'):
        async with exllm.mcp.stdio("x"):
            pass
