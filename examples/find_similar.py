"""Which of these sentences is nearest to another one?

python examples/find_similar.py openai "Which one is about cats?"
"""

import asyncio
import sys

import exllm
from exllm.similarity import find_similar

SENTENCES = [
    "The cat sleeps on the warm roof.",
    "Prices of copper fell on Monday.",
    "A kitten plays with a ball of wool.",
    "The train to Oslo leaves at nine.",
]


async def main(model: str = "local", question: str = "Which sentence is about cats?") -> None:
    async with exllm.Client() as client:
        reply = await client.embed(model, [*SENTENCES, question])
    *sentences, asked = reply.vectors
    for match in find_similar(asked, sentences):
        print(f"{match.score:6.3f}  {SENTENCES[match.index]}")


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
