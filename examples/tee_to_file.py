"""One stream, two readers: the screen may lose its oldest chunks when it is slow, the log on disk loses nothing.

python examples/tee_to_file.py answer.ndjson [MODEL] [PROMPT]
"""

import asyncio
import sys
from pathlib import Path

import msgspec

import exllm
from exllm.streaming.tee import TeeBranch


async def show(chunks: TeeBranch[exllm.Chunk]) -> None:
    async for chunk in chunks:
        print(chunk.text, end="", flush=True)
    print()


async def log(chunks: TeeBranch[exllm.Chunk], path: Path) -> None:
    with path.open("wb") as file:
        async for chunk in chunks:
            file.write(msgspec.json.encode(chunk) + b"\n")


async def main(path: str, model: str = "local", prompt: str = "Tell me a short story about a fox.") -> None:
    async with exllm.Client() as client, client.stream(model, prompt) as stream:
        screen, disk = stream.tee(2, overflow=["overwrite", "block"])
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(show(screen))
            tasks.create_task(log(disk, Path(path)))


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
