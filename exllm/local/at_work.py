"""A loaded model put to work for one call, when it is its turn."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from exllm.local.engine import Engine
from exllm.local.loaded import LoadedModel
from exllm.local.loader import Loader, loader_closed
from exllm.local.settings import LoadOptions
from exllm.local.worker import Worker

T = TypeVar("T")


async def start_worker(
    loader: Loader,
    model_name: str,
    options: LoadOptions,
    write: Callable[[LoadedModel, Engine, Callable[[Sequence[T]], None]], None],
) -> Worker[T]:
    """Load the model, wait in line, and run ``write(model, engine, emit)`` in a thread, alone with the engine.

    The caller closes the worker. Raises what `Loader.load` raises.
    """
    model = await loader.acquire(model_name, options)
    try:
        await model.turn.acquire()
    except BaseException:
        loader.release(model)
        raise
    if model.is_closed:
        model.turn.release()
        loader.release(model)
        raise loader_closed()
    engine = model.engine
    assert engine is not None, "acquire() gives loaded models"

    def on_end() -> None:
        model.workers.discard(worker)
        model.turn.release()
        loader.release(model)

    worker: Worker[T] = Worker(engine, lambda emit: write(model, engine, emit), on_end)
    model.workers.add(worker)
    try:
        worker.start()
    except RuntimeError:  # the system gives no more threads
        on_end()
        raise
    return worker
