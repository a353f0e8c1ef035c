"""The chunks of a stream: one tagged union for every provider.

Every chunk has `index` (which choice, when ``n > 1``) and `text`, which is ``""`` on all but `TextDelta`: joining
``chunk.text`` over a stream gives ``response.text`` of a single-choice answer. All are frozen, and round-trip through
``msgspec.json`` as `Chunk`. They hold no cycles, so the garbage collector need not track them.
"""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import msgspec

from exllm.types.parts import Citation
from exllm.types.usage import Usage

FinishReason = Literal["stop", "length", "tool_calls", "content_filter", "refusal", "error"]


class TokenLogprob(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """The log probability of one token, and of the likeliest alternatives at its place."""

    token: str
    logprob: float
    bytes: tuple[int, ...] | None = None
    top: tuple[TokenLogprob, ...] = ()


class _Chunk(msgspec.Struct, frozen=True, gc=False, omit_defaults=True, tag_field="type"):
    pass


class StreamStart(_Chunk, frozen=True, tag="stream_start"):
    """The provider has begun to answer. `model` is the one that answers, which may be more exact than the one asked."""

    id: str | None = None
    model: str | None = None
    created: int | None = None
    index: int = 0
    text: ClassVar[str] = ""


class TextDelta(_Chunk, frozen=True, tag="text_delta"):
    """A piece of the answer. `part` tells apart the text parts of one answer."""

    text: str
    index: int = 0
    part: int = 0
    logprobs: tuple[TokenLogprob, ...] | None = None


class ReasoningDelta(_Chunk, frozen=True, tag="reasoning_delta"):
    """A piece of the model's thinking; or its `signature`, or a `redacted` block, which come whole."""

    reasoning: str = ""
    index: int = 0
    part: int = 0
    signature: str | None = None
    redacted: str | None = None
    id: str | None = None
    text: ClassVar[str] = ""


class ToolCallDelta(_Chunk, frozen=True, tag="tool_call_delta"):
    """A piece of a tool call.

    `call` is the position of the call within the choice. `id` and `name` come with its first piece, `arguments` is the
    next fragment of the JSON text.
    """

    call: int = 0
    id: str = ""
    name: str = ""
    arguments: str = ""
    index: int = 0
    provider_executed: bool = False
    signature: str | None = None
    text: ClassVar[str] = ""


class AudioDelta(_Chunk, frozen=True, tag="audio_delta"):
    """A piece of spoken answer: raw `data` in the format asked for, and what is said in `transcript`."""

    data: bytes = b""
    media_type: str | None = None
    transcript: str = ""
    id: str | None = None
    expires_at: int | None = None
    index: int = 0
    text: ClassVar[str] = ""


class ImageDelta(_Chunk, frozen=True, tag="image_delta"):
    """A generated image: its bytes, or where they are."""

    data: bytes | None = None
    url: str | None = None
    media_type: str | None = None
    index: int = 0
    text: ClassVar[str] = ""


class CitationDelta(_Chunk, frozen=True, tag="citation_delta"):
    """A source of the text part `part`."""

    citation: Citation
    index: int = 0
    part: int = 0
    text: ClassVar[str] = ""


class RefusalDelta(_Chunk, frozen=True, tag="refusal_delta"):
    """A piece of the model's refusal."""

    refusal: str
    index: int = 0
    logprobs: tuple[TokenLogprob, ...] | None = None
    text: ClassVar[str] = ""


class UsageUpdate(_Chunk, frozen=True, tag="usage_update"):
    """Token counts so far; a later one replaces the fields that it sets."""

    usage: Usage
    index: int = 0
    text: ClassVar[str] = ""


class Finish(_Chunk, frozen=True, tag="finish"):
    """Choice `index` is complete. `raw` is the provider's own word for the reason, `message` its explanation."""

    reason: FinishReason
    index: int = 0
    raw: str | None = None
    message: str | None = None
    text: ClassVar[str] = ""


class ProviderEvent(_Chunk, frozen=True, tag="provider_event"):
    """Something that the union has no name for, passed on as it came.

    With `content` it is a block of the answer and becomes a `ProviderPart` of the message.
    """

    event: str
    data: Any = None
    provider: str = ""
    content: bool = False
    index: int = 0
    text: ClassVar[str] = ""


Chunk = (
    StreamStart
    | TextDelta
    | ReasoningDelta
    | ToolCallDelta
    | AudioDelta
    | ImageDelta
    | CitationDelta
    | RefusalDelta
    | UsageUpdate
    | Finish
    | ProviderEvent
)
