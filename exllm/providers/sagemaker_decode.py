"""Streams of SageMaker's endpoints: the bytes in the messages, put together, are the container's own stream.

Source: https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_runtime_ResponseStream.html
"""

from __future__ import annotations

from collections.abc import Sequence

from exllm.errors import ExLLMError, StreamInterrupted
from exllm.providers.sagemaker_errors import error_of_frame
from exllm.providers.wire import StreamDecoder
from exllm.streaming.aws_eventstream import EventStreamFrame
from exllm.streaming.frame import Frame
from exllm.streaming.ndjson import NDJSONDecoder
from exllm.streaming.sse import SSEDecoder
from exllm.types.chunks import Chunk, ProviderEvent

MAX_EVENT_BYTES = 128 * 1024 * 1024
"""Of the container's own events. What one message may hold, the client's limit says."""

_BLANK = b" \t\r\n"


class SageMakerDecoder:
    """See `StreamDecoder`. `native` reads the container's own events.

    They are lines of JSON where the first of them begins with a brace, and server-sent events otherwise.

    Attributes:
        last_document: the container's last event, as JSON text.
    """

    __slots__ = ("_framing", "_model", "_native", "_provider", "_undelivered", "last_document")

    def __init__(self, native: StreamDecoder, provider: str, model: str) -> None:
        self._native = native
        self._provider = provider
        self._model = model
        self._framing: SSEDecoder | NDJSONDecoder | None = None
        self._undelivered: list[Chunk] = []
        self.last_document: bytes | None = None

    @property
    def finished(self) -> bool:
        """See `StreamDecoder.finished`."""
        return self._native.finished

    def feed(self, frames: Sequence[Frame]) -> list[Chunk]:
        """See `StreamDecoder.feed`."""
        chunks: list[Chunk] = []
        self._undelivered = chunks
        for frame in frames:
            if self._native.finished:
                break
            if isinstance(frame, EventStreamFrame) and frame.message_type != "event":
                raise error_of_frame(frame, provider=self._provider, model=self._model)
            if frame.event != "PayloadPart":
                chunks.append(ProviderEvent(frame.event, frame.data.decode(errors="replace"), self._provider))
                continue
            self._read(self._inner(frame.data), chunks)
        self._undelivered = []
        return chunks

    def take(self) -> list[Chunk]:
        """See `StreamDecoder.take`."""
        chunks, self._undelivered = self._undelivered, []
        return chunks

    def close(self) -> list[Chunk]:
        """See `StreamDecoder.close`."""
        chunks: list[Chunk] = []
        if not self._native.finished and self._framing is not None:
            try:
                self._read(self._framing.close(), chunks)
            except StreamInterrupted:  # half a line
                self._undelivered = chunks
                raise
        return chunks + self._native.close()

    def _inner(self, data: bytes) -> list[Frame]:
        if self._framing is None:
            data = data.lstrip(_BLANK)
            if not data:
                return []
            self._framing = (NDJSONDecoder if data[:1] == b"{" else SSEDecoder)(max_frame_bytes=MAX_EVENT_BYTES)
        return self._framing.feed(data)

    def _read(self, frames: list[Frame], chunks: list[Chunk]) -> None:
        self.last_document = next((one.data for one in reversed(frames) if one.data[:1] == b"{"), self.last_document)
        try:
            chunks += self._native.feed(frames)
        except ExLLMError:
            chunks += self._native.take()
            raise
