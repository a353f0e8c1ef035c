"""Streams of the Anthropic Messages API, made to order for tests."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from exllm.providers.anthropic_decode import MessagesDecoder
from exllm.streaming.frame import Frame
from exllm.types.chunks import Chunk
from exllm.types.response import Response
from tests.providers.anthropic_recordings import fold

Event = dict[str, Any]
USAGE = {"input_tokens": 10, "output_tokens": 1}


def frame(event: Event | bytes) -> Frame:
    data = event if isinstance(event, bytes) else msgspec.json.encode(event)
    return Frame(data, event["type"] if isinstance(event, dict) and "type" in event else "message")


def start(**fields: Any) -> Event:
    message = {"id": "msg_1", "type": "message", "role": "assistant", "model": "claude-x", "content": []}
    return {"type": "message_start", "message": {**message, "usage": USAGE, **fields}}


def block(index: int, content: Event, *deltas: Event) -> list[Event]:
    return [
        {"type": "content_block_start", "index": index, "content_block": content},
        *({"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas),
        {"type": "content_block_stop", "index": index},
    ]


def text(index: int, *pieces: str) -> list[Event]:
    return block(index, {"type": "text", "text": ""}, *({"type": "text_delta", "text": piece} for piece in pieces))


def call(index: int, call_id: str, name: str, *pieces: str, kind: str = "tool_use") -> list[Event]:
    return block(
        index,
        {"type": kind, "id": call_id, "name": name, "input": {}},
        *({"type": "input_json_delta", "partial_json": piece} for piece in pieces),
    )


def end(reason: str | None = "end_turn", usage: Event | None = None, **delta: Any) -> list[Event]:
    return [
        {"type": "message_delta", "delta": {"stop_reason": reason, **delta}, "usage": usage or {"output_tokens": 5}},
        {"type": "message_stop"},
    ]


def decoder() -> MessagesDecoder:
    return MessagesDecoder("anthropic", "claude-asked")


def decode(events: Iterable[Event | bytes]) -> list[Chunk]:
    """All chunks, each event fed on its own; raises what the decoder raises."""
    own = decoder()
    chunks: list[Chunk] = []
    for event in events:
        chunks += own.feed([frame(event)])
    return chunks + own.close()


def response(events: Sequence[Event | bytes]) -> Response:
    return fold(decode(events))
