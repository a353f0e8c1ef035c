"""How a session goes on over one connection after another: the first, and those that take the place of a lost one."""

from __future__ import annotations

import asyncio
import math
from typing import TYPE_CHECKING

from exllm.errors import ConnectionFailed, ExLLMError, IdleTimeout, SessionLost, TotalTimeout
from exllm.live.reconnect import STABLE_S, Tries
from exllm.policies.retry import RetrySchedule
from exllm.streaming.interrupt import MovingLimit, TimeLimit
from exllm.transport.websocket import WebSocketEnded
from exllm.types.live_events import LiveEvent, Reconnected, Reconnecting

if TYPE_CHECKING:
    from exllm.live.engine import LiveEngine


class _Left(Exception):
    """The connection is left because the service is going to close it."""


class Continuity:
    """Connects, reads, and connects anew, in the session's task.

    Attributes:
        reconnects: how many connections took the place of another.
    """

    def __init__(self, engine: LiveEngine) -> None:
        self.reconnects = 0
        self._engine = engine
        self._call = engine.call
        self._limit = MovingLimit()
        self._tries: Tries | None = None
        self._tried_at = 0.0  # the last try to connect was over then

    async def begin(self) -> None:
        """The first connection: as often as the retry policy says. Raises why there is none."""
        schedule, clock = RetrySchedule(self._call.retry), asyncio.get_running_loop().time
        total_s = _limit(self._call.timeouts.total)
        deadline = clock() + total_s
        try:
            with TimeLimit(deadline):
                await self._engine.link.prepare()
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
            raise TotalTimeout(f"no session with {self._call.spec.label} within {total_s:g} s") from None

    async def go_on(self) -> None:
        """Read, over one connection after another, until the session is over. Raises what ends it."""
        try:
            while (cause := await self._converse()) is not None:
                await self._reconnect(cause)
        finally:
            self._limit.close()

    async def _connect(self, until: float = math.inf) -> None:
        """One try to get a connection that can be used, up to that time of the loop's clock."""
        self._engine.course.begin_connection()
        events: list[LiveEvent] = []
        try:
            with TimeLimit(until):
                await self._engine.link.connect(events)
        finally:
            self._tried_at = asyncio.get_running_loop().time()  # what follows is the application's time
            for event in events:  # an error that was told before the connection was closed
                await self._engine.take(event)
        self._engine.outbox.open()

    async def _converse(self) -> ExLLMError | None:
        """Read until the connection is over. Returns why another one is needed, None when the session is over.

        Raises what ends the session.
        """
        link, clock = self._engine.link, asyncio.get_running_loop().time
        idle_s = _limit(self._call.timeouts.idle)
        try:
            while True:
                now = clock()
                quiet_at = now + idle_s
                try:
                    with self._limit.until(min(self._leave_at(now), quiet_at)):
                        events = await link.receive()
                except TimeoutError as error:
                    if isinstance(error, ExLLMError):
                        raise
                    if clock() < quiet_at:
                        raise _Left from None
                    raise IdleTimeout(f"{self._call.spec.label} said nothing for {idle_s:g} s") from None
                for event in events:
                    await self._engine.take(event)
                if self._engine.course.exceeded is not None:
                    raise self._engine.course.exceeded
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

    async def _reconnect(self, cause: ExLLMError) -> None:
        """Go on over a new connection. Raises SessionLost when that cannot be done."""
        clock, policy, answer = asyncio.get_running_loop().time, self._call.reconnect, self._engine.transcript.answer()

        def lost(words: str) -> SessionLost:
            return SessionLost(
                f"the session is lost: {words} ({cause.message})",
                transcript=self._engine.transcript.messages(),
                partial=self._engine.response_of(answer),
                code=cause.code,
            )

        lasted_s, course = clock() - self._tried_at, self._engine.course
        # A turn that brings the connection down each time it is told again must not go on for ever.
        was_quiet = course.turn is None or not self._remembers()
        was_good = course.has_served or (was_quiet and lasted_s >= STABLE_S)
        for lost_turn in course.lose_turns():
            await self._engine.take(lost_turn)
        if self._tries is None or was_good:
            self._tries = Tries(policy)
        tries, failed = self._tries, cause
        while True:
            resumed_by = self._engine.protocol.resumes_by
            if not self._can_go_on():
                raise lost("the service can neither resume the conversation nor be told it") from failed
            wait_s = tries.wait_s(failed)
            if wait_s is None:
                raise lost(f"no new connection after {tries.made} tries") from failed
            await self._engine.take(Reconnecting(tries.made + 1, cause.message, wait_s))
            began_at = clock()
            try:
                await asyncio.sleep(wait_s)
                await self._connect(began_at + tries.left_s)
                break
            except ExLLMError as error:
                if not error.retryable:
                    raise lost("the service refuses a new connection") from error
                failed = error
            except TimeoutError:
                raise lost(f"no new connection within {policy.within_s:g} s") from failed
            finally:
                tries.took(self._tried_at - began_at)
        self.reconnects += 1
        await self._engine.take(Reconnected(tries.made, resumed_by))

    def _can_go_on(self) -> bool:
        """Whether a new connection would be the same session: nothing was said, or the service knows of it, or can be
        told."""
        is_new = not self._engine.course.has_answered and not self._engine.transcript.messages()
        return is_new or not self._remembers() or self._call.reconnect.anew or self._engine.protocol.resumes_by != "new"

    def _remembers(self) -> bool:
        """What only listens or translates has nothing to remember."""
        return self._engine.settings.kind == "conversation"

    def _leave_at(self, now: float) -> float:
        """When the connection should be left; usually never."""
        leave_at = self._engine.course.leave_at(now)
        return leave_at if leave_at < math.inf and self._can_go_on() else math.inf


def _limit(seconds: float | None) -> float:
    return math.inf if seconds is None else seconds
