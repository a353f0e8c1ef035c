"""What the fake server plays for a model name: which bytes, in which writes, at which moments, and how it ends.

A model name is ``kind-events[-period_ms][.token]``, e.g. ``burst-20000``, ``paced-1000-2`` or ``stall-20.f3a9``. The
token has no meaning: it makes the name unique, so that the server's record of that one stream can be asked for.
"""

from __future__ import annotations

import re
from enum import Enum
from functools import lru_cache
from typing import NamedTuple

from benchmarks.dialect import Dialect
from benchmarks.dialects import DIALECTS

WRITE_BYTES = 16 * 1024
KEEPALIVE_PERIOD_MS = 400
ENDLESS_PERIOD_MS = 10

_MODEL = re.compile(r"(?P<kind>[a-z]+\d*)(-(?P<events>\d+))?(-(?P<period_ms>\d+))?(\.(?P<token>\w+))?")


class Pace(Enum):
    """When the next write of a playlist is due."""

    PUSH = "as fast as the socket takes it"
    ROUNDS = "one write per stream and round over all streams, unpaced"
    PERIOD = "one write per period"


class Ending(Enum):
    """What the server does after the last write."""

    KEEP_ALIVE = "the answer is complete; the connection serves the next request"
    CUT = "closes the connection in the middle of an event"
    SILENCE = "sends nothing more and keeps the connection open"
    KEEPALIVES = "sends only comments (or pings) every 0.4 s"
    REPEAT = "repeats the last write for ever"


class Playlist(NamedTuple):
    head: bytes
    writes: list[bytes]
    pace: Pace = Pace.PUSH
    period_ms: int = 0
    ending: Ending = Ending.KEEP_ALIVE
    keepalive: bytes = b""


class ModelName(NamedTuple):
    kind: str
    events: int
    period_ms: int

    @classmethod
    def parse(cls, name: str) -> ModelName:
        match = _MODEL.fullmatch(name)
        if not match:
            return cls("plain", 50, 0)
        return cls(match["kind"], int(match["events"] or 20), int(match["period_ms"] or 0))


LAST_CHUNK = b"0\r\n\r\n"


def stream_head(dialect: Dialect) -> bytes:
    return (
        b"HTTP/1.1 200 OK\r\nContent-Type: %b\r\nCache-Control: no-cache\r\n"
        b"x-request-id: req_benchmark\r\nTransfer-Encoding: chunked\r\n\r\n" % dialect.stream_type
    )


def http_chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


def http_body(status: str, body: bytes, extra_headers: bytes = b"") -> bytes:
    return (
        b"HTTP/1.1 %b\r\nContent-Type: application/json\r\nx-request-id: req_benchmark\r\n"
        b"%bContent-Length: %d\r\n\r\n%b" % (status.encode(), extra_headers, len(body), body)
    )


@lru_cache(maxsize=8)
def _text_events(dialect_name: str, events: int) -> list[bytes]:
    text_event = DIALECTS[dialect_name].text_event
    return [text_event(number) for number in range(events)]


def _slices(data: bytes) -> list[bytes]:
    return [data[start : start + WRITE_BYTES] for start in range(0, len(data), WRITE_BYTES)]


def _grouped(events: list[bytes]) -> list[bytes]:
    """Blocks of whole events, each as long as fits in `WRITE_BYTES`."""
    blocks: list[bytes] = []
    block: list[bytes] = []
    block_bytes = 0
    for event in events:
        if block and block_bytes + len(event) > WRITE_BYTES:
            blocks.append(b"".join(block))
            block, block_bytes = [], 0
        block.append(event)
        block_bytes += len(event)
    return [*blocks, b"".join(block)]


@lru_cache(maxsize=8)
def playlist(dialect_name: str, model: str, with_usage: bool) -> Playlist:
    """The playlist of a streamed answer. `model` is without its token."""
    dialect = DIALECTS[dialect_name]
    kind, events, period_ms = ModelName.parse(model)
    texts = _text_events(dialect_name, events)
    closing = (dialect.closing_with_usage if with_usage else dialect.closing)(events)
    head = stream_head(dialect)
    whole = [event for event in (dialect.opening, *texts, closing) if event]
    started = [http_chunk(event) for event in (dialect.opening, *texts) if event]
    if kind == "burst":
        return Playlist(head, _slices(b"".join(map(http_chunk, whole)) + LAST_CHUNK))
    if kind == "block":
        return Playlist(head, [*map(http_chunk, _grouped(whole)), LAST_CHUNK])
    if kind in ("rounds", "paced"):
        writes = [http_chunk(event) for event in whole]
        writes[-1] += LAST_CHUNK
        pace = Pace.ROUNDS if kind == "rounds" else Pace.PERIOD
        return Playlist(head, writes, pace, period_ms)
    return _faulty(dialect, kind, started, closing)


def _faulty(dialect: Dialect, kind: str, started: list[bytes], closing: bytes) -> Playlist:
    head = stream_head(dialect)
    next_event = http_chunk(dialect.text_event(0))
    if kind == "eof":
        return Playlist(head, [*started, LAST_CHUNK])
    if kind == "cut":
        return Playlist(head, [*started, next_event[:-40]], ending=Ending.CUT)
    if kind == "stall":
        return Playlist(head, started, ending=Ending.SILENCE)
    if kind == "keepalive":
        keepalive = b'event: ping\ndata: {"type": "ping"}\n\n' if dialect.name == "anthropic" else b": keepalive\n\n"
        return Playlist(head, started, ending=Ending.KEEPALIVES, keepalive=http_chunk(keepalive))
    if kind == "garbage":
        garbage = next_event.replace(b"0000000 ", b'00"00{0 ')
        return Playlist(head, [*started, garbage, http_chunk(closing), LAST_CHUNK])
    if kind == "error":
        return Playlist(head, [*started, http_chunk(dialect.error_event), LAST_CHUNK])
    if kind == "endless":
        return Playlist(head, [*started, next_event], Pace.PERIOD, ENDLESS_PERIOD_MS, Ending.REPEAT)
    if kind == "flood":
        return Playlist(head, [*started, next_event * (WRITE_BYTES // len(next_event))], ending=Ending.REPEAT)
    return Playlist(head, [*started, http_chunk(closing), LAST_CHUNK])


@lru_cache(maxsize=8)
def whole_answer(dialect_name: str, model: str) -> bytes:
    """The HTTP response to a request that is not streamed."""
    return http_body("200 OK", DIALECTS[dialect_name].body(ModelName.parse(model).events))


def too_many_requests(dialect_name: str) -> bytes:
    return http_body("429 Too Many Requests", DIALECTS[dialect_name].error_body, b"Retry-After: 1\r\n")
