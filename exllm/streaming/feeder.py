"""The task that reads an async iterator into a ring, for buffers that stand on their own."""

from __future__ import annotations

import asyncio
import warnings
from collections.abc import AsyncIterable, AsyncIterator
from typing import Generic, TypeVar

from exllm.errors import StreamClosed
from exllm.streaming.ring import RingBuffer, RingClosed

T = TypeVar("T")


class Feeder(Generic[T]):
    """Reads `source` while `ring` has room, and ends the ring as the source ends: `close`, or `fail` with its error.

    A source cannot be asked with a time limit, because a cancelled read would end an async generator; so a task of its
    own reads it, and whoever waits waits at the ring. It has no item in hand while it waits for room, so being ended
    loses nothing that the source had given.

    Args:
        source: read by this task alone, and closed by `aclose` if it can be closed.
        ring: nobody else pushes into it.
        room: read on only while the ring has room for so many items.
    """

    def __init__(self, source: AsyncIterable[T], ring: RingBuffer[T], room: int = 1) -> None:
        self._source = aiter(source)
        self._ring = ring
        self._room = room
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin, on the running loop. A second call does nothing."""
        if self._task is None:
            # The task knows the source and the ring, not this object: dropping it must be noticed.
            self._task = asyncio.get_running_loop().create_task(
                _feed(self._source, self._ring, self._room), name="exllm-feeder"
            )

    async def aclose(self) -> None:
        """End the task, close the source, throw away what is in the ring. Idempotent.

        Raises what the source raises while it is being ended.
        """
        self._ring.abort()
        task = self._task
        if task is not None and not task.done():
            task.cancel()
            await asyncio.wait([task])
            if not task.cancelled() and (error := task.exception()) is not None:
                raise error
        close = getattr(self._source, "aclose", None)
        if close is not None:
            await close()

    def __del__(self) -> None:
        task = getattr(self, "_task", None)  # absent when __init__ failed
        if task is None or task.done():
            return
        try:
            task.cancel()
        except RuntimeError:  # its loop is closed, and the task with it
            return
        warnings.warn(
            "an async iterator that was still being read was abandoned; use `async with`, or `await ...aclose()`",
            ResourceWarning,
            stacklevel=2,
        )


async def _feed(source: AsyncIterator[T], ring: RingBuffer[T], room: int) -> None:
    most = ring.capacity - room
    is_lossless = ring.overflow == "block"
    pushed = 0
    try:
        while True:
            if is_lossless:
                if len(ring) > most:
                    await ring.wait_writable(room)
            elif pushed % ring.capacity == ring.capacity - 1:
                await asyncio.sleep(0)  # a source that never suspends would leave nobody else a turn
            try:
                item = await anext(source)
            except StopAsyncIteration:
                ring.close()
                return
            ring.push_nowait(item)
            pushed += 1
    except Exception as error:  # whoever reads the ring raises it, after what is still in it
        if not ring.is_ended:
            ring.fail(error)
        elif not isinstance(error, RingClosed):
            raise
    except BaseException:
        ring.fail(StreamClosed("the task that read the source was cancelled"))
        raise
