"""What the user iterates."""

from __future__ import annotations

import warnings
from collections.abc import AsyncIterator, Callable, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar, overload

import msgspec

from exllm.errors import ExLLMError, StreamClosed
from exllm.streaming.batcher import ChunkBatcher
from exllm.streaming.pump import Pump
from exllm.streaming.ring import Overflow, RingBuffer
from exllm.streaming.tee import TeeBranch, tee
from exllm.types.chunks import Chunk
from exllm.types.response import Response
from exllm.types.stats import StreamStats
from exllm.types.usage import Cost

if TYPE_CHECKING:
    from exllm.cost.running import RunningCost
    from exllm.sse import Dialect, SSEStream, SSEWriter
    from exllm.structured.plan import Plan
    from exllm.types.cursor import Cursor

T = TypeVar("T")


class Stream:
    """One answer, as it arrives.

    ``async with client.stream(...) as stream`` sends the request and closes the connection when the block is left,
    however it is left. Within the block, or without one, iterate it in one of these ways::

        async for chunk in stream: ...                  # typed chunks
        async for text in stream.text(): ...            # text of the first choice
        async for batch in stream.batches(): ...        # lists of chunks
        async for data in stream.events(): ...          # bytes of server-sent events
        async for person in stream.partial(Person): ... # an object that grows
        async for row in stream.items("$.rows[*]", Row): ...  # items of JSON, each when it is whole
        response = await stream.collect()               # nothing until the end

    Without ``async with`` the first step sends the request, and the stream closes itself at its end, or as soon as the
    loop over it is left. All ways share one position: what one has taken, the others do not see.

    A stream that fails raises after everything that had arrived was handed out; the error's `partial` holds that too.
    Made by `Client.stream`; not meant to be constructed otherwise.
    """

    def __init__(
        self,
        pump: Pump,
        running_cost: Callable[[], RunningCost],
        plan: Plan | None = None,
        make_cursor: Callable[[Stream], Cursor] | None = None,
    ) -> None:
        self._pump = pump
        self._running_cost = running_cost
        self._make_cursor = make_cursor
        self._cursor_id = ""
        self._plan = plan  # how the answer becomes an object, where one was asked for
        self._entered = False
        self._was_left = False
        self._response: Response | None = None

    # -- life

    async def __aenter__(self) -> Self:
        if self._was_left:
            raise StreamClosed("the stream was left before; client.stream(...) makes a new one")
        self._entered = True
        try:
            await self._pump.enter()
        except BaseException:
            await self.aclose()
            raise
        return self

    async def __aexit__(
        self, _type: type[BaseException] | None, _value: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        self._was_left = True
        await self.aclose()

    async def aclose(self) -> None:
        """Close the connection and end the stream's task, before this returns. Idempotent; any task may call it.

        Somebody who waits for a chunk meanwhile gets `StreamClosed`.
        """
        self._entered = False
        await self._pump.aclose()

    def __del__(self) -> None:
        pump = getattr(self, "_pump", None)  # absent when __init__ failed
        if pump is not None and pump.is_started and not pump.is_done:
            _abandon(pump)

    # -- ways to iterate

    def __aiter__(self) -> AsyncIterator[Chunk]:
        return _Chunks(self)

    async def __anext__(self) -> Chunk:
        await self._pump.fill()
        return self._pump.ring.pop_nowait()

    def text(self) -> AsyncIterator[str]:
        """The text of the first choice, piece by piece; pieces are never empty."""
        return _Texts(self)

    def batches(self, max_size: int = 20, max_delay: float = 0.025) -> ChunkBatcher[Chunk]:
        """Lists of up to `max_size` chunks, none held back longer than `max_delay` seconds."""
        return ChunkBatcher(_Chunks(self), max_size=max_size, max_delay=max_delay)

    def events(self) -> AsyncIterator[bytes]:
        """Server-sent events, one per chunk, ready for a Starlette ``StreamingResponse``.

        ``event:`` is the chunk's type and ``data:`` its JSON. The last event is ``response`` with the whole `Response`,
        or ``error`` with ``{"type", "message", "retryable"}``; the stream then ends without raising.
        """
        return _Events(self)

    def to_sse(self, dialect: Dialect | SSEWriter = "exllm", **facts: Any) -> SSEStream:
        """Server-sent events in the words of another protocol, for its clients: an asynchronous iterator of bytes.

        Every event has an id; a failure is the last event and does not raise. See `exllm.sse`, which also keeps streams
        going for clients that lose their connection.

        Args:
            dialect: ``"openai"``, ``"anthropic"``, ``"vercel"``, ``"ag-ui"``, ``"exllm"``, or a writer of your own.
            facts: ``thread_id`` and ``run_id`` for ``"ag-ui"``.
        """
        from exllm.sse import SSEStream, writer_of

        return SSEStream(self, writer_of(dialect, **facts))

    @overload
    def partial(self, type_: type[T], /) -> AsyncIterator[T]: ...
    @overload
    def partial(self, type_: Any = None, /) -> AsyncIterator[Any]: ...
    def partial(self, type_: Any = None, /) -> AsyncIterator[Any]:
        """The object that the answer's JSON is, while it grows: one step for each read that brought more of it.

        It is an object of the type itself, and the same one at each step: copy what you keep. A field that has not
        come is None (in a TypedDict it is not there); strings, lists, dicts and objects grow; all else comes when it is
        whole; what does not fit is None. No validator of the type runs on the way. The last step gives another object:
        the whole one, validated, as ``response.parsed`` has it. Words and Markdown around the JSON are passed over. A
        step costs the same however long the answer is.

        Args:
            type_: what `response_model` takes; not needed where the stream was made with `response_model`.

        Raises (in the loop): what the stream raises; StructuredOutputError at the end, when the answer is no such
        object. Where attempts are allowed (`max_retries`), the object begins anew with each.
        """
        from exllm.streaming.objects import GrowingObjects

        return GrowingObjects(self, type_)

    @overload
    def items(self, path: str, type_: type[T], /) -> AsyncIterator[T]: ...
    @overload
    def items(self, path: str, type_: Any = None, /) -> AsyncIterator[Any]: ...
    def items(self, path: str, type_: Any = None, /) -> AsyncIterator[Any]:
        """The values at a path of the answer's JSON, each as soon as it is whole.

        With ``accumulate=False`` memory does not grow with the answer.

        Args:
            path: such as ``"$.rows[*]"``, ``"$.pages[*].rows[*].id"``, ``"$['a b'][0]"``.
            type_: what each value is made; plain data without it.

        Raises: ValueError for another kind of path. In the loop: what the stream raises; StructuredOutputError for a
        value that does not fit, and at the end when the JSON is broken or cut off, so that none is missed in silence.
        Where attempts are allowed (`max_retries`), the values of each are given.
        """
        from exllm.streaming.objects import WholeItems

        return WholeItems(self, path, type_)

    async def collect(self) -> Response:
        """Read to the end and return the response."""
        try:
            while True:
                await self._pump.fill()
                self._pump.ring.pop_many(len(self._pump.ring.items))
        except StopAsyncIteration:
            return self.response
        except BaseException:
            if not self._entered:
                await self.aclose()
            raise

    def tee(
        self, n: int = 2, *, overflow: Overflow | Sequence[Overflow] = "block", capacity: int = 256
    ) -> tuple[TeeBranch[Chunk], ...]:
        """`n` independent consumers, each with a ring of its own and all of the chunks that are still to come.

        `overflow` is one policy for all or one for each: a slow ``"block"`` consumer slows all, a slow ``"overwrite"``
        (loses its oldest) or ``"drop"`` (loses its newest) consumer slows nobody. Close a branch that you stop reading.
        """
        if n < 1:
            raise ValueError(f"tee({n}) has no branch; give the number of consumers")
        policies = (overflow,) * n if isinstance(overflow, str) else tuple(overflow)
        if len(policies) != n:
            raise ValueError(f"tee({n}) needs one overflow policy or {n} of them, got {len(policies)}")
        return tee(_Shared(self), policies, capacity=capacity)

    # -- results

    @property
    def response(self) -> Response:
        """All that has arrived, as one response. Before the end, and after a failure, `finish_reason` is None."""
        if self._response is not None:
            return self._response
        response = self._pump.response()
        if self._pump.is_done:
            self._response = response
        return response

    @property
    def cost(self) -> Cost:
        """What the call has cost by now, in US dollars; may be asked at any time, and is worked out when it is.

        Tokens that the provider has reported count as reported. Where it has not, they are guessed from the text, at
        four characters a token, and the cost is marked as ``estimated``: most providers report at the end alone. What
        cannot be seen yet, such as thinking that is not shown, is not in it. At the end it is ``response.cost``; if the
        provider then has reported nothing, it stays an estimate where ``response.cost`` is not known.
        """
        return self._pump.cost(self._running_cost())

    @property
    def cursor(self) -> Cursor:
        """Where the answer stands, as data to be stored: ``client.resume(cursor)`` goes on with it, in any process."""
        assert self._make_cursor is not None, "every stream of a client has one"
        return self._make_cursor(self)

    @property
    def error(self) -> ExLLMError | None:
        """Why the stream failed, None otherwise; for those who iterate `events`, which does not raise."""
        return self._pump.error

    @property
    def stats(self) -> StreamStats:
        """The stream's figures so far."""
        return self._pump.statistics()


class _Iteration(Generic[T]):
    """One loop over a stream. Held by the loop alone, so that leaving the loop is noticed at once.

    Python drops the iterator of a loop when the loop is left. Where no ``async with`` owns the stream, the connection
    is closed right then, whether or not the stream object itself is kept.
    """

    __slots__ = ("_items", "_pop", "_pump", "_stream")

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._pump = stream._pump
        self._items = self._pump.ring.items
        self._pop = self._pump.ring.pop_nowait

    def __aiter__(self) -> Self:
        return self

    async def aclose(self) -> None:
        """End the loop early; closes the stream where no ``async with`` owns it."""
        if not self._stream._entered:
            await self._stream.aclose()

    def __del__(self) -> None:
        stream = getattr(self, "_stream", None)
        if stream is not None and not stream._entered and self._pump.is_started and not self._pump.is_done:
            _abandon(self._pump)

    @property
    def ring(self) -> RingBuffer[Chunk]:
        """Where the chunks wait."""
        return self._stream._pump.ring

    async def wait(self, at_least: int = 1, timeout_s: float | None = None) -> None:
        """Return when a chunk is there. Raises StopAsyncIteration at the end, or the stream's error."""
        try:
            await self._pump.fill(at_least, timeout_s)
        except BaseException:
            if not self._stream._entered:
                await self._stream.aclose()
            raise


class _Chunks(_Iteration[Chunk]):
    __slots__ = ()

    async def __anext__(self) -> Chunk:
        if not self._items:
            await self.wait()
        return self._pop()

    def take(self, most: int) -> list[Chunk]:
        """Up to `most` chunks that are there."""
        return self._pump.ring.pop_many(most)

    def abort(self) -> None:
        """Close the connection now, unless an ``async with`` owns the stream and will."""
        if not self._stream._entered:
            self._pump.abandon()  # by `TeeBranch.__del__`, perhaps


class _Shared(_Chunks):
    """What a tee shares out: the branch that waits for all may be cancelled, and the others go on."""

    __slots__ = ()

    async def wait(self, at_least: int = 1, timeout_s: float | None = None) -> None:
        """As `_Iteration.wait`, but only the last branch to leave closes the stream."""
        await self._pump.fill(at_least, timeout_s)


class _Texts(_Iteration[str]):
    __slots__ = ()

    async def __anext__(self) -> str:
        while True:
            if not self._items:
                await self.wait()
            chunk = self._pop()
            if chunk.text and chunk.index == 0:
                return chunk.text


class _Events(_Iteration[bytes]):
    __slots__ = ("_is_over",)

    def __init__(self, stream: Stream) -> None:
        super().__init__(stream)
        self._is_over = False

    async def __anext__(self) -> bytes:
        if self._is_over:
            raise StopAsyncIteration
        try:
            if not self._items:
                await self.wait()
        except StopAsyncIteration:
            self._is_over = True
            return _sse("response", msgspec.json.encode(self._stream.response))
        except StreamClosed:
            raise
        except ExLLMError as error:
            self._is_over = True
            return _sse("error", msgspec.json.encode(_ErrorEvent.of(error)))
        chunk = self._pop()
        return _sse(str(type(chunk).__struct_config__.tag), msgspec.json.encode(chunk))


class _ErrorEvent(msgspec.Struct):
    type: str
    message: str
    retryable: bool

    @classmethod
    def of(cls, error: ExLLMError) -> _ErrorEvent:
        return cls(type(error).__name__, error.message, error.retryable)


def _sse(event: str, data: bytes) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (event.encode(), data)


def _abandon(pump: Pump) -> None:
    """Close the connection of a stream that nobody can read any more, and say so."""
    try:
        pump.abandon()
    except RuntimeError:  # its loop is closed, and the connection with it
        return
    warnings.warn(
        f"a stream of {pump.name} was abandoned before its end; its connection was closed. "
        f"Use `async with client.stream(...) as stream`, or `await stream.aclose()`.",
        ResourceWarning,
        stacklevel=3,
    )
