"""What is in these pictures? Files or addresses, made to fit the provider.

python examples/ask_about_images.py "What changed?" openai before.png after.png
"""

import asyncio
import sys

import exllm


async def main(question: str, model: str, *images: str) -> None:
    async with exllm.Client() as client:
        reply = await client.analyze_images(model, images, question, max_side_px=1024)
    print(reply.text)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
