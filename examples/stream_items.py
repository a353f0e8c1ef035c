"""The items of a long list, each handled as soon as it is whole.

python examples/stream_items.py [model]
"""

from __future__ import annotations

import asyncio
import sys
from typing import Annotated, TypedDict

import msgspec

import exllm

Name = Annotated[str, msgspec.Meta(max_length=30)]


class City(TypedDict):
    name: Name
    country: Name


Cities = Annotated[list[City], msgspec.Meta(min_length=1, max_length=5)]


async def main(model: str) -> None:
    async with exllm.Client() as client:
        request = "Five cities by a river, as JSON."
        async with client.stream(model, request, response_model=Cities, max_tokens=1000) as stream:
            async for city in stream.items("$[*]", City):
                print(f"{city['name']}, {city['country']}", flush=True)


asyncio.run(main(sys.argv[1] if len(sys.argv) > 1 else "local"))
