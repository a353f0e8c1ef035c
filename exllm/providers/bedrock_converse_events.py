"""The events of a ConverseStream answer as they are on the wire: only the fields that are read.

The name of the frame says which event it is. Every event also has a field ``p``, padding that hides its length.
Source: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ConverseStreamOutput.html
"""

from __future__ import annotations

from typing import Any

import msgspec


class _Struct(msgspec.Struct, gc=False):
    pass


# -- the pieces of a content block


class ToolInput(_Struct):
    input: str = ""


class ReasoningPiece(_Struct):
    text: str | None = None
    signature: str | None = None
    redactedContent: str | None = None  # base64


class ImageSource(_Struct):
    bytes: str | None = None  # base64


class ImagePiece(_Struct):
    source: ImageSource | None = None
    error: dict[str, Any] | None = None


class Delta(_Struct):
    text: str | None = None
    toolUse: ToolInput | None = None
    reasoningContent: ReasoningPiece | None = None
    citation: dict[str, Any] | None = None
    toolResult: list[Any] | None = None
    image: ImagePiece | None = None


# -- events


class BlockDelta(_Struct):
    delta: Delta
    contentBlockIndex: int = 0


class BlockStart(_Struct):
    start: dict[str, Any]
    contentBlockIndex: int = 0


class BlockStop(_Struct):
    contentBlockIndex: int = 0


class MessageStart(_Struct):
    role: str = "assistant"


class MessageStop(_Struct):
    stopReason: str | None = None
    additionalModelResponseFields: Any = None


class Metadata(_Struct):
    usage: dict[str, Any] | None = None
    metrics: dict[str, Any] | None = None
    trace: dict[str, Any] | None = None
    performanceConfig: dict[str, Any] | None = None
    serviceTier: dict[str, Any] | None = None


Event = BlockDelta | BlockStart | BlockStop | MessageStart | MessageStop | Metadata

decode_delta = msgspec.json.Decoder(BlockDelta).decode
DECODERS: dict[str, msgspec.json.Decoder[Any]] = {
    "contentBlockStart": msgspec.json.Decoder(BlockStart),
    "contentBlockDelta": msgspec.json.Decoder(BlockDelta),
    "contentBlockStop": msgspec.json.Decoder(BlockStop),
    "messageStart": msgspec.json.Decoder(MessageStart),
    "messageStop": msgspec.json.Decoder(MessageStop),
    "metadata": msgspec.json.Decoder(Metadata),
}
"""By the name of the frame."""


# -- a whole answer


class Message(_Struct):
    """The blocks stay raw, so that tool arguments keep the text they were sent as."""

    content: list[msgspec.Raw] = []


class Output(_Struct):
    message: Message


class Body(Metadata, kw_only=True):
    """A whole, unstreamed answer."""

    output: Output
    stopReason: str | None = None
    additionalModelResponseFields: Any = None


class ToolUseBlock(_Struct):
    input: msgspec.Raw = msgspec.Raw(b"{}")


class ToolUse(_Struct):
    """The arguments of a call as the text they were sent as."""

    toolUse: ToolUseBlock


decode_body = msgspec.json.Decoder(Body).decode
decode_tool_use = msgspec.json.Decoder(ToolUse).decode
