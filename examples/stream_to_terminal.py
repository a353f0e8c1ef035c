"""Stream an answer to the terminal.

python examples/stream_to_terminal.py                                   # the bundled local model
python examples/stream_to_terminal.py openai/gpt-4.1-mini "Hello!"      # with OPENAI_API_KEY set
"""

import asyncio
import sys

import exllm


async def main(model: str = "local", prompt: str = "Tell me a short story about a fox.") -> None:
    async with exllm.Client() as client, client.stream(model, prompt) as stream:
        async for text in stream.text():
            print(text, end="", flush=True)
    usage, stats = stream.response.usage, stream.stats
    print(f"\n[{usage.output_tokens} tokens, first after {stats.first_chunk_s:.3f} s, {stats.duration_s:.3f} s in all]")


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
