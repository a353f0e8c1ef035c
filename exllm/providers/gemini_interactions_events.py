"""The events of the Interactions API: what of them is read with every piece of text.

Anything but text that goes on is read as plain data; it is seldom.
Source: https://ai.google.dev/gemini-api/docs/streaming
"""

from __future__ import annotations

import msgspec

NOTHING = msgspec.Raw()
"""What a raw field is that is not there."""


class Delta(msgspec.Struct, gc=False):
    """What is new of a step; `text` where its type is ``text``."""

    type: str = ""
    text: str = ""


class Event(msgspec.Struct, gc=False):
    """One event. `event_id` is what a stream that broke off is resumed from."""

    event_type: str = ""
    index: int | None = None
    delta: Delta | None = None
    event_id: str | None = None
    metadata: msgspec.Raw = NOTHING


EVENT_TYPES = frozenset(
    {
        "interaction.created", "interaction.status_update", "interaction.completed", "step.start", "step.delta",
        "step.stop", "error",
    }
)  # fmt: skip
"""Those that are documented. Others are passed on."""

decode_event = msgspec.json.Decoder(Event).decode
