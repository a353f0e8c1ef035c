"""One HTTP attempt as a source of chunks: response bytes through the framing decoder and the wire."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Protocol

import msgspec
from aiohttp import hdrs

from exllm.errors import ExLLMError, ProtocolError, StreamInterrupted
from exllm.providers.error_mapping import error_in_stream
from exllm.providers.spec import ProviderSpec
from exllm.providers.wire import Elsewhere, StreamDecoder, Wire
from exllm.streaming.aws_eventstream import EventStreamDecoder
from exllm.streaming.frame import Frame
from exllm.streaming.ndjson import NDJSONDecoder
from exllm.streaming.sse import SSEDecoder
from exllm.transport.body_reader import read_whole_reads
from exllm.transport.elsewhere import RemoteWork, call_for, stop_call
from exllm.transport.exchange import Response
from exllm.transport.http import HttpCall, HttpTransport, map_read_error, read_error_body, request_id, scrub
from exllm.types.chunks import Chunk
from exllm.types.cursor import StreamHandle
from exllm.types.request import Request

DRAIN_S = 0.1
"""How long to wait, after the last event, for the end of the body: a connection read to its end can be used again."""

_STREAM_TYPES = frozenset(
    {
        "text/event-stream",
        "application/x-ndjson",
        "application/ndjson",
        "application/jsonl",
        "application/stream+json",  # Cohere, version 1
        "application/vnd.amazon.eventstream",
    }
)
_VAGUE_TYPES = frozenset({"application/octet-stream", "text/plain", ""})
_FRAMING: dict[str, type[SSEDecoder | NDJSONDecoder | EventStreamDecoder]] = {
    "sse": SSEDecoder,
    "ndjson": NDJSONDecoder,
    "aws_eventstream": EventStreamDecoder,
}


class FramingDecoder(Protocol):
    """What all framing decoders share."""

    def feed(self, data: bytes) -> list[Frame]: ...

    def close(self) -> list[Frame]: ...


class Route(msgspec.Struct, frozen=True):
    """Everything that an attempt needs to know, the same for each attempt of a call."""

    call: HttpCall
    request: Request
    spec: ProviderSpec
    wire: Wire
    max_frame_bytes: int
    warnings: tuple[str, ...] = ()
    base_url: str = ""


class HttpSource:
    """See `ChunkSource`. `read_body` is the unstreamed twin of `read`."""

    is_shared = True

    def __init__(self, transport: HttpTransport, route: Route, decoder: StreamDecoder | None = None) -> None:
        self._transport = transport
        self._route = route
        self._begun = decoder  # of a stream that goes on
        self._response: Response | None = None  # while it holds a connection
        self._answer: Response | None = None  # the head of a whole answer, until it is handed out
        self._framing: FramingDecoder
        self._decoder: StreamDecoder
        self._failure: ExLLMError | None = None
        self._whole = False  # the answer is one body
        self._last: bytes | None = None  # what `raw` is made of, when the request asks for it
        self._is_closing = False
        self._work: RemoteWork | None = None  # what goes on at the service, for an answer that is had elsewhere
        self._there: Elsewhere | None = None
        self._asked_at = 0.0
        self._body: bytes | None = None  # a whole answer that was read already, to see that it is one
        self.request_id: str | None = None
        self.warnings = route.warnings
        self.bytes_read = 0

    def raw(self) -> Any:
        last = self._last
        if last is None and self._route.request.include_raw:  # a stream within a stream
            last = getattr(self.decoder, "last_document", None)
        if last is None:
            return None
        try:
            return msgspec.json.decode(last)
        except msgspec.DecodeError:
            return None

    @property
    def decoder(self) -> StreamDecoder | None:
        """The decoder of the stream, once it has begun."""
        return getattr(self, "_decoder", None)

    @property
    def handle(self) -> StreamHandle | None:
        """Where the provider keeps the stream, where it does and the wire knows."""
        return getattr(self.decoder, "handle", None)

    async def open(self) -> None:
        """Send the request and check the head of the response. Raises what `Wire.parse_error` makes of an error."""
        route = self._route
        decoder = None
        response = await self._begin(route.call)
        find = getattr(route.wire, "elsewhere", None)
        while find is not None and self._whole:
            self._body = await self._read_to_end(response)
            there = self._find(find)
            if there is None:
                break
            self._body, decoder = None, there.decoder
            if self._work is None and there.stop_path is not None:
                self._work = RemoteWork(self._transport, stop_call(there.stop_path, route.call, route.base_url))
            await asyncio.sleep(there.after_s)
            response = await self._begin(call_for(there, route.call, route.base_url, route.spec.auth.header))
            self._there, self._asked_at = there, asyncio.get_running_loop().time()
        if self._whole:
            self._answer = response
            return
        self._decoder = decoder or self._begun or route.wire.decoder(route.request, route.spec)
        self._read_as_stream(response)

    def _read_as_stream(self, response: Response) -> None:
        read_whole_reads(response)
        self._framing = _FRAMING[self._route.wire.framing](max_frame_bytes=self._route.max_frame_bytes)

    async def _is_asked_again(self) -> bool:
        """At the end of a stream: whether it ended before the work began, and another one was asked for."""
        there, now = self._there, asyncio.get_running_loop().time()
        if there is None or there.lasts_s is None or now - self._asked_at < there.lasts_s:
            return False
        if getattr(self._decoder, "has_begun", True):
            return False
        route = self._route
        self._response, self._asked_at = None, now
        response = await self._begin(call_for(there, route.call, route.base_url, route.spec.auth.header))
        if self._whole:
            raise ProtocolError(f"{route.spec.label} answered with no stream where one was before")
        self._read_as_stream(response)
        return True

    async def _begin(self, call: HttpCall) -> Response:
        """Send a request and check the head of its response."""
        route = self._route
        response = self._response = await self._transport.send(call)
        self.request_id = request_id(response.headers) or self.request_id
        if response.status >= 400:
            headers = {name.lower(): value for name, value in response.headers.items()}
            body = await read_error_body(response)
            raise scrub(route.wire.parse_error(response.status, headers, body, route.spec), route.call.secrets)
        try:
            self._whole = self._is_whole(response)
        except ProtocolError as error:
            error.body = (await read_error_body(response)).decode(errors="replace")
            scrub(error, route.call.secrets)
            raise
        return response

    def _find(self, find: Callable[[bytes, Request, ProviderSpec], Elsewhere | None]) -> Elsewhere | None:
        assert self._body is not None
        try:
            return find(self._body, self._route.request, self._route.spec)
        except ExLLMError as error:
            error.request_id = self.request_id
            raise scrub(error, self._route.call.secrets) from error.__cause__

    async def _read_to_end(self, response: Response) -> bytes:
        """A whole body. Raises `StreamInterrupted` when it breaks off."""
        try:
            body = await response.read()
        except Exception as error:
            raise map_read_error(error, self._route.call.url) from error
        self._response = None
        return body

    def _is_whole(self, response: Response) -> bool:
        """Whether the answer is one body and not a stream. The server decides, whatever it was asked for."""
        header = response.headers.get(hdrs.CONTENT_TYPE, "")
        if header.startswith("application/json"):
            return True
        content_type = header.partition(";")[0].strip().lower()
        if content_type in _STREAM_TYPES:
            return False
        if content_type.endswith("+json"):
            return True
        if content_type in _VAGUE_TYPES:
            return not self._route.request.stream
        raise ProtocolError(
            f"{self._route.spec.label} answered with {content_type}, not with an answer of its protocol; "
            f"is the base URL right?",
            status=response.status,
            request_id=self.request_id,
        )

    async def read(self) -> list[Chunk] | None:
        if self._whole:
            return await self._read_whole()
        while True:
            if self._failure is not None:
                raise self._failure
            if self._decoder.finished:
                await self._drain()
                return None
            response = self._response
            if response is None:
                return None
            try:
                data = await response.content.readany()
            except Exception as error:  # noqa: BLE001 - mapped to one of ours
                chunks = self._end(cut_by=error)
            else:
                if data:
                    self.bytes_read += len(data)
                    chunks = self._decode(data)
                elif await self._is_asked_again():
                    continue
                else:
                    chunks = self._end()
            if chunks or self._response is None:
                return chunks or None

    async def read_body(self) -> list[Chunk]:
        """The whole answer. Raises `StreamInterrupted` when the body breaks off, `ProtocolError` for nonsense."""
        if not self._whole:  # it streams what it was not asked to stream
            chunks: list[Chunk] = []
            while (more := await self.read()) is not None:
                chunks += more
            return chunks
        response = self._answer
        assert response is not None, "open() comes first"
        body = self._body if self._body is not None else await self._read_to_end(response)
        self._answer = None
        self.bytes_read = len(body)
        if self._route.request.include_raw:
            self._last = body
        wire = self._route.wire
        try:
            chunks = wire.decode_body(body, self._route.request, self._route.spec)
        except ExLLMError as error:
            scrub(error, self._route.call.secrets)
            raise
        finally:
            self._work = None  # it is over, whatever came of it
        read_headers = getattr(wire, "read_headers", None)
        if read_headers is not None:
            chunks = read_headers({name.lower(): value for name, value in response.headers.items()}, chunks)
        return chunks

    def abort(self) -> None:
        response, self._response = self._response, None
        if response is not None:
            response.close()
            self._is_closing = True
        self._answer = None
        if self._work is not None and not self._is_over():
            self._work.stop()

    async def aclose(self) -> None:
        self.abort()
        if self._work is not None:
            await self._work.stopped()
        if self._is_closing:
            self._is_closing = False
            await asyncio.sleep(0)  # the socket itself is closed by the loop's next turn

    def _is_over(self) -> bool:
        """Whether the service has said its last word, so that no work goes on there."""
        decoder: StreamDecoder | None = getattr(self, "_decoder", None)
        return decoder is not None and decoder.finished

    def _decode(self, data: bytes) -> list[Chunk]:
        """Decode one network read. An error waits until the chunks before it have been handed out."""
        try:
            frames = self._framing.feed(data)
            if self._route.request.include_raw:
                self._last = next((frame.data for frame in reversed(frames) if frame.data[:1] == b"{"), self._last)
            return self._decoder.feed(frames)
        except ExLLMError as error:
            return self._fail_after(self._decoder.take(), error)

    def _end(self, cut_by: Exception | None = None) -> list[Chunk]:
        """The body is over, cleanly or not: what the decoder still has to say, and whether the answer is whole."""
        response, self._response = self._response, None
        if response is not None:
            response.close()
        chunks: list[Chunk] = []
        try:
            chunks += self._decode_tail(is_clean=cut_by is None)
            chunks += self._decoder.close()
        except StreamInterrupted as error:
            if cut_by is None:
                return self._fail_after(chunks, self._stray_error() or error)
            broken = map_read_error(cut_by, self._route.call.url)
            broken.__cause__ = cut_by
            return self._fail_after(chunks, broken)
        except ExLLMError as error:
            return self._fail_after(chunks + self._decoder.take(), error)
        return chunks

    def _decode_tail(self, *, is_clean: bool) -> list[Chunk]:
        """What the framing decoder still held, where the body ended cleanly: half an event says nothing.

        Some servers forget what ends the last event, a blank line or a line feed. What cannot be read then was cut.
        """
        framing = self._framing
        frames = framing.close(flush=is_clean) if isinstance(framing, SSEDecoder) else framing.close()
        if not is_clean:
            return []
        try:
            chunks = self._decoder.feed(frames)
        except ProtocolError:
            return self._decoder.take()
        is_half_a_text = getattr(self._route.wire, "has_plain_frames", False) and not self._decoder.finished
        return [] if is_half_a_text else chunks

    def _stray_error(self) -> ExLLMError | None:
        """The error that some services, Gemini among them, write into a stream without framing it."""
        stray = self._framing.stray if isinstance(self._framing, SSEDecoder) else b""
        try:
            document = msgspec.json.decode(stray)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return None
        first = document[0] if isinstance(document, list) and document else document
        if not isinstance(first, dict) or not first.get("error"):
            return None
        return error_in_stream(first, provider=self._route.spec.name, model=self._route.request.model)

    def _fail_after(self, chunks: list[Chunk], error: ExLLMError) -> list[Chunk]:
        self._failure = scrub(error, self._route.call.secrets)
        self.abort()
        if not chunks:
            raise error
        return chunks

    async def _drain(self) -> None:
        response = self._response
        if response is None:
            return
        try:
            if not response.content.at_eof():
                async with asyncio.timeout(DRAIN_S):
                    while await response.content.readany():
                        pass
        except Exception:  # noqa: BLE001 - the answer is whole; what follows it only decides about the connection
            response.close()
        self._response = None

    async def _read_whole(self) -> list[Chunk] | None:
        if self._answer is None:
            return None
        return await self.read_body() or None
