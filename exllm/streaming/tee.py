"""One stream, several independent consumers, no extra task."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Generic, Protocol, Self, TypeVar

from exllm.streaming.ring import Overflow, RingBuffer, RingClosed, RingStatistics

T = TypeVar("T")


class Feed(Protocol[T]):
    """What a tee shares out."""

    async def wait(self) -> None:
        """Return when an item is there. Raises StopAsyncIteration at the end, or the feed's error."""

    def take(self, most: int) -> list[T]:
        """Up to `most` items that are there, without waiting."""

    def abort(self) -> None:
        """Nobody reads any more: let go of the connection at once."""

    async def aclose(self) -> None:
        """Finish what `abort` began."""


def tee(feed: Feed[T], policies: Sequence[Overflow], *, capacity: int) -> tuple[TeeBranch[T], ...]:
    """One branch per policy, each with a ring of `capacity` items and all items that `feed` has still to give."""
    hub = _Hub(feed)
    for overflow in policies:
        hub.rings.append(RingBuffer(capacity, overflow))
    return tuple(TeeBranch(hub, ring) for ring in hub.rings)


class _Hub(Generic[T]):
    """Whichever branch runs empty first fetches for all.

    Items leave the feed only when every ``"block"`` branch has room, and go to all branches in the same step: a
    cancelled consumer neither loses nor doubles anything. The hub knows rings, not branches, so that a branch which
    nobody holds any more is noticed.
    """

    def __init__(self, feed: Feed[T]) -> None:
        self.feed = feed
        self.rings: list[RingBuffer[T]] = []
        self._turn = asyncio.Lock()

    async def fetch_for(self, wanting: RingBuffer[T]) -> None:
        """Return when `wanting` has an item, or has ended."""
        async with self._turn:
            if wanting.items or wanting.is_ended:
                return
            try:
                await self.feed.wait()
            except StopAsyncIteration:
                for ring in self.rings:
                    ring.close()
                return
            except Exception as error:  # noqa: BLE001 - every branch raises it, after what it still holds
                for ring in self.rings:
                    ring.fail(error)
                return
            while (full := self._full_ring()) is not None:
                try:
                    await full.wait_writable()
                except RingClosed:  # its branch has left; the others go on
                    continue
            if not self.rings:
                return
            items = self.feed.take(self._room())
            for ring in self.rings:
                ring.push_many_nowait(items)

    def forget(self, ring: RingBuffer[T]) -> bool:
        """A branch left. True when it was the last one; the feed is then let go."""
        if ring not in self.rings:
            return False
        self.rings.remove(ring)
        ring.abort()
        if self.rings:
            return False
        self.feed.abort()
        return True

    def _full_ring(self) -> RingBuffer[T] | None:
        return next((ring for ring in self.rings if ring.overflow == "block" and len(ring) >= ring.capacity), None)

    def _room(self) -> int:
        return min(ring.capacity - (len(ring) if ring.overflow == "block" else 0) for ring in self.rings)


class TeeBranch(Generic[T]):
    """One consumer of a tee: an async iterator with a ring of its own. Close it, or drop it, to stop reading."""

    def __init__(self, hub: _Hub[T], ring: RingBuffer[T]) -> None:
        self._hub = hub
        self._ring = ring

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> T:
        ring = self._ring
        while not ring.items:
            if ring.is_ended:
                return await anext(ring)  # raises the end, whichever it was
            await self._hub.fetch_for(ring)
        return ring.pop_nowait()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_exc: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Stop reading; the other branches go on. The last branch to leave closes the stream. Idempotent."""
        if self._hub.forget(self._ring):
            await self._hub.feed.aclose()

    def __del__(self) -> None:
        self._hub.forget(self._ring)

    def statistics(self) -> RingStatistics:
        """The figures of this branch's ring."""
        return self._ring.statistics()
