"""The thread that works for one call, and its owner on the event loop."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from exllm.errors import ExLLMError, ServerError, StreamClosed
from exllm.local.engine import Aborted, Engine
from exllm.local.handoff import Handoff, HandoffClosed

T = TypeVar("T")
HANDOFF_ITEMS = 32
"""How many items, chunks of an answer or vectors, wait between the thread and the loop, besides those in a
stream's ring."""


class Worker(Generic[T]):
    """Runs ``write(emit)`` in a thread of its own; `items` gives what it emits.

    Args:
        engine: the caller's alone, from now until `on_end`.
        write: blocks until the answer is complete; whatever it raises comes out of `items.get`.
        on_end: called in the thread when it is done with the engine, however it ends.
    """

    def __init__(
        self, engine: Engine, write: Callable[[Callable[[Sequence[T]], None]], None], on_end: Callable[[], None]
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._engine = engine
        self._write = write
        self._on_end = on_end
        self._guard = threading.RLock()  # `stop` may be called by the garbage collector, anywhere
        self._has_engine = True
        self._reason: ExLLMError | None = None  # why it was stopped, for whoever still reads
        self._ended: asyncio.Future[None] = self._loop.create_future()
        self.items: Handoff[T] = Handoff(HANDOFF_ITEMS, self._loop)
        # A daemon, because one that waits for room would keep the process from ending; the loader ends it orderly.
        self._thread = threading.Thread(target=self._run, name="exllm-local", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self, reason: ExLLMError | None = None) -> None:
        """Make the thread end within one token. Any thread may call it; idempotent; does not wait."""
        self._reason = self._reason or reason
        self.items.close()
        with self._guard:
            if self._has_engine:  # else it may be another's by now
                self._engine.abort()

    async def aclose(self) -> None:
        """Stop the thread and return when it has ended, also when the wait is cancelled meanwhile."""
        self.stop()
        cancelled: asyncio.CancelledError | None = None
        while not self._ended.done():
            try:
                # Within one token the thread is done, so the cancellation is made to wait for it.
                await asyncio.shield(self._ended)
            except asyncio.CancelledError as error:
                cancelled = error
        self._thread.join()
        if cancelled is not None:
            raise cancelled

    @property
    def is_alive(self) -> bool:
        """Whether the thread is still running."""
        return self._thread.is_alive()

    def join(self, timeout_s: float) -> None:
        """Wait for the thread, blocking."""
        self._thread.join(timeout_s)

    def _run(self) -> None:
        error: BaseException | None = None
        try:
            self._engine.clear_abort()
            if not self.items.is_closed:  # `stop` closes first, so one of the two tells
                self._write(self.items.put)
        except (Aborted, HandoffClosed):
            error = self._reason or StreamClosed("the answer was stopped", provider="local")
        except ExLLMError as failure:
            error = failure
        except Exception as failure:  # noqa: BLE001 - it must not vanish with the thread
            error = ServerError(
                f"the local model failed: {type(failure).__name__}: {failure}", provider="local", retryable=False
            )
            error.__cause__ = failure
        finally:
            with self._guard:
                self._has_engine = False
            self._on_end()
            self.items.finish(error)
            with contextlib.suppress(RuntimeError):  # the loop was closed before its stream
                self._loop.call_soon_threadsafe(_set, self._ended)


def _set(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
