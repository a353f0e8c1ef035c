"""Streamed answers that are to be an object: several attempts as one source of chunks."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from exllm.backend import Backend, complete
from exllm.call import Call
from exllm.cost.totals import add_usage
from exllm.errors import ExLLMError, StructuredOutputError
from exllm.policies.retry import RetryPolicy, RetrySchedule
from exllm.streaming.accumulator import Accumulator
from exllm.streaming.source import ChunkSource, has_content
from exllm.streaming.usage_counts import UNKNOWN_USAGE, UsageCounts
from exllm.structured.answer_so_far import AnswerSoFar, Validator, complaint
from exllm.structured.attempts import RETRY_EVENT, AnswerToolChunks, Attempts, with_object
from exllm.structured.call import Asked
from exllm.types.chunks import Chunk, ProviderEvent, TextDelta
from exllm.types.message import Message
from exllm.types.normalise import Messages
from exllm.types.response import Response
from exllm.types.usage import Usage


class AttemptsAccumulator(Accumulator):
    """Folds the chunks of the attempt that is under way; usage is that of all."""

    __slots__ = ("_earlier_characters",)

    def __init__(self, provider: str, model: str) -> None:
        super().__init__(provider, model)
        self._earlier_characters = 0

    def restart(self) -> None:
        """Another attempt begins."""
        earlier, characters = self.usage, self.characters
        super().__init__(self.provider, self.model)
        self.usage, self._counts = earlier, _CountsOnTop(earlier)
        self._earlier_characters = characters

    @property
    def characters(self) -> int:
        return self._earlier_characters + super().characters


class _CountsOnTop(UsageCounts):
    """The reports of one attempt, and what the attempts before it have used."""

    __slots__ = ("_earlier", "_own")

    def __init__(self, earlier: Usage) -> None:
        super().__init__()
        self._earlier = earlier
        self._own = UNKNOWN_USAGE

    def add(self, old: Usage, new: Usage) -> Usage:
        self._own = super().add(self._own, new)
        return add_usage(self._earlier, self._own)


class AnswerSource:
    """See `ChunkSource`. The answers of all attempts, with an event `RETRY_EVENT` between them.

    Args:
        connect: the source of an answer to messages.
        accumulator: the pump's own: before each read it has folded what the one before gave.
        retry: when a request of a later attempt is sent again; for the first, the pump knows.
    """

    is_shared = False  # a read may send a request and wait: that is for one task

    def __init__(
        self,
        connect: Callable[[tuple[Message, ...]], Awaitable[ChunkSource]],
        attempts: Attempts,
        validators: tuple[Validator, ...],
        retry: RetryPolicy,
        accumulator: AttemptsAccumulator,
    ) -> None:
        self.request_id: str | None = None
        self.warnings: tuple[str, ...] = ()
        self._connect = connect
        self._attempts = attempts
        self._validators = validators
        self._retry = retry
        self._accumulator = accumulator
        self._source: ChunkSource | None = None
        self._earlier_bytes = 0
        self._schedule: RetrySchedule | None = None  # of a later attempt that has brought nothing yet
        self._begin()

    def _begin(self) -> None:
        plan = self._attempts.plan
        self._answer = AnswerSoFar()
        self._tool = AnswerToolChunks(plan.tool) if plan is not None and plan.tool else None
        self._complaint: str | None = None
        self._is_over = False

    @property
    def bytes_read(self) -> int:
        return self._earlier_bytes + (self._source.bytes_read if self._source is not None else 0)

    def raw(self) -> Any:
        return self._source.raw() if self._source is not None else None

    async def open(self) -> None:
        self._source = await self._connect(self._attempts.messages)
        await self._source.open()
        plan = self._attempts.plan
        self.request_id = self._source.request_id
        self.warnings = (*(plan.warnings if plan is not None else ()), *self._source.warnings)

    async def read(self) -> list[Chunk] | None:
        while not self._is_over:
            chunks = await self._read_one()
            if chunks is None:
                self._is_over = True
                self._answer.is_done = True
                self._look("")
                break
            if self._tool is not None:
                chunks = self._tool.translated(chunks)
            if chunks:
                text = "".join(chunk.text for chunk in chunks if type(chunk) is TextDelta and chunk.index == 0)
                if text and self._look(text):
                    self._is_over = True
                    self.abort()
                return chunks
        try:
            if self._attempts.accepts(self._accumulator.response(), self._complaint):
                return None
        except StructuredOutputError as error:
            error.partial = None  # the pump's is more than the folded chunks
            raise
        self._schedule = RetrySchedule(self._retry)
        self._begin()
        self._accumulator.restart()
        await self._leave()
        return [ProviderEvent(RETRY_EVENT, {"reason": self._attempts.last_problem}, "exllm")]

    def abort(self) -> None:
        if self._source is not None:
            self._source.abort()

    async def aclose(self) -> None:
        if self._source is not None:
            await self._source.aclose()

    def _look(self, text: str) -> bool:
        """Whether a validator objects."""
        if self._validators:
            self._answer.add(text)
            self._complaint = complaint(self._answer, self._validators)
        return self._complaint is not None

    async def _read_one(self) -> list[Chunk] | None:
        """A read of the attempt that is under way. A later one is opened here, and again while its head fails."""
        while True:
            try:
                if self._source is None:
                    await self.open()
                assert self._source is not None
                chunks = await self._source.read()
            except ExLLMError as error:
                wait_s = None if self._schedule is None else self._schedule.wait_s(error)
                if wait_s is None:
                    raise
                await self._leave()
                await asyncio.sleep(wait_s)
                continue
            if chunks is not None and has_content(chunks):
                self._schedule = None  # something of the answer is there: no request is sent again
            return chunks

    async def _leave(self) -> None:
        """Close what is left of an attempt."""
        source, self._source = self._source, None
        if source is not None:
            self._earlier_bytes += source.bytes_read
            source.abort()
            await source.aclose()


class AnswerStream:
    """The attempts at one streamed answer: what a pump needs of them.

    Args:
        backend: sends the messages it is given.

    Attributes:
        accumulator: for the pump.
    """

    def __init__(
        self, asked: Asked, messages: Messages, backend: Callable[[tuple[Message, ...]], Backend], call: Call
    ) -> None:
        request = call.request
        self.accumulator = AttemptsAccumulator(request.provider, request.model)
        self._asked = asked
        self._attempts = asked.attempts(messages)
        self._backend = backend
        self._call = call
        self._first: Backend | None = backend(self._attempts.messages)  # made at once: it may not be possible

    async def connect(self) -> AnswerSource:
        """For the pump."""
        return AnswerSource(
            self._connect_one, self._attempts, self._asked.validators, self._call.retry, self.accumulator
        )

    async def _connect_one(self, messages: tuple[Message, ...]) -> ChunkSource:
        backend, self._first = self._first or self._backend(messages), None
        return await backend.connect()

    def complete(self, response: Response) -> Response:
        """For the pump: what only the call knows of a response."""
        return with_object(complete(self._call, response), self._attempts)
