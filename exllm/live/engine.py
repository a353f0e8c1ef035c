"""One realtime session: its connections, one after another, and the task that reads them."""

from __future__ import annotations

import asyncio
import dataclasses
import math
import time
from typing import Any

from exllm.budgeted_backend import Charge
from exllm.cost.running import RunningCost
from exllm.errors import (
    ExLLMError,
    ProtocolError,
    StreamClosed,
)
from exllm.live.call import LiveCall
from exllm.live.continuity import Continuity
from exllm.live.course import Course
from exllm.live.link import Link
from exllm.live.outbox import Outbox
from exllm.live.queue import EventQueue
from exllm.live.recordings import Recordings
from exllm.live.spending import Spending
from exllm.live.tool_calls import ToolCalls
from exllm.live.transcript import Transcript
from exllm.providers.live_wire import LiveProtocol
from exllm.streaming.loop_end import end_with_loop
from exllm.transport.http import scrub
from exllm.types.live_events import (
    LiveEvent,
    SpeechStarted,
)
from exllm.types.live_settings import LiveSettings
from exllm.types.message import Message
from exllm.types.parts import ToolResult
from exllm.types.response import Choice, Response
from exllm.types.tool import Tool

CLEAN_UP_S = 1.0
"""How long a cancelled `aclose` waits for the session's tasks, which were cancelled before it."""


class LiveEngine:
    """Owns the socket, the queue, the outbox and the tasks of one session.

    One task (`_run`) connects, reads the socket, and connects anew (`Continuity`); another (`Outbox.work`) writes what
    the protocol has to say. At the end, a failure or `aclose`, the socket is closed and all tasks end.
    """

    def __init__(self, call: LiveCall) -> None:
        settings = call.settings
        bytes_per_s = call.input_rate_hz * (2 if settings.audio_format == "pcm16" else 1)
        self.call = call
        self.settings = settings
        self.queue = EventQueue(call.audio_capacity, call.audio_overflow)
        self.outbox = Outbox(int(call.reconnect.pending_audio_s * bytes_per_s), self.queue.giving_way)
        self.link = Link(call, self.outbox, self.fail)
        self.transcript = Transcript(settings.history)
        self.spending = Spending(call.provider, settings.model)
        self.tools = ToolCalls(self, call.rules) if call.rules is not None else None
        self.course = Course(
            self.queue,
            self.tools,
            self.spending,
            handle=settings.resumption_handle,
            leaves_early=call.reconnect.attempts > 0,
            audio_sent=lambda: self.outbox.audio_bytes / bytes_per_s,
        )
        self.continuity = Continuity(self)
        self.error: ExLLMError | None = None
        self.is_done = False
        self.started_at = math.nan
        self.ready_at: float | None = None
        self.ended_at: float | None = None
        self.recordings = Recordings()
        self.warnings = call.warnings
        self._task: asyncio.Task[None] | None = None
        self._opened: asyncio.Future[None] | None = None

    # -- life

    async def enter(self) -> None:
        """Connect; return when the session may be used. Raises why it may not."""
        if self._task is not None or self.is_done:
            raise StreamClosed("the session was entered before; client.live(...) makes a new one")
        loop, call = asyncio.get_running_loop(), self.call
        if call.budgets:
            running = RunningCost(call.provider, call.settings.model, 0)
            self.course.charge = Charge(call.budgets, running, call.way.secret or "")
        self.started_at = time.monotonic()
        self._opened = loop.create_future()
        end_with_loop(self)
        self._task = loop.create_task(self._run(), name="exllm-live")
        self._task.add_done_callback(self._has_run)
        await asyncio.shield(self._opened)

    async def aclose(self) -> None:
        """Close the connection and end all tasks; returns when both is done. Idempotent.

        Whoever waits for an event, or for something to be sent, gets `StreamClosed`.
        """
        self.stop(StreamClosed("the session was closed", provider=self.call.provider, model=self.call.settings.model))
        try:
            await self.link.say_goodbye()
            if tasks := self._tasks():
                await asyncio.wait(tasks)
        except asyncio.CancelledError:
            self.link.abort()
            if tasks := self._tasks():
                await asyncio.wait(tasks, timeout=CLEAN_UP_S)  # they were cancelled, too, and only have to clean up
            raise

    def stop(self, reason: ExLLMError) -> None:
        """End the session from within its loop, for `reason`: nothing more is read, and nothing sent."""
        self.queue.abort(reason)
        self._end(reason)
        self.recordings.close()

    def abandon(self) -> None:
        """Close the socket now. For the garbage collector, which runs in any thread. Raises RuntimeError when the loop
        is closed."""
        assert self._task is not None
        loop = self._task.get_loop()
        if loop.is_running() and loop is not _running_loop():
            loop.call_soon_threadsafe(self._abandoned)
        else:
            self._abandoned()

    def loop_ends(self) -> None:
        """See `EndsWithLoop`."""
        self.stop(StreamClosed("the event loop ended before the session did"))
        self.link.abort()

    def change(self, settings: LiveSettings, tools: dict[str, Tool]) -> None:
        """The session has other settings from here on."""
        self.settings = settings
        if self.tools is not None:
            self.tools.rules = dataclasses.replace(self.tools.rules, tools=tools)

    @property
    def protocol(self) -> LiveProtocol:
        """Of the session; there once it was entered."""
        return self.link.protocol

    @property
    def is_unused(self) -> bool:
        """It was not entered."""
        return self._task is None

    @property
    def is_open(self) -> bool:
        """It was entered, and has not come to its end."""
        return self._task is not None and not self.is_done

    @property
    def all_warnings(self) -> tuple[str, ...]:
        """Those of the arguments, of the protocol, and of the recordings."""
        told = self.protocol.warnings if self.link.connections else []
        return (*self.warnings, *told, *self.recordings.warnings)

    def _abandoned(self) -> None:
        self.stop(StreamClosed("the session was abandoned"))
        self.link.abort()

    def _tasks(self) -> list[asyncio.Task[Any]]:
        tools = self.tools.tasks if self.tools is not None else ()
        mine = asyncio.current_task()
        return [task for task in (self._task, self.link.writer, *tools) if task is not None and task is not mine]

    def _end(self, error: ExLLMError | None) -> None:
        """The session is over; a second call does nothing."""
        if self.is_done:
            return
        self.is_done = True
        self.error = error
        self.ended_at = time.monotonic()
        if (charge := self.course.charge) is not None:
            charge.settle(self.spending.cost.total if self.spending.is_told else 0.0)
        closed = error or StreamClosed("the service ended the session", provider=self.call.provider)
        self.outbox.fail(closed)
        if self._opened is not None and not self._opened.done():
            self._opened.set_exception(closed)
            self._opened.exception()  # whoever enters may have been cancelled
        for task in self._tasks():
            task.cancel()

    # -- the task

    async def _run(self) -> None:
        try:
            await self.continuity.begin()
            self._is_ready()
            await self.continuity.go_on()
            self.queue.close()
            self._end(None)
        except Exception as error:  # noqa: BLE001 - it leaves as one of ours
            self.fail(error)
        finally:
            await self.link.leave()

    def _is_ready(self) -> None:
        self.ready_at = time.monotonic()
        assert self._opened is not None
        if not self._opened.done():
            self._opened.set_result(None)

    def _has_run(self, _task: asyncio.Task[None]) -> None:
        if not self.is_done:  # by whoever cancels all, perhaps before it had begun
            self.fail(StreamClosed("the session's task was cancelled"))

    def fail(self, error: BaseException) -> None:
        """The session is over, because of `error`: what had come by then can still be taken."""
        if not isinstance(error, ExLLMError):
            error = _unforeseen(error)
        way, call = self.call.way, self.call
        scrub(error, (*([way.secret] if way.secret else ()), *(way.signer.secrets if way.signer is not None else ())))
        error.provider = error.provider or call.provider
        error.model = error.model or call.settings.model
        error.partial = error.partial or self.response_of(self.transcript.answer())
        self.queue.fail(error)
        self._end(error)

    def response_of(self, answer: Message | None) -> Response | None:
        """An answer that did not come to its end, for errors."""
        if answer is None:
            return None
        return Response((Choice(answer),), model=self.call.settings.model, provider=self.call.provider)

    # -- events

    async def take(self, event: LiveEvent) -> None:
        """An event happened: what the session itself has to do about it, and then the application."""
        if self.course.note(event):
            self.transcript.add(event)
            await self.queue.put(event)
        if (
            type(event) is SpeechStarted
            and self._speech_interrupts()
            and (cut := self.course.talked_over()) is not None
        ):
            await self.take(cut)

    def _speech_interrupts(self) -> bool:
        detection = self.settings.turn_detection
        return detection is None or detection.interrupts is not False

    async def tell(self, event: LiveEvent) -> None:
        """An event of the session itself."""
        await self.queue.put(event)

    async def interrupt(self, played_ms: int | None) -> None:
        """Stop the model's turn. Raises why the session is over."""
        self.course.cut_turn()
        if self.link.is_lost:
            self.protocol.give_up()
        await self.outbox.say(lambda: self.protocol.interrupt(played_ms))

    async def say_results(self, results: list[ToolResult], **how: Any) -> None:
        """Answer tool calls. Raises what cannot be said, and why the session is over."""

        def build() -> list[str | bytes]:
            messages = self.protocol.tool_results(results, **how)
            self.transcript.answer_calls(results)
            return messages

        await self.outbox.say(build)


def _unforeseen(error: BaseException) -> ProtocolError:
    unforeseen = ProtocolError(f"the session failed in an unforeseen way: {type(error).__name__}: {error}")
    unforeseen.__cause__ = error
    return unforeseen


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None
