"""The events of an Anthropic Messages stream as they are on the wire: only the fields that are read.

Decoded as one tagged union, `decode_event`, so that the hot event (`BlockDelta` with a `TextPiece`) costs one pass and
no string comparison. What the union does not know raises `msgspec.ValidationError`; the decoder then reads it as plain
JSON. Source: https://platform.claude.com/docs/en/build-with-claude/streaming
"""

from __future__ import annotations

from typing import Any

import msgspec


class _Tagged(msgspec.Struct, gc=False, tag_field="type"):
    pass


# -- the pieces of a content block


class TextPiece(_Tagged, tag="text_delta"):
    text: str


class JSONPiece(_Tagged, tag="input_json_delta"):
    partial_json: str


class ThinkingPiece(_Tagged, tag="thinking_delta"):
    thinking: str


class SignaturePiece(_Tagged, tag="signature_delta"):
    signature: str


class CitationPiece(_Tagged, tag="citations_delta"):
    citation: dict[str, Any]


Piece = TextPiece | JSONPiece | ThinkingPiece | SignaturePiece | CitationPiece
PIECE_TYPES = frozenset({"text_delta", "input_json_delta", "thinking_delta", "signature_delta", "citations_delta"})


# -- events


class BlockDelta(_Tagged, tag="content_block_delta"):
    delta: Piece
    index: int = 0  # left out by some compatible services, whose blocks then follow each other


class BlockStart(_Tagged, tag="content_block_start"):
    content_block: msgspec.Raw
    index: int = 0


class BlockStop(_Tagged, tag="content_block_stop"):
    index: int = 0


class MessageStart(_Tagged, tag="message_start"):
    message: dict[str, Any]


class MessageDelta(_Tagged, tag="message_delta"):
    delta: dict[str, Any] = {}
    usage: dict[str, Any] | None = None
    context_management: dict[str, Any] | None = None
    input_transformations: list[Any] | None = None


UNNAMED_DELTA_FIELDS = ("context_management", "input_transformations")
"""Fields of `MessageDelta` that are passed on."""


class MessageStop(_Tagged, tag="message_stop"):
    pass


class Ping(_Tagged, tag="ping"):
    pass


class Error(_Tagged, tag="error"):
    pass


Event = BlockDelta | BlockStart | BlockStop | MessageStart | MessageDelta | MessageStop | Ping | Error
EVENT_TYPES = frozenset(
    {
        "content_block_delta",
        "content_block_start",
        "content_block_stop",
        "message_start",
        "message_delta",
        "message_stop",
        "ping",
        "error",
    }
)

decode_event = msgspec.json.Decoder(Event).decode


class Body(msgspec.Struct):
    """A whole, unstreamed message. The blocks stay raw, so that tool arguments keep the text they were sent as."""

    content: list[msgspec.Raw]


class BlockInput(msgspec.Struct):
    """The arguments of a tool call as the text they were sent as; `{}` is what a stream starts with."""

    input: msgspec.Raw = msgspec.Raw(b"{}")


decode_body = msgspec.json.Decoder(Body).decode
decode_block_input = msgspec.json.Decoder(BlockInput).decode
