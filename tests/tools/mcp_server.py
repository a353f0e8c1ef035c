"""A real MCP server, made with the official package: ``python -m tests.tools.mcp_server [stdio | http PORT]``."""

from __future__ import annotations

import asyncio
import os
import sys
from typing import Any

from mcp.server.mcpserver import Context, Image, MCPServer
from mcp_types import AudioContent, EmbeddedResource, ResourceLink, TextContent, TextResourceContents

PNG = b"\x89PNG\r\n\x1a\nnot really"
server = MCPServer("exllm-tests", instructions="Add with add.", log_level="CRITICAL")


@server.tool()
def add(a: int, b: int = 1) -> int:
    """Add two numbers."""
    return a + b


@server.tool(name="with.odd/name")
def odd() -> str:
    """A name that no provider takes."""
    return "odd"


@server.tool(structured_output=False)
def picture() -> list[Any]:
    """Words and an image."""
    return ["see:", Image(data=PNG, format="png")]


@server.tool(structured_output=False)
def mixed() -> list[Any]:
    """A bit of everything."""
    return [
        TextContent(type="text", text="words"),
        EmbeddedResource(type="resource", resource=TextResourceContents(uri="file:///a.txt", text="in the file")),
        ResourceLink(type="resource_link", uri="file:///b.txt", name="b.txt", description="another"),
        AudioContent(type="audio", data="QUJD", mime_type="audio/wav"),
    ]


@server.tool()
async def slow(seconds: float, ctx: Context) -> str:
    """Takes a while, and says how far it is."""
    await ctx.report_progress(1, 2, "half")
    await asyncio.sleep(seconds)
    return "done"


@server.tool()
def fail() -> str:
    """Fails."""
    raise ValueError("in here")


@server.tool()
def environment() -> dict[str, str]:
    """What the server was given."""
    return dict(os.environ)


@server.tool()
def end() -> str:
    """Ends the server in the middle of a call."""
    os._exit(1)


if __name__ == "__main__":
    if sys.argv[1] == "stdio":
        server.run("stdio")
    elif sys.argv[1] == "deaf":
        asyncio.run(asyncio.sleep(60))
    else:
        server.run("streamable-http", host="127.0.0.1", port=int(sys.argv[2]))
