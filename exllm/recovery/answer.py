"""What a pump needs of an answer that may take several requests."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from exllm.backend import Backend, complete
from exllm.call import Call
from exllm.policies.retry import RetrySchedule
from exllm.recovery.continuation import Continuation, continuation, shortened, summary_request
from exllm.recovery.joiner import Joiner
from exllm.recovery.prefills import prefill_fields
from exllm.recovery.seam import Seam
from exllm.recovery.settings import Recovery
from exllm.recovery.source import RecoveringSource
from exllm.streaming.accumulator import Accumulator
from exllm.types.chunks import (
    Chunk,
    CitationDelta,
    ImageDelta,
    ProviderEvent,
    ReasoningDelta,
    RefusalDelta,
    StreamStart,
    TextDelta,
    UsageUpdate,
)
from exllm.types.cursor import Cursor, ResumeStrategy, StreamHandle
from exllm.types.parts import Image, ProviderPart, Reasoning, Refusal, Text
from exllm.types.request import Request
from exllm.types.response import Response


class RecoverableAnswer:
    """One answer, begun here or gone on with.

    Args:
        call: of the answer; for one that is gone on with, made of the cursor's request.
        id: of the answer.
        backend: sends a request.
        summary: of a text, by the model; for the strategy ``summarize``.
        recovery: None where a failure ends it and nothing is kept.
        begin: where it stands, when it is gone on with.

    Raises: InvalidRequest for an answer that cannot be gone on with.

    Attributes:
        accumulator: for the pump; holds what is kept of the answer already.
    """

    def __init__(
        self,
        call: Call,
        id: str,
        backend: Callable[[Request], Backend],
        recovery: Recovery | None,
        *,
        summary: Callable[[str], Awaitable[str]] | None = None,
        begin: Cursor | None = None,
        strategy: ResumeStrategy = "exact",
    ) -> None:
        self._call = call
        self._id = id
        self._backend = backend
        self._recovery = recovery
        self._summary = summary
        self._begin = begin
        self._strategy: ResumeStrategy = strategy
        self._started_at = begin.started_at if begin is not None else time.time()
        self._text_part, self._free_part = 0, 1
        self.accumulator = Accumulator(call.request.provider, call.request.model)
        # Made at once: it may not be possible.
        self._first = backend(call.request) if begin is None else None
        self._plan: Continuation | None = None
        if begin is not None:
            if strategy == "exact":
                self._first = self._kept_stream(begin, None)
            if self._first is None:
                self._plan = self._planned(begin)

    async def connect(self) -> RecoveringSource:
        """For the pump."""
        start = None
        if self._begin is not None and self._plan is not None:
            if self._strategy == "summarize" and self._plan.by == "summary":
                assert self._summary is not None
                summary = await self._summary(summary_request(self._begin))
                self._plan = self._planned(self._begin, summary)
            start = Joiner(self._plan.seam, self._text_part, self._free_part, self._plan.separator)
        call = self._call
        return RecoveringSource(
            self._connect_first,
            self._go_on,
            self.cursor,
            self._recovery,
            self.accumulator,
            RetrySchedule(call.retry),
            call.request.timeouts,
            start,
        )

    async def _connect_first(self) -> object:
        backend, self._first = self._first, None
        if backend is None:
            backend = self._backend(self._call.request) if self._plan is None else self._next(self._begin, self._plan)
        return await backend.connect()

    async def _go_on(self, cursor: Cursor, decoder: Any) -> tuple[Backend, Continuation]:
        """The next request. `decoder` has decoded what there is of the answer."""
        kept = self._kept_stream(cursor, decoder)
        if kept is not None:
            return kept, Continuation((), cursor.text, "stream", Seam(""))
        plan = continuation(cursor, "exact", prefills=self._fields is not None)
        return self._next(cursor, plan), plan

    def _kept_stream(self, cursor: Cursor, decoder: Any) -> Backend | None:
        """What asks the provider for the rest of the stream that it keeps, where it does."""
        if cursor.handle is None:
            return None
        resume = getattr(self._backend(self._call.request), "resuming", None)
        return None if resume is None else resume(cursor.handle, decoder, self.accumulator.add)

    def _planned(self, begin: Cursor, summary: str = "") -> Continuation:
        plan = continuation(begin, self._strategy, prefills=self._fields is not None, summary=summary)
        if not summary:
            self.accumulator.add(self._kept_chunks(begin, plan.kept))
        return plan

    def _next(self, cursor: Cursor | None, plan: Continuation) -> Backend:
        assert cursor is not None
        request = self._call.request
        extra = request.extra
        if plan.by == "prefill":
            extra = {**extra, **(self._fields or {})}
        options = request.options if plan.by == "again" else shortened(request.options, cursor)
        return self._backend(
            msgspec.structs.replace(request, messages=plan.messages, options=options, extra=extra)
        )  # fmt: skip

    @property
    def _fields(self) -> dict[str, object] | None:
        return prefill_fields(self._call.backend, self._call.request)

    def _kept_chunks(self, cursor: Cursor, kept: str) -> list[Chunk]:
        """The part of the answer that stays, as chunks."""
        partial = cursor.partial
        chunks: list[Chunk] = [StreamStart(partial.id, partial.model or None, partial.created)]
        for number, part in enumerate(partial.parts):
            if isinstance(part, Reasoning):
                chunks.append(ReasoningDelta(part.text, 0, number, part.signature, part.redacted, part.id))
            elif isinstance(part, Text) and kept:
                text, kept = kept[: len(part.text)], kept[len(part.text) :]
                chunks.append(TextDelta(text, 0, number))
                chunks += [CitationDelta(citation, 0, number) for citation in part.citations]
                self._text_part = number
            elif isinstance(part, Image):
                chunks.append(ImageDelta(part.data, part.url, part.media_type))
            elif isinstance(part, Refusal):
                chunks.append(RefusalDelta(part.text))
            elif isinstance(part, ProviderPart):
                chunks.append(ProviderEvent("", part.data, part.provider, content=True))
            self._free_part = number + 1
        if partial.usage.provenance != "unknown":
            chunks.append(UsageUpdate(partial.usage))
        return chunks

    # -- for the pump and the stream

    def cursor(self, error: str | None, handle: StreamHandle | None) -> Cursor:
        """Where the answer stands now."""
        return cursor_of(self._call, self.accumulator.response(), self._id, self._started_at, error, handle)

    def complete(self, response: Response) -> Response:
        """What only the call knows of a response."""
        return complete(self._call, response)


def cursor_of(
    call: Call, partial: Response, id: str, started_at: float, error: str | None, handle: StreamHandle | None
) -> Cursor:
    """The cursor of an answer to `call`."""
    request = call.request
    return Cursor(
        id, f"{request.provider}/{request.model}", request.messages, request.options, request.extra,
        msgspec.structs.replace(partial, stats=None, raw=None, parsed=None), handle, error, started_at, time.time(),
    )  # fmt: skip
