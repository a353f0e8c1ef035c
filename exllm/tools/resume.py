"""The answers that a suspended run has got, matched to the calls that wait."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from exllm.errors import ConfigurationError
from exllm.tools.control import Deny
from exllm.tools.settings import CallRules
from exllm.tools.turn_calls import answer_result, denied
from exllm.types.parts import ToolResult
from exllm.types.run import Pending, Run


class Answers(NamedTuple):
    """What becomes of the calls of a suspended run.

    Attributes:
        results: of those that are answered now.
        approved: calls that may be made now.
        pending: what still waits.
    """

    results: tuple[ToolResult, ...]
    approved: tuple[Pending, ...]
    pending: tuple[Pending, ...]


def match_answers(run: Run, answers: Any, rules: CallRules) -> Answers:
    """Which pending calls `answers` settles, and how.

    `answers` is a dict by id of the call; where a single call waits, its answer may stand alone, unless it is a dict.

    Raises: ValueError for an id that nothing waits for, or one answer for several calls; TypeError for an answer that
        does not fit; ConfigurationError when a call was approved whose tool is not there.
    """
    given = _by_id(run, answers)
    results: list[ToolResult] = []
    approved: list[Pending] = []
    waiting: list[Pending] = []
    for pending in run.pending:
        call = pending.call
        if call.id not in given:
            waiting.append(pending)
            continue
        answer = given[call.id]
        if isinstance(answer, Deny):
            results.append(denied(call, answer))
        elif pending.kind != "approval":
            results.append(answer_result(call, answer, rules))
        elif answer is False:
            results.append(denied(call, Deny()))
        elif answer is True:
            if call.name not in rules.tools:
                raise ConfigurationError(f"the call of {call.name!r} was approved, but that tool is not in tools=[...]")
            approved.append(pending)
        else:
            raise TypeError(
                f"the call {call.id!r} of {call.name!r} waits for approval: answer True, False or exllm.Deny(reason), "
                f"got {type(answer).__name__}"
            )
    return Answers(tuple(results), tuple(approved), tuple(waiting))


def _by_id(run: Run, answers: Any) -> Mapping[str, Any]:
    if answers is None:
        return {}
    ids = [pending.call.id for pending in run.pending]
    if not ids:
        raise ValueError(f"there are answers, but the run is {run.status} and waits for none")
    if isinstance(answers, Mapping):
        if unknown := [id_ for id_ in answers if id_ not in ids]:
            raise ValueError(f"answers={{id: answer}} has {unknown}, but the run waits for {ids}")
        return answers
    if len(ids) > 1:
        raise ValueError(f"several calls wait; give answers={{id: answer}} for the ids {ids}")
    return {ids[0]: answers}
