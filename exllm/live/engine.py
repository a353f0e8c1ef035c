"""One realtime session: its connections, one after another, and the task that reads them."""

from __future__ import annotations

import asyncio
import dataclasses
import math
import time
from collections.abc import Callable
from typing import Any

import msgspec

from exllm.budgeted_backend import Charge
from exllm.cost.running import RunningCost
from exllm.errors import (
    BudgetExceeded,
    ConnectionFailed,
    ExLLMError,
    IdleTimeout,
    ProtocolError,
    SessionLost,
    StreamClosed,
    TotalTimeout,
)
from exllm.live.audio.wav import Recording
from exllm.live.call import LiveCall
from exllm.live.link import Link
from exllm.live.outbox import Outbox
from exllm.live.queue import EventQueue
from exllm.live.reconnect import STABLE_S, Tries
from exllm.live.spending import Spending
from exllm.live.tool_calls import ToolCalls
from exllm.live.transcript import Transcript
from exllm.policies.retry import RetrySchedule
from exllm.providers.live_wire import LiveProtocol
from exllm.streaming.interrupt import TimeLimit
from exllm.streaming.loop_end import end_with_loop
from exllm.transport.http import scrub
from exllm.transport.websocket import WebSocketEnded
from exllm.types.live_events import (
    AudioOut,
    GoAway,
    Interrupted,
    LiveEvent,
    OutputTranscript,
    Reconnected,
    Reconnecting,
    ResumptionUpdate,
    TextOut,
    ToolCall,
    ToolCallCancelled,
    TurnComplete,
    TurnStarted,
    UsageReport,
)
from exllm.types.live_settings import LiveSettings
from exllm.types.message import Message
from exllm.types.parts import ToolResult
from exllm.types.response import Choice, Response
from exllm.types.tool import Tool
from exllm.types.usage import Usage

CLEAN_UP_S = 1.0
"""How long a cancelled `aclose` waits for the session's tasks, which were cancelled before it."""

LEAVE_EARLY_S = 1.0
"""How long before a connection is closed by the service it is left at the latest."""

LINGER_S = 0.25
"""How long a connection that is to be left must be quiet between two turns: what the conversation is resumed by comes
after the end of a turn."""


class _Left(Exception):
    """The connection is left because the service is going to close it."""


class LiveEngine:
    """Owns the socket, the queue, the outbox and the tasks of one session.

    One task (`_run`) connects, reads the socket, and connects anew; another (`Outbox.work`) writes what the protocol
    has to say. At the end, a failure or `aclose`, the socket is closed and all tasks end.
    """

    def __init__(self, call: LiveCall) -> None:
        settings = call.settings
        bytes_per_s = call.input_rate_hz * (2 if settings.audio_format == "pcm16" else 1)
        self.call = call
        self.settings = settings
        self.queue = EventQueue(call.audio_capacity, call.audio_overflow)
        self.outbox = Outbox(int(call.reconnect.pending_audio_s * bytes_per_s))
        self.link = Link(call, self.outbox, self._fail_unless_ours)
        self.transcript = Transcript(settings.history)
        self.spending = Spending(call.provider, settings.model)
        self.tools = ToolCalls(self, call.rules) if call.rules is not None else None
        self.resumption_handle = settings.resumption_handle
        self.error: ExLLMError | None = None
        self.is_done = False
        self.started_at = math.nan
        self.ready_at: float | None = None
        self.first_audio_at: float | None = None
        self.ended_at: float | None = None
        self.reconnects = 0
        self.audio_in_bytes = 0
        self.tool_calls = 0
        self.recordings: list[Recording] = []
        self.warnings = call.warnings
        self._task: asyncio.Task[None] | None = None
        self._opened: asyncio.Future[None] | None = None
        self._charge: Charge | None = None
        self._turn: str | None = None  # the model's, while it goes on
        self._exceeded: BudgetExceeded | None = None
        self._leave_at = math.inf  # when the connection must be left
        self._is_leaving = False
        self._is_stable = False  # the connection has served: a turn was completed over it
        self._tries: Tries | None = None
        self._connected_at = 0.0

    # -- life

    async def enter(self) -> None:
        """Connect; return when the session may be used. Raises why it may not."""
        if self._task is not None or self.is_done:
            raise StreamClosed("the session was entered before; client.live(...) makes a new one")
        loop, call = asyncio.get_running_loop(), self.call
        if call.budgets:
            running = RunningCost(call.provider, call.settings.model, 0)
            self._charge = Charge(call.budgets, running, call.way.secret or "")
        self.started_at = time.monotonic()
        self._opened = loop.create_future()
        end_with_loop(self)
        self._task = loop.create_task(self._run(), name="exllm-live")
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
        self.finish()

    def finish(self) -> None:
        """Nobody will take another event: end what goes along with them, such as recordings."""
        while self.recordings:
            self.recordings.pop().close()

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
        """Those of the arguments, and those of the protocol."""
        told = self.protocol.warnings if self.link.connections else []
        return (*self.warnings, *told)

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
        if self._charge is not None:
            self._charge.settle(self.spending.cost.total if self.spending.is_told else 0.0)
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
            await self._begin()
            while True:
                cause = await self._converse()
                if cause is None:
                    self.queue.close()
                    self._end(None)
                    return
                await self._reconnect(cause)
        except Exception as error:  # noqa: BLE001 - it leaves as one of ours
            self._fail_unless_ours(error)
        finally:
            await self.link.leave()

    def _fail_unless_ours(self, error: Exception) -> None:
        self._fail(error if isinstance(error, ExLLMError) else _unforeseen(error))

    def _fail(self, error: ExLLMError) -> None:
        way, call = self.call.way, self.call
        scrub(error, (*([way.secret] if way.secret else ()), *(way.signer.secrets if way.signer is not None else ())))
        error.provider = error.provider or call.provider
        error.model = error.model or call.settings.model
        error.partial = error.partial or self._response(self.transcript.answer())
        self.queue.fail(error)
        self._end(error)

    async def _begin(self) -> None:
        """The first connection: as often as the retry policy says."""
        schedule, clock = RetrySchedule(self.call.retry), asyncio.get_running_loop().time
        total_s = _limit(self.call.timeouts.total)
        deadline = clock() + total_s
        try:
            with TimeLimit(deadline):
                await self.link.prepare()
                while True:
                    try:
                        await self._connect()
                        break
                    except ExLLMError as error:
                        wait_s = schedule.wait_s(error, deadline - clock())
                        if wait_s is None:
                            raise
                    await asyncio.sleep(wait_s)
        except TimeoutError as error:
            if isinstance(error, ExLLMError):
                raise
            raise TotalTimeout(f"no session with {self.call.spec.label} within {total_s:g} s") from None
        self.ready_at = time.monotonic()
        assert self._opened is not None
        if not self._opened.done():
            self._opened.set_result(None)

    async def _connect(self) -> None:
        """One try to get a connection that can be used."""
        self._leave_at, self._is_leaving, self._is_stable = math.inf, False, False
        events: list[LiveEvent] = []
        try:
            await self.link.connect(events)
        finally:
            for event in events:  # an error that was told before the connection was closed
                await self._take(event)
        self._connected_at = asyncio.get_running_loop().time()
        self.outbox.open()

    async def _converse(self) -> ExLLMError | None:
        """Read until the connection is over. Returns why another one is needed, None when the session is over.

        Raises what ends the session.
        """
        link, clock = self.link, asyncio.get_running_loop().time
        idle_s = _limit(self.call.timeouts.idle)
        try:
            while True:
                quiet_at = clock() + idle_s
                leave_at = self._leave_at
                if self._is_leaving and self._turn is None:
                    leave_at = min(leave_at, clock() + LINGER_S)
                try:
                    with TimeLimit(min(leave_at, quiet_at)):
                        events = await link.receive()
                except TimeoutError as error:
                    if isinstance(error, ExLLMError):
                        raise
                    if clock() < quiet_at:
                        raise _Left from None
                    raise IdleTimeout(f"{self.call.spec.label} said nothing for {idle_s:g} s") from None
                for event in events:
                    await self._take(event)
                if self._exceeded is not None:
                    raise self._exceeded
        except _Left:
            await link.leave()
            return ConnectionFailed("the service announced that it would close the connection")
        except WebSocketEnded as ended:
            end = link.protocol.closed(ended.code, ended.reason)
            await link.leave()
            if end.error is None and not end.resumable:
                return None
            cause = end.error or ConnectionFailed("the service closed the connection")
            if not end.resumable:
                raise cause from None
            return cause
        except ExLLMError as error:
            await link.leave()
            if not error.retryable or isinstance(error, IdleTimeout):
                raise
            return error

    # -- another connection

    async def _reconnect(self, cause: ExLLMError) -> None:
        """Go on over a new connection. Raises SessionLost when that cannot be done."""
        clock, policy, answer = asyncio.get_running_loop().time, self.call.reconnect, self.transcript.answer()

        def lost(words: str) -> SessionLost:
            return SessionLost(
                f"the session is lost: {words} ({cause.message})",
                transcript=self.transcript.messages(),
                partial=self._response(answer),
                code=cause.code,
            )

        if self._turn is not None:
            turn, self._turn = self._turn, None
            await self._take(TurnComplete(status="interrupted", reason="connection_lost", turn=turn))
        if self._tries is None or self._is_stable or clock() - self._connected_at >= STABLE_S:
            self._tries = Tries(policy, clock())
        tries, failed = self._tries, cause
        while True:
            resumed_by = self.protocol.resumes_by
            if resumed_by == "new" and not policy.anew and self.transcript.messages():
                raise lost("the service can neither resume the conversation nor be told it") from failed
            wait_s = tries.wait_s(failed, clock())
            if wait_s is None:
                raise lost(f"no new connection after {tries.made} tries") from failed
            tries.made += 1
            await self._take(Reconnecting(tries.made, cause.message, wait_s))
            await asyncio.sleep(wait_s)
            try:
                with TimeLimit(clock() + tries.left_s(clock())):
                    await self._connect()
                break
            except ExLLMError as error:
                if not error.retryable:
                    raise lost("the service refuses a new connection") from error
                failed = error
            except TimeoutError:
                raise lost(f"no new connection within {policy.within_s:g} s") from failed
        self.reconnects += 1
        await self._take(Reconnected(tries.made, resumed_by))

    def _response(self, answer: Message | None) -> Response | None:
        if answer is None:
            return None
        return Response((Choice(answer),), model=self.call.settings.model, provider=self.call.provider)

    # -- events

    async def _take(self, event: LiveEvent) -> None:
        """An event happened: what the session itself has to do about it, and then the application."""
        note = _NOTES.get(type(event))
        if note is not None:
            note(self, event)
        self.transcript.add(event)
        await self.queue.put(event)

    async def tell(self, event: LiveEvent) -> None:
        """An event of the session itself."""
        await self.queue.put(event)

    async def say_results(self, results: list[ToolResult], **how: Any) -> None:
        """Answer tool calls. Raises what cannot be said, and why the session is over."""

        def build() -> list[str | bytes]:
            messages = self.protocol.tool_results(results, **how)
            self.transcript.answer_calls(results)
            return messages

        await self.outbox.say(build)

    def _audio(self, event: AudioOut) -> None:
        self.audio_in_bytes += len(event.data)
        if self.first_audio_at is None:
            self.first_audio_at = time.monotonic()
        self._turn = event.turn

    def _answering(self, event: TurnStarted | TextOut | OutputTranscript) -> None:
        self._turn = event.turn

    def _interrupted(self, event: Interrupted) -> None:
        self.queue.discard_audio(event.turn)

    def _completed(self, event: TurnComplete) -> None:
        self._turn = None
        self._is_stable = True
        self._spend(event.usage)

    def _used(self, event: UsageReport) -> None:
        self._spend(event.usage)

    def _spend(self, usage: Usage | None) -> None:
        self.spending.add(usage)
        if self._charge is not None and self._exceeded is None:
            self._exceeded = self._charge.count(self.spending.cost.total)

    def _going_away(self, event: GoAway) -> None:
        if not self._is_leaving and self.call.reconnect.attempts:
            self._is_leaving = True
            clock = asyncio.get_running_loop().time
            self._leave_at = clock() + max(event.time_left_s - LEAVE_EARLY_S, event.time_left_s / 2)

    def _resumable(self, event: ResumptionUpdate) -> None:
        if event.handle is not None:
            self.resumption_handle = event.handle

    def _called(self, event: ToolCall) -> None:
        self.tool_calls += 1
        if self.tools is not None:
            self.tools.start(event)

    def _cancelled(self, event: ToolCallCancelled) -> None:
        if self.tools is not None:
            self.tools.cancel(event.ids)


_NOTES: dict[type[msgspec.Struct], Callable[[LiveEngine, Any], None]] = {
    AudioOut: LiveEngine._audio,
    TextOut: LiveEngine._answering,
    OutputTranscript: LiveEngine._answering,
    TurnStarted: LiveEngine._answering,
    Interrupted: LiveEngine._interrupted,
    TurnComplete: LiveEngine._completed,
    UsageReport: LiveEngine._used,
    GoAway: LiveEngine._going_away,
    ResumptionUpdate: LiveEngine._resumable,
    ToolCall: LiveEngine._called,
    ToolCallCancelled: LiveEngine._cancelled,
}


def _unforeseen(error: Exception) -> ProtocolError:
    unforeseen = ProtocolError(f"the session failed in an unforeseen way: {type(error).__name__}: {error}")
    unforeseen.__cause__ = error
    return unforeseen


def _limit(seconds: float | None) -> float:
    return math.inf if seconds is None else seconds


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None
