"""The events of a stream of Cohere's `/v2/chat`, and its whole answer: only the fields that are read.

Decoded as one tagged union, so that the hot event (`ContentDelta`) costs one pass. What the union does not know raises
`msgspec.ValidationError`; the decoder then reads it as plain JSON.
Source: https://docs.cohere.com/reference/chat-stream, https://docs.cohere.com/reference/chat
"""

from __future__ import annotations

from typing import Any

import msgspec


class LogprobItem(msgspec.Struct, gc=False):
    """A piece of text, which may be several tokens, and the log probability of each of them."""

    text: str | None = None
    token_ids: list[int] = []
    logprobs: list[float] | None = None


# -- what is in the events' `delta.message`


class ContentPiece(msgspec.Struct, gc=False):
    """`type` comes with the start of a block only."""

    text: str | None = None
    thinking: str | None = None
    type: str | None = None


class ContentMessage(msgspec.Struct, gc=False):
    content: ContentPiece


class FunctionPiece(msgspec.Struct, gc=False):
    name: str | None = None
    arguments: str | None = None


class CallPiece(msgspec.Struct, gc=False):
    id: str | None = None
    function: FunctionPiece | None = None


class CallMessage(msgspec.Struct, gc=False):
    tool_calls: CallPiece


class PlanMessage(msgspec.Struct, gc=False):
    tool_plan: str | None = None


class CitationMessage(msgspec.Struct, gc=False):
    citations: dict[str, Any]


class ContentChange(msgspec.Struct, gc=False):
    message: ContentMessage


class CallChange(msgspec.Struct, gc=False):
    message: CallMessage


class PlanChange(msgspec.Struct, gc=False):
    message: PlanMessage


class CitationChange(msgspec.Struct, gc=False):
    message: CitationMessage


class BilledUnits(msgspec.Struct, gc=False):
    input_tokens: float | None = None
    output_tokens: float | None = None
    search_units: float | None = None


class TokenCounts(msgspec.Struct, gc=False):
    input_tokens: float | None = None
    output_tokens: float | None = None
    reasoning_tokens: float | None = None
    image_tokens: float | None = None


class UsageCounts(msgspec.Struct, gc=False):
    """All counts are numbers of the kind that may have a point: ``12.0``."""

    tokens: TokenCounts | None = None
    billed_units: BilledUnits | None = None
    cached_tokens: float | None = None


class EndChange(msgspec.Struct, gc=False):
    finish_reason: str | None = None
    error: str | None = None
    usage: UsageCounts | None = None


# -- events


class _Tagged(msgspec.Struct, gc=False, tag_field="type"):
    pass


class ContentDelta(_Tagged, tag="content-delta"):
    delta: ContentChange
    index: int = 0
    logprobs: LogprobItem | None = None


class MessageStart(_Tagged, tag="message-start"):
    id: str | None = None


class ContentStart(_Tagged, tag="content-start"):
    delta: ContentChange
    index: int = 0


class ContentEnd(_Tagged, tag="content-end"):
    pass


class PlanDelta(_Tagged, tag="tool-plan-delta"):
    delta: PlanChange


class CallStart(_Tagged, tag="tool-call-start"):
    delta: CallChange
    index: int | None = None


class CallDelta(_Tagged, tag="tool-call-delta"):
    delta: CallChange
    index: int | None = None


class CallEnd(_Tagged, tag="tool-call-end"):
    pass


class CitationStart(_Tagged, tag="citation-start"):
    delta: CitationChange


class CitationEnd(_Tagged, tag="citation-end"):
    pass


class MessageEnd(_Tagged, tag="message-end"):
    delta: EndChange = msgspec.field(default_factory=EndChange)


Event = (
    ContentDelta
    | MessageStart
    | ContentStart
    | ContentEnd
    | PlanDelta
    | CallStart
    | CallDelta
    | CallEnd
    | CitationStart
    | CitationEnd
    | MessageEnd
)
EVENT_TYPES = frozenset(
    {
        "content-delta", "message-start", "content-start", "content-end", "tool-plan-delta", "tool-call-start",
        "tool-call-delta", "tool-call-end", "citation-start", "citation-end", "message-end",
    }
)  # fmt: skip

decode_event = msgspec.json.Decoder(Event).decode


class WholeMessage(msgspec.Struct, gc=False):
    content: str | list[dict[str, Any]] | None = None
    tool_plan: str | None = None
    tool_calls: list[CallPiece] | None = None
    citations: list[dict[str, Any]] | None = None


class Body(msgspec.Struct, gc=False):
    """A whole, unstreamed answer."""

    message: WholeMessage
    finish_reason: str | None = None
    id: str | None = None
    usage: UsageCounts | None = None
    logprobs: list[LogprobItem] | None = None
    error: str | None = None


decode_body = msgspec.json.Decoder(Body).decode
