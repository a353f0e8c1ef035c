"""Our own chunks and events as they are: the dialect of `Stream.events`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from exllm.errors import ExLLMError
from exllm.sse.writer import NO_HEADERS, error_words, said
from exllm.types.response import Response
from exllm.types.run import Run
from exllm.types.run_events import RunEvent


class ExLLMWriter:
    """Implements `SSEWriter`: ``event:`` is the type of the chunk, ``data:`` its JSON; the last is the response."""

    headers: Mapping[str, str] = NO_HEADERS

    def event(self, event: RunEvent) -> Iterable[bytes]:
        """See `SSEWriter.event`."""
        return [said(event, str(event.__struct_config__.tag))]

    def close(self, response: Response, run: Run | None) -> Iterable[bytes]:
        """See `SSEWriter.close`. A run has told its end already."""
        return [said(response, "response")] if run is None else []

    def fail(self, error: ExLLMError) -> Iterable[bytes]:
        """See `SSEWriter.fail`."""
        told = {"type": type(error).__name__, "message": error_words(error), "retryable": error.retryable}
        return [said(told, "error")]
