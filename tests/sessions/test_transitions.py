"""Sessions change by pure functions; whatever happens, what they hold is valid for a next request."""

from __future__ import annotations

import pickle
from typing import Any, get_args

import msgspec
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

import exllm
from exllm import Cost, Message, Pending, Response, Session, SessionStateError, ToolCall, ToolResult, Usage
from exllm.sessions import ALLOWED, SessionStatus, answers_for, begin_turn, fork, settle, to_run, undo
from exllm.types.response import Choice
from tests.tools.kit import assert_valid

OPERATIONS = ("send", "reply", "submit_tool_results", "continue_", "undo", "fork")


def _response(text: str, finish: Any = "stop", *calls: ToolCall) -> Response:
    parts = (*((exllm.Text(text),) if text else ()), *calls)
    usage = Usage(input_tokens=2, output_tokens=1, total_tokens=3, provenance="reported")
    return Response((Choice(Message("assistant", parts), finish_reason=finish),), usage, Cost(total=0.5))


def _completed(session: Session, text: str = "Yes.") -> Session:
    run, response = to_run(session, "send"), _response(text)
    done = msgspec.structs.replace(
        run, status="completed", history=(*run.history, response.message), response=response,
        usage=response.usage, cost=response.cost, turns=1,
    )  # fmt: skip
    return settle(session, done, now=2.0)


def _suspended(session: Session, kind: Any, count: int = 1) -> Session:
    calls = tuple(ToolCall(f"c{len(session.history)}_{number}", "ask") for number in range(count))
    run, response = to_run(session, "send"), _response("", "tool_calls", *calls)
    return settle(
        session,
        msgspec.structs.replace(
            run, status="suspended", history=(*run.history, response.message), response=response,
            pending=tuple(Pending(call, kind, "Which?" if kind == "question" else None) for call in calls),
            usage=response.usage, cost=response.cost, turns=1,
        ),
    )  # fmt: skip


def _failed(session: Session, text: str, status: Any = "failed") -> Session:
    run = to_run(session, "send")
    response = _response(text, None) if text else None
    return settle(
        session, msgspec.structs.replace(run, status=status, response=response, error="it broke", turns=0)
    )  # fmt: skip


def test_every_status_has_its_operations_and_the_others_say_what_to_do() -> None:
    assert set(ALLOWED) == set(get_args(SessionStatus))
    begun = begin_turn(Session("mock/m"), "Hi")
    of_status = {
        "idle": Session("mock/m"), "completed": _completed(begun), "error": begun,
        "awaiting_user": _suspended(begun, "question"), "awaiting_tools": _suspended(begun, "manual"),
    }  # fmt: skip
    tries: dict[str, Any] = {
        "send": lambda session: begin_turn(session, "Well?"),
        "reply": lambda session: answers_for(session, "reply", {"c1_0": 1}),
        "submit_tool_results": lambda session: answers_for(session, "submit_tool_results", {"c1_0": 1}),
        "continue_": lambda session: to_run(session, "continue_"),
        "undo": undo,
        "fork": fork,
    }
    assert set(tries) == set(OPERATIONS)
    for status, session in of_status.items():
        assert session.status == status
        for operation, attempt in tries.items():
            if operation in ALLOWED[session.status]:
                attempt(session)
            else:
                with pytest.raises(SessionStateError, match=f"{operation} is not for a session that is {status}: .+"):
                    attempt(session)


def test_a_wrong_operation_is_told_with_the_question_that_waits() -> None:
    session = _suspended(begin_turn(Session("mock/m"), "Hi"), "question")
    with pytest.raises(SessionStateError, match=r"'ask' \(Which\?\); give it with reply\(\.\.\.\), or .*undo\(\)"):
        begin_turn(session, "And?")
    with pytest.raises(SessionStateError, match="no call waits for submit_tool_results"):
        answers_for(session, "submit_tool_results", "seven")


def test_answers_are_matched_to_what_waits() -> None:
    one = _suspended(begin_turn(Session("mock/m"), "Hi"), "question")
    assert answers_for(one, "reply", "Monday") == {"c1_0": "Monday"}
    two = _suspended(begin_turn(Session("mock/m"), "Hi"), "manual", 2)
    with pytest.raises(ValueError, match=r"several calls wait; give submit_tool_results\({id: answer}\) for the ids"):
        answers_for(two, "submit_tool_results", "seven")
    result = ToolResult("c1_1", "seven")
    assert answers_for(two, "submit_tool_results", result) == {"c1_1": result}
    assert answers_for(two, "submit_tool_results", [result]) == {"c1_1": result}
    assert answers_for(two, "submit_tool_results", {"c1_0": 7}) == {"c1_0": 7}


def test_a_partial_answer_stays_and_the_next_message_follows_it() -> None:
    session = _failed(begin_turn(Session("mock/m"), "Hi"), "Half an ans")
    assert (session.status, session.error) == ("error", "it broke")
    assert session.partial is not None
    assert [message.text for message in session.messages] == ["Hi", "Half an ans"]
    assert [message.text for message in session.history] == ["Hi"]
    after = begin_turn(session, "Go on")
    assert [message.role for message in after.history] == ["user", "assistant", "user"]
    assert after.partial is None
    assert after.usage == session.usage


def test_a_partial_of_a_tool_call_leaves_no_orphan() -> None:
    begun = begin_turn(Session("mock/m"), "Hi")
    cut = _response("Let me", None, ToolCall("c", "weather", '{"ci'))
    session = settle(begun, msgspec.structs.replace(to_run(begun, "send"), status="cancelled", response=cut))
    assert_valid(session.messages)
    assert session.messages[-1].text == "Let me"
    assert session.error == "the turn was left before its end"


def test_a_whole_answer_of_an_unfinished_turn_is_not_taken_for_a_partial() -> None:
    begun = begin_turn(Session("mock/m"), "Hi")
    response = _response("Let me see.", "tool_calls", ToolCall("c", "weather"))
    history = (*begun.history, response.message, Message("tool", [ToolResult("c", "rain")]))
    run = msgspec.structs.replace(to_run(begun, "send"), history=history, response=response, turns=1)
    for status in ("running", "failed", "cancelled"):
        session = settle(begun, msgspec.structs.replace(run, status=status, error="cut"))  # type: ignore[arg-type]
        assert session.partial is None
        again = to_run(session, "continue_")
        assert again.history == history
        assert settle(session, msgspec.structs.replace(again, status="failed", error="cut again")).partial is None


@pytest.mark.parametrize(("reason", "status"), [("end_turn", "completed"), ("pause_turn", "error")])
def test_an_answer_that_paused_is_whole_but_its_turn_is_not(reason: str, status: str) -> None:
    begun = begin_turn(Session("mock/m"), "Hi")
    whole = Response(
        choices=(Choice(message=Message("assistant", "Found."), finish_reason="stop", raw_finish_reason=reason),)
    )
    session = settle(begun, msgspec.structs.replace(to_run(begun, "send"), status="cancelled", response=whole))
    assert session.status == status
    assert session.partial is None
    assert [message.text for message in session.history] == ["Hi", "Found."]
    if status == "error":
        assert to_run(session, "continue_").history == session.history


def test_undo_takes_whole_turns_and_keeps_what_they_cost() -> None:
    session = _completed(begin_turn(Session("mock/m"), "One"))
    session = _completed(begin_turn(session, ["Two", Message("user", "and a half")]))
    assert (session.usage.total_tokens, session.cost.total) == (6, 1.0)
    back = undo(session)
    assert [message.text for message in back.history] == ["One", "Yes."]
    assert (back.status, back.usage.total_tokens) == ("completed", 6)
    assert undo(session, 2).history == ()
    assert undo(session, 2).status == "idle"
    for wrong in (0, 3, True):
        with pytest.raises(ValueError, match="undo takes back 1 to 2 turns"):
            undo(session, wrong)


def test_undo_of_a_turn_that_waits_begins_before_its_question() -> None:
    waiting = _suspended(begin_turn(_completed(begin_turn(Session("mock/m"), "One")), "Book"), "question")
    back = undo(waiting)
    assert (back.status, back.pending, len(back.history)) == ("completed", (), 2)
    assert back.usage.total_tokens == 6
    assert begin_turn(back, "Well?").status == "error"


def test_a_fork_is_a_session_of_its_own() -> None:
    session = msgspec.structs.replace(_completed(begin_turn(Session("mock/m", name="A"), "One")), revision="r")
    other = fork(session, "B")
    assert (other.name, other.revision, other.metadata) == ("B", "", {"forked_from": session.id})
    assert other.id != session.id
    assert other.history is session.history
    assert other.usage == Usage()
    assert fork(session).name == "A"


def test_a_run_out_of_turns_gets_more_when_it_goes_on() -> None:
    begun = begin_turn(Session("mock/m"), "Hi")
    session = settle(begun, msgspec.structs.replace(to_run(begun, "send"), status="max_turns", turns=10))
    assert session.error == "the model was asked 10 times, as often as max_turns allows"
    assert to_run(session, "continue_").max_turns == 20


def test_what_cannot_be_kept_is_refused() -> None:
    with pytest.raises(TypeError, match=r"response_model, tools cannot be kept in Session\(options"):
        Session("mock/m", options={"tools": [], "response_model": int, "temperature": 1})
    with pytest.raises(TypeError, match="api_key cannot be kept"):
        Session("mock/m", options={"api_key": "sk-1"})
    for id_ in ("", "a/b", "a b", "x" * 81, "é", "a\n"):
        with pytest.raises(ValueError, match="the id of a session is 1 to 80"):
            Session("mock/m", id=id_)


@pytest.mark.parametrize(
    "wrong", [{"name": 5}, {"model": None}, {"instructions": ["Be brief."]}, {"context": "x"}, {"metadata": [1]}]
)
def test_what_a_store_could_not_give_back_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(TypeError, match=f"Session.{next(iter(wrong))} must be"):
        Session(**{"model": "mock/m", **wrong})
    with pytest.raises(TypeError):
        msgspec.structs.replace(Session("mock/m"), **wrong)


class Machine(RuleBasedStateMachine):
    """Any order of operations keeps the invariants."""

    def __init__(self) -> None:
        super().__init__()
        self.session = Session("mock/m")
        self.spent = 0

    def can(self, operation: Any) -> bool:
        return operation in ALLOWED[self.session.status]

    @precondition(lambda self: self.can("send"))
    @rule(
        text=st.text(min_size=1, max_size=5, alphabet="abc"),
        how=st.sampled_from(["whole", "half", "none", "ask", "do"]),
    )
    def send(self, text: str, how: str) -> None:
        begun = begin_turn(self.session, text)
        if how in ("whole", "ask", "do"):
            self.spent += 3
        match how:
            case "whole":
                self.session = _completed(begun, text)
            case "half":
                self.session = _failed(begun, text)
            case "none":
                self.session = _failed(begun, "", "cancelled")
            case "ask":
                self.session = _suspended(begun, "question")
            case "do":
                self.session = _suspended(begun, "manual", 2)

    @precondition(lambda self: self.can("continue_"))
    @rule()
    def go_on(self) -> None:
        run = to_run(self.session, "continue_")
        response = _response("Then.")
        usage = exllm.cost.totals.add_usage(run.usage, response.usage) if run.response else response.usage
        self.spent += 3
        done = msgspec.structs.replace(
            run, status="completed", history=(*run.history, response.message), response=response, usage=usage
        )  # fmt: skip
        self.session = settle(self.session, done)

    @precondition(lambda self: self.session.pending)
    @rule()
    def answer(self) -> None:
        operation: Any = "reply" if self.session.status == "awaiting_user" else "submit_tool_results"
        given = answers_for(self.session, operation, {one.call.id: "x" for one in self.session.pending})
        run = to_run(self.session, operation)
        results = tuple(ToolResult(id_, text) for id_, text in given.items())
        response = _response("So be it.")
        self.spent += 3
        history = (*run.history, Message("tool", results), response.message)
        usage = exllm.cost.totals.add_usage(run.usage, response.usage)
        done = msgspec.structs.replace(
            run, status="completed", history=history, pending=(), response=response, usage=usage
        )  # fmt: skip
        self.session = settle(self.session, done)

    @precondition(lambda self: self.can("undo") and self.session.turn_starts)
    @rule(data=st.data())
    def undo(self, data: st.DataObject) -> None:
        self.session = undo(self.session, data.draw(st.integers(1, len(self.session.turn_starts))))

    @rule()
    def travel(self) -> None:
        for there, back in (
            (exllm.sessions.to_json, exllm.sessions.from_json),
            (exllm.sessions.to_msgpack, exllm.sessions.from_msgpack),
            (pickle.dumps, pickle.loads),
        ):
            assert back(there(self.session)) == self.session

    @invariant()
    def is_valid(self) -> None:
        session = self.session
        assert_valid(session.messages) if session.messages else None
        assert list(session.turn_starts) == sorted(set(session.turn_starts))
        assert all(session.history[start].role == "user" for start in session.turn_starts)
        assert bool(session.pending) == session.status.startswith("awaiting")
        assert (session.error is not None) == (session.status == "error")
        assert (session.usage.total_tokens or 0) == self.spent


Machine.TestCase.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)
TestMachine = Machine.TestCase
