"""Whole answers say what their streams would have said."""

from __future__ import annotations

import msgspec
import pytest

from exllm.errors import (
    Overloaded,
    ProtocolError,
)
from exllm.providers.anthropic_decode import decode_body
from exllm.types.chunks import (
    Chunk,
    UsageUpdate,
)
from tests.providers.anthropic_recordings import fold
from tests.providers.anthropic_streams import Event, block, decode, response, start

BLOCKS: list[Event] = [
    {"type": "thinking", "thinking": "Hm.", "signature": "s"},
    {"type": "redacted_thinking", "data": "r"},
    {"type": "text", "text": "See ", "citations": None},
    {"type": "text", "text": "this", "citations": [{"type": "page_location", "cited_text": "c", "document_index": 0}]},
    {"type": "server_tool_use", "id": "s1", "name": "web_search", "input": {"query": "x"}},
    {"type": "web_search_tool_result", "tool_use_id": "s1", "content": []},
    {"type": "tool_use", "id": "t1", "name": "f", "input": {"a": [1, 2]}},
    {"type": "tool_use", "id": "t2", "name": "g", "input": {}, "caller": {"type": "direct"}},
]
MESSAGE: Event = {
    "id": "msg_1", "type": "message", "role": "assistant", "model": "claude-x", "content": BLOCKS,
    "stop_reason": "tool_use", "stop_sequence": None, "container": {"id": "c"},
    "usage": {"input_tokens": 10, "cache_read_input_tokens": 5, "output_tokens": 7},
}  # fmt: skip


def streamed(message: Event) -> list[Event]:
    """The events that the API would have sent for `message`, every block in one piece."""
    events = [start(usage={**message["usage"], "output_tokens": 1})]
    for index, content in enumerate(message["content"]):
        events += block(index, content)
    delta = {name: message[name] for name in ("stop_reason", "stop_sequence", "container")}
    return [*events, {"type": "message_delta", "delta": delta, "usage": message["usage"]}, {"type": "message_stop"}]


def whole(message: Event) -> list[Chunk]:
    return decode_body(msgspec.json.encode(message), "anthropic", "claude-asked")


def test_a_whole_answer_says_what_its_stream_would_have_said() -> None:
    assert fold(whole(MESSAGE)) == response(streamed(MESSAGE))
    assert [chunk for chunk in whole(MESSAGE) if not isinstance(chunk, UsageUpdate)] == [
        chunk for chunk in decode(streamed(MESSAGE)) if not isinstance(chunk, UsageUpdate)
    ]


def test_a_whole_answer_keeps_the_text_of_arguments() -> None:
    body = b'{"content":[{"type":"tool_use","id":"1","name":"f","input":{"n": 1.0,"u":"\\u00e9"}}]}'
    (found,) = fold(decode_body(body, "anthropic", "m")).tool_calls
    assert found.arguments == '{"n": 1.0,"u":"\\u00e9"}'


def test_an_error_as_a_whole_answer_raises() -> None:
    with pytest.raises(Overloaded):
        decode_body(b'{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}', "anthropic", "m")


@pytest.mark.parametrize(
    "body",
    [
        b"", b"<html>", b"[]", b"{}", b'{"content":5}', b'{"content":[5]}', b'{"content":[{"text":"x"}]}', b"\xff",
        b'{"content":[{"type":"text","text":[]}]}', b'{"content":[],"usage":5}', b'{"content":[],"id":5}',
    ],
)  # fmt: skip
def test_a_whole_answer_that_is_nonsense_is_a_protocol_error(body: bytes) -> None:
    with pytest.raises(ProtocolError):
        decode_body(body, "anthropic", "m")
