"""Streams that go on while nobody is connected, and hand over what was missed."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, Self

from exllm.errors import ExLLMError, StreamClosed
from exllm.sse.dialects import Dialect, writer_of
from exllm.sse.emit import Source, SSEStream
from exllm.sse.writer import SSEWriter

DEFAULT_CAPACITY_EVENTS = 2000
DEFAULT_KEEP_S = 60.0


class ReplayLost(ExLLMError):
    """The stream of an event id is not known any more, or what followed the event is not kept any more."""


class Replay:
    """One stream as server-sent events, for clients that come, lose their connection, and come back.

    A task reads the stream, from the start on, into a ring of about `capacity` events. Half of it is for what clients
    have got already, to be handed out again; half for what they have not. When that is full, because nobody is
    connected or a client is slow, the stream is not read on, and slows its provider down. A client that takes nothing
    for `keep_s` then counts as gone, so that a connection which is dead, and does not know it yet, stops the others no
    longer. Nothing is lost but to a client that comes back later than `keep_s` after the last one left, when the stream
    is closed and forgotten, or after others have read on without it.

    Made by `Replays.start`.

    Attributes:
        id: of the stream; event ids begin with it.
        headers: what clients of the dialect look for.
    """

    def __init__(
        self, source: Source, out: SSEStream, *, capacity: int, keep_s: float, forget: Callable[[str], object]
    ) -> None:
        self.id = out.id
        self.headers: Mapping[str, str] = out.headers
        self._source = source
        self._out = out
        self._half = max(1, capacity // 2)
        self._keep_s = keep_s
        self._forget = forget
        self._events: deque[bytes] = deque()
        self._first = 1  # the number of the first event in the ring
        self._seen = 0  # the number of the last event that the slowest client has got
        self._readers: dict[object, int] = {}  # each with the number of the last event that it has got
        self._changed = asyncio.Event()
        self._is_ended = False
        self._is_expired = False
        self._failure: BaseException | None = None
        self._expiry: asyncio.TimerHandle | None = None
        self._loop = asyncio.get_running_loop()
        self._task = self._loop.create_task(self._read(), name=f"exllm replay {out.id}")
        self._task.add_done_callback(self._over)
        self._wait_for_clients()

    @property
    def is_ended(self) -> bool:
        """The last event is in the ring, or the stream was closed."""
        return self._is_ended

    @property
    def is_expired(self) -> bool:
        """Nobody came back in time."""
        return self._is_expired

    @property
    def last(self) -> int:
        """The number of the last event so far."""
        return self._first + len(self._events) - 1

    def events(self, after: str | int | None = None) -> ReplayReader:
        """The events that follow `after`, an event's id or number; all of them when it is None.

        Raises: ReplayLost when they are not kept any more, or never were; ValueError for what is no id of this stream.
        """
        seen = 0 if after is None else self.number_of(after)
        if self._is_expired or not self._first - 1 <= seen <= self.last:
            raise ReplayLost(f"the events after {after or 'the first'} are not kept any more; ask anew")
        return ReplayReader(self, seen)

    def number_of(self, event: str | int) -> int:
        """The number of an event by its id. Raises ValueError for what is no id of this stream."""
        if isinstance(event, int):
            return event
        id_, _colon, number = event.rpartition(":")
        if id_ != self.id or not number.isdecimal():
            raise ValueError(f"{event!r} is no event id of the stream {self.id}")
        return int(number)

    async def aclose(self) -> None:
        """Close the stream; clients get what is in the ring, and then the end. Idempotent."""
        self._task.cancel()
        await asyncio.wait([self._task])

    # -- the task

    async def _read(self) -> None:
        async with self._source:
            with contextlib.suppress(StopAsyncIteration):
                while True:
                    await self._wait_for_room()
                    if events := await self._out.next_events():
                        self._events.extend(events)
                        self._trim()
                        self._notify()

    def _over(self, task: asyncio.Task[None]) -> None:
        """Not the end of `_read`, which is never run when it is cancelled at once."""
        if task.cancelled():
            self._events.extend(self._out.broken_off(StreamClosed("the server closed the stream")))
        else:
            self._failure = task.exception()  # clients raise it, after what is in the ring
        self._is_ended = True
        self._notify()

    async def _wait_for_room(self) -> None:
        while self.last - self._seen >= self._half:
            seen = self._seen
            try:
                async with asyncio.timeout(self._keep_s):
                    while self._seen == seen:
                        await self._changed.wait()
            except TimeoutError:
                for reader in [reader for reader, number in self._readers.items() if number <= seen]:
                    self._left(reader)

    def _trim(self) -> None:
        while self._seen - self._first >= self._half:
            self._events.popleft()
            self._first += 1

    def _notify(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    # -- clients

    def _got(self, reader: object, number: int) -> None:
        """A client came, or has taken the events up to this one."""
        self._cancel_expiry()
        self._readers[reader] = number
        self._move()

    def _left(self, reader: object) -> None:
        if self._readers.pop(reader, None) is not None:
            if self._readers:
                self._move()
            else:
                self._wait_for_clients()

    def _move(self) -> None:
        self._seen = max(self._seen, min(self._readers.values()))
        self._trim()
        self._notify()

    def _wait_for_clients(self) -> None:
        self._expiry = self._loop.call_later(self._keep_s, self._expire)

    def _cancel_expiry(self) -> None:
        if self._expiry is not None:
            self._expiry.cancel()
            self._expiry = None

    def _expire(self) -> None:
        self._expiry = None
        self._is_expired = True
        self._task.cancel()
        self._first = self.last + 1
        self._events.clear()
        self._forget(self.id)


class ReplayReader:
    """One client of a `Replay`: an asynchronous iterator of bytes, whole events in each.

    Close it when the client is gone; one that is dropped closes itself.
    """

    def __init__(self, replay: Replay, seen: int) -> None:
        self._replay: Replay | None = replay
        self._key = object()
        self.seen = seen
        replay._got(self._key, seen)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        replay = self._replay
        if replay is None:
            raise StopAsyncIteration
        while replay.last <= self.seen:
            if replay.is_ended:
                await self.aclose()
                if replay._failure is not None:
                    raise replay._failure
                raise StopAsyncIteration
            await replay._changed.wait()
        if self.seen < replay._first - 1:
            await self.aclose()
            raise ReplayLost("nothing was read for too long; what followed is not kept any more")
        events = replay._events
        missed = [events[place] for place in range(self.seen - replay._first + 1, len(events))]
        self.seen = replay.last
        replay._got(self._key, self.seen)
        return b"".join(missed)

    async def aclose(self) -> None:
        """The client is gone; another may come. Idempotent."""
        replay, self._replay = self._replay, None
        if replay is not None:
            replay._left(self._key)

    def __del__(self) -> None:
        replay = getattr(self, "_replay", None)
        if replay is not None:
            with contextlib.suppress(RuntimeError):  # the loop is closed, and the task with it
                replay._loop.call_soon_threadsafe(replay._left, self._key)  # the collector may run in any thread


class Replays:
    """The replays of one application process. ``async with Replays() as replays``, in its lifespan, closes them.

    They are in this process alone: where an application has several, a client must come back to the same one.

    Args:
        capacity: events that each stream may keep.
        keep_s: seconds for which a stream goes on, or its end is kept, when no client is connected.
    """

    def __init__(self, *, capacity: int = DEFAULT_CAPACITY_EVENTS, keep_s: float = DEFAULT_KEEP_S) -> None:
        if capacity < 2:
            raise ValueError(f"capacity must be at least 2 events, got {capacity!r}")
        if not keep_s > 0:
            raise ValueError(f"keep_s must be above 0 seconds, got {keep_s!r}")
        self._capacity = capacity
        self._keep_s = keep_s
        self._replays: dict[str, Replay] = {}
        self._is_closed = False

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, _type: type[BaseException] | None, _value: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        await self.aclose()

    def __len__(self) -> int:
        return len(self._replays)

    def start(self, source: Source, dialect: Dialect | SSEWriter = "exllm", **facts: Any) -> Replay:
        """Begin to read `source`, which was not entered yet, and keep its events. `facts`: see `writer_of`.

        Needs a running event loop. Raises StreamClosed when these replays are closed.
        """
        if self._is_closed:
            raise StreamClosed("the replays were closed, so that no stream can begin")
        out = SSEStream(source, writer_of(dialect, **facts))
        replay = Replay(source, out, capacity=self._capacity, keep_s=self._keep_s, forget=self._forget)
        self._replays[replay.id] = replay
        return replay

    def find(self, id: str) -> Replay:
        """The replay of a stream's id, or of the id of one of its events. Raises ReplayLost when there is none."""
        replay = self._replays.get(id) or self._replays.get(id.rpartition(":")[0])
        if replay is None:
            raise ReplayLost("no such stream; it ended long ago, or nobody read it for too long")
        return replay

    async def aclose(self) -> None:
        """Close all streams. Idempotent."""
        self._is_closed = True
        tasks = [replay._task for replay in self._replays.values()]
        for replay in self._replays.values():
            replay._cancel_expiry()
            replay._task.cancel()
        self._replays.clear()
        if tasks:
            await asyncio.wait(tasks)

    def _forget(self, id: str) -> None:
        self._replays.pop(id, None)
