"""What the application says, in its order: to the socket where there is one, kept where there is none."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from contextlib import AbstractContextManager
from types import TracebackType

from exllm.errors import ExLLMError
from exllm.providers.live_wire import LiveProtocol
from exllm.transport.websocket import WebSocket, WebSocketEnded

Message = str | bytes
Build = Callable[[], list[Message]]


class _Pending:
    """An input that waits for a new connection. Whoever waits for it has `done`; nobody waits for audio."""

    __slots__ = ("audio_bytes", "build", "done")

    def __init__(self, build: Build, audio_bytes: int, done: asyncio.Future[None] | None) -> None:
        self.build = build
        self.audio_bytes = audio_bytes
        self.done = done


class Outbox:
    """Writes the messages of one session, one sender at a time, in the order in which they asked.

    A sender writes by itself, and waits as long as the socket is full. What the protocol has to say, and what waited
    for a connection, is written by a task (`work`), so that whoever reads the socket never waits for it to be written:
    the other side may be waiting for just that.

    Args:
        pending_audio_bytes: how much realtime audio is kept while there is no connection.
        while_waiting: entered while a sender waits for a connection.
    """

    def __init__(self, pending_audio_bytes: int, while_waiting: Callable[[], AbstractContextManager[None]]) -> None:
        self.messages = 0
        self.bytes = 0  # of sockets that were left; see `bytes_sent`
        self.audio_bytes = 0
        self.waited_s = 0.0
        self.buffered_high_water = 0
        self.dropped_bytes = 0
        self._most_audio_bytes = pending_audio_bytes
        self._while_waiting = while_waiting
        self._pending_audio_bytes = 0
        self._protocol: LiveProtocol
        self._socket: WebSocket | None = None
        self._is_open = False  # the service takes input, and nothing waits to be said before it
        self._may_open = False
        self._failure: ExLLMError | None = None
        self._traceback: TracebackType | None = None  # of the failure; it would grow each time that it is raised
        self._turn = asyncio.Lock()
        self._ours: deque[Message] = deque()  # the protocol's own, and the rest of a group whose sender was cancelled
        self._pending: deque[_Pending] = deque()
        self._has_work = asyncio.Event()

    # -- the connection

    def attach(self, socket: WebSocket, protocol: LiveProtocol) -> None:
        """There is a connection. Only what `post` gives goes over it before `open`."""
        self.bytes = self.bytes_sent
        self._socket, self._protocol = socket, protocol
        self._ours.clear()  # for another connection; the protocol says again what matters
        self._is_open = self._may_open = False

    def open(self) -> None:
        """The service takes input: first what waited, then what comes."""
        self._may_open = True
        self._has_work.set()

    def pause(self) -> None:
        """The connection is gone or about to be left: keep what comes."""
        self._is_open = self._may_open = False

    def fail(self, error: ExLLMError) -> None:
        """The session is over: whoever sends gets `error`."""
        if self._failure is not None:
            return
        self._failure, self._traceback = error, error.__traceback__
        self.pause()
        self._ours.clear()
        while self._pending:
            done = self._pending.popleft().done
            if done is not None and not done.done():
                done.set_exception(error)

    def post(self, messages: list[Message]) -> None:
        """What the protocol itself has to say; returns at once."""
        if messages:
            self._ours += messages
            self._has_work.set()

    async def work(self) -> None:
        """Write what nobody waits for. Runs as long as the connection does; returns when that breaks."""
        while True:
            await self._has_work.wait()
            self._has_work.clear()
            async with self._turn:
                if not await self._write([]):
                    return
                if self._may_open and not self._is_open and not await self._say_pending():
                    return

    # -- what the application says

    async def say(self, build: Build, *, audio_bytes: int = 0) -> None:
        """Say what `build` makes, after all that was said before.

        Without a connection it waits until there is one again. Audio does not wait then: it is kept, up to a bound.

        Raises: what `build` raises; why the session is over.
        """
        async with self._turn:
            if self._failure is not None:
                raise self._failure.with_traceback(self._traceback)
            if self._is_open:
                messages = build()
                self.audio_bytes += audio_bytes  # now: what was begun is written, also when its sender is cancelled
                if await self._write(messages):
                    return
                self.audio_bytes -= audio_bytes
                if self._failure is not None:
                    raise self._failure.with_traceback(self._traceback)
                if not audio_bytes:
                    return  # the protocol says it again
            pending = self._keep(build, audio_bytes)
        if pending.done is not None:
            try:
                with self._while_waiting():
                    await pending.done
            except asyncio.CancelledError:
                if pending in self._pending:
                    self._pending.remove(pending)
                raise

    @property
    def pending(self) -> int:
        """How many inputs wait for a connection."""
        return len(self._pending)

    @property
    def bytes_sent(self) -> int:
        """Over all connections."""
        return self.bytes + (self._socket.bytes_sent if self._socket is not None else 0)

    @property
    def buffered_bytes(self) -> int:
        """How much waits in the socket's buffer."""
        return self._socket.buffered_bytes if self._socket is not None else 0

    def _keep(self, build: Build, audio_bytes: int) -> _Pending:
        done = None if audio_bytes else asyncio.get_running_loop().create_future()
        pending = _Pending(build, audio_bytes, done)
        self._pending.append(pending)
        self._pending_audio_bytes += audio_bytes
        while self._pending_audio_bytes > self._most_audio_bytes:
            oldest = next(one for one in self._pending if one.audio_bytes)
            self._pending.remove(oldest)
            self._pending_audio_bytes -= oldest.audio_bytes
            self.dropped_bytes += oldest.audio_bytes
        return pending

    async def _say_pending(self) -> bool:
        """Say what waited; False when the connection broke before all of it was said."""
        while self._pending:
            one = self._pending[0]
            try:
                messages = one.build()
            except Exception as error:  # noqa: BLE001 - handed to whoever said it
                self._settle(one, error)
                continue
            if not one.audio_bytes:
                self._settle(one, None)  # from here on it is the protocol's
            if not await self._write(messages):
                return False
            if one.audio_bytes:
                self.audio_bytes += one.audio_bytes
                self._settle(one, None)
            if not self._may_open:
                return False
        self._is_open = True
        return True

    def _settle(self, one: _Pending, error: Exception | None) -> None:
        if one in self._pending:  # its sender may have been cancelled meanwhile
            self._pending.remove(one)
            self._pending_audio_bytes -= one.audio_bytes
            if error is not None and one.done is None:
                self.dropped_bytes += one.audio_bytes
        if one.done is not None and not one.done.done():
            if error is None:
                one.done.set_result(None)
            else:
                one.done.set_exception(error)

    async def _write(self, messages: list[Message]) -> bool:
        """Write what the protocol has to say, and `messages`; False when the connection is gone.

        A group that was begun is written to its end, also when its sender is cancelled.
        """
        ours, socket = self._ours, self._socket
        ours += messages
        ours += self._protocol.replies()
        if socket is None:
            return False
        try:
            while ours and socket is self._socket:
                message = ours.popleft()
                began_at = time.monotonic()
                try:
                    await socket.send(message)
                finally:
                    self.waited_s += time.monotonic() - began_at
                    self.messages += 1
                if (buffered := socket.buffered_bytes) > self.buffered_high_water:
                    self.buffered_high_water = buffered
        except WebSocketEnded:
            if socket is self._socket:
                self.pause()
                ours.clear()
            return False
        finally:
            if ours:
                self._has_work.set()
        return True
