"""The events of the Responses API as they are on the wire: only the fields that are read.

Decoded as one tagged union, `decode_event`, so that the hot event (`TextPiece`) costs one pass and no string
comparison. What the union does not know raises `msgspec.ValidationError`; the decoder then reads it as plain JSON.
Source: https://developers.openai.com/api/reference/resources/responses/streaming-events
"""

from __future__ import annotations

from typing import Any

import msgspec


class _Tagged(msgspec.Struct, gc=False, tag_field="type"):
    pass


class Token(msgspec.Struct, gc=False):
    token: str = ""
    logprob: float | None = None
    bytes: list[int] | None = None
    top_logprobs: list[Token] | None = None


# -- pieces of an item. `output_index` says of which; `item_id` does where a service leaves it out


class TextPiece(_Tagged, tag="response.output_text.delta"):
    delta: str
    output_index: int | None = None
    content_index: int = 0
    item_id: str | None = None
    logprobs: list[Token] | None = None


class RefusalPiece(_Tagged, tag="response.refusal.delta"):
    delta: str
    output_index: int | None = None
    item_id: str | None = None


class SummaryPiece(_Tagged, tag="response.reasoning_summary_text.delta"):
    delta: str
    output_index: int | None = None
    summary_index: int = 0
    item_id: str | None = None


class ReasoningPiece(_Tagged, tag="response.reasoning_text.delta"):
    delta: str
    output_index: int | None = None
    content_index: int = 0
    item_id: str | None = None


class ArgumentsPiece(_Tagged, tag="response.function_call_arguments.delta"):
    delta: str
    output_index: int | None = None
    item_id: str | None = None


class InputPiece(_Tagged, tag="response.custom_tool_call_input.delta"):
    delta: str
    output_index: int | None = None
    item_id: str | None = None


class AnnotationAdded(_Tagged, tag="response.output_text.annotation.added"):
    annotation: dict[str, Any] | None = None
    output_index: int | None = None
    content_index: int = 0
    item_id: str | None = None


class AudioPiece(_Tagged, tag="response.audio.delta"):
    delta: str


class TranscriptPiece(_Tagged, tag="response.audio.transcript.delta"):
    delta: str


# -- items and the whole


class ItemAdded(_Tagged, tag="response.output_item.added"):
    item: dict[str, Any]
    output_index: int | None = None


class ItemDone(_Tagged, tag="response.output_item.done"):
    item: dict[str, Any]
    output_index: int | None = None


class Head(msgspec.Struct, gc=False):
    """The beginning of a response; the rest of it only repeats the request."""

    id: str | None = None
    model: str | None = None
    created_at: float | None = None


class Created(_Tagged, tag="response.created"):
    response: Head


class Queued(_Tagged, tag="response.queued"):
    response: Head


class InProgress(_Tagged, tag="response.in_progress"):
    response: Head


class Completed(_Tagged, tag="response.completed"):
    response: dict[str, Any]


class Incomplete(_Tagged, tag="response.incomplete"):
    response: dict[str, Any]


class Failed(_Tagged, tag="response.failed"):
    response: dict[str, Any] = {}
    error: Any = None  # Perplexity, which sends no response


class Error(_Tagged, tag="error"):
    pass


Event = (
    TextPiece
    | RefusalPiece
    | SummaryPiece
    | ReasoningPiece
    | ArgumentsPiece
    | InputPiece
    | AnnotationAdded
    | AudioPiece
    | TranscriptPiece
    | ItemAdded
    | ItemDone
    | Created
    | Queued
    | InProgress
    | Completed
    | Incomplete
    | Failed
    | Error
)
EVENT_TYPES = frozenset(kind.__struct_config__.tag for kind in Event.__args__)

SILENT = frozenset(
    {
        # Said before, in pieces, and once more by the item when it is done.
        "response.output_text.done",
        "response.refusal.done",
        "response.function_call_arguments.done",
        "response.custom_tool_call_input.done",
        "response.reasoning_summary_text.done",
        "response.reasoning_text.done",
        "response.audio.done",
        "response.audio.transcript.done",
        "response.content_part.added",
        "response.content_part.done",
        "response.reasoning_summary_part.added",
        "response.reasoning_summary_part.done",
        "response.reasoning_part.added",  # Amazon Bedrock
        "response.reasoning_part.done",
        # Signs of life.
        "keepalive",
        "ping",
    }
)
"""Events that add nothing."""

decode_event = msgspec.json.Decoder(Event).decode


class Numbered(msgspec.Struct, gc=False):
    """Any event: its place among those of the stream."""

    sequence_number: int | None = None


decode_number = msgspec.json.Decoder(Numbered).decode
