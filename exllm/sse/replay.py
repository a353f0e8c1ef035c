"""Streams that go on while nobody is connected, and hand over what was missed."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Mapping
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
    connected or a client is slow, the stream is not read on, and slows its provider down. Nothing is lost but to a
    client that comes back later than `keep_s` after the last one left: then the stream is closed and forgotten.

    Made by `Replays.start`.

    Attributes:
        id: of the stream; event ids begin with it.
        headers: what clients of the dialect look for.
    """

    def __init__(self, source: Source, out: SSEStream, *, capacity: int, keep_s: float) -> None:
        self.id = out.id
        self.headers: Mapping[str, str] = out.headers
        self._source = source
        self._out = out
        self._half = max(1, capacity // 2)
        self._keep_s = keep_s
        self._events: deque[bytes] = deque()
        self._first = 1  # the number of the first event in the ring
        self._seen = 0  # the number of the last event that the slowest client has got
        self._readers: dict[int, ReplayReader] = {}
        self._changed = asyncio.Event()
        self._is_ended = False
        self._is_expired = False
        self._failure: BaseException | None = None
        self._expiry: asyncio.TimerHandle | None = None
        self._task = asyncio.get_running_loop().create_task(self._read(), name=f"exllm replay {out.id}")
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
        seen = 0 if after is None else self._number(after)
        if self._is_expired or not self._first - 1 <= seen <= self.last:
            raise ReplayLost(f"the events after {after or 'the first'} are not kept any more; ask anew")
        return ReplayReader(self, seen)

    async def aclose(self) -> None:
        """Close the stream; clients get what is in the ring, and then the end. Idempotent."""
        self._cancel_expiry()
        self._task.cancel()
        await asyncio.wait([self._task])

    # -- the task

    async def _read(self) -> None:
        try:
            async with self._source:
                while True:
                    while self.last - self._seen >= self._half:
                        await self._changed.wait()
                    try:
                        events = await self._out.next_events()
                    except StopAsyncIteration:
                        return
                    if events:
                        self._events.extend(events)
                        self._trim()
                        self._notify()
        except asyncio.CancelledError:
            self._events.extend(self._out.broken_off(StreamClosed("the server closed the stream")))
            raise
        except Exception as error:  # noqa: BLE001 - clients raise it, after what is in the ring
            self._failure = error
        finally:
            self._is_ended = True
            self._notify()

    def _trim(self) -> None:
        while self._seen - self._first >= self._half:
            self._events.popleft()
            self._first += 1

    def _notify(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    # -- clients

    def _joined(self, reader: ReplayReader) -> None:
        self._cancel_expiry()
        self._readers[id(reader)] = reader
        self._moved()

    def _left(self, reader: ReplayReader) -> None:
        if self._readers.pop(id(reader), None) is not None:
            if self._readers:
                self._moved()
            else:
                self._wait_for_clients()

    def _moved(self) -> None:
        self._seen = max(self._seen, min(reader.seen for reader in self._readers.values()))
        self._trim()
        self._notify()

    def _wait_for_clients(self) -> None:
        self._expiry = asyncio.get_running_loop().call_later(self._keep_s, self._expire)

    def _cancel_expiry(self) -> None:
        if self._expiry is not None:
            self._expiry.cancel()
            self._expiry = None

    def _expire(self) -> None:
        self._expiry = None
        self._is_expired = True
        self._task.cancel()
        self._events.clear()

    def _number(self, after: str | int) -> int:
        if isinstance(after, int):
            return after
        id_, _colon, number = after.rpartition(":")
        if id_ != self.id or not number.isdecimal():
            raise ValueError(f"{after!r} is no event id of the stream {self.id}")
        return int(number)


class ReplayReader:
    """One client of a `Replay`: an asynchronous iterator of bytes, whole events in each. Close it when it is gone."""

    def __init__(self, replay: Replay, seen: int) -> None:
        self._replay: Replay | None = replay
        self.seen = seen
        replay._joined(self)

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
            raise ReplayLost("the stream was closed, because nobody read it for too long")
        events = replay._events
        missed = [events[place] for place in range(self.seen - replay._first + 1, len(events))]
        self.seen = replay.last
        replay._moved()
        return b"".join(missed)

    async def aclose(self) -> None:
        """The client is gone; another may come. Idempotent."""
        replay, self._replay = self._replay, None
        if replay is not None:
            replay._left(self)


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

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, _type: type[BaseException] | None, _value: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        await self.aclose()

    def __len__(self) -> int:
        self._forget_expired()
        return len(self._replays)

    def start(self, source: Source, dialect: Dialect | SSEWriter = "exllm", **facts: Any) -> Replay:
        """Begin to read `source`, which was not entered yet, and keep its events. `facts`: see `writer_of`.

        Needs a running event loop.
        """
        self._forget_expired()
        out = SSEStream(source, writer_of(dialect, **facts))
        replay = Replay(source, out, capacity=self._capacity, keep_s=self._keep_s)
        self._replays[replay.id] = replay
        return replay

    def find(self, id: str) -> Replay:
        """The replay of a stream's id, or of the id of one of its events. Raises ReplayLost when there is none."""
        replay = self._replays.get(id) or self._replays.get(id.rpartition(":")[0])
        if replay is None or replay.is_expired:
            raise ReplayLost("no such stream; it ended long ago, or nobody read it for too long")
        return replay

    async def aclose(self) -> None:
        """Close all streams. Idempotent."""
        replays = list(self._replays.values())
        self._replays.clear()
        for replay in replays:
            await replay.aclose()

    def _forget_expired(self) -> None:
        for id_ in [id_ for id_, replay in self._replays.items() if replay.is_expired]:
            del self._replays[id_]
