"""Which models are in memory: loading, sharing, evicting, unloading."""

from __future__ import annotations

import asyncio
import atexit
import concurrent.futures
import contextlib
import threading
import time
import weakref
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

from exllm.config import ConfigSource, Env
from exllm.errors import ExLLMError, ServerError, StreamClosed
from exllm.local.engine import Aborted, Engine, OpenEngine
from exllm.local.gguf import read_header
from exllm.local.loaded import LoadedModel, LocalModel
from exllm.local.memory import choose_victims, configured_budget_bytes
from exllm.local.places import ModelFile, available_models, find_model, model_directories
from exllm.local.settings import (
    DEFAULT_CONTEXT_TOKENS,
    DEFAULT_EMBEDDING_TOKENS,
    LoadOptions,
    configured_options,
    load_options,
)

_EXIT_WAIT_S = 5.0


class Loader:
    """Loads models in threads and keeps them until they are unloaded, evicted, or the process ends.

    It may be used from any number of event loops. A model is loaded once, however many ask for it at the same time, and
    again only for options that the one in memory was not loaded with.

    Args:
        directories: where models are looked up by name; by default what the config or EXLLM_MODELS_DIR says, and the
            user's own folder.
        memory_budget_bytes: most memory for all models together, estimated from their files: weights and attention
            cache. Models that nobody uses make room, the least recently used first. By default
            EXLLM_LOCAL_MEMORY_BYTES, else no limit.
        config: where these defaults are read, and those of `LoadOptions`.
        open_engine: loads a file; llama.cpp by default.
    """

    def __init__(
        self,
        *,
        directories: Sequence[Path | str] | None = None,
        memory_budget_bytes: int | None = None,
        config: ConfigSource | None = None,
        open_engine: OpenEngine | None = None,
    ) -> None:
        self._config = config or Env()
        self._directories = None if directories is None else tuple(Path(entry).expanduser() for entry in directories)
        self.memory_budget_bytes = memory_budget_bytes
        self._open_engine = open_engine or _open_llama
        self._guard = threading.Lock()
        self._models: list[LoadedModel] = []
        self._found: dict[str, ModelFile] = {}  # by the name that was asked for
        self._threads: set[threading.Thread] = set()
        _loaders.add(self)

    # -- for everybody

    async def load(self, model: str, **options: Any) -> LocalModel:
        """Load a model now, with these `LoadOptions`, instead of at its first call.

        Raises: NotFound; InvalidRequest for wrong options or a file that is no model; ConfigurationError when it cannot
        fit in the memory budget, Overloaded when it could if models in use were not; MissingExtra.
        """
        async with self.use(model, load_options(options)) as loaded:
            return loaded.describe()

    async def unload(self, model: str) -> bool:
        """Free the memory of a model, with whatever options it was loaded; whether it was in memory.

        Calls that come later load it again. Those that are running or in line are waited for.
        """
        file = self._found.get(model)
        if file is None:
            file = await self.find(model)
        with self._guard:
            gone = [entry for entry in self._models if entry.path == file.path]
            self._models = [entry for entry in self._models if entry not in gone]
        await self._discard(gone)
        return bool(gone)

    async def list_models(self) -> list[LocalModel]:
        """What is loaded, and what could be, by name."""
        files = await asyncio.to_thread(self._available)
        with self._guard:
            loaded = [entry.describe() for entry in self._models]
        paths = {entry.path for entry in loaded}
        return sorted([*loaded, *(file for file in files if file.path not in paths)], key=lambda entry: entry.name)

    async def aclose(self) -> None:
        """Stop all answers, which then raise StreamClosed, and free all models. The loader can be used again."""
        with self._guard:
            gone, self._models = self._models, []
            threads = list(self._threads)
            for entry in gone:
                entry.is_closed = True
        for entry in gone:
            for worker in list(entry.workers):
                worker.stop(loader_closed())
        await self._discard(gone)
        for thread in threads:
            await asyncio.to_thread(thread.join)

    # -- for the provider

    @asynccontextmanager
    async def use(self, model: str, options: LoadOptions) -> AsyncIterator[LoadedModel]:
        """The model, loaded, and safe from eviction until the block is left. Raises what `load` raises."""
        entry = await self.acquire(model, options)
        try:
            yield entry
        finally:
            self.release(entry)

    async def acquire(self, model: str, options: LoadOptions) -> LoadedModel:
        """As `use`, for those who cannot use a block; `release` must follow."""
        entry = self._ready_at_once(model, options)
        if entry is None:
            wanted = options.over(configured_options(self._config))
            file, needed_bytes = await asyncio.to_thread(self._measure, model, wanted)
            with self._guard:
                self._found[model] = file
                entry = self._matching(file.path, options) or self._begin_to_load(file, wanted, needed_bytes)
                entry.users += 1
        if entry.engine is None:
            try:
                await entry.ready()
            except BaseException:
                self.release(entry)
                raise
        return entry

    async def acquire_loaded(self, model: str) -> LoadedModel | None:
        """The model if it is in memory, with whatever options; `release` must follow."""
        file = await asyncio.to_thread(self._find, model)
        with self._guard:
            entry = self._matching(file.path, LoadOptions())
            if entry is None or entry.engine is None:
                return None
            entry.users += 1
            return entry

    async def find(self, model: str) -> ModelFile:
        """The file that `model` stands for. Raises NotFound."""
        return await asyncio.to_thread(self._find, model)

    def release(self, entry: LoadedModel) -> None:
        """The caller is done with it. Any thread."""
        with self._guard:
            entry.users -= 1
            entry.last_used = time.monotonic()
            if entry.users:
                return
            if not entry.loading.done():
                entry.is_unwanted = True
                with contextlib.suppress(ValueError):
                    self._models.remove(entry)
            idle = entry.idle
        if idle is not None:
            idle.set_result(None)

    # -- inside

    def _ready_at_once(self, model: str, options: LoadOptions) -> LoadedModel | None:
        """The model, if it was found before and is in memory: without an await, so that calls stay in their order."""
        with self._guard:
            file = self._found.get(model)
            entry = self._matching(file.path, options) if file is not None else None
            if entry is not None:
                entry.users += 1
            return entry

    def _begin_to_load(self, file: ModelFile, options: LoadOptions, needed_bytes: int) -> LoadedModel:
        entry = LoadedModel(file.name, file.path, options, needed_bytes)
        budget_bytes = self.memory_budget_bytes
        if budget_bytes is None:
            budget_bytes = configured_budget_bytes(self._config)
        victims = choose_victims(self._models, entry, budget_bytes)
        self._models = [other for other in self._models if other not in victims]
        self._models.append(entry)
        thread = threading.Thread(target=self._load, args=(entry, victims), name="exllm-load", daemon=True)
        self._threads.add(thread)
        thread.start()
        return entry

    def _find(self, model: str) -> ModelFile:
        return find_model(model, self._folders())

    def _folders(self) -> Sequence[Path]:
        return model_directories(self._config) if self._directories is None else self._directories

    def _available(self) -> list[LocalModel]:
        found = []
        for file in available_models(self._folders()):
            try:
                header = read_header(file.path)
            except ExLLMError:
                continue  # whatever it is, it is no model
            size = file.size_bytes + header.kv_cache_bytes(_context_tokens(header.context_length, LoadOptions()))
            found.append(LocalModel(file.name, str(file.path), size, context_tokens=header.context_length))
        return found

    def _measure(self, model: str, options: LoadOptions) -> tuple[ModelFile, int]:
        file = self._find(model)
        header = read_header(file.path)
        tokens = _context_tokens(header.context_length, options)
        return file, file.size_bytes + header.kv_cache_bytes(tokens, options.type_k or "f16", options.type_v or "f16")

    def _matching(self, path: Path, options: LoadOptions) -> LoadedModel | None:
        candidates = [entry for entry in self._models if entry.path == path and options.satisfied_by(entry.options)]
        return max(candidates, key=lambda entry: entry.last_used, default=None)

    def _load(self, entry: LoadedModel, victims: Sequence[LoadedModel]) -> None:
        engine: Engine | None = None
        error: BaseException = AssertionError("there is an engine")
        try:
            for victim in victims:
                _close(victim)
            engine = self._open_engine(entry.path, entry.options, lambda: entry.is_unwanted)
        except Aborted:
            error = StreamClosed("loading was stopped, as nobody waited for it any more", provider="local")
        except ExLLMError as failure:
            error = failure
        except Exception as failure:  # noqa: BLE001 - it must not vanish with the thread
            error = ServerError(
                f"loading {entry.name} failed: {type(failure).__name__}: {failure}", provider="local", retryable=False
            )
            error.__cause__ = failure
        with self._guard:
            self._threads.discard(threading.current_thread())
            if engine is None:
                with contextlib.suppress(ValueError):
                    self._models.remove(entry)
            unwanted = entry.is_unwanted
            if engine is not None:
                entry.loading.set_result(engine)
            else:
                entry.loading.set_exception(error)
        if unwanted and engine is not None:
            engine.close()

    async def _discard(self, gone: Sequence[LoadedModel]) -> None:
        """Close models that are in the list no more, each when its last user is gone; also if this is cancelled."""
        loop = asyncio.get_running_loop()
        closings: list[asyncio.Future[None]] = []
        for entry in gone:
            with self._guard:
                if entry.users:
                    entry.idle = concurrent.futures.Future()
                    entry.idle.set_running_or_notify_cancel()
                    entry.idle.add_done_callback(partial(_close_idle, entry))
                idle = entry.idle
            # Callbacks come in order: who waits for `idle` goes on when the model is closed.
            closings.append(loop.run_in_executor(None, _close, entry) if idle is None else asyncio.wrap_future(idle))
        if closings:
            await asyncio.wait(closings)  # unlike `gather`, it does not cancel them
        for closing in closings:
            closing.result()


def loader_closed() -> StreamClosed:
    """What those get whose model goes away with its loader."""
    return StreamClosed("the loader of local models was closed", provider="local")


_loaders: weakref.WeakSet[Loader] = weakref.WeakSet()


@atexit.register
def _close_all() -> None:
    """The process ends: llama.cpp must not compute, and GPU memory must be free, while the libraries are taken down."""
    entries = [entry for loader in list(_loaders) for entry in loader._models]
    workers = [worker for entry in entries for worker in list(entry.workers)]
    for entry in entries:
        entry.is_unwanted = True  # if it is still loading
    for worker in workers:
        worker.stop()
    for worker in workers:
        worker.join(_EXIT_WAIT_S)
    for entry in entries:
        if not any(worker.is_alive for worker in entry.workers):
            _close(entry)


def _close(entry: LoadedModel) -> None:
    if entry.engine is not None:
        entry.engine.close()


def _close_idle(entry: LoadedModel, _idle: concurrent.futures.Future[None]) -> None:
    _close(entry)


def _open_llama(path: Path, options: LoadOptions, should_stop: Callable[[], bool]) -> Engine:
    if options.embedding:
        from exllm.local.llama_embedder import LlamaEmbedder

        return LlamaEmbedder(path, options, should_stop)
    from exllm.local.llama_engine import LlamaEngine

    return LlamaEngine(path, options, should_stop)


def _context_tokens(trained_with: int | None, options: LoadOptions) -> int:
    most = DEFAULT_EMBEDDING_TOKENS if options.embedding else DEFAULT_CONTEXT_TOKENS
    return options.n_ctx or min(trained_with or most, most)
