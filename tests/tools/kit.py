"""What the tests of runs share."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import exllm
from exllm import Message, ToolCall, ToolResult
from exllm.testing import MockProvider
from exllm.types.normalise import normalise_messages


def call(name: str, arguments: str = "", id_: str = "") -> ToolCall:
    return ToolCall(id_ or f"id_{name}", name, arguments)


@exllm.tool
async def weather(city: str) -> dict[str, str]:
    """The weather."""
    return {"city": city, "sky": "rain"}


@exllm.tool
def double(number: int) -> int:
    """Twice the number."""
    return number * 2


@asynccontextmanager
async def model(*answers: Any, **options: Any) -> AsyncIterator[tuple[exllm.Client, MockProvider]]:
    """A client, and the mock that answers as ``"mock/m"``."""
    with MockProvider(*answers, **options) as mock:
        async with exllm.Client() as client:
            yield client, mock
        assert mock.open_answers == 0, "an answer was left open"


def results(run: exllm.Run) -> list[ToolResult]:
    return [part for message in run.messages for part in message.parts if isinstance(part, ToolResult)]


def assert_valid(messages: Sequence[Message]) -> None:
    """Every call is answered in the message after it, once, in order, and no two calls have the same id."""
    normalise_messages(list(messages))
    seen: set[str] = set()
    for place, message in enumerate(messages):
        calls = [one.id for one in message.tool_calls]
        after = messages[place + 1] if place + 1 < len(messages) else None
        if calls:
            assert after is not None, "an orphan call at the end"
            assert after.role == "tool"
            assert [part.call_id for part in after.parts if isinstance(part, ToolResult)] == calls
            assert seen.isdisjoint(calls)
            assert len(set(calls)) == len(calls)
            seen.update(calls)
        if message.role == "tool":
            assert place > 0
            assert messages[place - 1].tool_calls


async def until(true: Any) -> None:
    """Let others run until `true()` holds."""
    async with asyncio.timeout(5):
        while not true():  # noqa: ASYNC110 - it is nobody's to tell when
            await asyncio.sleep(0.001)
