"""Tools of MCP servers (modelcontextprotocol.io), over stdio or streamable HTTP, as tools like any others.

::

    async with exllm.mcp.stdio("uvx", ["mcp-server-git"]) as server:
        run = await client.run("openai/gpt-4.1", "What changed yesterday?", tools=server.tools)

The protocol is spoken by the official package ``mcp`` (the extra ``mcp``).
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import re
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, TextIO

from exllm.errors import ConnectionFailed, ConnectTimeout, ExLLMError, MissingExtra
from exllm.providers.error_mapping import error_for_status
from exllm.tools.error_words import words_of
from exllm.tools.mcp_results import result_of_content
from exllm.types.parts import ToolResult
from exllm.types.tool import Tool
from exllm.types.tool_context import ToolContext

__all__ = ["Server", "http", "stdio"]

DEFAULT_CONNECT_TIMEOUT_S = 30.0
CLOSE_S = 6.0
"""How long a server may take to end. One that was started is killed after 4 s, of which 2 s are a warning."""

_MOST_PAGES = 1000
_MOST_NAME_CHARS = 64
_NOT_IN_NAMES = re.compile(r"[^a-zA-Z0-9_-]")


class Server:
    """A connection to an MCP server, while its ``async with`` lasts. Made by `stdio` and `http`.

    Attributes:
        tools: what it offers, as it was listed last.
        instructions: how to use it, in its own words, for a system message; None where it says nothing.
    """

    def __init__(self, label: str, prefix: str, call_timeout: float | None) -> None:
        self.tools: tuple[Tool, ...] = ()
        self.instructions: str | None = None
        self._label = label
        self._prefix = prefix
        self._call_timeout = call_timeout
        self._client: Any = None
        self._lost: str | None = None  # why, where the connection has ended before its block
        self._refused: tuple[int, Mapping[str, str]] | None = None  # how the last request was, by its status

    def __repr__(self) -> str:
        return f"Server({self._label}, {len(self.tools)} tools)"

    async def refresh(self) -> tuple[Tool, ...]:
        """List the tools anew, as after a change, and return them. Raises what `call` raises."""
        client = self._connected()
        listed: list[Any] = []
        cursor: str | None = None
        try:
            for _ in range(_MOST_PAGES):
                page = await client.list_tools(cursor=cursor, cache_mode="refresh")
                listed += page.tools
                cursor = page.next_cursor
                if not cursor:
                    break
            else:
                raise ConnectionFailed(f"the MCP server {self._label} lists its tools without end")
        except ExLLMError:
            raise
        except Exception as error:
            raise self._failed("list its tools", error) from error
        taken: set[str] = set()
        made: list[Tool] = []
        for tool in listed:
            name = _name_of(self._prefix + tool.name, taken)
            description = tool.description or tool.title or ""
            plain = Tool(name, description, dict(tool.input_schema), timeout=self._call_timeout)
            made.append(plain.with_handler(_RemoteTool(self, tool.name)))
        self.tools = tuple(made)
        return self.tools

    async def call(self, name: str, arguments: Mapping[str, Any], context: ToolContext | None = None) -> ToolResult:
        """Call the tool that the server knows as `name`; its progress goes to `context`.

        Raises: ConnectionFailed; AuthenticationError and the like where a server refuses by HTTP.
        """

        async def report(progress: float, total: float | None, message: str | None) -> None:
            if context is not None:
                context.report(progress, total, message)

        client = self._connected()
        try:
            result = await client.call_tool(name, dict(arguments), progress_callback=report)
        except Exception as error:
            raise self._failed(f"call {name}", error) from error
        return result_of_content(result)

    def _connected(self) -> Any:
        if self._client is not None:
            return self._client
        if self._lost is not None:
            raise ConnectionFailed(f"the MCP server {self._label} is lost, connect to it anew: {self._lost}")
        raise ConnectionFailed(f"the MCP server {self._label} is closed; use its tools within its `async with`")

    def _failed(self, what: str, error: Exception) -> ExLLMError:
        words = f"the MCP server {self._label} could not {what}: {words_of(error)}"
        if self._refused is None:
            return ConnectionFailed(words)
        status, headers = self._refused
        return error_for_status(status, words, headers=headers)


class _RemoteTool:
    """The handler of a server's tool."""

    def __init__(self, server: Server, name: str) -> None:
        self._server = server
        self._name = name

    async def __call__(self, /, exllm_context: ToolContext, **arguments: Any) -> ToolResult:
        return await self._server.call(self._name, arguments, exllm_context)


@asynccontextmanager
async def stdio(
    command: str,
    args: Sequence[str] = (),
    *,
    env: Mapping[str, str] | None = None,
    cwd: str | Path | None = None,
    prefix: str = "",
    timeout: float = DEFAULT_CONNECT_TIMEOUT_S,
    call_timeout: float | None = None,
    stderr: TextIO | None = None,
) -> AsyncIterator[Server]:
    """Start a server and talk to it over its standard input and output; it ends with the block, with its children.

    Args:
        command, args: no shell reads them.
        env: variables that the server gets beside HOME, LOGNAME, PATH, SHELL, TERM and USER; no others.
        cwd: where it starts.
        prefix: goes before the names of its tools, so that those of several servers differ.
        timeout: seconds for it to start and to list its tools.
        call_timeout: seconds for each call of its tools; None for the run's own limit.
        stderr: a file for what it says there; it is thrown away by default.

    Raises: ConnectionFailed, ConnectTimeout, MissingExtra.
    """
    mcp = _package()
    parameters = mcp.StdioServerParameters(
        command=command, args=list(args), env=dict(env or {}), cwd=cwd,
        encoding_error_handler="replace",  # a server that writes rubbish beside its messages is passed over
    )  # fmt: skip

    async def transport(stack: AsyncExitStack) -> Any:
        from mcp.client.stdio import stdio_client

        errors = stderr or stack.enter_context(open(os.devnull, "w"))  # noqa: ASYNC230, SIM115 - waits for nothing
        return stdio_client(parameters, errors)

    async with _connection(Server(command, prefix, call_timeout), transport, timeout) as server:
        yield server


@asynccontextmanager
async def http(
    url: str,
    *,
    headers: Mapping[str, str] | None = None,
    prefix: str = "",
    timeout: float = DEFAULT_CONNECT_TIMEOUT_S,
    call_timeout: float | None = None,
) -> AsyncIterator[Server]:
    """Connect to a server by streamable HTTP.

    Args:
        url: of its endpoint, such as ``https://example.com/mcp``.
        headers: of each request, such as ``{"Authorization": "Bearer ..."}``.
        prefix, timeout, call_timeout: as for `stdio`.

    Raises: ConnectionFailed, ConnectTimeout, MissingExtra; AuthenticationError, PermissionDenied and the like where the
        server refuses by its status.
    """
    _package()
    server = Server(url.split("?")[0], prefix, call_timeout)

    async def note(response: Any) -> None:
        if response.request.method == "POST":
            server._refused = (response.status_code, response.headers) if response.status_code >= 400 else None

    async def transport(stack: AsyncExitStack) -> Any:
        import httpx2
        from mcp.client.streamable_http import streamable_http_client

        # Answers may be a long time coming, by server-sent events; how long is for `call_timeout` to say.
        limits = httpx2.Timeout(timeout, read=None)
        client = httpx2.AsyncClient(headers=dict(headers or {}), timeout=limits, event_hooks={"response": [note]})
        return streamable_http_client(url, http_client=await stack.enter_async_context(client))

    async with _connection(server, transport, timeout):
        yield server


@asynccontextmanager
async def _connection(
    server: Server, transport: Callable[[AsyncExitStack], Any], timeout_s: float
) -> AsyncIterator[Server]:
    """`server`, connected.

    A task of its own holds the connection, so that it closes in peace when the caller is cancelled.
    """
    loop = asyncio.get_running_loop()
    ready: asyncio.Future[None] = loop.create_future()
    closing = asyncio.Event()
    holder = loop.create_task(_hold(server, transport, ready, closing), name="exllm-mcp")
    try:
        await asyncio.wait([ready, holder], timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
        if not ready.done():
            if holder.done():
                holder.result()
            raise ConnectTimeout(f"the MCP server {server._label} was not ready within {timeout_s:g} s")
        yield server
    finally:
        if ready.done():
            closing.set()
        else:
            holder.cancel()
        await _ended(holder)


async def _hold(
    server: Server, transport: Callable[[AsyncExitStack], Any], ready: asyncio.Future[None], closing: asyncio.Event
) -> None:
    mcp = _package()
    try:
        async with asyncio.timeout(None) as limit, AsyncExitStack() as stack:
            client = await stack.enter_async_context(mcp.Client(await transport(stack), cache=None))
            server._client = client
            server.instructions = client.instructions
            await server.refresh()
            ready.set_result(None)
            await closing.wait()
            server._client = None
            limit.reschedule(asyncio.get_running_loop().time() + CLOSE_S)
    except Exception as error:
        cause = _first(error)
        if not ready.done():
            raise cause if isinstance(cause, ExLLMError) else server._failed("connect", cause) from error
        if not closing.is_set():
            server._lost = words_of(cause)
        # What goes wrong while it closes concerns nobody: every call had its result or its error.
    finally:
        server._client = None


async def _ended(holder: asyncio.Task[None]) -> None:
    """Return when `holder` has ended, or, to a caller that is cancelled meanwhile, after twice `CLOSE_S`."""
    try:
        await asyncio.wait([holder])
    except asyncio.CancelledError:
        await asyncio.wait([holder], timeout=2 * CLOSE_S)
        raise
    finally:
        if holder.done() and not holder.cancelled():
            holder.exception()  # it was raised before, where anybody was to be told


def _package() -> Any:
    try:
        import mcp
    except ImportError:
        raise MissingExtra('MCP servers need the package mcp: pip install "exllm[mcp]"') from None
    return mcp


def _first(error: Exception) -> Exception:
    """What went wrong, without the task groups that it came through."""
    while isinstance(error, ExceptionGroup):
        error = error.exceptions[0]
    return error


def _name_of(wanted: str, taken: set[str]) -> str:
    """`wanted` as providers take names: of letters, digits, '_' and '-', at most 64, and no two the same."""
    name = fit = _NOT_IN_NAMES.sub("_", wanted) or "_"
    while len(name) > _MOST_NAME_CHARS or name in taken:
        name = f"{fit[: _MOST_NAME_CHARS - 9]}_{hashlib.sha256(wanted.encode()).hexdigest()[:8]}"
        wanted += "_"  # a server may list a name twice
    taken.add(name)
    return name
