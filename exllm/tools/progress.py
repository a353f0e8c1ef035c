"""What a run has come to so far, and what it keeps of it. Pure: no I/O, no clock."""

from __future__ import annotations

from exllm.cost.totals import add_cost, add_usage
from exllm.tools.control import Halt
from exllm.tools.resume import Answers
from exllm.tools.sound_calls import with_sound_calls
from exllm.tools.turn_calls import TurnCalls
from exllm.types.parts import ToolCall, ToolResult
from exllm.types.response import Response
from exllm.types.run import Pending, Run, RunStatus, answered, open_calls

_NOT_MADE = "This call was not made: the run was ended before."
_HALF_WRITTEN = "This call was not made: the answer was cut off before its arguments."
_HALF_MADE = "This call was cut off; whether it took effect is not known."

_CUT_OFF = frozenset({"length", "error"})


class Progress:
    """The state of a run between its first message and its end.

    While the calls of an answer are made, the answer is the last message of `history`, and `results` grow.

    Attributes:
        history: whole turns, and perhaps an answer whose calls are being made.
        results, pending: of the calls of that answer, by id.
        to_make: calls that are to be made before the model is asked: those that were approved when a suspended run goes
            on, all when the conversation that was given ends with calls.
        approved: ids of calls that need not be approved again.
    """

    def __init__(self, run: Run, answers: Answers | None = None) -> None:
        """Begin with `run`, or go on with it; `answers` to what it waits for."""
        self.model = run.model
        self.history = run.history
        self.usage = run.usage
        self.turns = run.turns
        self.max_turns = run.max_turns
        self.response = run.response
        self.results = {result.call_id: result for result in run.results}
        self.pending: dict[str, Pending] = {}
        self.halt: Halt | None = None
        self._begun: set[str] = set()
        self._cost = run.cost
        self._is_counted = run.response is not None  # so that there is something to add to
        self._options = run.options
        if answers is not None:
            self.results.update((result.call_id, result) for result in answers.results)
            self.pending = {pending.call.id: pending for pending in answers.pending}
            self.to_make = tuple(pending.call for pending in answers.approved)
            self.approved = frozenset(call.id for call in self.to_make)
        else:
            self.to_make, self.approved = self.open_calls, frozenset()

    @property
    def is_first(self) -> bool:
        """The model has not been asked yet."""
        return self.turns == 0

    @property
    def new_calls(self) -> tuple[ToolCall, ...]:
        """Those of `open_calls` that are to be made after an answer."""
        return tuple(call for call in self.open_calls if call.id not in self.results)

    @property
    def open_calls(self) -> tuple[ToolCall, ...]:
        """The calls at the end of the history, which have no results there."""
        return open_calls(self.history)

    def answer(self, response: Response) -> None:
        """The model has answered."""
        self._count(response)
        self.turns += 1
        self.response = response
        message = with_sound_calls(response.message, self.history)
        if message.parts:  # no provider takes an empty one back
            self.history = (*self.history, message)
        if response.finish_reason in _CUT_OFF and (calls := self.open_calls):
            last = calls[-1]
            is_at_end = self.history[-1].parts[-1] is last
            if is_at_end and not last.arguments.strip():  # what was cut off later is no JSON
                self.results[last.id] = ToolResult(last.id, _HALF_WRITTEN, last.name, is_error=True)

    def cut_off(self, response: Response) -> None:
        """An answer was cut off: it is counted and kept as `Run.response`, but is no part of the conversation."""
        if response.choices:
            self._count(response)
            self.response = response

    def _count(self, response: Response) -> None:
        self.usage = add_usage(self.usage, response.usage) if self._is_counted else response.usage
        self._cost = add_cost(self._cost, response.cost) if self._is_counted else response.cost
        self._is_counted = True

    def take(self, calls: TurnCalls) -> None:
        """What has become of calls."""
        self.results.update(calls.results)
        self.pending.update(calls.pending)
        self._begun |= calls.begun - calls.pending.keys()
        self.halt = self.halt or calls.halt

    def close_turn(self, otherwise: str = _NOT_MADE) -> None:
        """The calls are done with: their results become part of the history, errors where they have none."""
        self.history = answered(
            self.history, self.results.values(), otherwise, begun=self._begun, if_begun=_HALF_MADE
        )  # fmt: skip
        self.results, self.pending, self._begun = {}, {}, set()

    def ended(self, status: RunStatus, error: str | None = None) -> Run:
        """The run, over."""
        if status != "suspended":
            self.close_turn()
        return self._run(status, error)

    def so_far(self, response: Response | None, calls: TurnCalls | None) -> Run:
        """The run as it stands, while an answer arrives or calls are made."""
        now = Progress.__new__(Progress)
        now.__dict__.update(self.__dict__)
        now.results, now.pending, now._begun = dict(self.results), dict(self.pending), set(self._begun)
        if calls is not None:
            now.take(calls)
        if response is not None:
            now.cut_off(response)
        now.close_turn()
        return now._run("running", None)

    def _run(self, status: RunStatus, error: str | None) -> Run:
        waiting = [self.pending[call.id] for call in self.open_calls if call.id in self.pending]
        done = [self.results[call.id] for call in self.open_calls if call.id in self.results]
        return Run(
            self.model,
            self.history,
            status,
            tuple(done),
            tuple(waiting),
            self.response,
            self.usage,
            self._cost,
            self.turns,
            self.max_turns,
            self.halt.value if self.halt is not None else None,
            error,
            self._options,
        )
