"""However the arguments of calls are split, interleaved or sliced, the same calls come out."""

from __future__ import annotations

import itertools
import json

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exllm.errors import ExLLMError
from exllm.streaming.accumulator import Accumulator
from exllm.streaming.sse import SSEDecoder
from exllm.types.parts import ToolCall
from tests.providers.openai_responses_streams import (
    Event,
    call,
    decode,
    decoder,
    end,
    frame,
    item,
    items_of,
    response,
    start,
    text,
    whole,
)

ARGUMENTS = st.dictionaries(
    st.text(max_size=8), st.none() | st.integers() | st.text() | st.lists(st.text()), max_size=4
)


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
    for place in range(draw(st.integers(1, 4))):
        if draw(st.booleans()):
            streams.append(text(place, *draw(st.lists(st.text(), max_size=3))))
            continue
        written = draw(ARGUMENTS.map(json.dumps) | ARGUMENTS.map(lambda value: json.dumps(value, ensure_ascii=False)))
        written = draw(st.sampled_from([written, "", written[: len(written) // 2]]))
        kind = draw(st.sampled_from(["function_call", "custom_tool_call"]))
        signature = "custom" if kind == "custom_tool_call" else None
        calls.append(ToolCall(f"call_{place}", draw(st.sampled_from(["f", "g"])), written, signature=signature))
        given = draw(pieces(written)) if draw(st.booleans()) else []
        stream = call(place, calls[-1].id, calls[-1].name, *given, kind=kind)
        stream[-1]["item"]["arguments" if kind == "function_call" else "input"] = written  # whole only, without pieces
        streams.append(stream)
    # Items begin in order, and after that their events come in any order that keeps each item's own.
    events = [stream.pop(0) for stream in streams] if draw(st.booleans()) else []
    turns = draw(st.permutations([index for index, stream in enumerate(streams) for _ in stream])) if events else [
        index for index, stream in enumerate(streams) for _ in stream
    ]  # fmt: skip
    return [*events, *(streams[index].pop(0) for index in turns)], calls


@settings(deadline=None)
@given(conversations(), st.booleans())
def test_any_split_and_any_order_of_pieces_gives_the_same_calls(
    conversation: tuple[list[Event], list[ToolCall]], is_repeated: bool
) -> None:
    events, calls = conversation
    output = sorted(items_of(events), key=lambda each: each["id"][-1]) if is_repeated else []
    assert list(response([start(), *events, end(output)]).tool_calls) == calls


@settings(deadline=None)
@given(conversations(), st.integers(1, 40))
def test_any_slicing_of_the_bytes_gives_the_same_calls(
    conversation: tuple[list[Event], list[ToolCall]], size: int
) -> None:
    events, calls = conversation
    body = b"".join(
        b"event: %s\ndata: %s\n\n" % (event["type"].encode(), msgspec.json.encode(event))
        for event in [start(), *events, end()]
    )
    framing, own, accumulator = SSEDecoder(), decoder(), Accumulator("openai-responses", "m")
    for begin in range(0, len(body), size):
        accumulator.add(own.feed(framing.feed(body[begin : begin + size])))
    assert own.finished
    assert list(accumulator.response().tool_calls) == calls


@pytest.mark.parametrize("missing", [["output_index"], ["item_id"]], ids=lambda names: names[0])
def test_one_way_to_name_a_call_is_enough(missing: list[str]) -> None:
    calls = [ToolCall(f"call_{number}", "f", f'{{"n":{number}}}') for number in range(3)]
    streams = [call(number, each.id, each.name, *each.arguments) for number, each in enumerate(calls)]
    events = [*(stream.pop(0) for stream in streams), *itertools.chain(*zip(*streams, strict=True))]
    for event in events:
        for name in missing:
            event.pop(name, None)
    assert list(response([start(), *events, end()]).tool_calls) == calls


def test_an_index_that_is_always_the_same_is_survived() -> None:
    calls = [ToolCall(f"call_{number}", "f", f'{{"n":{number}}}') for number in range(3)]
    events = [event for number, each in enumerate(calls) for event in call(number, each.id, each.name, *each.arguments)]
    for event in events:
        event["output_index"] = 0
    assert list(response([start(), *events, end()]).tool_calls) == calls


def test_a_call_without_an_id_is_called_as_its_item_is() -> None:
    nameless = {"type": "function_call", "id": "fc_1", "name": "f", "arguments": "{}"}
    (found,) = response([start(), *item(0, nameless), end()]).tool_calls
    assert found == ToolCall("fc_1", "f", "{}")
    del nameless["id"]
    (found,) = response([start(), *item(0, nameless), end()]).tool_calls
    assert found.id


def test_a_name_may_come_last() -> None:
    done = {"type": "function_call", "id": "fc_1", "call_id": "c", "name": "f", "arguments": "{}"}
    begun = {"type": "function_call", "id": "fc_1", "call_id": "c"}
    assert response([start(), *item(0, done, begun=begun), end()]).tool_calls == (ToolCall("c", "f", "{}"),)


@settings(deadline=None)
@given(conversations())
def test_streamed_and_unstreamed_calls_are_the_same(conversation: tuple[list[Event], list[ToolCall]]) -> None:
    events, calls = conversation
    output = sorted(items_of(events), key=lambda each: each["id"][-1])
    accumulator = Accumulator("openai-responses", "m")
    accumulator.add(whole(output))
    assert list(accumulator.response().tool_calls) == calls


@settings(deadline=None)
@given(st.lists(st.binary(max_size=40) | st.sampled_from([msgspec.json.encode(event) for event in [
    start(), *text(0, "a"), *call(1, "t", "f", "{}"), end(), {"type": "keepalive"}, end(kind="failed"),
    *item(2, {"type": "reasoning", "id": "r", "summary": [{"type": "summary_text", "text": "x"}]}),
]]), max_size=12))  # fmt: skip
def test_no_order_of_events_and_no_garbage_raises_anything_but_our_errors(frames: list[bytes]) -> None:
    own, accumulator = decoder(), Accumulator("openai-responses", "m")
    try:
        for data in frames:
            accumulator.add(own.feed([frame(data)]))
        accumulator.add(own.close())
    except ExLLMError:
        accumulator.add(own.take())
    assert accumulator.response().finish_reason is None or own.finished


def test_decoding_twice_is_decoding_once() -> None:
    events = [start(), *text(0, "x"), *call(1, "c", "f", "{", "}"), end()]
    assert decode(events) == decode(events)
