"""A run that waits for somebody is a file: the process ends, and another one goes on when the answers are there.

python examples/human_in_the_loop.py begin run.json [MODEL] [PROMPT]
python examples/human_in_the_loop.py answer run.json
"""

import asyncio
import sys
from pathlib import Path

import msgspec

import exllm


@exllm.tool
def ask_guest(question: str) -> exllm.AskUser:
    """Ask the guest something."""
    return exllm.AskUser(question)


@exllm.tool(needs_approval=True)
async def book_table(day: str, people: int) -> str:
    """Book a table."""
    return f"table for {people} on {day}, number 7"


TOOLS = [ask_guest, book_table]


async def begin(model: str = "openai", prompt: str = "A table, please.") -> exllm.Run:
    async with exllm.Client() as client:
        return await client.run(model, prompt, tools=TOOLS)


async def go_on(run: exllm.Run, answers: dict[str, object]) -> exllm.Run:
    async with exllm.Client() as client:
        return await client.run(run, tools=TOOLS, answers=answers)


def ask(pending: exllm.Pending) -> object:
    if pending.kind != "approval":
        return input(f"{pending.question} ")
    said = input(f"{pending.call.name} {pending.call.arguments}? (yes or no) ")
    return said == "yes" or exllm.Deny(f"the guest says: {said}")


if __name__ == "__main__":
    command, path, *arguments = sys.argv[1:]
    if command == "begin":
        run = asyncio.run(begin(*arguments))
    else:
        stored = msgspec.json.decode(Path(path).read_bytes(), type=exllm.Run)
        run = asyncio.run(go_on(stored, {pending.call.id: ask(pending) for pending in stored.pending}))
    Path(path).write_bytes(msgspec.json.encode(run))
    print(run.status if run.pending else run.text)
