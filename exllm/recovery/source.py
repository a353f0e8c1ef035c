"""An answer that goes on when its connection breaks: one request after another as one source of chunks."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from typing import Any

import msgspec

from exllm.backend import Backend
from exllm.cost.totals import add_usage
from exllm.errors import (
    BudgetExceeded,
    ExLLMError,
    FirstChunkTimeout,
    IdleTimeout,
    InvalidRequest,
    StreamClosed,
    TotalTimeout,
)
from exllm.policies.retry import RetrySchedule
from exllm.recovery.continuation import Continuation
from exllm.recovery.joiner import Joiner
from exllm.recovery.keeper import Keeper
from exllm.recovery.settings import Recovery
from exllm.streaming.accumulator import Accumulator
from exllm.streaming.source import ChunkSource, has_content
from exllm.streaming.usage_counts import merge_usage
from exllm.types.chunks import Chunk, Finish, ProviderEvent, ReasoningDelta, TextDelta, UsageUpdate
from exllm.types.cursor import Cursor, StreamHandle
from exllm.types.options import Timeouts
from exllm.types.usage import Usage

RESUMED_EVENT = "resumed"
"""The `ProviderEvent` between what an answer's first request brought and what the next one does."""

_FINAL = (BudgetExceeded, TotalTimeout, StreamClosed)


class RecoveringSource:
    """See `ChunkSource`.

    Args:
        connect: makes the source of the first request.
        go_on: the backend of the next request and how it continues the answer; raises for one that cannot be.
        cursor: where the answer stands, with an error in words or None.
        recovery: with a store, or None where nothing is kept and nothing gone on with.
        accumulator: the pump's own: before each read it has folded what the one before gave.
        schedule: of the continuations.
        timeouts: `idle` and `first_chunk` are kept here, for each request.
        start: the first request continues an answer itself.
    """

    is_shared = False  # a read may send a request and wait: that is for one task

    def __init__(
        self,
        connect: Callable[[], Any],
        go_on: Callable[[Cursor, Any], Any],
        cursor: Callable[[str | None, StreamHandle | None], Cursor],
        recovery: Recovery | None,
        accumulator: Accumulator,
        schedule: RetrySchedule,
        timeouts: Timeouts,
        start: Joiner | None = None,
    ) -> None:
        self.request_id: str | None = None
        self._connect = connect
        self._go_on = go_on
        self._cursor = cursor
        self._keeper = Keeper(recovery)
        self._warnings: tuple[str, ...] = ()
        self._accumulator = accumulator
        self._schedule = schedule
        self._timeouts = timeouts
        self._source: ChunkSource | None = None
        self._kept: StreamHandle | None = None  # of the request that broke off, until the next one is sent
        self._joiner = start
        self._earlier_bytes = 0
        self._left = recovery.attempts if recovery is not None and recovery.automatic else 0
        self._has_content = start is not None
        self._is_fresh = True  # the request under way has brought nothing yet
        self._text_part, self._free_part = 0, 1
        self._failure: ExLLMError | None = None  # of the request under way; what it had brought is handed out first
        self._is_over = False  # nothing will follow, and the store knows
        self._is_kept_stream = False  # the request under way asks the provider for the rest of what it keeps
        self._earlier = accumulator.usage if start is not None else None  # of the requests before this one
        self._own = Usage()

    @property
    def warnings(self) -> tuple[str, ...]:
        return (*self._warnings, *self._keeper.warnings)

    @property
    def handle(self) -> StreamHandle | None:
        """Where the provider keeps the stream, and the last of its events that arrived."""
        return self._kept if self._source is None else getattr(self._source, "handle", None)

    @property
    def bytes_read(self) -> int:
        return self._earlier_bytes + (self._source.bytes_read if self._source is not None else 0)

    def raw(self) -> Any:
        return self._source.raw() if self._source is not None else None

    async def open(self) -> None:
        self._source = await self._connect()
        assert self._source is not None
        await self._source.open()
        self.request_id, self._warnings = self._source.request_id, self._source.warnings

    async def read(self) -> list[Chunk] | None:
        while not self._is_over:
            if (failure := self._failure) is not None:
                self._failure = None
                return await self._after(failure)
            try:
                chunks = await self._read_one()
            except ExLLMError as error:
                self._failure = error
                if self._joiner is not None and (held := self._joiner.close()):
                    return held
                continue
            if chunks is None:
                self._is_over = True
                await self._keeper.forget()
                return (self._joiner.close() or None) if self._joiner is not None else None
            if self._joiner is not None:
                chunks = [self._counted(chunk) for chunk in self._joiner.join(chunks)]
            if chunks:
                self._note(chunks)
                if self._has_content:
                    await self._keeper.save_now_and_then(lambda: self._cursor(None, self.handle))
                return chunks
        return None

    def abort(self) -> None:
        if self._source is not None:
            self._source.abort()

    async def aclose(self) -> None:
        try:
            if self._source is not None:
                await self._source.aclose()
        finally:
            if not self._is_over:
                self._is_over = True
                if self._accumulator.has_finished:
                    await self._keeper.forget()
                elif self._has_content:
                    await self._keeper.save(self._cursor("the stream was left before its end", self.handle))

    # -- reading

    async def _read_one(self) -> list[Chunk] | None:
        limits = self._timeouts
        is_waiting = self._is_fresh and self._source is None  # for the head of a continuation, too
        seconds = limits.first_chunk if is_waiting else limits.idle
        limit = None if seconds is None or seconds == math.inf or not self._has_content else seconds
        try:
            async with asyncio.timeout(limit) as timer:
                if self._source is None:
                    await self.open()
                assert self._source is not None
                return await self._source.read()
        except TimeoutError:
            if not timer.expired():
                raise
            if is_waiting:
                raise FirstChunkTimeout(f"nothing of the rest of the answer arrived within {limit:g} s") from None
            raise IdleTimeout(f"the stream was silent for {limit:g} s") from None

    def _counted(self, chunk: Chunk) -> Chunk:
        """Counts are those of the whole answer, whichever request of it they come with."""
        if not isinstance(chunk, UsageUpdate) or self._earlier is None:
            return chunk
        self._own = merge_usage(self._own, chunk.usage)
        return UsageUpdate(add_usage(self._earlier, self._own), chunk.index)

    def _note(self, chunks: list[Chunk]) -> None:
        for chunk in chunks:
            if isinstance(chunk, TextDelta):
                self._text_part = chunk.part
            if isinstance(chunk, TextDelta | ReasoningDelta):
                self._free_part = max(self._free_part, chunk.part + 1)
            elif isinstance(chunk, Finish):
                self._left = 0
        if has_content(chunks):
            self._has_content, self._is_fresh = True, False

    # -- going on

    async def _after(self, error: ExLLMError) -> list[Chunk]:
        """Go on with the answer after `error`, or raise it."""
        if not self._has_content:
            raise error  # the pump sends the request again, if anybody does
        cursor = self._cursor(error.message, self.handle)
        if self._is_kept_stream and self._is_fresh and isinstance(error, InvalidRequest):  # it keeps it no more
            may_go_on, cursor = True, msgspec.structs.replace(cursor, handle=None)
        else:
            may_go_on = error.retryable and not isinstance(error, _FINAL)
        if self._left <= 0 or not may_go_on or self._accumulator.has_finished:
            await self._give_up(cursor, error)
        self._left -= 1
        await self._keeper.save(cursor)
        decoder = getattr(self._source, "decoder", None)
        await self._leave()
        self._kept = cursor.handle
        try:
            backend, plan = await self._go_on(cursor, decoder)
        except ExLLMError as obstacle:
            error.add_note(obstacle.message)
            await self._give_up(cursor, error)
        wait_s = self._schedule.wait_s(error)
        await asyncio.sleep(min(1.0, self._timeouts.idle or 1.0) if wait_s is None else wait_s)
        return self._begin(backend, plan)

    def _begin(self, backend: Backend, plan: Continuation) -> list[Chunk]:
        self._connect = backend.connect
        self._is_fresh, self._is_kept_stream = True, plan.by == "stream"
        if self._is_kept_stream:  # its chunks, and its counts, are those of the answer as they are
            self._earlier = self._joiner = None
        else:
            self._earlier, self._own = self._accumulator.usage, Usage()
            self._joiner = Joiner(plan.seam, self._text_part, self._free_part, plan.separator)
        return [ProviderEvent(RESUMED_EVENT, {"by": plan.by, "characters": len(plan.kept)}, "exllm")]

    async def _give_up(self, cursor: Cursor, error: ExLLMError) -> None:
        self._is_over = True
        await (self._keeper.forget() if self._accumulator.has_finished else self._keeper.save(cursor))
        raise error

    async def _leave(self) -> None:
        source, self._source = self._source, None
        if source is not None:
            self._earlier_bytes += source.bytes_read
            source.abort()
            await source.aclose()
