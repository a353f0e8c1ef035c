"""A real model whose answer is cut off anywhere: joined to what it says then, it is what it would have said."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

import exllm
from exllm import StreamInterrupted, TextDelta
from exllm.providers import registry
from exllm.recovery import Recovery
from exllm.types.chunks import Chunk
from exllm.types.request import Request
from exllm.types.response import Response

pytestmark = pytest.mark.local

PROMPT = "Tell me a short story about a fox."
OPTIONS: dict[str, Any] = {"temperature": 0.0, "max_tokens": 120, "seed": 7}


class Unreliable:
    """The local provider, whose answers break off after so many pieces of text."""

    name = "unreliable"
    prefills = True

    def __init__(self, after: list[int]) -> None:
        self._after = after
        self._local: Any = registry.get("local")
        self.options = self._local.options

    async def chat(self, request: Request) -> Response:
        raise AssertionError("only streams break")

    async def stream(self, request: Request) -> AsyncIterator[Chunk]:
        left = self._after.pop(0) if self._after else None
        answer = self._local.stream(request)
        try:
            async for chunk in answer:
                if isinstance(chunk, TextDelta) and left is not None:
                    left -= 1
                    if left < 0:
                        raise StreamInterrupted("the connection broke")
                yield chunk
        finally:
            await answer.aclose()


@pytest.fixture
async def whole(model: str) -> str:
    """What the model says undisturbed."""
    async with exllm.Client() as client:
        return (await client.chat(model, PROMPT, **OPTIONS)).text


@pytest.mark.parametrize("after", [[1], [2], [5], [17], [40], [3, 3, 3], [1, 10, 25]])
async def test_joined_it_is_what_it_would_have_been(model: str, whole: str, after: list[int]) -> None:
    assert len(whole) > 100
    registry.register(Unreliable(after))
    try:
        path = model.partition("/")[2]
        retry = exllm.RetryPolicy(base_s=0.001)
        async with exllm.Client(retry=retry) as client:
            stream = client.stream(f"unreliable/{path}", PROMPT, recover=Recovery(attempts=5), **OPTIONS)
            async with stream:
                texts = [text async for text in stream.text()]
    finally:
        registry.unregister("unreliable")
    joined = "".join(texts)
    assert joined == stream.response.text
    # The limit counts tokens, which are guessed for what had arrived: the end may come a few tokens sooner or later.
    shorter = min(len(joined), len(whole))
    assert shorter > 0.8 * len(whole)
    assert joined[:shorter] == whole[:shorter]


async def test_resumed_from_a_cursor_it_is_too(model: str, whole: str) -> None:
    async with exllm.Client() as client:
        async with client.stream(model, PROMPT, **OPTIONS) as stream:
            seen = 0
            async for _text in stream.text():
                seen += 1
                if seen == 12:
                    break
            cursor = stream.cursor
        resumed = client.resume(cursor, max_tokens=400)
        rest = "".join([text async for text in resumed.text()])
    assert rest
    assert (cursor.text + rest)[: len(whole)] == whole
