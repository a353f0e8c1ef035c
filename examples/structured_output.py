"""An answer as an object of your own type, checked, with what is wrong told to the model.

python examples/structured_output.py [model]
"""

from __future__ import annotations

import asyncio
import sys
from typing import Annotated, Literal

import msgspec

import exllm


class Review(msgspec.Struct):
    """What a customer says, in short."""

    product: Annotated[str, msgspec.Meta(max_length=40)]
    stars: Literal[1, 2, 3, 4, 5]
    mood: Literal["happy", "neutral", "angry"]
    praise: Annotated[list[Annotated[str, msgspec.Meta(max_length=60)]], msgspec.Meta(max_length=3)]


MAIL = "The new kettle boils in no time, and my tea has never been better. The lid is a bit stiff."


async def main(model: str) -> None:
    async with exllm.Client() as client:
        try:
            response = await client.chat(
                model, f"Sum up this review as JSON: {MAIL}", response_model=Review, max_tokens=1000
            )
        except exllm.StructuredOutputError as error:
            print(f"no review: {error}")
            return
    review: Review = response.parsed
    print(f"{review.product}: {review.stars} stars, {review.mood}")
    for point in review.praise:
        print(f"+ {point}")
    if (how := response.structured) is not None:
        print(f"by {how.strategy}, attempts: {how.attempts}")


asyncio.run(main(sys.argv[1] if len(sys.argv) > 1 else "local"))
