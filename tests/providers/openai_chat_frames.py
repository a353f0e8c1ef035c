"""Frames of Chat Completions made by hand, for tests of the decoder."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from exllm.providers.openai_chat import WIRE
from exllm.providers.openai_chat_decode import OpenAIChatDecoder
from exllm.providers.spec import ProviderSpec
from exllm.streaming.accumulator import Accumulator
from exllm.streaming.frame import Frame
from exllm.types.chunks import Chunk
from exllm.types.message import Message
from exllm.types.options import check_options
from exllm.types.request import Request
from exllm.types.response import Response

SPEC = ProviderSpec("acme", "openai_chat", "https://api.acme.example/v1")
DONE = Frame(b"[DONE]")


def request(extra: dict[str, Any] | None = None, **options: Any) -> Request:
    return Request("acme", "big", (Message("user", "Hi"),), check_options(options), extra or {})


def frame(data: Any, event: str = "message") -> Frame:
    return Frame(json.dumps(data).encode(), event)


def choice(delta: dict[str, Any] | None, finish: str | None = None, index: int = 0, **fields: Any) -> Frame:
    """A frame with one choice."""
    return frame({"choices": [{"index": index, "delta": delta, "finish_reason": finish, **fields}]})


def text(content: str, index: int = 0) -> Frame:
    return choice({"content": content}, index=index)


def decoder(**options: Any) -> OpenAIChatDecoder:
    made = WIRE.decoder(request(**options), SPEC)
    assert isinstance(made, OpenAIChatDecoder)
    return made


def decode(frames: Iterable[Frame], **options: Any) -> list[Chunk]:
    """The chunks of a whole stream, end included."""
    decoding = decoder(**options)
    return decoding.feed(list(frames)) + decoding.close()


def fold(chunks: Iterable[Chunk]) -> Response:
    accumulator = Accumulator("acme", "big")
    accumulator.add(chunks)
    return accumulator.response()


def decode_body(message: dict[str, Any], finish: str | None = "stop", **fields: Any) -> list[Chunk]:
    """The chunks of a whole answer with one choice."""
    body = {
        "id": "r1",
        "model": "big-1",
        "choices": [{"index": 0, "message": message, "finish_reason": finish}],
        **fields,
    }
    return WIRE.decode_body(json.dumps(body).encode(), request(), SPEC)
