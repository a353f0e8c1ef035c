"""A provider of your own, as data: any server that speaks OpenAI's protocol.

python examples/custom_provider.py http://localhost:8000/v1 my-model "Hello!"
"""

import asyncio
import sys

import exllm

ACME = {
    "name": "acme",
    "wire": "openai_chat",
    "base_url": "https://api.acme.example/v1",
    "api_key_env": ["ACME_API_KEY"],
    "auth": {"required": False},
    "quirks": ["max_tokens_field"],  # it knows max_tokens, not max_completion_tokens
    "unsupported": ["logprobs", "top_logprobs"],  # refused here, before any request is sent
}


async def main(base_url: str, model: str, prompt: str) -> None:
    exllm.providers.register({**ACME, "base_url": base_url})
    async with exllm.Client() as client:
        reply = await client.chat(f"acme/{model}", prompt, max_tokens=200)
    print(reply.text)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
