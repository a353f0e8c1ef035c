"""The lines of an answer of Ollama's `/api/chat` and `/api/generate`: only the fields that are read.

Source: https://docs.ollama.com/api and ``api/types.go`` of https://github.com/ollama/ollama (`ChatResponse`,
`GenerateResponse`).
"""

from __future__ import annotations

from typing import Any

import msgspec


class FunctionPiece(msgspec.Struct, gc=False):
    """`arguments` is an object; it stays raw, so that it is the text that the model wrote."""

    name: str | None = None
    arguments: msgspec.Raw = msgspec.Raw(b"")


class CallPiece(msgspec.Struct, gc=False):
    """A whole call. Servers before 0.12 give no id."""

    id: str | None = None
    function: FunctionPiece | None = None


class MessagePiece(msgspec.Struct, gc=False):
    content: str | None = None
    thinking: str | None = None
    tool_calls: list[CallPiece] | None = None
    images: list[str] | None = None


class TokenPiece(msgspec.Struct, gc=False):
    token: str
    logprob: float
    bytes: tuple[int, ...] | None = None
    top_logprobs: list[TokenPiece] | None = None


class Line(msgspec.Struct, gc=False):
    """One line of a stream; the only one of an unstreamed answer."""

    message: MessagePiece | None = None
    done: bool = False
    done_reason: str | None = None
    error: Any = None
    logprobs: list[TokenPiece] | None = None
    prompt_eval_count: int | None = None
    eval_count: int | None = None
    debug_info: dict[str, Any] | None = msgspec.field(default=None, name="_debug_info")


class GenerateLine(Line, gc=False):
    """One line of `/api/generate`; what stands in a message there stands beside the rest here."""

    response: str | None = None
    thinking: str | None = None
    tool_calls: list[CallPiece] | None = None
    image: str | None = None
    context: list[int] | None = None
    completed: int | None = None  # steps of an image in the making, of `total`
    total: int | None = None

    def __post_init__(self) -> None:
        if (
            self.response is not None
            or self.thinking is not None
            or self.image is not None
            or self.tool_calls is not None
            or self.completed is not None
        ):
            self.message = MessagePiece(
                self.response, self.thinking, self.tool_calls, [self.image] if self.image else None
            )


class Head(msgspec.Struct, gc=False):
    """What every line repeats, read once."""

    model: str | None = None
    created_at: str | None = None


NAMED_FIELDS = frozenset({"model", "created_at", *Line.__struct_encode_fields__})
"""What the chunks have a name for. All else of the last line is passed on: times in nanoseconds, a remote host."""

GENERATE_FIELDS = frozenset({"model", "created_at", *GenerateLine.__struct_encode_fields__})

decode_line = msgspec.json.Decoder(Line).decode
decode_generate_line = msgspec.json.Decoder(GenerateLine).decode
decode_head = msgspec.json.Decoder(Head).decode
