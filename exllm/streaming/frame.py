"""The unit that every framing decoder hands to a wire."""

from __future__ import annotations

import msgspec


class Frame(msgspec.Struct, frozen=True, gc=False):
    """One event of a stream, whatever framing carried it.

    Attributes:
        data: the payload bytes, usually one JSON document.
        event: the event's name; ``"message"`` where the framing names none.
        id: the last event id seen so far (SSE), else ``""``.
    """

    data: bytes
    event: str = "message"
    id: str = ""
