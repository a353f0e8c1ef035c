"""A model that is in memory, or on its way there, and the right to use it."""

from __future__ import annotations

import asyncio
import concurrent.futures
import copy
import time
from pathlib import Path
from typing import Any

import msgspec

from exllm.errors import ExLLMError
from exllm.local.engine import Engine
from exllm.local.fair_lock import FairLock
from exllm.local.settings import LoadOptions
from exllm.local.worker import Worker


class LocalModel(msgspec.Struct, frozen=True):
    """A model as the loader knows it.

    Attributes:
        name, path: either goes behind ``local/``.
        bytes: memory that it takes, or would take with default options: weights and attention cache, estimated.
        loaded: in memory now.
        context_tokens: its context window; for one that is not loaded, what it was trained with.
        options: those that it was loaded with.
        active, waiting: answers being written and in line.
    """

    name: str
    path: str
    bytes: int
    loaded: bool = False
    context_tokens: int | None = None
    options: LoadOptions = LoadOptions()
    active: int = 0
    waiting: int = 0


class LoadedModel:
    """One model in memory. `turn` is held by whoever uses the engine for an answer; counting tokens needs no turn.

    The counters belong to the loader, and change under its lock.
    """

    def __init__(self, name: str, path: Path, options: LoadOptions, size_bytes: int) -> None:
        self.name = name
        self.path = path
        self.options = options
        self.size_bytes = size_bytes
        self.turn = FairLock()
        self.loading: concurrent.futures.Future[Engine] = concurrent.futures.Future()
        self.loading.set_running_or_notify_cancel()  # so that a waiter which is cancelled does not cancel it for all
        self.users = 0
        self.last_used = time.monotonic()
        self.is_unwanted = False  # nobody waits for it any more: stop loading
        self.is_closed = False  # whoever is still in line gets StreamClosed
        self.idle: concurrent.futures.Future[None] | None = None  # set when the last user goes
        self.workers: set[Worker[Any]] = set()

    @property
    def engine(self) -> Engine | None:
        """The engine once it is there."""
        done = self.loading.done() and self.loading.exception() is None
        return self.loading.result() if done else None

    async def ready(self) -> Engine:
        """Wait for the engine. Raises why it could not be loaded."""
        try:
            return await asyncio.wrap_future(self.loading)
        except ExLLMError as error:
            raise copy.copy(error) from error  # each waiter adds its own facts

    def describe(self) -> LocalModel:
        engine = self.engine
        waiting = self.turn.waiting
        return LocalModel(
            self.name, str(self.path), self.size_bytes, engine is not None,
            engine.context_tokens if engine is not None else None, self.options, max(0, self.users - waiting), waiting,
        )  # fmt: skip
