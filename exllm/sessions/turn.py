"""One turn of a conversation: asked, called, answered, and kept in the store while it happens."""

from __future__ import annotations

import asyncio
import warnings
from collections.abc import AsyncIterator, Callable, Generator, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import anyio
import msgspec

from exllm.errors import SessionStateError, StreamClosed
from exllm.policies.budget import budgets_of
from exllm.sessions.asking import Asking, AskingForRest, chat_for_summary, with_spent
from exllm.sessions.keeper import Keeper
from exllm.sessions.session import Session
from exllm.sessions.shown import Shown, fit_of
from exllm.sessions.transitions import Operation, settle, to_run
from exllm.streaming.stream import Stream
from exllm.tools.run_stream import RunStream, attach_run
from exllm.tools.start import start_run
from exllm.types.cursor import ResumeStrategy
from exllm.types.response import Response
from exllm.types.run import Run
from exllm.types.run_events import RunEvent, ToolFinished

if TYPE_CHECKING:
    from exllm.sessions.conversation import Conversation
    from exllm.sse import Dialect, SSEStream, SSEWriter

SAVE_EVERY_S = 1.0
"""How often, at most, a turn is saved while an answer arrives; after a tool's result it is saved at once."""


class Turn:
    """``await chat.send(...)`` gives its `Run`; ``async with chat.stream(...) as turn`` its events as they happen.

    ::

        async with chat.stream("Tell me a story") as turn:
            async for event in turn:
                print(event.text, end="")
        print(turn.run.status, chat.session.usage)

    The events are those of `Client.stream_run`: every chunk, and what becomes of the calls. While they arrive the store
    is given the session with the partial answer, every second and after each result of a tool. Leaving the block ends
    the turn: what had arrived stays in the session. What fails raises; `Conversation.continue_` goes on from there.
    """

    def __init__(
        self,
        conversation: Conversation,
        operation: Operation,
        begin: Callable[[Session], tuple[Session, dict[str, Any] | None]],
        arguments: Mapping[str, Any],
        strategy: ResumeStrategy | None = None,
    ) -> None:
        self._conversation = conversation
        self._operation: Operation = operation
        self._begin = begin  # from the session to the session in this turn, and the answers to what it waits for
        self._arguments = {**arguments, "budget": budgets_of(arguments.get("budget"))}
        self._strategy = strategy
        self._run_stream: RunStream | None = None
        self._shown: Shown | None = None
        self._base: Session | None = None
        self._saved: Session | None = None
        self._saver: asyncio.Task[None] | None = None
        self._save_now = asyncio.Event()
        self._failure: Exception | None = None  # of the store, while the answer arrived
        self._is_told = False
        self._is_used = False
        self._is_over = False
        self._ending = asyncio.Lock()

    # -- the whole of it

    def __await__(self) -> Generator[Any, None, Run]:
        return self._whole().__await__()

    async def _whole(self) -> Run:
        await self._start(is_whole=True)
        try:
            async with self:
                return await self.collect()
        except BaseException as error:
            attach_run(error, self.run)
            raise

    async def collect(self) -> Run:
        """Read to the end and return the run."""
        async for _ in self:
            pass
        return self.run

    # -- as it happens

    async def __aenter__(self) -> Self:
        if self._run_stream is None:
            await self._start(is_whole=False)
        return self

    async def __aexit__(
        self, _type: type[BaseException] | None, _value: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """End the turn, and save the session as it is then. Idempotent; any task may call it."""
        await self._end()

    def __del__(self) -> None:
        if not getattr(self, "_is_used", True):
            warnings.warn(
                f"chat.{self._operation}(...) did nothing: use `await`, or `async with`", RuntimeWarning, stacklevel=2
            )

    def __aiter__(self) -> AsyncIterator[RunEvent]:
        return self

    async def __anext__(self) -> RunEvent:
        stream = self._run_stream
        if stream is None:
            raise SessionStateError(
                "a turn has an owner, so that its end is saved: `async with chat.stream(...) as turn`"
            )
        try:
            event = await stream.__anext__()
        except StopAsyncIteration:
            await self._end()
            raise
        except StreamClosed:
            if self._failure is not None:
                self._is_told = True
                raise self._failure from None
            raise
        except Exception:
            await self._end()
            raise
        if type(event) is ToolFinished:
            self._save_now.set()
        return event

    async def text(self) -> AsyncIterator[str]:
        """The text of all answers, piece by piece; pieces are never empty."""
        async for event in self:
            if event.text:
                yield event.text

    def to_sse(self, dialect: Dialect | SSEWriter = "exllm", **facts: Any) -> SSEStream:
        """The whole turn as server-sent events, see `Stream.to_sse`; inside the ``async with``."""
        from exllm.sse import SSEStream, writer_of

        return SSEStream(self, writer_of(dialect, **facts))

    @property
    def run(self) -> Run:
        """All that has happened so far. Its history is the conversation's, without the instructions.

        Raises: SessionStateError before the turn has begun.
        """
        if self._run_stream is None or self._shown is None:
            raise SessionStateError("the turn has not begun; use `await`, or `async with`")
        run = self._run_stream.run
        if run.response is None or not (told := self._shown.warnings):
            return run
        known = run.response.warnings
        new = (*known, *(words for words in told if words not in known))
        return msgspec.structs.replace(run, response=msgspec.structs.replace(run.response, warnings=new))

    @property
    def session(self) -> Session | None:
        """The session as it is now, with what has arrived; None before the turn has begun."""
        if self._run_stream is None or self._base is None:
            return None
        return self._keeper.marked(settle(self._base, self._run_stream.run))

    @property
    def response(self) -> Response:
        """The last answer, as far as it has arrived."""
        return self.run.response or Response()

    # -- beginning and end

    async def _start(self, *, is_whole: bool) -> None:
        if self._is_used:
            raise SessionStateError("a turn is used once; call the conversation again for another")
        self._is_used = True
        conversation = self._conversation
        before = await conversation._enter(self)
        try:
            base, answers = self._begin(before)
            arguments = {name: value for name, value in self._arguments.items() if name != "context"}
            if answers is not None:
                arguments["answers"] = answers
            run = to_run(base, self._operation)
            client, fit = conversation._client, fit_of(self._arguments.get("context"))
            name = base.model if "/" in base.model else f"{base.model}/{client.default_model(base.model)}"
            self._shown = shown = Shown(base, fit, name, arguments.get("tools"))
            spent: list[Response] = []
            await shown.prepare(chat_for_summary(client, arguments, spent))
            self._base = with_spent(msgspec.structs.replace(base, summary=shown.summary or base.summary), spent)
            ask: Callable[..., Stream] = Asking(client, shown)
            if self._operation == "continue_" and self._strategy is not None and before.partial is not None:
                rest = AskingForRest(client, shown, before.partial, self._strategy)
                if rest.can(run, arguments):
                    ask, run = rest, rest.without_partial(run)
            stream = start_run(ask, run, None, arguments, is_whole=is_whole)
            # Before anything is asked, so that what the user said is kept, and a conflict costs nothing.
            await self._save(self._base)
            self._run_stream = await stream.__aenter__()
        except BaseException:
            conversation._session = self._keeper.marked(before)
            conversation._leave(self)
            raise
        if conversation._keeper.store is not None:
            self._saver = asyncio.get_running_loop().create_task(self._keep_saving(), name="exllm-session-saver")

    async def _end(self) -> None:
        stream = self._run_stream
        if stream is None or self._is_over:
            return
        # A cancelled turn is saved, too; a save has its time limit.
        with anyio.CancelScope(shield=True):
            async with self._ending:  # whoever else closes it waits until it is closed
                if not self._is_over:
                    await self._close(stream)

    async def _close(self, stream: RunStream) -> None:
        try:
            if self._saver is not None:
                self._saver.cancel()
                await asyncio.wait([self._saver])
        finally:
            try:
                await stream.aclose()
            finally:
                self._is_over = True
                await self._settle(stream.run)

    async def _settle(self, run: Run) -> None:
        assert self._base is not None
        session = settle(self._base, run)
        try:
            await self._save(session)
        except Exception:
            if not self._is_told:
                raise
        finally:
            self._conversation._session = self._keeper.marked(session)
            self._conversation._leave(self)
        if self._failure is not None and not self._is_told:
            raise self._failure

    # -- keeping

    async def _save(self, session: Session) -> None:
        await self._keeper.save(session)
        self._saved = session
        self._conversation._session = self._keeper.marked(session)

    @property
    def _keeper(self) -> Keeper:
        return self._conversation._keeper

    async def _keep_saving(self) -> None:
        stream, base = self._run_stream, self._base
        assert stream is not None
        assert base is not None
        try:
            while True:
                try:
                    async with asyncio.timeout(SAVE_EVERY_S):
                        await self._save_now.wait()
                except TimeoutError:
                    pass
                self._save_now.clear()
                session = settle(base, stream.run)
                if self._saved is None or _said(session) != _said(self._saved):
                    await self._save(session)
        except Exception as error:  # noqa: BLE001 - whatever a store raises; the reader of the turn is told
            self._failure = error
            await stream.aclose()


def _said(session: Session) -> tuple[Any, ...]:
    """What must not be lost; figures such as durations change all the time."""
    return session.status, session.history, session.partial and session.partial.parts
