"""What the measurements need from every client library, and nothing more."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator
from typing import Any, NamedTuple

PROMPT = "hi"
KEY = "not-a-key"


class Consumed(NamedTuple):
    """A stream, read to its end."""

    pieces: int  # chunks that had text
    chars: int
    first_at: float  # `time.perf_counter()` when the first text was there


class Adapter(ABC):
    """One library, ready to stream from the fake server.

    Args:
        dialect: one of `benchmarks.dialects.DIALECTS`.
        server_url: where the fake server listens, without a path.
        timeout_s: the library's own timeout for a silent stream; None leaves its default.
    """

    def __init__(self, dialect: str, server_url: str, timeout_s: float | None = None) -> None:
        self.dialect = dialect
        self.server_url = server_url
        self.timeout_s = timeout_s

    @abstractmethod
    async def start(self, model: str) -> AsyncIterator[Any]:
        """The library's own stream object, as its documentation tells to make it."""

    @staticmethod
    @abstractmethod
    def text(chunk: Any) -> str | None:
        """The text of one of its chunks."""

    async def stop(self, stream: Any) -> None:
        """Close a stream early, as the library's documentation tells to."""
        await stream.aclose()

    async def finish(self, stream: Any) -> None:  # noqa: B027 - most need nothing
        """What the documentation asks for after a stream was read to its end; most ask for nothing."""

    @abstractmethod
    async def chat(self, model: str) -> str:
        """The text of an answer that is not streamed."""

    async def aclose(self) -> None:  # noqa: B027 - some have nothing to close
        """Close the client."""

    async def consume(self, model: str) -> Consumed:
        """Read one stream to its end. Fast clients override it with the loop written out."""
        pieces = chars = 0
        first_at = 0.0
        text_of = self.text
        stream = await self.start(model)  # held until the end: a stream that is dropped may close itself
        async for chunk in stream:
            text = text_of(chunk)
            if text:
                if not pieces:
                    first_at = time.perf_counter()
                pieces += 1
                chars += len(text)
        await self.finish(stream)
        return Consumed(pieces, chars, first_at)

    async def whole_text(self, model: str) -> str:
        """The joined text of a stream, for checking it."""
        stream = await self.start(model)
        text = "".join([self.text(chunk) or "" async for chunk in stream])
        await self.finish(stream)
        return text
