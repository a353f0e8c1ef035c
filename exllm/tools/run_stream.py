"""`RunStream`: a model that is asked, its calls made, asked again, until it has answered; all of it as one stream."""

from __future__ import annotations

import asyncio
import math
import warnings
from collections import deque
from collections.abc import AsyncIterator, Callable
from types import TracebackType
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar

from exllm.errors import StreamClosed, TotalTimeout
from exllm.streaming.interrupt import TimeLimit
from exllm.streaming.stream import Stream
from exllm.tools.error_words import words_of
from exllm.tools.progress import Progress
from exllm.tools.settings import CallRules
from exllm.tools.turn_calls import TurnCalls
from exllm.types.message import Message
from exllm.types.parts import ToolCall
from exllm.types.run import GOES_ON, Run, RunStatus
from exllm.types.run_events import RunEvent, RunFinished, RunSuspended, TurnFinished, TurnStarted

if TYPE_CHECKING:
    from exllm.sse import Dialect, SSEStream, SSEWriter

T = TypeVar("T")

_REFUSED = frozenset({"refusal", "content_filter"})


class RunStream:
    """One run as it happens: every chunk of every answer, and what becomes of the calls, in order.

    ::

        async with client.stream_run("anthropic/claude-sonnet-4-5", "What to wear in Oslo?", tools=[weather]) as run:
            async for event in run:
                match event:
                    case exllm.TextDelta(text=text): print(text, end="")
                    case exllm.ToolStarted(call=call): print(f"[{call.name} {call.arguments}]")
        print(run.run.status, run.run.usage)

    The events are chunks and those of `RunEvent`; all have `text`, which is ``""`` on all but `TextDelta`. A consumer
    that stays away stops the answer as it would a `Stream`; calls that have begun go on. Leaving the ``async with``
    closes the connection and cancels the calls before it returns. A cancelled wait for an event loses nothing: the
    stream may be read on.

    What fails raises, with the run so far as ``error.run``. Made by `Client.stream_run` and `Client.stream_step`.
    """

    def __init__(
        self,
        ask: Callable[[tuple[Message, ...], bool], Stream],
        progress: Progress,
        rules: CallRules,
        *,
        run_timeout_s: float = math.inf,
        is_step: bool = False,
    ) -> None:
        self._ask = ask  # with the messages, and whether it is the first time
        self._progress = progress
        self._rules = rules
        self._run_timeout_s = run_timeout_s
        self._is_step = is_step
        self._deadline = math.inf
        self._events: deque[RunEvent] = deque()
        self._stream: Stream | None = None
        self._calls: TurnCalls | None = None
        self._is_started = False
        self._is_closing = False
        self._entered = False
        self._run: Run | None = None  # when it is over
        # Made at once, so that a call which cannot be made fails before anything is awaited.
        self._next = None if progress.open_calls else ask(progress.history, progress.is_first)

    # -- life

    async def __aenter__(self) -> Self:
        if self._is_closing:
            raise StreamClosed("the run was left before; client.stream_run(...) makes a new one")
        self._entered = True
        return self

    async def __aexit__(
        self, _type: type[BaseException] | None, _value: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        self._entered = False
        await self.aclose()

    async def aclose(self) -> None:
        """Close the connection and cancel the calls, before this returns. Idempotent; any task may call it.

        The run is then ``cancelled``, unless it was over. Somebody who waits for an event gets `StreamClosed`.
        """
        self._is_closing = True
        await self._end("cancelled", None)

    async def _end(self, status: RunStatus, error: str | None) -> None:
        stream, calls = self._stream, self._calls
        try:
            if stream is not None:
                await stream.aclose()
        finally:
            try:
                if calls is not None:
                    await calls.aclose()
            finally:
                if self._run is None:
                    self._cut(status, error)

    def _cut(self, status: RunStatus, error: str | None) -> None:
        if self._calls is not None:
            self._progress.take(self._calls)
        if self._stream is not None:
            self._progress.cut_off(self._stream.response)
        self._stream = self._calls = self._next = None
        self._events.clear()
        self._run = self._progress.ended(status, error)

    def __del__(self) -> None:
        if getattr(self, "_calls", None) is not None:  # the stream of an answer looks after itself
            self._abandon()

    def _abandon(self) -> None:
        """End what nobody reads any more, from any thread, and say so."""
        self._is_closing = True
        calls = self._calls
        self._cut("cancelled", None)  # lets go of the stream, which closes itself
        if calls is not None and calls.abort():
            warnings.warn(
                "a run was abandoned while its tools were called; they were cancelled. "
                "Use `async with client.stream_run(...) as run`, or `await run.aclose()`.",
                ResourceWarning,
                stacklevel=3,
            )

    # -- ways to iterate

    def __aiter__(self) -> AsyncIterator[RunEvent]:
        return _Events(self)

    async def __anext__(self) -> RunEvent:
        while True:
            if self._events:
                return self._events.popleft()
            if self._run is not None or self._is_closing:
                if self._is_closing and (self._run is None or self._run.status == "cancelled"):
                    raise StreamClosed("the run was closed")
                raise StopAsyncIteration
            if (chunk := self._at_hand()) is not None:
                return chunk
            try:
                if (event := await self._next_event()) is not None:
                    return event
            except Exception as error:
                if not self._is_closing:
                    await self._end("failed", words_of(error))
                    attach_run(error, self.run)
                raise

    def _at_hand(self) -> RunEvent | None:
        """The next chunk, where nothing need be waited for."""
        stream = self._stream
        if stream is None or self._events or not (ring := stream._pump.ring).items:
            return None
        return ring.pop_nowait()

    def text(self) -> AsyncIterator[str]:
        """The text of all answers, piece by piece; pieces are never empty."""
        return _Texts(self)

    def to_sse(self, dialect: Dialect | SSEWriter = "exllm", **facts: Any) -> SSEStream:
        """The whole run as server-sent events, see `Stream.to_sse`."""
        from exllm.sse import SSEStream, writer_of

        return SSEStream(self, writer_of(dialect, **facts))

    async def collect(self) -> Run:
        """Read to the end and return the run."""
        try:
            while True:
                await self.__anext__()
        except StopAsyncIteration:
            return self.run
        except BaseException:
            if not self._entered:
                await self.aclose()
            raise

    @property
    def run(self) -> Run:
        """All that has happened so far; its `messages` are valid for a next request at any time."""
        if self._run is not None:
            return self._run
        return self._progress.so_far(self._stream.response if self._stream is not None else None, self._calls)

    # -- what happens

    async def _next_event(self) -> RunEvent | None:
        """One event, or one step without any. A cancelled wait loses nothing."""
        if not self._is_started:
            self._is_started = True
            if self._run_timeout_s < math.inf:
                self._deadline = asyncio.get_running_loop().time() + self._run_timeout_s
            if self._progress.open_calls:
                self._make_calls(self._progress.to_make)
                return None
        try:
            with TimeLimit(self._deadline) as limit:
                if (stream := self._stream) is not None:
                    try:
                        return await stream.__anext__()
                    except StopAsyncIteration:
                        if self._stream is stream:  # else another reader was first
                            self._answered(stream)
                elif (calls := self._calls) is not None:
                    event = await calls.next_event()
                    if event is None and self._calls is calls and not self._is_closing:
                        self._called(calls)
                    return event
                else:
                    self._ask_model()
        except TimeoutError:
            if not limit.was_interrupted:
                raise
            raise TotalTimeout(f"the run took longer than {self._run_timeout_s:g} s, the limit for it") from None
        return None

    def _ask_model(self) -> None:
        progress = self._progress
        self._stream, self._next = self._next or self._ask(progress.history, progress.is_first), None
        self._events.append(TurnStarted(progress.turns + 1))

    def _answered(self, stream: Stream) -> None:
        self._stream = None
        progress, response = self._progress, stream.response
        progress.answer(response)
        if response.finish_reason in _REFUSED:
            progress.close_turn(f"This call was not made: the provider stopped the answer ({response.finish_reason}).")
        elif progress.open_calls:
            self._make_calls(progress.new_calls)
            return
        self._events.append(TurnFinished(progress.turns, response))
        if response.choices and response.choices[0].raw_finish_reason in GOES_ON:
            self._go_on()
        else:
            self._finish("completed")

    def _make_calls(self, calls: tuple[ToolCall, ...]) -> None:
        progress = self._progress
        self._calls = TurnCalls(
            calls, self._rules, model=progress.model, turn=progress.turns, messages=progress.history[:-1],
            usage=progress.usage, approved=progress.approved,
        )  # fmt: skip

    def _called(self, calls: TurnCalls) -> None:
        if calls.failure is not None:
            raise calls.failure
        self._calls = None
        progress = self._progress
        progress.take(calls)
        if progress.pending and progress.halt is None:
            self._run = progress.ended("suspended")
            self._events.append(RunSuspended(self._run))
            return
        progress.close_turn()
        if progress.response is not None:
            self._events.append(TurnFinished(progress.turns, progress.response))
        if progress.halt is not None:
            self._finish("halted")
        else:
            self._go_on()

    def _go_on(self) -> None:
        if self._progress.turns >= self._progress.max_turns:
            self._finish("max_turns")
        elif self._is_step:
            self._finish("running")

    def _finish(self, status: RunStatus) -> None:
        self._run = self._progress.ended(status)
        self._events.append(RunFinished(self._run))


class _Iteration(Generic[T]):
    """One loop over a run. Held by the loop alone, so that leaving the loop is noticed at once; see `Stream`."""

    __slots__ = ("_run",)

    def __init__(self, run: RunStream) -> None:
        self._run = run

    def __aiter__(self) -> Self:
        return self

    def __del__(self) -> None:
        run = self._run
        if not run._entered and run._is_started and run._run is None and not run._is_closing:
            run._abandon()

    async def aclose(self) -> None:
        """End the loop early; closes the run where no ``async with`` owns it."""
        if not self._run._entered:
            await self._run.aclose()

    async def _next(self) -> RunEvent:
        try:
            return await self._run.__anext__()
        except BaseException:
            if not self._run._entered:
                await self._run.aclose()
            raise


class _Events(_Iteration[RunEvent]):
    __slots__ = ()

    async def __anext__(self) -> RunEvent:
        chunk = self._run._at_hand()
        return await self._next() if chunk is None else chunk


class _Texts(_Iteration[str]):
    __slots__ = ()

    async def __anext__(self) -> str:
        while True:
            event = await self._next()
            if event.text:
                return event.text


def attach_run(error: BaseException, run: Run) -> None:
    """Put the run on an error that leaves, whoever's it is."""
    try:
        error.run = run  # type: ignore[attr-defined]
    except (AttributeError, TypeError):  # a class that takes no attributes
        return


async def whole_run(stream: RunStream) -> Run:
    """Read `stream` to its end; what is raised carries the run so far, cancellation as well."""
    try:
        async with stream:
            return await stream.collect()
    except BaseException as error:
        attach_run(error, stream.run)
        raise
