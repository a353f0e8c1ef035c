"""The calls that a session makes by itself: side by side, each answered when it is done, or cancelled."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import msgspec

from exllm.errors import ExLLMError
from exllm.tools.settings import CallRules
from exllm.tools.turn_calls import TurnCalls
from exllm.types.live_events import ToolCall, ToolFinished, ToolWaiting
from exllm.types.parts import Text, ToolResult
from exllm.types.parts import ToolCall as ToolCallPart
from exllm.types.run import Pending

if TYPE_CHECKING:
    from exllm.live.engine import LiveEngine


class ToolCalls:
    """Makes the calls of one session, at most so many at a time as the rules say.

    Calls of tools without a handler are left to the application (`ToolWaiting`), and so are those that wait for an
    approval or for an answer of the user.

    Attributes:
        tasks: of the calls that go on, and of the cancelled ones that still clean up.
        finished, cancelled: how many were answered, and how many were cancelled.
    """

    def __init__(self, engine: LiveEngine, rules: CallRules) -> None:
        self.rules = rules
        self.finished = 0
        self.cancelled = 0
        self._engine = engine
        self._room = asyncio.Semaphore(rules.concurrency)
        self.tasks: set[asyncio.Task[None]] = set()
        self._wanted: dict[str, asyncio.Task[None]] = {}  # by id of the call

    def start(self, call: ToolCall) -> None:
        """Make `call`, unless it goes on already."""
        if call.id in self._wanted:
            return
        task = asyncio.get_running_loop().create_task(self._answer(call), name=f"exllm-live-{call.name}")
        self._wanted[call.id] = task
        self.tasks.add(task)
        task.add_done_callback(lambda task: self._is_done(call.id, task))

    def cancel(self, ids: tuple[str, ...]) -> None:
        """The model no longer waits for these."""
        for id in ids:
            task = self._wanted.pop(id, None)
            if task is not None and task.cancel():
                self.cancelled += 1

    def _is_done(self, id: str, task: asyncio.Task[None]) -> None:
        self.tasks.discard(task)
        if self._wanted.get(id) is task:  # else it was cancelled, and the model may have made the call again
            del self._wanted[id]
        if not task.cancelled() and (error := task.exception()) is not None:
            self._engine.fail(error)  # what no `except Exception` is to stop

    async def _answer(self, call: ToolCall) -> None:
        engine = self._engine
        async with self._room:
            result = await self._result(call)
        if isinstance(result, Pending):
            await engine.tell(ToolWaiting(call.id, call.name, result.kind, result.question or ""))
            return
        try:
            try:
                await engine.say_results([result])
            except ExLLMError as error:
                if engine.is_done:
                    return
                # A result that this protocol cannot say, such as one with an image: the model waits for some answer.
                result = ToolResult(call.id, error.message, call.name, is_error=True)
                await engine.say_results([result])
        except ExLLMError:
            return  # the session is over
        self.finished += 1
        await engine.tell(ToolFinished(call.id, call.name, _text_of(result), result.is_error))

    async def _result(self, call: ToolCall) -> ToolResult | Pending:
        """What came of the call, or what it waits for."""
        engine = self._engine
        part = ToolCallPart(call.id, call.name, call.arguments)
        calls = TurnCalls(
            [part],
            self.rules,
            model=f"{engine.call.provider}/{engine.settings.model}",
            turn=1,
            messages=engine.transcript.messages(),
            usage=engine.spending.usage,
        )
        try:
            while await calls.next_event() is not None:
                pass
        finally:
            await calls.aclose()
        if calls.failure is not None:
            return ToolResult(call.id, f"{call.name} could not be called: {calls.failure}", call.name, is_error=True)
        return calls.pending.get(call.id) or calls.results[call.id]


def _text_of(result: ToolResult) -> str:
    if isinstance(result.content, str):
        return result.content
    if all(isinstance(part, Text) for part in result.content):
        return "".join(part.text for part in result.content if isinstance(part, Text))
    return msgspec.json.encode(result.content).decode()
