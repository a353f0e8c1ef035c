"""How calls are made: threads, limits, errors, hooks, approval, executors."""

from __future__ import annotations

import asyncio
import contextvars
import datetime
import functools
import threading
import time
from typing import Any

import pytest

import exllm
from exllm import Deny, Halt, Text, Tool, ToolContext, ToolFinished, ToolProgress, ToolResult, ToolStarted
from tests.tools.kit import assert_valid, call, double, model, results, until, weather

WHO: contextvars.ContextVar[str] = contextvars.ContextVar("WHO", default="nobody")


async def one_result(handler: Any, arguments: str = "", **options: Any) -> ToolResult:
    made = handler if isinstance(handler, Tool) else exllm.tool(handler)
    async with model(call(made.name, arguments), "Done.") as (client, _):
        run = await client.run("mock/m", "Hi", tools=[made], **options)
    assert run.status == "completed"
    (result,) = results(run)
    return result


# -- where handlers run


async def test_sync_handlers_run_in_threads_with_the_context_variables() -> None:
    def who() -> str:
        return f"{WHO.get()} {threading.current_thread() is threading.main_thread()}"

    WHO.set("Ada")
    assert (await one_result(who)).content == "Ada False"


async def test_sync_handlers_do_not_hold_up_the_loop_or_each_other() -> None:
    meeting = threading.Barrier(3, timeout=5)

    def meet() -> int:
        return meeting.wait()

    async with model([call("meet", id_=str(number)) for number in range(3)], "Done.") as (client, _):
        run = await client.run("mock/m", "Hi", tools=[meet])
    assert sorted(str(one.content) for one in results(run)) == ["0", "1", "2"]


async def test_callables_of_every_kind_are_called() -> None:
    class Adder:
        __name__ = "adder"

        def __init__(self, by: int) -> None:
            self.by = by

        async def __call__(self, number: int) -> int:
            return number + self.by

        def bound(self, number: int) -> int:
            return number - self.by

    def scale(number: int, by: int) -> int:
        return number * by

    def lazy(number: int) -> Any:
        async def work() -> int:
            return number

        return work()

    arguments = '{"number": 5}'
    assert (await one_result(Adder(1), arguments)).content == "6"
    assert (await one_result(Adder(1).bound, arguments)).content == "4"
    scaled = exllm.tool(functools.partial(scale, by=3), name="scale")
    assert (await one_result(scaled, arguments)).content == "15"
    assert (await one_result(lazy, arguments)).content == "5"


async def test_a_handler_learns_of_its_call() -> None:
    seen: list[ToolContext] = []

    @exllm.tool
    async def look(number: int, context: ToolContext) -> str:
        seen.append(context)
        return "ok"

    assert "context" not in str(look.schema)
    await one_result(look, '{"number": "3"}', state={"user": "Ada"})
    (context,) = seen
    assert (context.call_id, context.call.name, context.arguments, context.turn) == (
        "id_look",
        "look",
        {"number": 3},
        1,
    )
    assert (context.state, context.model, context.tool.name) == ({"user": "Ada"}, "mock/m", "look")
    assert [message.text for message in context.messages] == ["Hi"]
    assert context.usage.input_tokens == 1


async def test_at_most_so_many_calls_run_at_a_time_in_the_order_of_the_model() -> None:
    running: list[int] = []
    most: list[int] = []
    order: list[int] = []

    @exllm.tool
    async def work(number: int) -> None:
        order.append(number)
        running.append(number)
        most.append(len(running))
        await asyncio.sleep(0.002)
        running.remove(number)

    calls = [call("work", f'{{"number": {number}}}', str(number)) for number in range(10)]
    for limit in (1, 3):
        order.clear(), most.clear()
        async with model(calls, "Done.") as (client, _):
            await client.run("mock/m", "Hi", tools=[work], concurrency=limit)
        assert max(most) == limit
        assert order == list(range(10))


# -- what goes wrong


class Leaky(Exception):
    def __str__(self) -> str:
        raise RuntimeError("not even that")


def _raise(error: BaseException) -> Any:
    async def fail() -> None:
        password = "hunter2"
        assert password
        raise error

    return fail


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (ValueError("no such city"), "ValueError: no such city"),
        (KeyError("city"), "KeyError: 'city'"),
        (RuntimeError(), "RuntimeError"),
        (Leaky(), "Leaky"),
        (
            RuntimeError("key sk-ant-api03-abcdefghijklmnopqrstuvwxyz0123456789 refused"),
            "RuntimeError: key *** refused",
        ),
        (
            OSError(
                "postgres://bob:hunter2@db:5432/x, password='hunter2' {'api_key': 'hunter2', \"token\": \"hunter2\"}"
            ),
            "OSError: postgres://bob:***@db:5432/x, password='***' {'api_key': '***', \"token\": \"***\"}",
        ),
        (
            OSError(
                "https://a.b/c?token=hunter2&n=1 ghp_abcdefghijklmnopqrstuv AKIAABCDEFGHIJKLMNOP eyJhbGciOiJI.e30.abc"
            ),
            "OSError: https://a.b/c?token=***&n=1 *** *** ***",
        ),
        (ValueError("Unexpected token: x, max_tokens=5000"), "ValueError: Unexpected token: x, max_tokens=5000"),
        (ExceptionGroup("many", [ValueError("a"), OSError("b")]), "ValueError: a; OSError: b"),
        (asyncio.CancelledError(), "fail was cancelled"),
        (TimeoutError("the database"), "TimeoutError: the database"),
        (SystemExit(2), "SystemExit: 2"),
    ],
    ids=lambda value: type(value).__name__,
)
async def test_what_a_handler_raises_is_told_without_traceback_or_secret(error: BaseException, words: str) -> None:
    result = await one_result(_raise(error))
    assert (result.is_error, result.content) == (True, words)


async def test_a_thread_that_would_end_the_program_does_not() -> None:
    def leave() -> None:
        raise SystemExit("bye")

    assert (await one_result(leave)).content == "SystemExit: bye"


class Escape(BaseException):
    """What no ``except Exception`` is to stop, such as a failed assertion of a test framework."""


@pytest.mark.parametrize("error", [Escape("out"), BaseExceptionGroup("all", [Escape("out")])], ids=["one", "group"])
async def test_what_is_no_exception_leaves_as_it_was_raised(error: BaseException) -> None:
    ended: list[str] = []

    @exllm.tool
    async def slow() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            ended.append("slow")

    async def fail() -> None:
        await asyncio.sleep(0.01)
        raise error

    async with model([call("slow"), call("fail")], "Done.") as (client, _):
        with pytest.raises(type(error)) as raised:
            await client.run("mock/m", "Hi", tools=[slow, exllm.tool(fail)])
    assert raised.value is error
    assert ended == ["slow"]
    assert_valid(raised.value.run.messages)  # type: ignore[attr-defined]


async def test_a_long_message_is_cut() -> None:
    assert len(str((await one_result(_raise(ValueError("x" * 100_000)))).content)) < 2100


async def test_a_result_that_cannot_be_encoded_is_told() -> None:
    async def odd() -> object:
        return object()

    result = await one_result(odd)
    assert result.is_error
    assert str(result.content).startswith("the result of odd cannot be shown: TypeError: a object cannot be encoded")


async def test_an_encoder_of_ones_own_is_asked() -> None:
    assert (await one_result(double, '{"number": 2}', encoder=lambda value: [Text(f"<{value}>")])).content == (
        Text("<4>"),
    )

    def refuse(_value: Any) -> str:
        raise ValueError("not this")

    result = await one_result(double, '{"number": 2}', encoder=refuse)
    assert (result.is_error, result.content) == (True, "the result of double cannot be shown: ValueError: not this")


# -- limits


async def test_a_call_that_takes_too_long_is_cancelled_and_told() -> None:
    ended: list[str] = []

    @exllm.tool(timeout=0.02)
    async def slow() -> str:
        try:
            await asyncio.sleep(60)
        finally:
            ended.append("slow")
        return "never"

    result = await one_result(slow)
    assert (result.is_error, result.content, ended) == (True, "slow was given up after 0.02 s", ["slow"])


async def test_a_thread_that_takes_too_long_runs_on_and_is_told_so() -> None:
    go_on, done = threading.Event(), threading.Event()

    def stuck() -> str:
        go_on.wait(10)
        done.set()
        return "lost"

    try:
        result = await one_result(stuck, tool_timeout=1)
        assert result.content == "stuck was given up after 1 s; it may still be running"
        assert not done.is_set()
    finally:
        go_on.set()
    assert done.wait(5)


async def test_a_tools_own_limit_goes_before_that_of_the_run() -> None:
    @exllm.tool(timeout=5)
    async def quick() -> str:
        await asyncio.sleep(0.1)
        return "made it"

    assert (await one_result(quick, tool_timeout=0.05)).content == "made it"


async def test_the_limit_of_the_run_ends_it_with_a_valid_conversation() -> None:
    ended: list[str] = []

    @exllm.tool
    async def slow() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            ended.append("slow")

    async with model([call("slow"), call("weather", '{"city": "Oslo"}')], "Done.") as (client, _):
        with pytest.raises(exllm.TotalTimeout, match=r"the run took longer than 0\.5 s") as failure:
            await client.run("mock/m", "Hi", tools=[slow, weather], run_timeout=0.5)
        assert ended == ["slow"]
        run = failure.value.run
        assert run is not None
        assert (run.status, run.error) == ("failed", "TotalTimeout: the run took longer than 0.5 s, the limit for it")
        assert_valid(run.messages)
        first, second = results(run)
        assert (first.is_error, second.is_error, second.content) == (True, False, '{"city":"Oslo","sky":"rain"}')
        assert "cut off; whether it took effect is not known" in str(first.content)
        run = await client.run(run, tools=[slow, weather])
    assert run.text == "Done."


# -- halt


@pytest.mark.parametrize("raised", [False, True])
async def test_halt_ends_the_run_with_its_value(raised: bool) -> None:
    @exllm.tool
    async def finish(answer: int) -> Any:
        if raised:
            raise Halt({"answer": answer})
        return Halt({"answer": answer})

    calls = [call("finish", '{"answer": 42}'), call("double", '{"number": 1}')]
    async with model(calls) as (client, mock):
        run = await client.run("mock/m", "Hi", tools=[finish, double], concurrency=1)
    assert (run.status, run.value, run.turns, len(mock.requests)) == ("halted", {"answer": 42}, 1, 1)
    assert_valid(run.messages)
    done, left = results(run)
    assert done.content == '{"answer":42}'
    assert (left.is_error, left.content) == (True, "This call was not made: the run was ended before.")


async def test_a_halt_that_is_kept_by_the_application_is_not_changed() -> None:
    done = Halt({"at": datetime.date(2026, 1, 2)})

    @exllm.tool
    async def finish() -> Halt:
        return done

    async with model(call("finish"), "never") as (client, _):
        run = await client.run("mock/m", "Hi", tools=[finish])
    assert (run.status, run.value) == ("halted", {"at": "2026-01-02"})
    assert done.value == {"at": datetime.date(2026, 1, 2)}


# -- approval


async def test_approval_decides_call_by_call() -> None:
    def approve(context: ToolContext) -> bool | Deny:
        verdicts: dict[int, bool | Deny] = {1: True, 2: False, 3: Deny("too much")}
        return verdicts[context.arguments["number"]]

    calls = [call("double", f'{{"number": {number}}}', str(number)) for number in (1, 2, 3)]
    async with model(calls, "Done.") as (client, _):
        run = await client.run("mock/m", "Hi", tools=[double], approve=approve)
    assert [(one.is_error, one.content) for one in results(run)] == [
        (False, "2"),
        (True, "double was not called: the user does not allow it"),
        (True, "double was not called: too much"),
    ]


async def test_approval_may_take_its_time_and_is_not_asked_for_what_cannot_be_called() -> None:
    asked: list[str] = []

    async def approve(context: ToolContext) -> bool:
        await asyncio.sleep(0)
        asked.append(context.call.name)
        return True

    calls = [call("double", '{"number": "x"}', "a"), call("nope"), call("weather", '{"city": "Oslo"}')]
    async with model(calls, "Done.") as (client, _):
        await client.run("mock/m", "Hi", tools=[double, weather], approve=approve)
    assert asked == ["weather"]


async def test_an_approval_that_is_no_answer_is_a_fault_of_the_application() -> None:
    async with model(call("double", '{"number": 1}')) as (client, _):
        with pytest.raises(TypeError, match="approve returns True, False"):
            await client.run("mock/m", "Hi", tools=[double], approve=lambda _context: "yes")  # type: ignore[arg-type, return-value]


# -- hooks


async def test_before_a_call_arguments_may_change_or_it_may_be_denied() -> None:
    def before(context: ToolContext) -> dict[str, Any] | Deny | None:
        number = context.arguments["number"]
        return {"number": 100} if number == 1 else Deny("not two") if number == 2 else None

    calls = [call("double", f'{{"number": {number}}}', str(number)) for number in (1, 2, 3)]
    async with model(calls, "Done.") as (client, _):
        run = await client.run("mock/m", "Hi", tools=[double], before_call=before)
    assert [one.content for one in results(run)] == ["200", "double was not called: not two", "6"]
    assert run.messages[1].tool_calls[0].arguments == '{"number": 1}'  # what the model said stays


async def test_after_a_call_its_result_may_change_and_the_error_is_there() -> None:
    errors: list[BaseException | None] = []

    async def after(context: ToolContext, result: ToolResult) -> ToolResult | None:
        errors.append(context.error)
        return ToolResult("any", "hidden", is_error=True) if context.error else None

    failing = exllm.tool(_raise(ValueError("no")))
    async with model([call("fail"), call("double", '{"number": 1}')], "Done.") as (client, _):
        run = await client.run("mock/m", "Hi", tools=[failing, double], after_call=after, concurrency=1)
    assert [(one.call_id, one.name, one.content) for one in results(run)] == [
        ("id_fail", "fail", "hidden"), ("id_double", "double", "2"),
    ]  # fmt: skip
    assert [type(error) for error in errors] == [ValueError, type(None)]


@pytest.mark.parametrize("hook", ["before_call", "after_call", "approve"])
async def test_a_hook_that_fails_ends_the_run_and_the_other_calls(hook: str) -> None:
    ended = asyncio.Event()

    @exllm.tool
    async def slow() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            ended.set()

    async def fail(context: ToolContext, *_result: Any) -> Any:
        if context.call.name == "slow":
            return True if hook == "approve" else None
        await asyncio.sleep(0.01)
        raise RuntimeError("a bug of mine")

    calls = [call("slow"), call("double", '{"number": 1}')]
    options: dict[str, Any] = {hook: fail}
    async with model(calls) as (client, _):
        with pytest.raises(RuntimeError, match="a bug of mine") as failure:
            await client.run("mock/m", "Hi", tools=[slow, double], **options)
    assert ended.is_set()
    run: exllm.Run = failure.value.run  # type: ignore[attr-defined]
    assert (run.status, run.error) == ("failed", "RuntimeError: a bug of mine")
    assert_valid(run.messages)


# -- executors


async def test_an_executor_makes_the_calls_elsewhere() -> None:
    made: list[tuple[str, dict[str, Any]]] = []

    async def executor(tool: Tool, arguments: dict[str, Any], context: ToolContext) -> Any:
        made.append((tool.name, arguments))
        if tool.name == "remote":
            raise ConnectionError("the queue is down")
        return {"from": "afar", "call": context.call_id}

    remote = Tool("remote", "Runs elsewhere.", {"type": "object", "properties": {"x": {"type": "integer"}}})
    calls = [call("remote", '{"x": 1}'), call("double", '{"number": "2"}')]
    async with model(calls, "Done.") as (client, _):
        run = await client.run("mock/m", "Hi", tools=[remote, double], executor=executor)
    assert made == [("remote", {"x": 1}), ("double", {"number": 2})]
    assert [one.content for one in results(run)] == [
        "ConnectionError: the queue is down", '{"from":"afar","call":"id_double"}',
    ]  # fmt: skip


# -- events of calls


async def test_progress_comes_between_start_and_finish_from_any_thread() -> None:
    @exllm.tool
    async def here(context: ToolContext) -> str:
        context.report(0.5, 1.0, "half")
        await asyncio.sleep(0.01)
        context.report(1.0)
        return "done"

    @exllm.tool
    def there(context: ToolContext) -> str:
        context.report(message="from a thread")
        time.sleep(0.02)
        return "done"

    for tool in (here, there):
        async with model(call(tool.name), "Done.") as (client, _):
            stream = client.stream_run("mock/m", "Hi", tools=[tool])
            async with stream:
                events = [e async for e in stream if isinstance(e, ToolStarted | ToolProgress | ToolFinished)]
        assert [type(events[0]), type(events[-1])] == [ToolStarted, ToolFinished]
        said = [(e.progress, e.message) for e in events if isinstance(e, ToolProgress)]
        assert said == ([(0.5, "half"), (1.0, None)] if tool is here else [(None, "from a thread")])
        assert isinstance(events[-1], ToolFinished)
        assert events[-1].duration_s >= 0.01


async def test_only_the_newest_of_fast_reports_is_kept() -> None:
    @exllm.tool
    async def eager(context: ToolContext) -> str:
        for number in range(10_000):
            context.report(number)
        return "done"

    async with model(call("eager"), "Done.") as (client, _), client.stream_run("mock/m", "Hi", tools=[eager]) as stream:
        reports = [event.progress async for event in stream if isinstance(event, ToolProgress)]
    assert reports == [9999]


async def test_calls_that_were_not_made_have_no_start() -> None:
    calls = [call("nope"), call("double", '{"number": 1}')]
    async with model(calls, "Done.") as (client, _), client.stream_run("mock/m", "Hi", tools=[double]) as stream:
        events = [event async for event in stream if isinstance(event, ToolStarted | ToolFinished)]
    assert [event.call.name for event in events if isinstance(event, ToolStarted)] == ["double"]
    assert {event.call.name for event in events if isinstance(event, ToolFinished)} == {"nope", "double"}


async def test_a_thread_that_outlives_its_run_may_still_report() -> None:
    go_on, done = threading.Event(), threading.Event()

    def stuck(context: ToolContext) -> None:
        go_on.wait(10)
        context.report(1.0)
        done.set()

    result = await one_result(stuck, tool_timeout=1)  # by then it has begun, on a busy machine as well
    assert result.is_error
    go_on.set()
    await until(done.is_set)


@pytest.mark.parametrize("hook", ["approve", "before_call"])
async def test_a_denial_may_be_raised(hook: str) -> None:
    def refuse(_context: Any) -> bool:
        raise exllm.Deny("not today")

    result = await one_result(double, '{"number": 2}', **{hook: refuse})
    assert (result.is_error, result.content) == (True, "double was not called: not today")


@pytest.mark.parametrize("hook", ["approve", "before_call", "after_call"])
async def test_a_hook_that_was_cancelled_by_itself_is_a_fault_of_the_application(hook: str) -> None:
    async def wait(*_arguments: Any) -> None:
        answer: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        answer.cancel()
        await answer

    async with model([call("double", '{"number": 2}')], "Done.") as (client, _):
        with pytest.raises(RuntimeError, match="a hook of the call of 'double' was cancelled by itself") as failure:
            await client.run("mock/m", "Hi", tools=[double], **{hook: wait})  # type: ignore[arg-type]
    assert failure.value.run.status == "failed"  # type: ignore[attr-defined]
    assert_valid(failure.value.run.messages)  # type: ignore[attr-defined]
