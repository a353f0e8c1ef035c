"""A run as it happens: text as it is written, calls as they are made, one budget for all, and hooks around the calls.

python examples/tool_loop.py [MODEL] [PROMPT]
"""

import asyncio
import sys

import exllm


@exllm.tool
async def search(query: str, context: exllm.ToolContext) -> list[str]:
    """Search the archive."""
    for step in range(3):
        context.report(step + 1, 3, f"shelf {step + 1}")
        await asyncio.sleep(0.05)
    return [title for title in context.state if query.lower() in title.lower()]


@exllm.tool
async def remove(title: str) -> str:
    """Remove a document."""
    return f"removed {title}"


def only_reading(context: exllm.ToolContext) -> exllm.Deny | None:
    return exllm.Deny("this archive is read-only") if context.call.name == "remove" else None


async def main(model: str, prompt: str = "What do we have on foxes? Remove what is old.") -> None:
    archive = ["Foxes of the north", "Old foxes", "Owls"]
    async with exllm.Client() as client:
        stream = client.stream_run(
            model, prompt, tools=[search, remove], state=archive, before_call=only_reading,
            max_turns=5, concurrency=4, tool_timeout=10, run_timeout=120, budget=exllm.Budget(0.10, unknown="allow"),
        )  # fmt: skip
        async with stream:
            async for event in stream:
                match event:
                    case exllm.TextDelta(text=text):
                        print(text, end="", flush=True)
                    case exllm.ToolStarted(call=call):
                        print(f"\n[{call.name} {call.arguments}]")
                    case exllm.ToolProgress(message=message):
                        print(f"  ... {message}")
                    case exllm.ToolFinished(result=result):
                        print(f"  -> {result.content}")
    run = stream.run
    print(f"\n{run.status} after {run.turns} turns, {run.usage.total_tokens} tokens, cost {run.cost.total}")


if __name__ == "__main__":
    asyncio.run(main(*(sys.argv[1:] or ["openai"])))
