"""A conversation that goes on: a session, the client that asks, and the store that keeps it."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Self, Unpack

import msgspec

from exllm.errors import SessionStateError
from exllm.policies.budget import budgets_of
from exllm.sessions import transitions
from exllm.sessions.keeper import Keeper
from exllm.sessions.session import Session
from exllm.sessions.shown import ContextArgument, fit_of
from exllm.sessions.stores import SessionStore, store_of
from exllm.sessions.turn import Turn
from exllm.tools.settings import RunArguments
from exllm.types.cursor import ResumeStrategy
from exllm.types.normalise import Messages
from exllm.types.parts import ToolResult

if TYPE_CHECKING:
    from exllm.client import Client

_CHANGEABLE = frozenset({"model", "instructions", "name", "options", "context", "metadata"})


class Conversation:
    """Made by `Client.conversation`. Each call makes a `Turn`: await it, or read it as it happens.

    ::

        async with client.conversation(exllm.Session("openai/gpt-4.1"), store="chats.db", tools=[book_table]) as chat:
            reply = await chat.send("A table for two, please.")
            while chat.session.status == "awaiting_user":
                reply = await chat.reply(input(chat.session.question))
            async with chat.stream("And tell me about the place.") as turn:
                async for text in turn.text():
                    print(text, end="")

    One turn at a time. With a store the session is saved before the model is asked, while it answers, and at the end.
    """

    def __init__(
        self,
        client: Client,
        session: Session | str,
        store: SessionStore | str | os.PathLike[str] | None,
        context: ContextArgument,
        arguments: Mapping[str, Any],
    ) -> None:
        if isinstance(session, str) and store is None:
            raise TypeError(
                "the id of a session needs store=...; for a new conversation give exllm.Session('provider/model')"
            )
        if not isinstance(session, Session | str):
            raise TypeError(f"expected an exllm.Session or the id of one, got {type(session).__name__}")
        self._client = client
        self._keeper = Keeper(store_of(store))
        self._owns_store = self._keeper.store is not store
        self._session: Session | None = None if isinstance(session, str) else session
        self._id = session if isinstance(session, str) else session.id
        # A number is one budget for all turns.
        self._arguments = {**arguments, "context": fit_of(context), "budget": budgets_of(arguments.get("budget"))}
        self._turn: Turn | None = None
        self._is_changing = False

    async def __aenter__(self) -> Self:
        await self._loaded()
        return self

    async def __aexit__(
        self, _type: type[BaseException] | None, _value: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        try:
            if self._turn is not None:
                await self._turn.aclose()
        finally:
            if self._owns_store and (close := getattr(self._keeper.store, "aclose", None)):
                await close()

    @property
    def session(self) -> Session:
        """The conversation as it is now, in a turn with what has arrived.

        Raises: SessionStateError before it was loaded.
        """
        if self._turn is not None and (in_turn := self._turn.session) is not None:
            return in_turn
        if self._session is None:
            raise SessionStateError("the session is not loaded yet: `async with client.conversation(...) as chat`")
        return self._session

    # -- turns

    def send(self, messages: Messages, **arguments: Unpack[RunArguments]) -> Turn:
        """What the user says; the model answers, its calls are made.

        Args:
            messages: as for `Client.chat`; one message or several.
            arguments: as for `Client.run`, in place of those of the conversation and the options of the session; a
                `budget` beside that of the conversation.

        Raises, when it is awaited or entered: SessionStateError in a status where something else is due;
            SessionConflict; what `Client.run` raises.
        """
        return self._new("send", lambda session: (transitions.begin_turn(session, messages), None), arguments)

    def stream(self, messages: Messages, **arguments: Unpack[RunArguments]) -> Turn:
        """`send`, to be read as it happens: ``async with chat.stream("Hi") as turn``."""
        return self.send(messages, **arguments)

    def reply(self, answer: Any, **arguments: Unpack[RunArguments]) -> Turn:
        """The answer to what a tool asked the user, or to a call that waits for approval (True, False, `exllm.Deny`).

        Args:
            answer: or a dict of answers by id of the call, see ``session.pending``.

        Raises: as `send`; ValueError for one answer where several calls wait.
        """
        return self._answer("reply", answer, arguments)

    def submit_tool_results(
        self, results: ToolResult | Sequence[ToolResult] | Mapping[str, Any] | Any, **arguments: Unpack[RunArguments]
    ) -> Turn:
        """The results of calls that are made elsewhere. The session waits on while any is missing.

        Args:
            results: by id of the call, or as `ToolResult`s, or the result of the single call that waits.

        Raises: as `reply`.
        """
        return self._answer("submit_tool_results", results, arguments)

    def continue_(
        self, *, strategy: ResumeStrategy | Literal["again"] = "exact", **arguments: Unpack[RunArguments]
    ) -> Turn:
        """Go on with a turn that failed, was left, was cut off with its process, or had its `max_turns`.

        A partial answer is gone on with: only its rest is streamed, and the message is the whole. Where that cannot be
        (it broke off in a tool call, or is to be an object) the model is asked again.

        Args:
            strategy: see `Client.resume`; or ``"again"``: the partial answer is given up.

        Raises: as `send`.
        """
        how = None if strategy == "again" else strategy
        return self._new("continue_", lambda session: (session, None), arguments, how)

    def _answer(self, operation: transitions.Operation, given: Any, arguments: Mapping[str, Any]) -> Turn:
        return self._new(
            operation, lambda session: (session, transitions.answers_for(session, operation, given)), arguments
        )  # fmt: skip

    def _new(
        self,
        operation: transitions.Operation,
        begin: Callable[[Session], tuple[Session, dict[str, Any] | None]],
        arguments: Mapping[str, Any],
        strategy: ResumeStrategy | None = None,
    ) -> Turn:
        together = {**self._arguments, **arguments}
        if "budget" in arguments:  # both hold
            together["budget"] = (*self._arguments["budget"], *budgets_of(arguments["budget"]))
        return Turn(self, operation, begin, together, strategy)

    # -- changes without the model

    async def undo(self, turns: int = 1) -> Session:
        """Take back the last turns; what they took stays counted.

        Raises: SessionStateError, ValueError where there are not so many; SessionConflict.
        """
        return await self._change(lambda session: transitions.undo(session, turns))

    async def update(self, **changes: Any) -> Session:
        """Change `model`, `instructions`, `name`, `options`, `context` or `metadata`.

        Raises: TypeError, SessionConflict.
        """
        if wrong := sorted(changes.keys() - _CHANGEABLE):
            raise TypeError(f"update changes {', '.join(sorted(_CHANGEABLE))}, not {', '.join(wrong)}")
        return await self._change(lambda session: msgspec.structs.replace(session, **changes))

    def fork(self, name: str | None = None) -> Session:
        """A session of its own that begins where this one stands, see `exllm.sessions.fork`; not stored yet."""
        return transitions.fork(self.session, name)

    async def _change(self, change: Callable[[Session], Session]) -> Session:
        session = change(await self._free())
        self._is_changing = True
        try:
            self._session = await self._keeper.save(session)
        finally:
            self._is_changing = False
        return self._session

    # -- for turns

    async def _enter(self, turn: Turn) -> Session:
        session = await self._free()
        self._turn = turn
        return session

    def _leave(self, turn: Turn) -> None:
        if self._turn is turn:
            self._turn = None

    async def _free(self) -> Session:
        session = await self._loaded()
        if self._turn is not None or self._is_changing:
            raise SessionStateError("a turn of this conversation is under way; let it end first, or leave its block")
        return session

    async def _loaded(self) -> Session:
        if self._session is None:
            assert self._keeper.store is not None
            self._session = await self._keeper.store.load(self._id)
        return self._session
