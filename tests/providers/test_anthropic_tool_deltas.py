"""However the arguments of calls are split, interleaved or sliced, the same calls come out."""

from __future__ import annotations

import itertools
import json
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exllm.errors import ExLLMError
from exllm.providers.anthropic_decode import decode_body
from exllm.streaming.accumulator import Accumulator
from exllm.streaming.sse import SSEDecoder
from exllm.types.parts import ToolCall
from tests.providers.anthropic_recordings import fold
from tests.providers.anthropic_streams import Event, block, call, decode, decoder, end, frame, start, text

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=8,
)
ARGUMENTS = st.dictionaries(st.text(max_size=8), JSON, max_size=4)


@st.composite
def pieces(draw: st.DrawFn, written: str) -> list[str]:
    """`written` in pieces, some of them empty."""
    cuts = sorted(draw(st.lists(st.integers(0, len(written)), max_size=8)))
    return [written[a:b] for a, b in itertools.pairwise([0, *cuts, len(written)])]


@st.composite
def conversations(draw: st.DrawFn) -> tuple[list[Event], list[ToolCall]]:
    """Text and calls in any order, their pieces interleaved in any way, and the calls that were meant."""
    calls: list[ToolCall] = []
    streams: list[list[Event]] = []
    for index in range(draw(st.integers(1, 4))):
        if draw(st.booleans()):
            streams.append(text(index, *draw(st.lists(st.text(), max_size=3))))
            continue
        written = draw(ARGUMENTS.map(json.dumps) | ARGUMENTS.map(lambda value: json.dumps(value, ensure_ascii=False)))
        written = draw(st.sampled_from([written, "", written[: len(written) // 2]]))
        calls.append(ToolCall(f"toolu_{index}", draw(st.sampled_from(["f", "g"])), written))
        streams.append(call(index, calls[-1].id, calls[-1].name, *draw(pieces(written))))
    # Blocks begin in order, and after that their events come in any order that keeps each block's own.
    events = [stream.pop(0) for stream in streams] if draw(st.booleans()) else []
    turns = draw(st.permutations([index for index, stream in enumerate(streams) for _ in stream])) if events else [
        index for index, stream in enumerate(streams) for _ in stream
    ]  # fmt: skip
    return [*events, *(streams[index].pop(0) for index in turns)], calls


def calls_of(chunks: Any) -> list[ToolCall]:
    return list(fold(chunks).message.tool_calls)


@settings(deadline=None)
@given(conversations())
def test_any_split_and_any_order_of_pieces_gives_the_same_calls(
    conversation: tuple[list[Event], list[ToolCall]],
) -> None:
    events, calls = conversation
    assert calls_of(decode([start(), *events, *end("tool_use")])) == calls


@settings(deadline=None)
@given(conversations(), st.integers(1, 40))
def test_any_slicing_of_the_bytes_gives_the_same_calls(
    conversation: tuple[list[Event], list[ToolCall]], size: int
) -> None:
    events, calls = conversation
    body = b"".join(
        b"event: %s\ndata: %s\n\n" % (event["type"].encode(), msgspec.json.encode(event))
        for event in [start(), *events, *end("tool_use")]
    )
    framing, own, accumulator = SSEDecoder(), decoder(), Accumulator("anthropic", "m")
    for begin in range(0, len(body), size):
        accumulator.add(own.feed(framing.feed(body[begin : begin + size])))
    assert own.finished
    assert list(accumulator.response().tool_calls) == calls


@pytest.mark.parametrize("index", [0, None], ids=["repeated", "missing"])
def test_calls_that_follow_each_other_need_no_index_of_their_own(index: int | None) -> None:
    calls = [ToolCall(f"toolu_{number}", "f", f'{{"n": {number}}}') for number in range(4)]
    events = text(0, "x") + [event for each in calls for event in call(0, each.id, each.name, *each.arguments)]
    for event in events:
        if index is None:
            del event["index"]
    assert calls_of(decode([start(), *events, *end("tool_use")])) == calls


def test_a_call_without_an_id_gets_one() -> None:
    nameless = {"type": "tool_use", "name": "f", "input": {}}
    (found,) = calls_of(decode([start(), *block(0, nameless), *end("tool_use")]))
    assert found.id


@settings(deadline=None)
@given(ARGUMENTS)
def test_streamed_whole_and_unstreamed_calls_mean_the_same(arguments: dict[str, Any]) -> None:
    written = json.dumps(arguments)
    content = {"type": "tool_use", "id": "toolu_0", "name": "f", "input": arguments}
    streamed = calls_of(decode([start(), *call(0, "toolu_0", "f", *written), *end("tool_use")]))
    begun = {"type": "content_block_start", "index": 0, "content_block": content}
    at_once = calls_of(decode([start(), begun, {"type": "content_block_stop", "index": 0}, *end("tool_use")]))
    body = {"id": "m", "content": [content], "stop_reason": "tool_use"}
    unstreamed = calls_of(decode_body(json.dumps(body).encode(), "anthropic", "m"))
    assert [found.parse_arguments() for (found,) in (streamed, at_once, unstreamed)] == [arguments] * 3


@settings(deadline=None)
@given(st.lists(st.binary(max_size=40) | st.sampled_from([msgspec.json.encode(event) for event in [
    start(), *text(0, "a"), *call(1, "t", "f", "{}"), *end(), {"type": "ping"},
]]), max_size=12))  # fmt: skip
def test_no_order_of_events_and_no_garbage_raises_anything_but_our_errors(frames: list[bytes]) -> None:
    own, accumulator = decoder(), Accumulator("anthropic", "m")
    try:
        for data in frames:
            accumulator.add(own.feed([frame(data)]))
        accumulator.add(own.close())
    except ExLLMError:
        accumulator.add(own.take())
    assert accumulator.response().finish_reason is None or own.finished
