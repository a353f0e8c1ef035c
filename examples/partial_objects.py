"""An object that is shown while it is being written.

python examples/partial_objects.py [model]
"""

from __future__ import annotations

import asyncio
import sys
from dataclasses import dataclass
from typing import Annotated

import msgspec

import exllm

Line = Annotated[str, msgspec.Meta(max_length=60)]


@dataclass
class Recipe:
    title: Line
    minutes: int
    steps: Annotated[list[Line], msgspec.Meta(max_length=4)]


def shown(recipe: Recipe) -> str:
    """One line; what has not come is None."""
    minutes = "..." if recipe.minutes is None else recipe.minutes
    return f"{recipe.title or ''} ({minutes} min): " + " / ".join(recipe.steps or ())


async def main(model: str) -> None:
    async with exllm.Client() as client:
        request = "A recipe for pancakes, as JSON."
        async with client.stream(model, request, response_model=Recipe, max_tokens=1000) as stream:
            async for recipe in stream.partial(Recipe):
                print("\r" + shown(recipe)[-120:], end="", flush=True)
    print(f"\n{len(recipe.steps)} steps, all there and checked")


asyncio.run(main(sys.argv[1] if len(sys.argv) > 1 else "local"))
