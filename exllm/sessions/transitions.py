"""How a session changes: pure functions from one to the next. All changes of a status are here."""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping
from typing import Any, Literal

import msgspec

from exllm.errors import SessionStateError
from exllm.sessions.session import Session, SessionStatus
from exllm.types.message import Message
from exllm.types.normalise import Messages, normalise_messages
from exllm.types.parts import ToolResult
from exllm.types.response import Response
from exllm.types.run import DEFAULT_MAX_TURNS, GOES_ON, Run

Operation = Literal["send", "reply", "submit_tool_results", "continue_", "undo", "fork"]

ALLOWED: Mapping[SessionStatus, frozenset[Operation]] = {
    "idle": frozenset({"send", "fork"}),
    "completed": frozenset({"send", "undo", "fork"}),
    "awaiting_user": frozenset({"reply", "submit_tool_results", "undo", "fork"}),
    "awaiting_tools": frozenset({"submit_tool_results", "undo", "fork"}),
    "error": frozenset({"send", "continue_", "undo", "fork"}),
}
"""What may be done with a session in which status."""

_WAYS_OUT: Mapping[SessionStatus, str] = {
    "idle": "nothing was said yet; begin with send(...)",
    "completed": "the last turn is whole; send(...) begins another",
    "awaiting_user": "it waits for an answer to {waiting}; give it with reply(...), or take the turn back with undo()",
    "awaiting_tools": "it waits for the results of {waiting}; give them with submit_tool_results(...), or take the "
    "turn back with undo()",
    "error": "the last turn is not whole ({error}); continue_() goes on with it, send(...) begins another",
}

UNFINISHED = "the turn is not finished: it is under way, or its process ended"
_LEFT = "the turn was left before its end"

_ANSWERED_BY: Mapping[str, frozenset[str]] = {
    "reply": frozenset({"question", "approval"}),
    "submit_tool_results": frozenset({"manual"}),
}


def check_allowed(session: Session, operation: Operation) -> None:
    """Raise SessionStateError where `operation` cannot be done now; the message says what can."""
    if operation in ALLOWED[session.status]:
        return
    waiting = ", ".join(f"{one.call.name!r} ({one.question or one.kind})" for one in session.pending)
    words = _WAYS_OUT[session.status].format(waiting=waiting, error=session.error)
    raise SessionStateError(f"{operation} is not for a session that is {session.status}: {words}")


def begin_turn(session: Session, messages: Messages, *, now: float | None = None) -> Session:
    """The session with what the user says; its status is ``error`` until `settle`.

    Raises: SessionStateError; what `normalise_messages` raises.
    """
    check_allowed(session, "send")
    said = normalise_messages(messages)
    before = session.messages
    return msgspec.structs.replace(
        _without_run(session),
        history=(*before, *said),
        turn_starts=(*session.turn_starts, len(before)),
        status="error",
        error=UNFINISHED,
        updated_at=_now(now),
    )


def to_run(session: Session, operation: Operation) -> Run:
    """The run that goes on with the turn under way: for `Client.run`, with the whole history.

    Raises: SessionStateError.
    """
    if operation != "send":
        check_allowed(session, operation)
    run = session.run
    if run is None:
        return Run(session.model, session.history, options=session.options)
    most = run.max_turns
    if operation == "continue_" and run.turns >= most:
        most = run.turns + DEFAULT_MAX_TURNS
    return msgspec.structs.replace(run, model=session.model, history=session.history, max_turns=most)


def answers_for(session: Session, operation: Operation, given: Any) -> dict[str, Any]:
    """The answers to what waits, by id of the call.

    Args:
        given: a dict by id, a `ToolResult` or a list of them, or one answer where a single call waits for its kind.

    Raises: SessionStateError; ValueError for one answer where several calls wait.
    """
    check_allowed(session, operation)
    if isinstance(given, Mapping):
        return dict(given)
    if isinstance(given, ToolResult):
        return {given.call_id: given}
    if isinstance(given, list | tuple) and given and all(isinstance(one, ToolResult) for one in given):
        return {one.call_id: one for one in given}
    kinds = _ANSWERED_BY[operation]
    ids = [one.call.id for one in session.pending if one.kind in kinds]
    if not ids:
        raise SessionStateError(f"no call waits for {operation}; those that wait are of other kinds")
    if len(ids) > 1:
        raise ValueError(f"several calls wait; give {operation}({{id: answer}}) for the ids {ids}")
    return {ids[0]: given}


def settle(session: Session, run: Run, *, now: float | None = None) -> Session:
    """The session after `run`, or as far as it has come. Calls without a result never stay alone in `messages`."""
    partial = _cut_off(session, run)
    if partial is not None and _has_all_arrived(partial) and run.status in ("cancelled", "running"):
        status = run.status if partial.choices[0].raw_finish_reason in GOES_ON else "completed"
        run = msgspec.structs.replace(run, status=status, history=(*run.history, partial.message))
        partial = None
    history = run.history
    is_as_before = run.status in ("cancelled", "running", "failed") and history == session.history
    if is_as_before and partial is None and session.partial is not None and session.run is not None:
        # Nothing has come in place of the answer that was cut off, so it stays, with what it took.
        partial, run = session.partial, msgspec.structs.replace(session.run, status=run.status, error=run.error)
    changed = msgspec.structs.replace(
        session, history=history, run=_kept(run), partial=partial, error=None, updated_at=_now(now)
    )  # fmt: skip
    match run.status:
        case "completed" | "halted":
            return msgspec.structs.replace(_without_run(changed), status="completed")
        case "suspended":
            for_user = any(one.kind in _ANSWERED_BY["reply"] for one in run.pending)
            return msgspec.structs.replace(changed, status="awaiting_user" if for_user else "awaiting_tools")
        case "failed":
            error = run.error or "the turn failed"
        case "cancelled":
            error = _LEFT
        case "max_turns":
            error = f"the model was asked {run.turns} times, as often as max_turns allows"
        case _:
            error = UNFINISHED
    return msgspec.structs.replace(changed, status="error", error=error)


def undo(session: Session, turns: int = 1, *, now: float | None = None) -> Session:
    """The session without its last turns. What they took stays in `usage` and `cost`.

    Raises: SessionStateError; ValueError where there are not so many turns.
    """
    check_allowed(session, "undo")
    if isinstance(turns, bool) or not isinstance(turns, int) or not 1 <= turns <= len(session.turn_starts):
        raise ValueError(f"undo takes back 1 to {len(session.turn_starts)} turns of this session, got {turns!r}")
    *starts, end = session.turn_starts[: len(session.turn_starts) - turns + 1]
    summary = session.summary if session.summary is not None and session.summary.covers <= end else None
    return msgspec.structs.replace(
        _without_run(session),
        history=session.history[:end],
        turn_starts=tuple(starts),
        status="completed" if end else "idle",
        error=None,
        summary=summary,
        updated_at=_now(now),
    )


def fork(session: Session, name: str | None = None, *, now: float | None = None) -> Session:
    """A session of its own that begins where this one stands. Usage and cost count from there on,
    with what a turn that is not whole has taken.
    """
    return msgspec.structs.replace(
        session,
        id=secrets.token_hex(16),
        name=session.name if name is None else name,
        metadata={**session.metadata, "forked_from": session.id},
        settled_usage=None,
        settled_cost=None,
        created_at=_now(now),
        updated_at=_now(now),
        revision="",
    )


def _without_run(session: Session) -> Session:
    if session.run is None:
        return msgspec.structs.replace(session, partial=None)
    is_counted = session.run.response is not None or session.settled_usage is not None
    return msgspec.structs.replace(
        session,
        settled_usage=session.usage if is_counted else None,
        settled_cost=session.cost if is_counted else None,
        run=None,
        partial=None,
    )


def _kept(run: Run) -> Run:
    """What a session stores of a run: without what it has already, and what need not be plain data."""
    response = run.response
    if response is not None:
        response = msgspec.structs.replace(response, parsed=None, raw=None)
    return msgspec.structs.replace(run, history=(), response=response)


def _cut_off(session: Session, run: Run) -> Response | None:
    """The last answer, where it is no part of the history."""
    response = run.response
    if response is None or not response.choices or run.status in ("completed", "halted", "suspended", "max_turns"):
        return None
    begin = session.turn_starts[-1] if session.turn_starts else 0
    said = [message for message in run.history[begin:] if message.role == "assistant"]
    if response.finish_reason is not None and said and _are_alike(said[-1], response.message):
        return None
    return msgspec.structs.replace(response, parsed=None, raw=None)


def _are_alike(one: Message, other: Message) -> bool:
    """Ids of calls may have been mended on the way into the history."""
    return one.text == other.text and len(one.tool_calls) == len(other.tool_calls)


def _has_all_arrived(response: Response) -> bool:
    """It was cut off after its last word, before anybody had read so far."""
    return response.finish_reason is not None and bool(response.parts) and not response.tool_calls


def _now(now: float | None) -> float:
    return time.time() if now is None else now
