"""Under the calls of a client: its settings and connections, and the way from arguments to a stream."""

from __future__ import annotations

import math
import secrets
import ssl
import sys
import time
import warnings
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import msgspec

from exllm.access import Ways
from exllm.backend import Backend, ForeignBackend, HttpBackend, complete
from exllm.budgeted_backend import BudgetedBackend
from exllm.call import Call, CallSettings, Timeout, prepare, timeouts_of
from exllm.config import ConfigSource, Env, require_source
from exllm.cost.running import RunningCost
from exllm.cost.text_tokens import guess_input_tokens
from exllm.errors import NotFound
from exllm.model_lists import ModelLists
from exllm.policies.budget import BudgetArgument, budgets_of
from exllm.policies.retry import RetryPolicy, RetrySchedule
from exllm.providers.plain_requests import PlainRequests
from exllm.providers.spec import ProviderSpec
from exllm.streaming.accumulator import Accumulator
from exllm.streaming.pump import Pump
from exllm.streaming.stream import Stream
from exllm.token_call import check_context
from exllm.transport.http import HttpTransport
from exllm.transport.sessions import TransportSettings
from exllm.types.normalise import Messages
from exllm.types.options import Timeouts
from exllm.types.request import Request
from exllm.types.response import Response

if TYPE_CHECKING:
    from exllm.recovery.settings import RecoverArgument, Recovery
    from exllm.recovery.stores import MemoryStore
    from exllm.streaming.source import ChunkSource
    from exllm.structured.call import Asked
    from exllm.structured.plan import Plan
    from exllm.types.cursor import Cursor

DEFAULT_RING_CHUNKS = 256
DEFAULT_MAX_FRAME_BYTES = 16 * 1024 * 1024


class ClientCore:
    """What every call of a client goes through: checks, the way to the provider, streams; and the client's own life."""

    def __init__(
        self,
        *,
        config: ConfigSource | None = None,
        timeout: Timeout = None,
        budget: BudgetArgument = None,
        retry: RetryPolicy | None = None,
        drop_unsupported: bool = False,
        validate_context: bool = False,
        ring_capacity: int = DEFAULT_RING_CHUNKS,
        max_frame_bytes: int = DEFAULT_MAX_FRAME_BYTES,
        max_connections: int = 1000,
        proxy: str | None = None,
        trust_env: bool = True,
        ssl_context: ssl.SSLContext | None = None,
        recovery: Recovery | None = None,
    ) -> None:
        config = Env() if config is None else config
        require_source(config)
        if not isinstance(retry, RetryPolicy | None):
            raise TypeError(f"retry must be an exllm.RetryPolicy, such as RetryPolicy(attempts=3), got {retry!r}")
        for name, number in (("ring_capacity", ring_capacity), ("max_frame_bytes", max_frame_bytes)):
            if number < 1:
                raise ValueError(f"{name} must be at least 1, got {number!r}")
        if proxy is not None and "://" not in proxy:
            raise ValueError(f"proxy must be a URL such as http://host:3128, got {proxy!r}")
        if not isinstance(ssl_context, ssl.SSLContext | None):
            raise TypeError(f"ssl_context must be an ssl.SSLContext, got {ssl_context!r}")
        self._settings = CallSettings(config, timeouts_of(timeout), retry, drop_unsupported)
        self._ways = Ways(config)
        self._plain_requests = PlainRequests()
        self._budgets = budgets_of(budget)
        self._validates_context = validate_context
        self._ring_capacity = ring_capacity
        self._max_frame_bytes = max_frame_bytes
        self._model_lists = ModelLists()
        self._recovery = recovery
        self._recovery_memory: MemoryStore | None = None  # made when it is first needed
        self._transport = HttpTransport(
            TransportSettings(max_connections, proxy=proxy, trust_env=trust_env, ssl_context=ssl_context)
        )
        caller = sys._getframe(1)
        self._made_at = f"{caller.f_code.co_filename}:{caller.f_lineno}"

    # -- life

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, _type: type[BaseException] | None, _value: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close all connections, forget all keys. Idempotent; the client may be used again and then opens new ones."""
        self._ways.forget()
        await self._transport.aclose()

    def __del__(self) -> None:
        transport = getattr(self, "_transport", None)
        if transport is not None and transport.pool.open_sessions:
            warnings.warn(
                f"the exllm.Client made at {self._made_at} was not closed; use `async with` or `await client.aclose()`",
                ResourceWarning,
                stacklevel=2,
                source=self,
            )

    def _prepare(
        self,
        model: str,
        messages: Messages,
        options: Mapping[str, Any],
        stream: bool,
        timeout: Timeout,
        extra: Mapping[str, Any] | None,
        include_raw: bool,
        budget: BudgetArgument,
    ) -> Call:
        call = prepare(
            self._settings, model, messages, options,
            stream=stream, timeout=timeout, extra=extra, include_raw=include_raw,
        )  # fmt: skip
        if self._validates_context:
            check_context(call.request)
        if budget is None and not self._budgets:
            return call
        return msgspec.structs.replace(call, budgets=(*self._budgets, *budgets_of(budget)))

    def _backend(self, call: Call, api_key: str | None, base_url: str | None) -> Backend:
        provider = call.backend
        if isinstance(provider, ProviderSpec):
            assert call.wire is not None
            way = self._ways.to(provider, api_key, base_url)
            backend: Backend = HttpBackend(
                self._transport, call, call.wire, way, self._plain_requests, self._max_frame_bytes
            )
            return _budgeted(backend, call, way.secret) if call.budgets else backend
        if ignored := unused(call.request.provider, api_key, base_url):
            call = msgspec.structs.replace(call, warnings=(*call.warnings, *ignored))
        backend = ForeignBackend(provider, call)
        return _budgeted(backend, call, None) if call.budgets else backend

    def _stream(self, call: Call, api_key: str | None, base_url: str | None, *, accumulate: bool = True) -> Stream:
        request = call.request
        accumulator = Accumulator(request.provider, request.model, keep_content=accumulate)
        return self._pumped(call, self._backend(call, api_key, base_url).connect, accumulator, partial(complete, call))

    def _stream_for_object(
        self, call: Call, asked: Asked, messages: Messages, api_key: str | None, base_url: str | None
    ) -> Stream:
        from exllm.structured.source import AnswerStream

        def backend(said: tuple[Any, ...]) -> Backend:
            request = msgspec.structs.replace(call.request, messages=said)
            return self._backend(msgspec.structs.replace(call, request=request), api_key, base_url)

        answers = AnswerStream(asked, messages, backend, call)
        return self._pumped(call, answers.connect, answers.accumulator, answers.complete, asked.plan)

    def _recovery_of(self, recover: RecoverArgument) -> Recovery | None:
        """The settings for one call: its own, else the client's."""
        if recover is None and self._recovery is None:
            return None
        from exllm.recovery.settings import recovery_of
        from exllm.recovery.stores import MemoryStore

        if self._recovery_memory is None:
            self._recovery_memory = MemoryStore()
        if self._recovery is not None and (recover is None or recover is True):
            recover = self._recovery
        return recovery_of(recover, self._recovery_memory)

    def _kept_cursor(self, cursor: Cursor | str, recovery: Recovery | None) -> Cursor:
        """The cursor, by its id where that is given. Raises NotFound."""
        if not isinstance(cursor, str):
            return cursor
        store = recovery.store if recovery is not None else self._recovery_memory
        found = None if store is None else store.get(cursor)
        if found is None:
            raise NotFound(f"no unfinished answer is kept under the id {cursor!r}; it ended, or has expired")
        return found

    def _recoverable_stream(
        self, call: Call, recovery: Recovery | None, api_key: str | None, base_url: str | None, **begin: Any
    ) -> Stream:
        from exllm.recovery.answer import RecoverableAnswer

        def backend(request: Request) -> Backend:
            return self._backend(msgspec.structs.replace(call, request=request), api_key, base_url)

        cursor: Cursor | None = begin.get("begin")
        id_ = cursor.id if cursor is not None else new_id()
        answer_ = RecoverableAnswer(call, id_, backend, recovery, **begin)
        # Silence is looked after by the answer itself: it may go on by another request.
        limits = msgspec.structs.replace(call.request.timeouts, idle=math.inf)
        stream = self._pumped(call, answer_.connect, answer_.accumulator, answer_.complete, None, limits)
        stream._cursor_id = id_
        return stream

    def _pumped(
        self,
        call: Call,
        connect: Callable[[], Awaitable[ChunkSource]],
        accumulator: Accumulator,
        completed: Callable[[Response], Response],
        plan: Plan | None = None,
        timeouts: Timeouts | None = None,
    ) -> Stream:
        request = call.request
        pump = Pump(
            connect,
            schedule=RetrySchedule(call.retry),
            timeouts=timeouts or request.timeouts,
            accumulator=accumulator,
            capacity=self._ring_capacity,
            complete=completed,
            provider=request.provider,
            model=request.model,
        )
        return Stream(pump, partial(_running_cost, call), plan, partial(_cursor, call))


def _budgeted(backend: Backend, call: Call, key: str | None) -> Backend:
    return BudgetedBackend(backend, _running_cost(call), call.request.model, call.budgets, key or "")


def _cursor(call: Call, stream: Stream) -> Cursor:
    from exllm.recovery.answer import cursor_of

    error = stream.error.message if stream.error is not None else None
    stream._cursor_id = stream._cursor_id or new_id()
    started_at = time.time() - (stream.stats.duration_s or 0.0)
    return cursor_of(call, stream.response, stream._cursor_id, started_at, error, stream._pump.handle)


def new_id() -> str:
    """An id for an answer that nobody else has."""
    return secrets.token_hex(12)


def _running_cost(call: Call) -> RunningCost:
    request = call.request
    tokens = 0 if (local := is_local(call.backend)) else guess_input_tokens(request)
    return RunningCost(request.provider, request.model, tokens, local=local)


def is_local(backend: object) -> bool:
    """Whether it runs on the user's machine and costs nothing."""
    return bool(getattr(backend, "local", False))


def unused(provider: str, api_key: str | None, base_url: str | None) -> tuple[str, ...]:
    """The warning for what a backend that is no HTTP service has no use for."""
    given = [name for name, value in (("api_key", api_key), ("base_url", base_url)) if value is not None]
    return (f"{provider} takes no {' and no '.join(given)}; it was not used",) if given else ()
