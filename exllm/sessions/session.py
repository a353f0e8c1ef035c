"""A conversation as data: what was said, where it stands, and what it took."""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Mapping
from typing import Any, Literal

import msgspec

from exllm.cost.totals import add_cost, add_usage
from exllm.types.message import Message
from exllm.types.options import STRUCTURED_OPTIONS, Options
from exllm.types.parts import Text
from exllm.types.response import Response
from exllm.types.run import Pending, Run, answered
from exllm.types.usage import Cost, Usage

SESSION_VERSION = 1

SessionStatus = Literal["idle", "awaiting_user", "awaiting_tools", "completed", "error"]

_ID = re.compile(r"[A-Za-z0-9._@:-]{1,80}", re.ASCII)
_WAITING = "There is no answer to this call yet."
_NOT_MADE = "This call was not made: the turn was ended before."
_TYPES: Mapping[str, Any] = {
    "model": str, "instructions": str | None, "name": str | None, "options": dict, "context": dict, "metadata": dict,
}  # fmt: skip
_STORED_OPTIONS = frozenset(Options.__struct_fields__) - STRUCTURED_OPTIONS - {"tools"}


def is_id(text: str) -> bool:
    """Whether a session may have this id."""
    return _ID.fullmatch(text) is not None


class Summary(msgspec.Struct, frozen=True):
    """What stands for the first `covers` messages of a history when it is sent; the history itself stays whole."""

    message: Message
    covers: int


class Session(msgspec.Struct, frozen=True):
    """A conversation. Immutable, plain data, without keys and handlers: it travels as JSON, MessagePack and pickle.

    ::

        session = exllm.Session("anthropic/claude-sonnet-4-5", instructions="Be brief.")
        async with client.conversation(session, store="chats.db") as chat:
            print((await chat.send("Hi")).text)
        session = chat.session

    Attributes:
        model: ``"provider/model"``.
        instructions: the system message, sent before the others.
        name: for people.
        id: letters, digits and ``._@:-``, at most 80; 32 random hex digits by default.
        status: ``idle`` (nothing was said yet), ``completed`` (the last turn is whole), ``awaiting_user`` (see
            `question` and `pending`), ``awaiting_tools`` (see `pending`), ``error``: the last turn is not whole, see
            `error`; it may also be under way elsewhere.
        history: the conversation as it is kept; use `messages`.
        turn_starts: where in `history` each turn begins.
        options: of every call, as for `Client.run`; plain data, so without `tools` and `response_model`.
        context, metadata: yours.
        settled_usage, settled_cost: of all turns but the one in `run`; use `usage` and `cost`.
        run: the turn that waits or was cut off. Its history is the session's.
        partial: the answer that was cut off, as far as it had arrived.
        error: in words, why the last turn is not whole.
        summary: what is sent for the first messages, where ``context="summarize"`` asked for it.
        created_at, updated_at: Unix times in seconds.
        revision: which of its saves in a store this is; ``""`` was never saved.
        version: of this form of the data.
    """

    model: str
    instructions: str | None = None
    name: str | None = None
    id: str = msgspec.field(default_factory=lambda: secrets.token_hex(16))
    status: SessionStatus = "idle"
    history: tuple[Message, ...] = ()
    turn_starts: tuple[int, ...] = ()
    options: dict[str, Any] = {}
    context: dict[str, Any] = {}
    metadata: dict[str, Any] = {}
    settled_usage: Usage | None = None
    settled_cost: Cost | None = None
    run: Run | None = None
    partial: Response | None = None
    error: str | None = None
    summary: Summary | None = None
    created_at: float = msgspec.field(default_factory=time.time)
    updated_at: float = msgspec.field(default_factory=time.time)
    revision: str = ""
    version: int = SESSION_VERSION

    def __post_init__(self) -> None:
        for field, kind in _TYPES.items():  # a store would take another one, but not give it back
            if not isinstance(value := getattr(self, field), kind):
                wanted = kind.__name__ if isinstance(kind, type) else str(kind)
                raise TypeError(f"Session.{field} must be {wanted}, got {type(value).__name__}")
        if not isinstance(self.id, str) or not is_id(self.id):
            raise ValueError(f"the id of a session is 1 to 80 letters, digits and ._@:- , got {self.id!r}")
        if isinstance(self.history, list):
            msgspec.structs.force_setattr(self, "history", tuple(self.history))
        if wrong := sorted(self.options.keys() - _STORED_OPTIONS):
            raise TypeError(
                f"{', '.join(wrong)} cannot be kept in Session(options=...); "
                f"give them to client.conversation(...) or to each call"
            )

    @property
    def messages(self) -> tuple[Message, ...]:
        """The conversation without instructions, valid for a next request whatever the status.

        Every call has a result, one that waits an error that says so; a partial answer is there with its text.
        """
        if self.run is not None and self.run.status == "suspended":
            return answered(self.history, self.run.results, _WAITING)
        settled = answered(self.history, (), _NOT_MADE)
        if self.partial is None or not self.partial.text.strip():
            return settled
        said = tuple(part for part in self.partial.parts if type(part) is Text)
        return (*settled, Message("assistant", said))

    @property
    def pending(self) -> tuple[Pending, ...]:
        """The calls that wait for `reply` or `submit_tool_results`."""
        return self.run.pending if self.run is not None else ()

    @property
    def question(self) -> str | None:
        """The first question that waits for an answer."""
        return self.run.question if self.run is not None else None

    @property
    def usage(self) -> Usage:
        """Of all answers together, also of those that were undone."""
        known = [usage for usage in (self.settled_usage, self._of_run("usage")) if usage is not None]
        return add_usage(*known) if len(known) == 2 else known[0] if known else Usage()

    @property
    def cost(self) -> Cost:
        """Of all answers together; the total is None when that of any is not known."""
        known = [cost for cost in (self.settled_cost, self._of_run("cost")) if cost is not None]
        return add_cost(*known) if len(known) == 2 else known[0] if known else Cost()

    @property
    def text(self) -> str:
        """The text of the last message, the model's or not; ``""`` where there is none."""
        return self.messages[-1].text if self.messages else ""

    def _of_run(self, name: str) -> Any:
        return getattr(self.run, name) if self.run is not None and self.run.response is not None else None
