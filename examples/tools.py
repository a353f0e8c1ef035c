"""Functions as tools: the model fills in typed arguments, and what it gets wrong it is told.

python examples/tools.py [MODEL] [PROMPT]
"""

import asyncio
import datetime
import sys
from typing import Annotated, Literal

import msgspec

import exllm


class Place(msgspec.Struct):
    city: str
    country: Annotated[str, msgspec.Meta(pattern="^[A-Z]{2}$")] = "NO"


@exllm.tool
async def weather(place: Place, day: datetime.date, unit: Literal["C", "F"] = "C") -> dict[str, object]:
    """The weather forecast for one day.

    Args:
        place: where.
        day: which day.
        unit: Celsius or Fahrenheit.
    """
    return {"city": place.city, "day": day, "sky": "rain", "high": 9 if unit == "C" else 48}


@exllm.tool(timeout=5)
def packing_list(sky: str) -> list[str]:
    """What to take along. A plain function: it runs in a thread."""
    return ["umbrella", "boots"] if sky == "rain" else ["sunglasses"]


async def main(model: str, prompt: str = "I am in Oslo on 24 December 2026. What shall I take along?") -> None:
    async with exllm.Client() as client:
        run = await client.run(model, prompt, tools=[weather, packing_list])
    for message in run.messages:
        for part in message.parts:
            match part:
                case exllm.ToolCall(name=name, arguments=arguments):
                    print(f"call    {name} {arguments}")
                case exllm.ToolResult(content=content, is_error=is_error):
                    print(f"{'error  ' if is_error else 'result '} {content}")
    print(f"answer  {run.text}")
    print(f"{run.turns} turns, {run.usage.total_tokens} tokens")


if __name__ == "__main__":
    asyncio.run(main(*(sys.argv[1:] or ["openai"])))
