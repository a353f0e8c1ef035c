"""Ask several models at once, and print each answer when it is there. One that fails does not stop the others.

python examples/several_providers.py "Why is the sky blue?" local openai anthropic/claude-sonnet-5-5
"""

import asyncio
import sys

import exllm


async def ask(client: exllm.Client, model: str, prompt: str) -> None:
    try:
        reply = await client.chat(model, prompt, max_tokens=300)
    except exllm.ExLLMError as error:
        print(f"{model}: failed: {error}\n")
        return
    cost = "" if reply.cost.total is None else f", ${reply.cost.total:.5f}"
    print(f"{model} ({reply.usage.output_tokens} tokens{cost}): {reply.text.strip()}\n")


async def main(prompt: str, *models: str) -> None:
    async with exllm.Client(timeout=60) as client, asyncio.TaskGroup() as tasks:
        for model in models or ("local",):
            tasks.create_task(ask(client, model, prompt))


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
