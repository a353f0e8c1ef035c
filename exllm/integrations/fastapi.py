"""Streams as responses of FastAPI or Starlette applications. Needs the extra ``fastapi``; Starlette alone is enough.

::

    app = FastAPI(lifespan=client_lifespan())

    @app.post("/chat")
    async def chat(question: str, client: Annotated[Client, Depends(get_client)]) -> SSEResponse:
        return SSEResponse(client.stream("openai", question))

    app.add_exception_handler(ExLLMError, handle_error)  # what `client.chat` and refused calls raise, as a status
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from functools import partial
from typing import Any

import msgspec

from exllm.client import Client
from exllm.errors import (
    AuthenticationError,
    BudgetExceeded,
    ConfigurationError,
    ExLLMError,
    InvalidRequest,
    MissingExtra,
    NotFound,
    Overloaded,
    PermissionDenied,
    QuotaExceeded,
    RateLimited,
    RequestTimeout,
)
from exllm.sse import Dialect, Replay, ReplayLost, Replays, SSEStream, SSEWriter, writer_of
from exllm.streaming.stream import Stream
from exllm.tools.run_stream import RunStream

try:
    from starlette.background import BackgroundTask
    from starlette.requests import HTTPConnection, Request
    from starlette.responses import Response
    from starlette.types import Receive, Scope, Send
except ModuleNotFoundError as error:
    raise MissingExtra('exllm.integrations.fastapi needs Starlette: pip install "exllm[fastapi]"') from error

__all__ = [
    "ReplayResponse",
    "SSEResponse",
    "TextResponse",
    "client_lifespan",
    "error_response",
    "error_told",
    "get_client",
    "handle_error",
    "resume_response",
]

_STREAM_HEADERS = {"cache-control": "no-cache", "x-accel-buffering": "no"}  # the second: nginx must not hold it back
_HEARTBEAT = b":\n\n"  # a comment: every SSE client ignores it
_STATE = "exllm_client"
_log = logging.getLogger(__name__)

_STATUS: tuple[tuple[type[ExLLMError], int], ...] = (  # the first match counts; 502 for the rest
    (RateLimited, 429),
    (Overloaded, 503),
    (BudgetExceeded, 402),
    (ReplayLost, 410),
    (NotFound, 404),
    (InvalidRequest, 400),
    (RequestTimeout, 504),
    (ConfigurationError, 500),
)
_OURS = (ConfigurationError, AuthenticationError, PermissionDenied, QuotaExceeded)
"""Failures of the application's own set-up: its users can do nothing about them, and need not know of its accounts."""


class _StreamResponse(Response):
    """A response whose body is a `Stream`. Nothing is sent, to either side, before the server calls it.

    The status is sent with the first piece of the answer: a call that fails before it becomes an HTTP error, see
    `error_response`. When the client goes away, or the request is cancelled, the connection to the provider is closed
    at once. A slow client slows the provider down.
    """

    def __init__(
        self,
        pieces: Callable[[], AsyncGenerator[bytes, None]],
        status_code: int,
        headers: Mapping[str, str] | None,
        background: BackgroundTask | None,
    ) -> None:
        # Like Starlette's own StreamingResponse: without a body, `init_headers` sets no content-length.
        self._pieces = pieces
        self.status_code = status_code
        self.background = background
        self.init_headers({**_STREAM_HEADERS, **(headers or {})})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        sender = asyncio.create_task(self._send_all(scope, receive, send))
        watcher = asyncio.create_task(_wait_for_disconnect(receive))
        try:
            await asyncio.wait((sender, watcher), return_when=asyncio.FIRST_COMPLETED)
        finally:
            sender.cancel()
            watcher.cancel()
            outcomes = await asyncio.gather(sender, watcher, return_exceptions=True)
        for outcome in outcomes:
            if isinstance(outcome, Exception):
                raise outcome
        if self.background is not None:
            await self.background()

    async def _send_all(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with contextlib.aclosing(self._pieces()) as pieces:
            try:
                piece = await anext(pieces, b"")
            except ExLLMError as error:
                await error_response(error)(scope, receive, send)
                return
            await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
            await send({"type": "http.response.body", "body": piece, "more_body": True})
            async for piece in pieces:
                await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})


class SSEResponse(_StreamResponse):
    """The stream, or the run of `Client.stream_run`, as server-sent events, see `Stream.to_sse`.

    A failure in the middle of the answer is the last event.

    Args:
        stream: not yet entered.
        dialect: whose clients are to read it: ``"exllm"``, ``"openai"``, ``"anthropic"``, ``"vercel"``, ``"ag-ui"``.
        facts: the dialect's own, see `Stream.to_sse`.
        heartbeat_s: send a comment whenever this many seconds pass without an event, once the answer has begun, so
            that no proxy in between takes the connection for dead. None sends none.
    """

    media_type = "text/event-stream"

    def __init__(
        self,
        stream: Stream | RunStream,
        *,
        dialect: Dialect | SSEWriter = "exllm",
        heartbeat_s: float | None = None,
        status_code: int = 200,
        headers: Mapping[str, str] | None = None,
        background: BackgroundTask | None = None,
        **facts: Any,
    ) -> None:
        out = SSEStream(stream, writer_of(dialect, **facts))
        pieces = partial(_with_heartbeat, partial(_events, stream, out), _checked_heartbeat(heartbeat_s))
        super().__init__(pieces, status_code, {**out.headers, **(headers or {})}, background)


class ReplayResponse(_StreamResponse):
    """The events of a stream that goes on when the client is gone, see `exllm.sse.Replays`.

    Args:
        replay: of `Replays.start`.
        after: the id, or the number, of the last event that the client has got; None sends all.
        heartbeat_s: as for `SSEResponse`.
    """

    media_type = "text/event-stream"

    def __init__(
        self,
        replay: Replay,
        *,
        after: str | int | None = None,
        heartbeat_s: float | None = None,
        status_code: int = 200,
        headers: Mapping[str, str] | None = None,
        background: BackgroundTask | None = None,
    ) -> None:
        pieces = partial(_with_heartbeat, partial(_replayed, replay, after), _checked_heartbeat(heartbeat_s))
        super().__init__(pieces, status_code, {**replay.headers, **(headers or {})}, background)


def resume_response(replays: Replays, request: Request, *, heartbeat_s: float | None = None) -> Response:
    """What a client missed, by its ``Last-Event-ID`` header, or the parameter ``last_event_id``.

    ``EventSource`` sends the header by itself when it reconnects. Status 204, which ends its attempts, when it has got
    all; 410 when the stream is not known any more, or what it missed is not kept; 400 without an id.
    """
    last = request.headers.get("last-event-id") or request.query_params.get("last_event_id")
    try:
        if not last:
            raise InvalidRequest("send the id of the last event in the header Last-Event-ID")
        replay = replays.find(last)
        number = replay.number_of(last)
        if replay.is_ended and number == replay.last:
            return Response(status_code=204)
        return ReplayResponse(replay, after=number, heartbeat_s=heartbeat_s)
    except ExLLMError as error:
        return error_response(error)
    except ValueError as error:
        return error_response(InvalidRequest(str(error)))


class TextResponse(_StreamResponse):
    """The stream's text, nothing else.

    Plain text has no room for an error: a failure in the middle of the answer breaks the connection off, so that the
    client cannot take what it has for the whole; the error then leaves to the server's log.

    Args:
        stream: not yet entered.
    """

    media_type = "text/plain"

    def __init__(
        self,
        stream: Stream,
        *,
        status_code: int = 200,
        headers: Mapping[str, str] | None = None,
        background: BackgroundTask | None = None,
    ) -> None:
        super().__init__(lambda: _texts(stream), status_code, headers, background)


def error_response(error: ExLLMError) -> Response:
    """The error as an HTTP response: ``{"error": {"type", "message", "retryable"}}``, as in the ``error`` event.

    Status 400 for a request that the provider refuses, 402 over budget, 404 no such model, 429 rate limited (with
    ``Retry-After``), 500 wrongly set up, 503 overloaded, 504 timed out, 502 everything else that the provider did.
    A failure of the application's own set-up, such as its key, goes to the log, and to the client without the details.
    """
    status = next((status for kind, status in _STATUS if isinstance(error, kind)), 502)
    body = {"error": error_told(error)}
    headers = {} if error.retry_after_s is None else {"retry-after": str(max(0, math.ceil(error.retry_after_s)))}
    return Response(msgspec.json.encode(body), status, headers, "application/json")


def error_told(error: ExLLMError) -> dict[str, Any]:
    """What a client is told of an error: its type, a message, and whether another try may help."""
    message = error.message
    if isinstance(error, _OURS) and not isinstance(error, InvalidRequest):
        _log.error("%s: %s", type(error).__name__, error)
        message = "the server has no working access to this model"
    return {"type": type(error).__name__, "message": message, "retryable": error.retryable}


async def handle_error(request: Request, error: Exception) -> Response:
    """An exception handler: ``app.add_exception_handler(ExLLMError, handle_error)``."""
    if not isinstance(error, ExLLMError):
        raise error
    return error_response(error)


def client_lifespan(**arguments: Any) -> Callable[[Any], AbstractAsyncContextManager[dict[str, Client]]]:
    """A lifespan that owns one `Client` for all requests, made with `arguments` and closed with the application.

    ``FastAPI(lifespan=client_lifespan(timeout=60))``; `get_client` finds it.
    """

    @contextlib.asynccontextmanager
    async def lifespan(_app: Any) -> AsyncIterator[dict[str, Client]]:
        async with Client(**arguments) as client:
            yield {_STATE: client}

    return lifespan


def get_client(connection: HTTPConnection) -> Client:
    """The client of `client_lifespan`; a FastAPI dependency, of WebSocket routes, too:
    ``client: Annotated[Client, Depends(get_client)]``."""
    client = getattr(connection.state, _STATE, None)
    if not isinstance(client, Client):
        raise ConfigurationError("the application has no exllm client; give it lifespan=client_lifespan()")
    return client


@contextlib.asynccontextmanager
async def _events(stream: Stream | RunStream, out: SSEStream) -> AsyncIterator[tuple[bytes, AsyncIterator[bytes]]]:
    """The first events, and those that follow."""
    async with stream:
        first = await anext(out, b"")
        if out.error is not None and not out.chunks:
            raise out.error  # still in time for an HTTP status
        yield first, out


@contextlib.asynccontextmanager
async def _replayed(replay: Replay, after: str | int | None) -> AsyncIterator[tuple[bytes, AsyncIterator[bytes]]]:
    async with contextlib.aclosing(replay.events(after)) as reader:
        yield await anext(reader, b""), reader


async def _with_heartbeat(
    opened: Callable[[], AbstractAsyncContextManager[tuple[bytes, AsyncIterator[bytes]]]], heartbeat_s: float | None
) -> AsyncGenerator[bytes, None]:
    async with opened() as (first, events):
        yield first
        if heartbeat_s is None:
            async for event in events:
                yield event
            return
        while True:
            try:
                async with asyncio.timeout(heartbeat_s):
                    event = await anext(events, b"")
            except TimeoutError:
                event = _HEARTBEAT
            if not event:
                return
            yield event


def _checked_heartbeat(heartbeat_s: float | None) -> float | None:
    if heartbeat_s is not None and not heartbeat_s > 0:
        raise ValueError(f"heartbeat_s must be above 0 seconds, got {heartbeat_s!r}")
    return heartbeat_s


async def _texts(stream: Stream) -> AsyncGenerator[bytes, None]:
    async with stream:
        async for text in stream.text():
            yield text.encode()


async def _wait_for_disconnect(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
