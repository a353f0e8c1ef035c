"""What a protocol is to the fake server, the text that it sends, and how events are framed."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import NamedTuple

PIECE_CHARS = 8


def piece(number: int) -> str:
    """The text of event `number`: 8 characters, different in each event."""
    return f"{number:07d} "


def whole_text(events: int) -> str:
    return "".join(map(piece, range(events)))


class Dialect(NamedTuple):
    """One protocol: what precedes the text events, one text event, what ends the answer, and a whole body.

    What ends an answer, and a body, are of so many text events.
    """

    name: str
    opening: bytes
    text_event: Callable[[int], bytes]
    closing: Callable[[int], bytes]
    closing_with_usage: Callable[[int], bytes]
    body: Callable[[int], bytes]
    error_event: bytes
    error_body: bytes
    stream_type: bytes = b"text/event-stream; charset=utf-8"


def always(data: bytes) -> Callable[[int], bytes]:
    """The same bytes for any number of events."""
    return lambda _events: data


def as_json(document: object) -> bytes:
    return json.dumps(document, separators=(",", ":")).encode()


def data_event(document: object) -> bytes:
    return b"data: " + as_json(document) + b"\n\n"


def named_event(document: Mapping[str, object]) -> bytes:
    """An event with its type as its name, as most services send it."""
    return f"event: {document['type']}\n".encode() + data_event(document)
