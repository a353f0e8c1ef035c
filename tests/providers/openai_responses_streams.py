"""Streams of the Responses API, made to order for tests."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from exllm.providers.openai_responses_decode import ResponsesDecoder
from exllm.streaming.frame import Frame
from exllm.types.chunks import Chunk
from exllm.types.response import Response
from tests.providers.openai_responses_recordings import fold, request_for

Event = dict[str, Any]
HEAD = {"id": "resp_1", "object": "response", "model": "gpt-x", "created_at": 1763500000}
USAGE = {"input_tokens": 10, "output_tokens": 5, "total_tokens": 15}


def frame(event: Event | bytes) -> Frame:
    data = event if isinstance(event, bytes) else msgspec.json.encode(event)
    return Frame(data, event["type"] if isinstance(event, dict) and "type" in event else "message")


def start(kind: str = "created", **fields: Any) -> Event:
    return {"type": f"response.{kind}", "response": {**HEAD, "status": "in_progress", "output": [], **fields}}


def item(place: int, content: Event, *pieces: Event, begun: Event | None = None) -> list[Event]:
    """An item, which is `begun` when it is added and `content` when it is done."""
    return [
        {"type": "response.output_item.added", "output_index": place, "item": content if begun is None else begun},
        *({"output_index": place, "item_id": content.get("id"), **piece} for piece in pieces),
        {"type": "response.output_item.done", "output_index": place, "item": content},
    ]


def message(id_: str, *contents: Event, **fields: Any) -> Event:
    return {"type": "message", "id": id_, "role": "assistant", "content": list(contents), **fields}


def output_text(text: str, **fields: Any) -> Event:
    return {"type": "output_text", "text": text, "annotations": [], **fields}


def text(place: int, *pieces: str) -> list[Event]:
    id_ = f"msg_{place}"
    return item(
        place,
        message(id_, output_text("".join(pieces))),
        *({"type": "response.output_text.delta", "content_index": 0, "delta": piece} for piece in pieces),
        begun=message(id_),
    )


def call(place: int, call_id: str, name: str, *pieces: str, kind: str = "function_call") -> list[Event]:
    field, event = {
        "function_call": ("arguments", "response.function_call_arguments.delta"),
        "custom_tool_call": ("input", "response.custom_tool_call_input.delta"),
    }[kind]
    whole = {"type": kind, "id": f"fc_{place}", "call_id": call_id, "name": name, field: "".join(pieces)}
    return item(place, whole, *({"type": event, "delta": piece} for piece in pieces), begun={**whole, field: ""})


def end(output: Sequence[Event] = (), *, kind: str = "completed", **fields: Any) -> Event:
    return {
        "type": f"response.{kind}",
        "response": {**HEAD, "status": kind, "output": list(output), "usage": USAGE, **fields},
    }


def items_of(events: Iterable[Event]) -> list[Event]:
    """The items that were done, as the response at the end has them."""
    return [event["item"] for event in events if event["type"] == "response.output_item.done"]


def decoder(**fields: Any) -> ResponsesDecoder:
    request = msgspec.structs.replace(request_for(), **fields)
    return ResponsesDecoder(request, "openai-responses")


def decode(events: Iterable[Event | bytes], **fields: Any) -> list[Chunk]:
    """All chunks, each event fed on its own; raises what the decoder raises."""
    own = decoder(**fields)
    chunks: list[Chunk] = []
    for event in events:
        chunks += own.feed([frame(event)])
    return chunks + own.close()


def whole(output: Sequence[Event], **fields: Any) -> list[Chunk]:
    """The chunks of an unstreamed answer."""
    return decoder().whole(msgspec.json.encode(end(output, **fields)["response"]))


def response(events: Iterable[Event | bytes], **fields: Any) -> Response:
    return fold(decode(events, **fields))


def all_ways(events: Sequence[Event], **fields: Any) -> Response:
    """The response of a stream, which must be that of the whole answer as well."""
    streamed = response([start(), *events, end(items_of(events), **fields)])
    unstreamed = fold(whole(items_of(events), **fields))
    assert streamed == unstreamed
    return streamed


def flat(*groups: list[Event]) -> list[Event]:
    return list(itertools.chain(*groups))
