"""One answer of a local model as an asynchronous iterator."""

from __future__ import annotations

from typing import Self

from exllm.local.at_work import start_worker
from exllm.local.engine import Engine
from exllm.local.generation import Emit, generate
from exllm.local.grammar import unenforced
from exllm.local.loaded import LoadedModel
from exllm.local.loader import Loader
from exllm.local.planning import plan_answer
from exllm.local.settings import split_extra
from exllm.local.worker import Worker
from exllm.types.chunks import Chunk
from exllm.types.request import Request


class LocalStream:
    """One answer as an asynchronous iterator. `aclose` ends the generation within one token, and its thread."""

    def __init__(self, loader: Loader, request: Request) -> None:
        self._loader = loader
        self._request = request
        self._load_options, self._extras = split_extra(request.extra)
        self._worker: Worker[Chunk] | None = None
        self._is_over = False
        left_out = unenforced(request.options.response_format)
        #: What of the request is not kept to, in words.
        self.warnings = (
            (f"a local model is not held to {', '.join(left_out)} of the JSON Schema; check the answer",)
            if left_out
            else ()
        )

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Chunk:
        if self._is_over:
            raise StopAsyncIteration
        try:
            if self._worker is None:
                self._worker = await self._begin()
            return await self._worker.items.get()
        except BaseException:
            await self.aclose()
            raise

    async def aclose(self) -> None:
        """Stop generating; return when the thread has ended and the model is free for the next. Idempotent."""
        self._is_over = True
        if self._worker is not None:
            await self._worker.aclose()

    def __del__(self) -> None:
        worker = getattr(self, "_worker", None)
        if worker is not None:
            worker.stop()  # forgotten half-way: at least the model is free again

    async def _begin(self) -> Worker[Chunk]:
        # The thread holds these and not the stream, or a forgotten stream would never be noticed.
        request, extras = self._request, self._extras

        def write(model: LoadedModel, engine: Engine, emit: Emit) -> None:
            generate(engine, plan_answer(engine, model.name, request, extras), emit)

        return await start_worker(self._loader, request.model, self._load_options, write)
