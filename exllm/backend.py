"""The two ways to get an answer: over HTTP by a spec and its wire, or from a foreign `Provider`."""

from __future__ import annotations

import asyncio
import copy
import math
from collections.abc import Callable
from typing import Protocol

import msgspec

from exllm.access import Access
from exllm.call import Call
from exllm.cost import cost_of
from exllm.errors import ExLLMError, ProtocolError, TotalTimeout
from exllm.policies.retry import RetrySchedule
from exllm.providers.kept_stream import SkippingDecoder
from exllm.providers.plain_requests import PlainRequests
from exllm.providers.provider import Provider
from exllm.providers.spec import ProviderSpec
from exllm.providers.wire import HttpRequest, StreamDecoder, Wire
from exllm.streaming.fold import fold
from exllm.streaming.interrupt import TimeLimit
from exllm.streaming.source import ChunkSource, IteratorSource
from exllm.transport.http import USER_AGENT, HttpCall, HttpTransport
from exllm.transport.http_source import HttpSource, Route
from exllm.types.chunks import Chunk
from exllm.types.cursor import StreamHandle
from exllm.types.normalise import load_media
from exllm.types.request import Request
from exllm.types.response import Response
from exllm.types.stats import StreamStats


class Backend(Protocol):
    """How one call reaches its provider."""

    async def connect(self) -> ChunkSource:
        """The source of one attempt at a streamed answer."""

    async def attempt(self) -> Response:
        """One attempt at the whole answer."""

    @property
    def bytes_read(self) -> int:
        """Body bytes of the last attempt; 0 where there is no body."""


async def answer(backend: Backend, call: Call) -> Response:
    """The whole answer: attempts as the retry policy says, within the limit for the whole call."""
    request = call.request
    clock = asyncio.get_running_loop().time
    began_at = clock()
    deadline = began_at + (request.timeouts.total or math.inf)
    schedule = RetrySchedule(call.retry)
    try:
        with TimeLimit(deadline) as limit:
            while True:
                try:
                    response = await backend.attempt()
                    return _with_stats(response, backend.bytes_read, clock() - began_at, schedule.attempts)
                except ExLLMError as error:
                    wait_s = schedule.wait_s(error, deadline - clock())
                    if wait_s is None:
                        raise
                await asyncio.sleep(wait_s)
    except ExLLMError as error:
        error.provider = error.provider or request.provider
        error.model = error.model or request.model
        raise
    except Exception as error:
        if isinstance(error, TimeoutError) and limit.was_interrupted:  # a foreign backend may have limits of its own
            raise TotalTimeout(
                f"no answer within {request.timeouts.total:g} s, the limit for the whole call",
                provider=request.provider,
                model=request.model,
                attempts=schedule.attempts,
            ) from error
        raise ProtocolError(
            f"{request.provider} failed in an unforeseen way: {type(error).__name__}: {error}",
            provider=request.provider,
            model=request.model,
        ) from error


def _with_stats(response: Response, bytes_read: int, duration_s: float, attempts: int) -> Response:
    stats = StreamStats(
        duration_s=duration_s, bytes=bytes_read, waiting_for_network_s=duration_s, attempts=attempts
    )  # fmt: skip
    return msgspec.structs.replace(response, stats=stats)


class HttpBackend:
    """A spec and its wire over the shared transport."""

    bytes_read = 0

    def __init__(
        self,
        transport: HttpTransport,
        call: Call,
        wire: Wire,
        way: Access,
        plain_requests: PlainRequests,
        max_frame_bytes: int,
    ) -> None:
        self._transport = transport
        self._call = call
        self._wire = wire
        self._way = way
        self._plain_requests = plain_requests
        self._max_frame_bytes = max_frame_bytes
        self._decoder: StreamDecoder | None = None  # of a stream that is gone on with
        # Built at once where that needs no file, so that a call which cannot be made fails before it is awaited.
        self._route = None if call.has_paths else self._build(call.request)

    async def connect(self) -> HttpSource:
        return HttpSource(self._transport, self._route or await self._ready_route(), self._decoder)

    def resuming(
        self, handle: StreamHandle, decoder: StreamDecoder | None, skipped: Callable[[list[Chunk]], None]
    ) -> HttpBackend | None:
        """What asks for the rest of a stream that the provider keeps; None where the wire knows no such thing.

        Args:
            decoder: what has decoded the stream so far. Where it is lost, the stream is asked for from its beginning.
            skipped: takes the chunks up to ``handle.after`` then.
        """
        resumption = getattr(self._wire, "resumption", None)
        if resumption is None or not handle.after:
            return None
        rest = copy.copy(self)
        asked = handle if decoder is not None else StreamHandle(handle.id)
        rest._route = self._build(self._call.request, lambda request, spec: resumption(asked, request, spec))
        rest._decoder = decoder
        if decoder is None:
            rest._decoder = SkippingDecoder(
                self._wire.decoder(rest._route.request, rest._route.spec), handle.after, self._wire, skipped
            )
        return rest

    async def attempt(self) -> Response:
        route = self._route or await self._ready_route()
        request = route.request
        source = HttpSource(self._transport, route)
        try:
            await source.open()
            chunks = await source.read_body()
            self.bytes_read = source.bytes_read
        except ExLLMError as error:
            error.request_id = error.request_id or source.request_id
            raise
        finally:
            await source.aclose()
        return msgspec.structs.replace(
            complete(self._call, fold(chunks, request.provider, request.model)),
            request_id=source.request_id,
            warnings=source.warnings,
            raw=source.raw(),
        )

    async def _ready_route(self) -> Route:
        if self._route is None:
            messages = await asyncio.to_thread(load_media, self._call.request.messages)
            self._route = self._build(msgspec.structs.replace(self._call.request, messages=messages))
        return self._route

    def _build(self, request: Request, write: Callable[[Request, ProviderSpec], HttpRequest] | None = None) -> Route:
        way = self._way
        if way.fields:
            request = msgspec.structs.replace(request, extra={**way.fields, **request.extra})
        http = write(request, way.spec) if write else self._plain_requests.build(self._wire, request, way.spec)
        headers = {
            "content-type": "application/json",
            "accept": "text/event-stream" if request.stream else "application/json",
            "user-agent": USER_AGENT,
            **way.headers,
            **http.headers,
        }
        url, connect_s = way.base_url + http.path, request.timeouts.connect
        call = HttpCall(url, http.body, headers, http.method, connect_s, way.secret, way.signer)
        return Route(
            call,
            request,
            way.spec,
            self._wire,
            self._max_frame_bytes,
            self._call.warnings + http.warnings,
            self._way.base_url,
        )


class ForeignBackend:
    """A `Provider` object: somebody's own backend, the mock, a local model."""

    bytes_read = 0

    def __init__(self, provider: Provider, call: Call) -> None:
        self._provider = provider
        self._call = call

    async def connect(self) -> IteratorSource:
        return IteratorSource(self._provider.stream(await self._request()), self._call.warnings)

    async def attempt(self) -> Response:
        response = await self._provider.chat(await self._request())
        return msgspec.structs.replace(complete(self._call, response), warnings=self._call.warnings + response.warnings)

    async def _request(self) -> Request:
        request = self._call.request
        if self._call.has_paths:
            return msgspec.structs.replace(request, messages=await asyncio.to_thread(load_media, request.messages))
        return request


def complete(call: Call, response: Response) -> Response:
    """Add what only the call knows to a folded response."""
    cost = cost_of(
        response.usage,
        local=getattr(call.backend, "local", False),
        provider=call.request.provider,
        model=response.model,
        asked=call.request.model,
    )
    return msgspec.structs.replace(response, cost=cost)
