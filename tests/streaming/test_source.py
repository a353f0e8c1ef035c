"""Streams of foreign providers: what is no chunk is refused."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from typing import Any

import pytest

import exllm
from exllm.streaming.source import IteratorSource


async def give(items: Iterable[Any]) -> AsyncIterator[Any]:
    for item in items:
        yield item


async def read_all(*items: Any) -> list[exllm.Chunk]:
    source = IteratorSource(give(items))
    await source.open()
    chunks = []
    while (got := await source.read()) is not None:
        chunks += got
    return chunks


async def test_chunks_come_as_they_were_given() -> None:
    items = [exllm.StreamStart(), exllm.TextDelta("a"), exllm.ProviderEvent("x"), exllm.Finish("stop")]
    assert await read_all(*items) == items


@pytest.mark.parametrize("item", ["text", None, {"text": "a"}, exllm.Text("a")])
async def test_what_is_no_chunk_is_refused(item: Any) -> None:
    with pytest.raises(exllm.ProtocolError, match=f"such as exllm.TextDelta, got {type(item).__name__}"):
        await read_all(item)
