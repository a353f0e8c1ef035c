"""An answer that outlives its connection and its process: break this off with Ctrl+C, and run it again.

python examples/recover_stream.py answers.db [model] [question]
"""

from __future__ import annotations

import asyncio
import sys

import exllm
from exllm.recovery import Recovery, SQLiteStore


async def show(stream: exllm.Stream) -> None:
    async with stream:
        async for text in stream.text():
            print(text, end="", flush=True)
    print()


async def main(path: str, model: str, question: str) -> None:
    recovery = Recovery(store=SQLiteStore(path))
    async with exllm.Client(recovery=recovery) as client:
        unfinished = await recovery.store.list() if recovery.store is not None else []
        for cursor in unfinished:  # of a run before this one
            print(f"[goes on with {cursor.id}, {cursor.error or 'which was still running'}]")
            print(cursor.text, end="", flush=True)
            await show(client.resume(cursor))
        if not unfinished:
            await show(client.stream(model, question))


try:
    asyncio.run(
        main(
            sys.argv[1] if len(sys.argv) > 1 else "answers.db",
            sys.argv[2] if len(sys.argv) > 2 else "local",
            sys.argv[3] if len(sys.argv) > 3 else "Tell me a long story about a fox.",
        )
    )
except KeyboardInterrupt:
    print("\n[run it again to go on]")
