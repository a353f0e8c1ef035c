"""Tools of an MCP server, beside a function of one's own.  pip install "exllm[mcp]"

python examples/mcp_tools.py MODEL PROMPT COMMAND [ARGUMENTS...]     a server to start, such as: uvx mcp-server-time
python examples/mcp_tools.py MODEL PROMPT http://localhost:8000/mcp  a server that runs
"""

import asyncio
import sys

import exllm


@exllm.tool
def shout(text: str) -> str:
    """Say it loudly."""
    return text.upper()


async def main(model: str, prompt: str, command: str, *arguments: str) -> None:
    is_address = command.startswith(("http://", "https://"))
    connection = exllm.mcp.http(command) if is_address else exllm.mcp.stdio(command, arguments, prefix="server_")
    async with connection as server, exllm.Client() as client:
        print("tools:", ", ".join(tool.name for tool in server.tools))
        run = await client.run(model, prompt, tools=[*server.tools, shout], tool_timeout=30)
    print(run.text)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
