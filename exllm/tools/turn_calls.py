"""The calls of one answer: made side by side, each brought to a result or to a halt, in a task of their own."""

from __future__ import annotations

import asyncio
import difflib
import inspect
import logging
import time
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any

import anyio
import anyio.abc
import msgspec

from exllm.tools.arguments import ArgumentsError, parse_arguments
from exllm.tools.binding import bind
from exllm.tools.control import AskUser, Deny, Halt
from exllm.tools.encoding import result_of
from exllm.tools.error_words import words_of
from exllm.tools.executor import call_handler, is_async
from exllm.tools.settings import CallRules
from exllm.types.message import Message
from exllm.types.parts import ToolCall, ToolResult
from exllm.types.plain import plain
from exllm.types.run import Pending
from exllm.types.run_events import ToolFinished, ToolProgress, ToolStarted
from exllm.types.tool import Tool
from exllm.types.tool_context import ToolContext
from exllm.types.usage import Usage

CLEAN_UP_S = 1.0
"""How long a cancelled `aclose` waits for handlers, which were cancelled before it."""

_LOGGER = logging.getLogger("exllm.tools")


class TurnCalls:
    """Makes calls, at most so many at a time as the rules say, begun in the order in which the model wrote them.

    Whatever a handler does becomes a result for the model, but for a `BaseException` that no ``except Exception`` is to
    stop: that leaves as it is. What hooks and `approve` raise is a fault of the application: the other calls are
    cancelled, and `failure` holds it.

    Args:
        calls: with ids that differ.
        rules: of the run.
        model, turn, messages, usage: for the `ToolContext`.
        approved: ids of calls that were approved before.

    Attributes:
        results: of the calls that have one, by id.
        pending: what waits for an answer, by id of the call.
        begun: ids of calls whose handlers were called.
        halt: the first `Halt` of a handler; calls that had not begun by then are not made.
    """

    def __init__(
        self,
        calls: Iterable[ToolCall],
        rules: CallRules,
        *,
        model: str,
        turn: int,
        messages: tuple[Message, ...],
        usage: Usage,
        approved: frozenset[str] = frozenset(),
    ) -> None:
        self.results: dict[str, ToolResult] = {}
        self.pending: dict[str, Pending] = {}
        self.begun: set[str] = set()
        self.halt: Halt | None = None
        self.failure: Exception | None = None
        self._calls = tuple(calls)
        self._rules = rules
        self._model = model
        self._turn = turn
        self._messages = messages
        self._usage = usage
        self._approved = approved
        self._events: deque[ToolStarted | ToolProgress | ToolFinished] = deque()
        self._progress: dict[str, ToolProgress] = {}  # the newest of each call that nobody has taken
        self._changed = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._task = self._loop.create_task(self._work(), name="exllm-tools")
        self._task.add_done_callback(lambda _task: self._changed.set())

    async def next_event(self) -> ToolStarted | ToolProgress | ToolFinished | None:
        """What happened next; None when all calls are done with. A cancelled wait loses nothing."""
        while True:
            if self._events:
                return self._events.popleft()
            if self._progress:
                return self._progress.pop(next(iter(self._progress)))
            if self._task.done():
                if not self._task.cancelled():
                    self._task.result()
                return None
            self._changed.clear()
            await self._changed.wait()

    async def aclose(self) -> None:
        """Cancel the calls that are not done; returns when their handlers have ended, threads excepted."""
        if self._task.done():
            return
        self._task.cancel()
        try:
            await asyncio.wait([self._task])
        except asyncio.CancelledError:
            await asyncio.wait([self._task], timeout=CLEAN_UP_S)  # they were cancelled, too, and only have to clean up
            raise

    def abort(self) -> bool:
        """Cancel the calls, from any thread, without waiting; returns whether there were any that run."""
        if self._task.done():
            return False
        try:
            self._loop.call_soon_threadsafe(self._task.cancel)
        except RuntimeError:  # the loop is closed, and they with it
            return False
        return True

    # -- the task

    async def _work(self) -> None:
        turns = anyio.CapacityLimiter(self._rules.concurrency)
        try:
            async with anyio.create_task_group() as group:
                for call in self._calls:
                    group.start_soon(self._one, call, turns, group)
        except BaseExceptionGroup as errors:  # what no `except Exception` is to stop leaves as it was raised
            raise errors.exceptions[0] from None

    async def _one(self, call: ToolCall, turns: anyio.CapacityLimiter, group: anyio.abc.TaskGroup) -> None:
        async with turns:
            if self.halt is not None:
                return
            began_at = time.perf_counter()
            try:
                outcome = await self._outcome(call, group.cancel_scope)
            except asyncio.CancelledError as error:
                if group.cancel_scope.cancel_called or _is_cancelled():
                    raise
                failure = RuntimeError(f"a hook of the call of {call.name!r} was cancelled by itself")
                failure.__cause__ = error
                self.failure = self.failure or failure
                group.cancel_scope.cancel()
                return
            except Exception as error:  # noqa: BLE001 - of the application's hooks; raised from `RunStream`
                self.failure = self.failure or error
                group.cancel_scope.cancel()
                return
            if isinstance(outcome, Pending):
                self.pending[call.id] = outcome
                return
            self.results[call.id] = outcome
            if (progress := self._progress.pop(call.id, None)) is not None:
                self._events.append(progress)
            self._put(ToolFinished(call, self._turn, outcome, time.perf_counter() - began_at))

    async def _outcome(self, call: ToolCall, scope: anyio.CancelScope) -> ToolResult | Pending:
        rules = self._rules
        tool = rules.tools.get(call.name)
        if tool is None:
            if call.name in rules.manual_names:
                return Pending(call, "manual")
            return _error(call, _unknown(call.name, rules.tools))
        context = ToolContext(
            tool, call, {}, self._model, self._turn, self._messages, self._usage, rules.state,
            on_progress=lambda *said: self._report(call, *said),
        )  # fmt: skip
        try:
            context.arguments = parse_arguments(call.arguments)
            arguments = bind(tool, context.arguments)
        except ArgumentsError as error:
            return _error(call, f"{call.name} was not called: {error}")
        if tool.manual or (tool.handler is None and rules.executor is call_handler):
            return Pending(call, "manual")
        if call.id not in self._approved:
            verdict = await self._approval(tool, context)
            if verdict is None:
                return Pending(call, "approval")
            if isinstance(verdict, Deny):
                return denied(call, verdict)
        if rules.before_call is not None:
            change: Any = await _said(rules.before_call, context)
            if isinstance(change, Deny):
                return denied(call, change)
            if change is not None:
                arguments = bind(tool, dict(change))
        context.arguments = arguments
        outcome = await self._made(tool, context, scope)
        if rules.after_call is not None and isinstance(outcome, ToolResult):
            changed: Any = await _said(rules.after_call, context, outcome)
            if isinstance(changed, ToolResult):
                outcome = msgspec.structs.replace(changed, call_id=call.id, name=call.name)
            elif changed is not None:
                raise TypeError(f"after_call returns a ToolResult or None, got {type(changed).__name__}")
        return outcome

    async def _approval(self, tool: Tool, context: ToolContext) -> Deny | bool | None:
        """True, a `Deny`, or None where there is no answer yet."""
        if self._rules.approve is None:
            return None if tool.needs_approval else True
        verdict: Any = await _said(self._rules.approve, context)
        if verdict is False:
            return Deny()
        if verdict is None or verdict is True or isinstance(verdict, Deny):
            return verdict
        raise TypeError(f"approve returns True, False, exllm.Deny(reason) or None, got {type(verdict).__name__}")

    async def _made(self, tool: Tool, context: ToolContext, scope: anyio.CancelScope) -> ToolResult | Pending:
        rules, call = self._rules, context.call
        limit_s = rules.tool_timeout if tool.timeout is None else tool.timeout
        self.begun.add(call.id)
        self._put(ToolStarted(call, self._turn))
        value: Any = None
        with anyio.move_on_after(limit_s) as limit:
            try:
                value = await rules.executor(tool, context.arguments, context)
            except asyncio.CancelledError as error:
                if scope.cancel_called or limit.cancel_called or _is_cancelled():
                    raise
                context.error, value = error, _error(call, f"{call.name} was cancelled")  # by itself
            except (AskUser, Halt, Deny) as said:
                value = said
            except (Exception, SystemExit) as error:  # a model must not end the program, by way of a command's code
                _LOGGER.debug("the tool %s failed", call.name, exc_info=True)
                context.error, value = error, _error(call, words_of(error))
        if limit.cancelled_caught:
            context.error = TimeoutError(f"{call.name} took longer than {limit_s:g} s")
            runs_on = rules.executor is call_handler and not is_async(tool.handler)
            return _error(call, f"{call.name} was given up after {limit_s:g} s" + "; it may still be running" * runs_on)
        if isinstance(value, AskUser):
            return Pending(call, "question", value.question)
        if isinstance(value, Deny):
            return denied(call, value)
        try:
            if isinstance(value, Halt):
                end = Halt(plain(value.value))
                result = result_of(end.value, call.id, call.name, rules.encoder)
                self.halt = self.halt or end
                return result
            return result_of(value, call.id, call.name, rules.encoder)
        except Exception as error:
            _LOGGER.debug("the result of the tool %s cannot be encoded", call.name, exc_info=True)
            context.error = error
            return _error(call, f"the result of {call.name} cannot be shown: {words_of(error)}")

    # -- events

    def _put(self, event: ToolStarted | ToolFinished) -> None:
        self._events.append(event)
        self._changed.set()

    def _report(self, call: ToolCall, progress: float | None, total: float | None, message: str | None) -> None:
        event = ToolProgress(call, self._turn, progress, total, message)
        if _running_loop() is self._loop:
            self._put_progress(event)
            return
        try:
            self._loop.call_soon_threadsafe(self._put_progress, event)
        except RuntimeError:  # the loop is closed; a thread that was given up has outlived it
            return

    def _put_progress(self, event: ToolProgress) -> None:
        if event.call.id not in self.results and not self._task.done():
            self._progress[event.call.id] = event
            self._changed.set()


def denied(call: ToolCall, verdict: Deny) -> ToolResult:
    """What the model is told of a call that was not allowed."""
    return _error(call, f"{call.name} was not called: {verdict.reason}")


def answer_result(call: ToolCall, value: Any, rules: CallRules) -> ToolResult:
    """The result of a call that somebody else has answered with `value`. Raises TypeError where it cannot be one."""
    return result_of(value, call.id, call.name, rules.encoder)


def _error(call: ToolCall, words: str) -> ToolResult:
    return ToolResult(call.id, words, call.name, is_error=True)


def _unknown(name: str, tools: Iterable[str]) -> str:
    names = list(tools)
    near = difflib.get_close_matches(name, names, n=1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    return f"there is no tool {name!r}; {hint}the tools are {', '.join(map(repr, names)) or 'none'}"


async def _said(hook: Callable[..., Any], *arguments: Any) -> Any:
    """What a hook returns; a `Deny` may be raised as well."""
    try:
        value = hook(*arguments)
        return await value if inspect.isawaitable(value) else value
    except Deny as denial:
        return denial


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


def _is_cancelled() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
