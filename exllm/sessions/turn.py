"""One turn of a conversation: asked, called, answered, and kept in the store while it happens."""

from __future__ import annotations

import asyncio
import secrets
import warnings
from collections.abc import AsyncIterator, Callable, Generator, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import anyio
import msgspec

from exllm.cost.totals import add_cost, add_usage, cost_without, usage_without
from exllm.errors import SessionStateError, StreamClosed
from exllm.policies.budget import budgets_of
from exllm.sessions.keeper import Keeper
from exllm.sessions.session import Session
from exllm.sessions.shown import Shown, fit_of
from exllm.sessions.transitions import Operation, settle, to_run
from exllm.streaming.stream import Stream
from exllm.tools.run_stream import RunStream, attach_run
from exllm.tools.start import start_run
from exllm.types.cursor import Cursor, ResumeStrategy
from exllm.types.message import Message
from exllm.types.options import STRUCTURED_OPTIONS, Options, check_options
from exllm.types.response import Response
from exllm.types.run import Run
from exllm.types.run_events import RunEvent, ToolFinished
from exllm.types.usage import Cost, Usage

if TYPE_CHECKING:
    from exllm.client import Client
    from exllm.sessions.conversation import Conversation
    from exllm.sse import Dialect, SSEStream, SSEWriter

SAVE_EVERY_S = 1.0
"""How often, at most, a turn is saved while an answer arrives; after a tool's result it is saved at once."""

_OF_RESUME = frozenset({"timeout", "budget", "api_key", "base_url"})


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
            await shown.prepare(_chat(client, arguments, spent))
            self._base = _with_spent(msgspec.structs.replace(base, summary=shown.summary or base.summary), spent)
            partial = before.partial if self._operation == "continue_" and self._strategy is not None else None
            if partial is not None and not _can_go_on(partial, run, arguments):
                partial = None
            if partial is not None:
                run = _without(run, partial)  # it is counted as part of the whole answer
            stream = start_run(self._opener(partial, shown), run, None, arguments, is_whole=is_whole)
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
        if self._run_stream is None or self._is_over:
            return
        self._is_over = True
        with anyio.CancelScope(shield=True):  # a cancelled turn is saved, too; stores have time limits of their own
            try:
                if self._saver is not None:
                    self._saver.cancel()
                    await asyncio.wait([self._saver])
            finally:
                try:
                    await self._run_stream.aclose()
                finally:
                    await self._settle(self._run_stream.run)

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

    # -- asking

    def _opener(self, partial: Response | None, shown: Shown) -> Callable[..., Stream]:
        """What `RunStream` asks the model with: first for the rest of `partial`, where that is given."""
        client = self._conversation._client

        def open_stream(model: str, history: tuple[Message, ...], **arguments: Any) -> Stream:
            nonlocal partial
            cut_off, partial = partial, None
            messages = shown(history)
            if cut_off is None:
                return client.stream(model, messages, **arguments)
            assert self._strategy is not None
            options = check_options(_options(arguments))
            cursor = Cursor(secrets.token_hex(12), model, messages, options, arguments.get("extra") or {}, cut_off)
            how = {name: value for name, value in arguments.items() if name in _OF_RESUME}
            return client.resume(cursor, strategy=self._strategy, **how)

        return open_stream


def _options(arguments: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in arguments.items() if name in Options.__struct_fields__ and value is not None}


def _can_go_on(partial: Response, run: Run, arguments: Mapping[str, Any]) -> bool:
    """Whether a cut-off answer can be gone on with; else it is asked for again."""
    options = {**run.options, **_options(arguments)}
    if not STRUCTURED_OPTIONS.isdisjoint(options):
        return False
    cursor = Cursor("", run.model, (), check_options(options), partial=partial)
    return cursor.obstacle is None and bool(cursor.text.strip())


def _without(run: Run, partial: Response) -> Run:
    if run.turns == 0:
        return msgspec.structs.replace(run, response=None, usage=Usage(), cost=Cost())
    return msgspec.structs.replace(
        run, usage=usage_without(run.usage, partial.usage), cost=cost_without(run.cost, partial.cost)
    )  # fmt: skip


def _said(session: Session) -> tuple[Any, ...]:
    """What must not be lost; figures such as durations change all the time."""
    return session.status, session.history, session.partial and session.partial.parts


def _chat(client: Client, arguments: Mapping[str, Any], spent: list[Response]) -> Any:
    """`Client.chat` for summaries, with the key, the address and the limits of the turn."""
    how = {name: arguments[name] for name in _OF_RESUME if name in arguments}

    async def chat(model: str, messages: Any, *, max_tokens: int | None) -> Response:
        reply = await client.chat(model, messages, max_tokens=max_tokens, **how)
        spent.append(reply)
        return reply

    return chat


def _with_spent(session: Session, replies: list[Response]) -> Session:
    usage, cost = session.settled_usage, session.settled_cost
    for reply in replies:
        usage = reply.usage if usage is None else add_usage(usage, reply.usage)
        cost = reply.cost if cost is None else add_cost(cost, reply.cost)
    return msgspec.structs.replace(session, settled_usage=usage, settled_cost=cost)
