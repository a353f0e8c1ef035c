"""A run of a model with tools, as data: where it stands, what was said, and what it waits for."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal

import msgspec

from exllm.types.message import Message
from exllm.types.parts import ToolCall, ToolResult
from exllm.types.response import Response
from exllm.types.usage import Cost, Usage

RUN_VERSION = 1
DEFAULT_MAX_TURNS = 10

RunStatus = Literal["running", "completed", "suspended", "halted", "max_turns", "cancelled", "failed"]
PendingKind = Literal["question", "manual", "approval"]

GOES_ON = frozenset({"pause_turn"})
"""Anthropic's word for a long turn of its own tools that continues when the answer is sent back as it is."""

_WAITING = "There is no answer to this call yet."


class Pending(msgspec.Struct, frozen=True, omit_defaults=True):
    """A call that somebody has to decide on before the run can go on.

    Attributes:
        call: its `id` is the key in ``answers={...}``.
        kind: ``"question"``: the handler asks the user, the answer is the call's result; ``"manual"``: you make the
            call and answer with its result; ``"approval"``: answer True to have it made, False or `exllm.Deny` to
            refuse.
        question: what the handler asked.
    """

    call: ToolCall
    kind: PendingKind
    question: str | None = None


class Run(msgspec.Struct, frozen=True):
    """What `Client.run` returns. Plain data, without keys and without handlers: store it as JSON or MessagePack.

    ::

        run = await client.run("openai/gpt-4.1", "Book a table", tools=tools)
        while run.status == "suspended":
            run = await client.run(run, tools=tools, answers={run.pending[0].call.id: input(run.question)})
        print(run.text)

    Attributes:
        model: ``"provider/model"``.
        history: the conversation as it was kept; use `messages`.
        status: ``completed`` (the model has answered), ``suspended`` (see `pending`), ``halted`` (a handler gave
            `exllm.Halt`; see `value`), ``max_turns``, ``cancelled``, ``failed`` (see `error`), or ``running``: there is
            more to do, as after `Client.step`. All but ``completed`` and ``halted`` go on with ``client.run(run)``.
        results: of a suspended turn, the calls that were answered already.
        pending: of a suspended turn, the calls that wait.
        response: the last answer of the model; what had arrived of it where it was cut off.
        usage, cost: of all answers together. The total cost is None when that of any answer is not known.
        turns: answers of the model so far.
        max_turns: how many there may be.
        value: what was given to `exllm.Halt`, as plain data.
        error: why it failed, in words.
        options: the options of the calls, so that a run goes on as it began. Not among them: `tools`, `response_model`
            with its kind, `extra`, `timeout`, `budget`, hooks, which are given anew.
        version: of this form of the data.
    """

    model: str
    history: tuple[Message, ...]
    status: RunStatus = "running"
    results: tuple[ToolResult, ...] = ()
    pending: tuple[Pending, ...] = ()
    response: Response | None = None
    usage: Usage = Usage()
    cost: Cost = Cost()
    turns: int = 0
    max_turns: int = DEFAULT_MAX_TURNS
    value: Any = None
    error: str | None = None
    options: dict[str, Any] = {}
    version: int = RUN_VERSION

    def __post_init__(self) -> None:
        if self.version > RUN_VERSION:
            raise ValueError(f"this run was stored by a newer exllm (version {self.version}, not {RUN_VERSION})")

    @property
    def messages(self) -> tuple[Message, ...]:
        """The conversation, valid for the next request whatever the status.

        Every call has a result: one that waits is answered with an error that says so.
        """
        return answered(self.history, self.results, _WAITING)

    def stored(self) -> Run:
        """The same with the last answer as `Response.stored` makes it, so that any `parsed` can be encoded."""
        return msgspec.structs.replace(self, response=self.response.stored() if self.response is not None else None)

    @property
    def question(self) -> str | None:
        """The first question that waits for an answer."""
        return next((pending.question for pending in self.pending if pending.question is not None), None)

    @property
    def text(self) -> str:
        """The text of the last answer."""
        return self.response.text if self.response is not None else ""

    @property
    def parsed(self) -> Any:
        """The object of the last answer, when `response_model` asked for one."""
        return self.response.parsed if self.response is not None else None


def open_calls(history: tuple[Message, ...]) -> tuple[ToolCall, ...]:
    """The calls at the end of `history` that have no results there."""
    return history[-1].tool_calls if history and history[-1].role == "assistant" else ()


def answered(
    history: tuple[Message, ...],
    results: Iterable[ToolResult],
    otherwise: str,
    *,
    begun: Iterable[str] = (),
    if_begun: str = "",
) -> tuple[Message, ...]:
    """`history` with a result for each call at its end, in the order of the calls.

    A call without one gets an error: the words `if_begun` where its id is among `begun`, else `otherwise`.
    """
    calls = open_calls(history)
    if not calls:
        return history
    known = {result.call_id: result for result in results}
    begun = frozenset(begun)

    def result_of(call: ToolCall) -> ToolResult:
        words = if_begun if call.id in begun else otherwise
        return known.get(call.id) or ToolResult(call.id, words, call.name, is_error=True)

    return (*history, Message("tool", tuple(map(result_of, calls))))
