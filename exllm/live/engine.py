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
from exllm.live.course import Course
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
    LiveEvent,
    Reconnected,
    Reconnecting,
    SpeechStarted,
)
from exllm.types.live_settings import LiveSettings
from exllm.types.message import Message
from exllm.types.parts import ToolResult
from exllm.types.response import Choice, Response
from exllm.types.tool import Tool

CLEAN_UP_S = 1.0
"""How long a cancelled `aclose` waits for the session's tasks, which were cancelled before it."""


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
        self.course = Course(
            self.queue,
            self.tools,
            self.spending,
            handle=settings.resumption_handle,
            leaves_early=call.reconnect.attempts > 0,
        )
        self.error: ExLLMError | None = None
        self.is_done = False
        self.started_at = math.nan
        self.ready_at: float | None = None
        self.ended_at: float | None = None
        self.reconnects = 0
        self.recordings: list[Recording] = []
        self.warnings = call.warnings
        self._task: asyncio.Task[None] | None = None
        self._opened: asyncio.Future[None] | None = None
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
            self.course.charge = Charge(call.budgets, running, call.way.secret or "")
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
            self._end_recording(self.recordings[-1])

    def write_down(self, event: AudioOut) -> None:
        """Add what is heard to the recordings. One that fails (the disk is full) ends, and says so in the warnings: it
        costs neither the event nor the session."""
        for recording in tuple(self.recordings):
            try:
                recording.write(event.data, event.rate_hz, event.media_type)
            except OSError as error:
                self._warn(f"a recording ended early: {error}")
                self._end_recording(recording)

    def _end_recording(self, recording: Recording) -> None:
        self.recordings.remove(recording)
        try:
            recording.close()
        except OSError as error:
            self._warn(f"a recording could not be finished: {error}")

    def _warn(self, words: str) -> None:
        if words not in self.warnings:
            self.warnings += (words,)

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
        except asyncio.CancelledError:
            self._fail(StreamClosed("the session's task was cancelled"))  # by whoever cancels all; else it has ended
            raise
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
        self.course.begin_connection()
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
                try:
                    leave_at = self.course.leave_at(clock()) if self._can_go_on() else math.inf
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
                if self.course.exceeded is not None:
                    raise self.course.exceeded
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

        lasted_s, course = clock() - self._connected_at, self.course
        # A turn that brings the connection down each time it is told again must not go on for ever.
        was_good = course.has_served or (course.turn is None and lasted_s >= STABLE_S)
        if (lost_turn := course.lose_turn()) is not None:
            await self._take(lost_turn)
        if self._tries is None or was_good:
            self._tries = Tries(policy, clock())
        tries, failed = self._tries, cause
        while True:
            resumed_by = self.protocol.resumes_by
            if not self._can_go_on():
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

    def _can_go_on(self) -> bool:
        """Whether a new connection would be the same session: nothing was said, or the service knows of it, or can be
        told. What only listens or translates has nothing to remember."""
        is_new = not self.course.has_answered and not self.transcript.messages()
        remembers = self.settings.kind == "conversation"
        return is_new or not remembers or self.call.reconnect.anew or self.protocol.resumes_by != "new"

    def _response(self, answer: Message | None) -> Response | None:
        if answer is None:
            return None
        return Response((Choice(answer),), model=self.call.settings.model, provider=self.call.provider)

    # -- events

    async def _take(self, event: LiveEvent) -> None:
        """An event happened: what the session itself has to do about it, and then the application."""
        if self.course.note(event):
            self.transcript.add(event)
            await self.queue.put(event)
        if (
            type(event) is SpeechStarted
            and self._speech_interrupts()
            and (cut := self.course.talked_over()) is not None
        ):
            await self._take(cut)

    def _speech_interrupts(self) -> bool:
        detection = self.settings.turn_detection
        return detection is None or detection.interrupts is not False

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
