"""A stream, or a run, as the bytes of server-sent events."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Iterable, Mapping
from types import TracebackType
from typing import Any, Protocol, Self

from exllm.errors import ExLLMError, StreamClosed
from exllm.sse.writer import SSEWriter
from exllm.types.response import Response
from exllm.types.run import Run
from exllm.types.run_events import RunEvent, RunFinished, RunSuspended, TurnFinished


class Source(Protocol):
    """What can be handed on: a `Stream`, or a `RunStream`."""

    def __aiter__(self) -> AsyncIterator[Any]: ...

    async def __aenter__(self) -> Any: ...

    async def __aexit__(
        self, type: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None, /
    ) -> None: ...

    async def aclose(self) -> None: ...


class SSEStream:
    """Asynchronous iterator of bytes, whole events in each: what `Stream.to_sse` and `RunStream.to_sse` return.

    Every event has an id, ``<id of the stream>:<number>``, numbers from 1. A failure is the last event, in the words of
    the dialect, and does not raise; `error` holds it. Leaving the loop early closes the stream where no ``async with``
    owns it.

    Attributes:
        id: made up where none is given.
        headers: what clients of the dialect look for, beside ``content-type: text/event-stream``.
        error: why the stream failed, None otherwise.
        chunks, events: how many were read, and made of them, so far.
    """

    def __init__(self, source: Source, writer: SSEWriter, id: str | None = None) -> None:
        self._source = source
        self._writer = writer
        self._chunks: AsyncIterator[RunEvent] = aiter(source)
        self._is_over = False
        self._run: Run | None = None
        self._response: Response | None = None
        self.id = secrets.token_urlsafe(9) if id is None else id
        self.headers: Mapping[str, str] = writer.headers
        self.error: ExLLMError | None = None
        self.events = 0
        self.chunks = 0

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        while True:
            data = b"".join(await self.next_events())
            if data:
                return data

    async def next_events(self) -> list[bytes]:
        """The events of the next chunk, perhaps none, each by itself. Raises StopAsyncIteration after the last."""
        if self._is_over:
            raise StopAsyncIteration
        try:
            chunk = await anext(self._chunks)
        except StopAsyncIteration:
            self._is_over = True
            return self._numbered(self._writer.close(self._last_response(), self._run))
        except StreamClosed:
            raise
        except ExLLMError as error:
            return self.broken_off(error)
        self.chunks += 1
        if isinstance(chunk, RunFinished | RunSuspended):
            self._run = chunk.run
        elif isinstance(chunk, TurnFinished):
            self._response = chunk.response
        return self._numbered(self._writer.event(chunk))

    def broken_off(self, error: ExLLMError) -> list[bytes]:
        """The last events of a stream that is not read to its end; none when it was."""
        if self._is_over:
            return []
        self._is_over = True
        self.error = error
        return self._numbered(self._writer.fail(error))

    async def aclose(self) -> None:
        """Close the stream, wherever it is. Idempotent."""
        self._is_over = True
        await self._source.aclose()

    def _last_response(self) -> Response:
        if self._run is not None:
            return self._run.response or self._response or Response()
        response: Response | None = getattr(self._source, "response", None)
        return response or Response()

    def _numbered(self, told: Iterable[bytes]) -> list[bytes]:
        events: list[bytes] = []
        for lines in told:
            self.events += 1
            events.append(b"id: %b:%d\n%b\n" % (self.id.encode(), self.events, lines))
        return events
