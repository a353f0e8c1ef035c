"""The seam between a provider's protocol and everything else: pure functions from structs to bytes and back.

A wire is one module-level object with four functions: build a request, decode stream frames to chunks, decode a whole
body to the same chunks, decode an error body to an exception. Wires import neither `asyncio` nor `aiohttp`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Literal, Protocol

import msgspec

from exllm.errors import ExLLMError
from exllm.streaming.frame import Frame
from exllm.types.chunks import Chunk
from exllm.types.request import Request

if TYPE_CHECKING:
    from exllm.providers.spec import ProviderSpec

Framing = Literal["sse", "ndjson", "aws_eventstream"]


class HttpRequest(msgspec.Struct, frozen=True):
    """What goes over HTTP, without credentials: the transport adds those.

    `path` is joined to the provider's base URL. `warnings` tells what was dropped or converted on the way here.
    """

    path: str
    body: bytes
    headers: dict[str, str] = {}
    method: str = "POST"
    warnings: tuple[str, ...] = ()


class Elsewhere(msgspec.Struct, frozen=True):
    """Where an answer is, when a service answers at first with the place of it.

    Attributes:
        url: to be asked with GET: a path below the base URL, or a whole URL. The key goes to the base URL's host alone.
        after_s: to be waited before it is asked, in seconds.
        accept: the media type to ask for.
        decoder: reads the stream that is there, in place of the wire's own.
        stop_path: where a POST ends the work, once nobody waits for the answer any more; below the base URL.
        lasts_s: a stream that ends after this many seconds and more, without a single event, is asked for again: the
            work has not begun yet. None where a stream lasts as long as the work.
    """

    url: str
    after_s: float = 0.0
    accept: str = "application/json"
    decoder: StreamDecoder | None = None
    stop_path: str | None = None
    lasts_s: float | None = None


class StreamDecoder(Protocol):
    """Turns the frames of one streamed answer into chunks; any grouping of the frames gives the same chunks."""

    finished: bool
    """The wire's terminal event was seen: nothing of the answer can follow."""

    def feed(self, frames: Sequence[Frame]) -> list[Chunk]:
        """Decode the next frames.

        Raises an `ExLLMError` for an error event of the provider, `ProtocolError` for frames that cannot be read. The
        chunks decoded before the bad frame are not lost: they are in `take()`.
        """

    def take(self) -> list[Chunk]:
        """The chunks that the last `feed` had decoded when it raised, once."""

    def close(self) -> list[Chunk]:
        """The body has ended. Returns what was still to say; raises `StreamInterrupted` when it was cut short."""


class Wire(Protocol):
    """One provider protocol."""

    name: str
    framing: Framing
    options: frozenset[str]
    """The options that this protocol can express; others raise `UnsupportedOption`, or are dropped on request."""

    # A wire may say ``texts_stand_apart = True``: of a conversation of texts, nothing in the request depends on what
    # they say but these strings themselves. See `PlainRequests`.
    #
    # A wire may also have ``options_by_quirk: Mapping[str, frozenset[str]]``: options that only some providers take,
    # and the quirks any of which says so. See `supported_options`. And it may have
    # ``read_headers(headers, chunks) -> list[Chunk]``: the chunks of a whole answer, with what only its headers say.
    # ``elsewhere(body, request, spec) -> Elsewhere | None``: where the answer is to be had, where a body is none yet;
    # of what is had there it is asked again. ``options_of(model, spec) -> frozenset[str]``: those of its options that
    # one model takes. ``has_plain_frames = True``: frames hold plain text, of which nothing shows that it is cut off.
    # One whose provider keeps streams has ``resumption(handle, request, spec) -> HttpRequest``, which asks for what
    # follows ``handle.after`` (for all where that is empty), ``event_key(frame) -> str | None``, and a decoder with
    # ``handle: StreamHandle | None``.

    def build(self, request: Request, spec: ProviderSpec) -> HttpRequest:
        """The HTTP request for `request`. Raises `UnsupportedOption` or `InvalidRequest` for what cannot be said."""

    def must_stream(self, request: Request) -> bool:
        """Whether the whole answer to `request` may take longer than the provider keeps an unstreamed call open."""

    def decoder(self, request: Request, spec: ProviderSpec) -> StreamDecoder:
        """A fresh decoder for one streamed answer."""

    def decode_body(self, body: bytes, request: Request, spec: ProviderSpec) -> list[Chunk]:
        """The chunks of a whole, unstreamed answer: the same that its stream would have given."""

    def parse_error(self, status: int, headers: Mapping[str, str], body: bytes, spec: ProviderSpec) -> ExLLMError:
        """The exception for an error response, whatever its body is. `headers` keys are lower-case."""


def supported_options(wire: Wire, spec: ProviderSpec) -> frozenset[str]:
    """The options that the provider of `spec` takes: its wire's, less what it refuses or needs a quirk for."""
    known = _supported.get(id(spec))
    if known is not None and known[0] is spec and known[1] is wire:
        return known[2]
    by_quirk: Mapping[str, frozenset[str]] = getattr(wire, "options_by_quirk", {})
    lacking = {option for option, quirks in by_quirk.items() if not quirks & spec.quirks}
    found = wire.options - spec.unsupported - lacking
    if len(_supported) >= _MOST_SUPPORTED:
        _supported.clear()
    _supported[id(spec)] = (spec, wire, found)
    return found


_supported: dict[int, tuple[ProviderSpec, Wire, frozenset[str]]] = {}
_MOST_SUPPORTED = 512
