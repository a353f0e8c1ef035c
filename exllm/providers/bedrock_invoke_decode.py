"""Streams of InvokeModelWithResponseStream: each message holds one document of the model's own protocol, in base64.

What Bedrock adds to the documents is told here: ``amazon-bedrock-invocationMetrics`` in the last one, with the counts
that are the same for every model, and what a guardrail did.
Sources: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ResponseStream.html,
https://docs.aws.amazon.com/bedrock/latest/userguide/guardrails-input-tagging-base-inference.html
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from typing import Any

import msgspec

from exllm.errors import ExLLMError, ProtocolError
from exllm.providers.bedrock_errors import error_of_frame
from exllm.providers.bedrock_usage import usage_of_metrics
from exllm.providers.wire import StreamDecoder
from exllm.streaming.aws_eventstream import EventStreamFrame
from exllm.streaming.frame import Frame
from exllm.types.chunks import Chunk, Finish, ProviderEvent, UsageUpdate

METRICS = "amazon-bedrock-invocationMetrics"
GUARDRAIL_ACTION = "amazon-bedrock-guardrailAction"
TRACE = "amazon-bedrock-trace"
_ADDED = b'"amazon-bedrock-'
_SNIPPET_CHARS = 200


class _Part(msgspec.Struct, gc=False):
    bytes: str


class _Added(msgspec.Struct, rename={"metrics": METRICS, "action": GUARDRAIL_ACTION, "trace": TRACE}):
    metrics: dict[str, Any] | None = None
    action: str | None = None
    trace: dict[str, Any] | None = None


_decode_part = msgspec.json.Decoder(_Part).decode
_decode_added = msgspec.json.Decoder(_Added).decode
_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


class InvokeDecoder:
    """See `StreamDecoder`. `native` reads the documents."""

    __slots__ = ("_guard", "_has_usage", "_is_blocked", "_model", "_native", "_provider", "_undelivered", "finished")

    def __init__(self, native: StreamDecoder, provider: str, model: str) -> None:
        self.finished = False
        self._native = native
        self._provider = provider
        self._model = model
        self._has_usage = False
        self._is_blocked = False
        self._guard: str | None = None  # in the guardrail's words
        self._undelivered: list[Chunk] = []

    def feed(self, frames: Sequence[Frame]) -> list[Chunk]:
        """See `StreamDecoder.feed`. Frames after the last document are ignored."""
        chunks: list[Chunk] = []
        if self.finished:
            return chunks
        self._undelivered = chunks
        documents: list[Frame] = []
        for frame in frames:
            try:
                payload = self._payload(frame, chunks)
            except ExLLMError:
                self._read(documents, chunks)  # what came before the error
                raise
            if payload is None:
                continue
            if _ADDED not in payload:
                documents.append(Frame(payload))
                continue
            self._read(documents, chunks)
            documents = []
            self._read_added(payload, chunks)
            if self.finished:
                break
        self._read(documents, chunks)
        self._undelivered = []
        return chunks

    def take(self) -> list[Chunk]:
        """See `StreamDecoder.take`."""
        chunks, self._undelivered = self._undelivered, []
        return chunks

    def close(self) -> list[Chunk]:
        """See `StreamDecoder.close`."""
        if self.finished:
            return []
        if self._is_blocked:  # the model was not asked, or its answer was withheld: there is no reason but that
            return [self._blocked_finish()]
        return self._native.close()

    def _payload(self, frame: Frame, chunks: list[Chunk]) -> bytes | None:
        if isinstance(frame, EventStreamFrame) and frame.message_type != "event":
            raise error_of_frame(frame, provider=self._provider, model=self._model)
        if frame.event != "chunk":
            chunks.append(ProviderEvent(frame.event, frame.data.decode("utf-8", "replace"), self._provider))
            return None
        try:
            return base64.b64decode(_decode_part(frame.data).bytes, validate=True)
        except (*_UNREADABLE, binascii.Error) as error:
            raise self._nonsense(frame.data) from error

    def _read(self, documents: list[Frame], chunks: list[Chunk]) -> None:
        if not documents:
            return
        start = len(chunks)
        try:
            chunks += self._native.feed(documents)
        except ExLLMError:
            chunks += self._native.take()
            raise
        self._has_usage = self._has_usage or any(type(chunk) is UsageUpdate for chunk in chunks[start:])

    def _read_added(self, payload: bytes, chunks: list[Chunk]) -> None:
        """A document to which Bedrock added something; on its own, so that the order does not depend on the others."""
        own: list[Chunk] = []
        try:
            self._read([Frame(payload)], own)
            try:
                added = _decode_added(payload)
            except _UNREADABLE as error:
                raise self._nonsense(payload) from error
            self._is_blocked = self._is_blocked or added.action == "INTERVENED"
            if added.trace is not None:
                self._guard = explanation(added.trace)
            told = added_chunks(added.metrics, added.trace, self._provider, with_usage=not self._has_usage)
            if added.metrics is not None or added.trace is not None:
                self._end(own)
            at = next((at for at, chunk in enumerate(own) if type(chunk) is Finish), len(own))
            own[at:at] = told
        finally:
            chunks += own

    def _end(self, own: list[Chunk]) -> None:
        """This was the last document."""
        if self._is_blocked:
            raw = next((chunk.raw for chunk in own if isinstance(chunk, Finish)), None)
            own[:] = [*(chunk for chunk in own if type(chunk) is not Finish), self._blocked_finish(raw)]
        elif not self._native.finished:
            own += self._native.close()
        self.finished = True

    def _blocked_finish(self, raw: str | None = None) -> Finish:
        return Finish("content_filter", raw=raw or "INTERVENED", message=self._guard)

    def _nonsense(self, data: bytes) -> ProtocolError:
        snippet = data[: _SNIPPET_CHARS * 4].decode("utf-8", "replace")[:_SNIPPET_CHARS]
        return ProtocolError(
            f"the provider sent a part of a stream that cannot be read: {snippet!r}",
            provider=self._provider, model=self._model, body=snippet,
        )  # fmt: skip


def added_chunks(
    metrics: dict[str, Any] | None, trace: dict[str, Any] | None, provider: str, *, with_usage: bool
) -> list[Chunk]:
    """What Bedrock added to an answer."""
    chunks: list[Chunk] = []
    if metrics is not None:
        if with_usage:
            chunks.append(UsageUpdate(usage_of_metrics(metrics)))
        chunks.append(ProviderEvent(METRICS, metrics, provider))
    if trace is not None:
        chunks.append(ProviderEvent(TRACE, trace, provider))
    return chunks


def explanation(trace: dict[str, Any]) -> str | None:
    """Why the guardrail did what it did."""
    guardrail = trace.get("guardrail")
    reason = guardrail.get("actionReason") if isinstance(guardrail, dict) else None
    return reason if isinstance(reason, str) else None


def guarded(body: bytes, chunks: list[Chunk], provider: str) -> list[Chunk]:
    """The chunks of a whole answer, with what Bedrock added to it."""
    if _ADDED not in body:
        return chunks
    try:
        added = _decode_added(body)
    except _UNREADABLE:  # fields of other types than documented say nothing
        return chunks
    told = added_chunks(added.metrics, added.trace, provider, with_usage=False)
    if added.action == "INTERVENED":
        reason = explanation(added.trace or {})
        chunks = [
            Finish("content_filter", chunk.index, chunk.raw or "INTERVENED", reason) if type(chunk) is Finish else chunk
            for chunk in chunks
        ]
    at = next((at for at, chunk in enumerate(chunks) if type(chunk) is Finish), len(chunks))
    return chunks[:at] + told + chunks[at:]
