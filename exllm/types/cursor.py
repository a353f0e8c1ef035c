"""Where an answer stands: all that is needed to go on with it, perhaps in another process."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from exllm.types.message import Message
from exllm.types.options import NO_OPTIONS, Options
from exllm.types.parts import ToolCall
from exllm.types.response import Response

CURSOR_VERSION = 1
CHARACTERS_PER_TOKEN = 4

ResumeStrategy = Literal["exact", "paragraph", "summarize"]


class StreamHandle(msgspec.Struct, frozen=True, gc=False):
    """The name that the provider keeps a stream under, and the last of its events that arrived."""

    id: str
    after: str = ""


class Cursor(msgspec.Struct, frozen=True, omit_defaults=True):
    """An answer that may be gone on with: ``client.resume(cursor)``. Plain data, without keys; store it as JSON.

    Attributes:
        id: of the answer; `Client.resume` takes it as well, where a store keeps the cursor.
        model: ``"provider/model"``.
        messages, options, extra: the request. Handlers of tools are not in it.
        partial: all that had arrived, as a response. Its usage counts what was reported of it.
        handle: where the provider keeps the stream.
        error: why it broke off, in words; None while it runs.
        started_at, updated_at: Unix times in seconds.
        version: of this form of the data.
    """

    id: str
    model: str
    messages: tuple[Message, ...]
    options: Options = NO_OPTIONS
    extra: dict[str, Any] = {}
    partial: Response = Response()
    handle: StreamHandle | None = None
    error: str | None = None
    started_at: float = 0.0
    updated_at: float = 0.0
    version: int = CURSOR_VERSION

    def __post_init__(self) -> None:
        if self.version > CURSOR_VERSION:
            raise ValueError(f"this cursor was stored by a newer exllm (version {self.version}, not {CURSOR_VERSION})")

    @property
    def text(self) -> str:
        """The text that had arrived."""
        return self.partial.text

    @property
    def output_tokens(self) -> int:
        """How many tokens had arrived: as reported, else a guess, at four characters a token."""
        reported = self.partial.usage.output_tokens
        return reported if reported is not None else -(-len(self.text) // CHARACTERS_PER_TOKEN)

    @property
    def is_whole(self) -> bool:
        """The answer had come to its end."""
        return self.partial.finish_reason is not None

    @property
    def obstacle(self) -> str | None:
        """Why the answer cannot be gone on with from its text alone, in words; None where it can.

        Where the provider keeps the stream (`handle`), nothing of this matters.
        """
        if self.is_whole:
            return "it is whole"
        if (self.options.n or 1) > 1 or len(self.partial.choices) > 1:
            return "it has several choices"
        if any(type(part) is ToolCall for part in self.partial.parts):
            return "it broke off in or after a tool call"
        if self.options.response_format not in (None, "text"):
            return "its form is fixed by response_format, and a continuation would begin it anew"
        if self.options.audio is not None or "audio" in (self.options.modalities or ()):
            return "it is spoken"
        return None
