"""The bounded buffer between whoever reads the socket and whoever reads the stream."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Generic, Literal, TypeVar

import msgspec

from exllm.errors import StreamClosed
from exllm.streaming.line import WaitingLine

__all__ = ["Overflow", "RingBuffer", "RingClosed", "RingEmpty", "RingStatistics"]

T = TypeVar("T")

Overflow = Literal["block", "drop", "overwrite"]


class RingClosed(StreamClosed):
    """Nothing more goes in (`push`), or nothing more comes out (`pop`)."""


class RingEmpty(Exception):
    """`pop_nowait` found nothing, and the end has not come yet."""


class RingStatistics(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What went through a ring. Always ``pushed == popped + overwritten + discarded + size``."""

    size: int  # items in it now
    capacity: int  # most items that it can hold
    fill_percent: float  # size in percent of capacity
    high_water: int  # most items that were in it at once
    pushed: int  # items that went in
    popped: int  # items that a consumer took out
    dropped: int  # items that were new when the ring was full, and did not go in (overflow "drop")
    overwritten: int  # items that had to go for newer ones (overflow "overwrite")
    discarded: int  # items that `abort` threw away
    pauses: int  # times that producers began to wait for room
    paused_s: float  # seconds during which at least one producer waited for room
    waited_s: float  # seconds during which at least one consumer waited for an item


class RingBuffer(Generic[T]):
    """A bounded queue from producers to consumers on one event loop: O(1), counted, lossless unless asked not to be.

    Many items go in and out in one step, and nobody suspends while there is room and something to take. Waiters are
    served in the order in which they came. A producer that had to wait is woken when half of the ring is free, not for
    each item that is taken. A wait that is cancelled has taken nothing and given nothing.

    The producer ends it with `close` (a good end) or `fail` (a bad one); items that are in it come out first. The
    consumer ends it with `abort`, which throws the items away. The first end counts.

    Args:
        capacity: most items that it holds.
        overflow: what a full ring does with a new item. ``"block"``: the producer waits. ``"drop"``: the new item is
            dropped. ``"overwrite"``: the oldest item is. What is lost is counted.

    It may be made outside a loop. It is not thread-safe.

    Raises ValueError for a capacity or an overflow that does not exist.
    """

    __slots__ = (
        "_consumers",
        "_discarded",
        "_dropped",
        "_ended",
        "_failure",
        "_high_water",
        "_overwritten",
        "_producers",
        "_pushed",
        "_resume_at",
        "capacity",
        "items",
        "overflow",
        "popleft",
        "readable_since",
    )

    def __init__(self, capacity: int = 256, overflow: Overflow = "block") -> None:
        if capacity < 1:
            raise ValueError(f"capacity is {capacity}; a ring holds at least one item")
        if overflow not in ("block", "drop", "overwrite"):
            raise ValueError(f"overflow is {overflow!r}; it can be 'block', 'drop' or 'overwrite'")
        self.capacity = capacity
        self.overflow = overflow
        #: The items, oldest first, for looking. Whoever takes some with `popleft` calls `release` afterwards.
        self.items: deque[T] = deque(maxlen=capacity)
        #: Takes the oldest item and nothing else; raises IndexError when there is none. `release` must follow.
        self.popleft: Callable[[], T] = self.items.popleft
        #: The `time.monotonic` at which the ring last went from empty to not empty.
        self.readable_since = 0.0
        self._resume_at = capacity // 2
        self._consumers = WaitingLine()
        self._producers = WaitingLine()
        self._ended = False
        self._failure: BaseException | None = None
        self._pushed = 0
        self._dropped = 0
        self._overwritten = 0
        self._discarded = 0
        self._high_water = 0

    def __len__(self) -> int:
        return len(self.items)

    def __bool__(self) -> bool:
        return True  # a ring without items is still a ring

    def __repr__(self) -> str:
        state = "failed" if self._failure is not None else "closed" if self._ended else "open"
        return f"<RingBuffer {len(self.items)}/{self.capacity} {self.overflow} {state}>"

    @property
    def is_ended(self) -> bool:
        """`close`, `fail` or `abort` was called: nothing more goes in."""
        return self._ended

    @property
    def is_exhausted(self) -> bool:
        """Nothing more goes in, and nothing is left."""
        return self._ended and not self.items

    @property
    def producer_is_waiting(self) -> bool:
        return bool(self._producers.waiters)

    @property
    def consumer_is_waiting(self) -> bool:
        return bool(self._consumers.waiters)

    # -- in

    def push_nowait(self, item: T) -> bool:
        """Put `item` in, or lose one as `overflow` says; False when it did not go in and is still the caller's.

        Raises RingClosed after the end.
        """
        items = self.items
        size = len(items)
        if size >= self.capacity or self._ended:
            return self.push_many_nowait((item,)) == 1
        if not size:
            self.readable_since = time.monotonic()
        items.append(item)
        self._pushed += 1
        if size >= self._high_water:
            self._high_water = size + 1
        if self._consumers.waiters:
            self._consumers.wake_for(size + 1)
        return True

    def push_many_nowait(self, new: Sequence[T]) -> int:
        """Put in as many as there is room for; return how many are dealt with. The rest is still the caller's.

        With ``"drop"`` and ``"overwrite"`` all are dealt with, always. Raises RingClosed after the end.
        """
        if self._ended:
            raise RingClosed("nothing can be pushed: the ring was ended")
        items, count = self.items, len(new)
        size = len(items)
        over = size + count - self.capacity
        taken = count
        if over > 0:
            if self.overflow == "overwrite":
                self._overwritten += over  # the deque lets the oldest go by itself
            else:
                taken = count - over
                if self.overflow == "drop":
                    self._dropped += over
                else:
                    count = taken
                new = new[:taken]
        if not taken:
            return count
        if not size:
            self.readable_since = time.monotonic()
        items.extend(new)
        self._pushed += taken
        size = len(items)
        if size > self._high_water:
            self._high_water = size
        if self._consumers.waiters:
            self._consumers.wake_for(size)
        return count

    async def push(self, item: T) -> None:
        """Put `item` in, after waiting for room if need be. Raises RingClosed when the end comes first."""
        if self._producers.waiters or not self.push_nowait(item):
            await self.wait_writable()
            self.push_nowait(item)  # there is room, and nobody else has run since

    async def push_many(self, new: list[T]) -> None:
        """Put all in, waiting for room whenever there is none; empties `new` as it goes.

        After a cancelled call or RingClosed, `new` holds exactly what did not go in.
        """
        if not self._producers.waiters:
            del new[: self.push_many_nowait(new)]
        while new:
            await self.wait_writable()
            del new[: self.push_many_nowait(new)]

    async def wait_writable(self, room: int = 1) -> None:
        """Wait until there is room for `room` items and nobody is ahead. Raises RingClosed after the end.

        Returns at once with ``"drop"`` and ``"overwrite"``. After a wait at least half of the ring was free.
        """
        if self.overflow == "block":
            most = max(self.capacity - room, 0)
            if self._producers.waiters or (len(self.items) > most and not self._ended):
                level = min(most, self._resume_at)
                try:
                    await self._producers.wait(level, lambda: self._ended or len(self.items) <= most)
                finally:
                    # Whoever is next may go as well while there is room, without waiting for the half.
                    if self._producers.waiters and (self._ended or len(self.items) < self.capacity):
                        self._producers.wake()
        if self._ended:
            raise RingClosed("nothing can be pushed: the ring was ended")

    # -- out

    def pop_nowait(self) -> T:
        """Take the oldest item. Raises RingEmpty when there is none yet; after the end what `pop` raises."""
        if not self.items:
            raise self._end() if self._ended else RingEmpty
        item = self.popleft()
        if self._producers.waiters:
            self.release()
        return item

    def pop_many(self, most: int | None = None) -> list[T]:
        """Take what is there, at most `most` items; ``[]`` when nothing is. Never waits and never raises."""
        items = self.items
        if most is None or most >= len(items):
            taken = list(items)
            items.clear()
        else:
            popleft = self.popleft
            taken = [popleft() for _ in range(most)]
        if self._producers.waiters:
            self.release()
        return taken

    def release(self) -> None:
        """Wake a producer if there is enough room by now. For those who take items by `popleft`."""
        if self._producers.waiters:
            self._producers.wake_at(len(self.items))

    async def pop(self) -> T:
        """Take the oldest item, after waiting for one if need be.

        Raises, when the ring is ended and nothing is left: RingClosed after `close`, else what `fail` or `abort` gave.
        """
        if self._consumers.waiters or not self.items:
            try:
                await self._wait_for_items(1)
            except BaseException:
                self._wake_next_consumer()  # the wake-up was perhaps for us, and must not get lost
                raise
            if not self.items:
                self._wake_next_consumer()
                raise self._end()
        item = self.popleft()
        if self._producers.waiters:
            self.release()
        if self._consumers.waiters:
            self._wake_next_consumer()
        return item

    async def wait_readable(self, at_least: int = 1, timeout_s: float | None = None) -> bool:
        """Wait until something can be taken; True if so. False after `close`, or when nothing came in time.

        Args:
            at_least: do not return before so many items are there, or the ring is full, or the end or the time comes.
                A producer that waits for more room than `at_least` leaves never lets that happen: give it a time then.
            timeout_s: seconds; None waits as long as it takes.

        Raises what `fail` or `abort` gave, once nothing is left. It takes nothing, so being cancelled loses nothing.
        """
        at_least = min(at_least, self.capacity)
        if self._consumers.waiters or (len(self.items) < at_least and not self._ended):
            # A producer that waits for half of the ring to be free would wait for us, and we for it.
            self._producers.wake()
            try:
                await self._wait_for_items(at_least, timeout_s)
            finally:
                self._wake_next_consumer()
        if not self.items and self._failure is not None:
            raise self._failure
        return bool(self.items)

    async def _wait_for_items(self, at_least: int, timeout_s: float | None = None) -> None:
        await self._consumers.wait(at_least, lambda: self._ended or len(self.items) >= at_least, timeout_s)

    def _wake_next_consumer(self) -> None:
        if self._ended:
            self._consumers.wake()
        else:
            self._consumers.wake_for(len(self.items))

    def __aiter__(self) -> RingBuffer[T]:
        return self

    async def __anext__(self) -> T:
        if self.items and not self._consumers.waiters:
            item = self.popleft()
            if self._producers.waiters:
                self.release()
            return item
        try:
            return await self.pop()
        except RingClosed:
            if self._failure is None:
                raise StopAsyncIteration from None
            raise

    # -- the end

    def close(self) -> None:
        """Nothing more comes. What is in the ring can still be taken; a producer that waits gets RingClosed."""
        if not self._ended:
            self._ended = True
            self._producers.wake()
            self._consumers.wake()

    def fail(self, error: BaseException) -> None:
        """As `close`, but whoever finds the ring empty gets `error`."""
        if not self._ended:
            self._failure = error
            self.close()

    def abort(self, error: BaseException | None = None) -> None:
        """Throw away what is in the ring and end it. Whoever waits or comes later gets `error`, by default RingClosed.

        After a `close` whose items were all taken it does nothing.
        """
        if self._ended and self._failure is None and self.items:
            self._ended = False  # that end would now be a lie: the rest is not going to be taken
        self._discarded += len(self.items)
        self.items.clear()
        self.fail(error if error is not None else RingClosed("the ring was aborted"))

    async def aclose(self) -> None:
        """`abort`, in the shape that `contextlib.aclosing` wants."""
        self.abort()

    def _end(self) -> BaseException:
        return self._failure if self._failure is not None else RingClosed("the ring was closed and is empty")

    def statistics(self) -> RingStatistics:
        """The figures so far, waits that still go on included."""
        size = len(self.items)
        return RingStatistics(
            size=size,
            capacity=self.capacity,
            fill_percent=100.0 * size / self.capacity,
            high_water=self._high_water,
            pushed=self._pushed,
            popped=self._pushed - self._overwritten - self._discarded - size,
            dropped=self._dropped,
            overwritten=self._overwritten,
            discarded=self._discarded,
            pauses=self._producers.times,
            paused_s=self._producers.waited_s(),
            waited_s=self._consumers.waited_s(),
        )
