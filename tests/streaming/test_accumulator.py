"""Counts that come again and again are folded field by field, in the short way and in the long one alike."""

from __future__ import annotations

import random
from functools import reduce

from hypothesis import given
from hypothesis import strategies as st

from exllm.streaming.accumulator import Accumulator
from exllm.streaming.fold import fold
from exllm.streaming.usage_counts import merge_usage
from exllm.types.chunks import (
    Chunk,
    Finish,
    ProviderEvent,
    ReasoningDelta,
    StreamStart,
    TextDelta,
    ToolCallDelta,
    UsageUpdate,
)
from exllm.types.usage import Usage

COUNT = st.none() | st.integers(0, 3)
USAGES = st.builds(
    Usage,
    input_tokens=COUNT,
    output_tokens=COUNT,
    cached_input_tokens=COUNT,
    reasoning_tokens=COUNT,
    service_tier=st.none() | st.just("flex"),
    provenance=st.sampled_from(["partial", "reported"]),
)


@given(st.lists(USAGES, min_size=1, max_size=8))
def test_the_latest_of_each_count_stays_whatever_the_shapes(usages: list[Usage]) -> None:
    accumulator = Accumulator("p", "m")
    for number, usage in enumerate(usages, 1):
        accumulator.add([UsageUpdate(usage)])
        assert accumulator.usage == reduce(merge_usage, usages[:number])


def test_counts_of_one_shape_are_taken_as_they_are() -> None:
    accumulator = Accumulator("p", "m")
    for made in range(5):
        usage = Usage(input_tokens=3, output_tokens=made, provenance="partial")
        accumulator.add([UsageUpdate(usage)])
        assert accumulator.usage == usage
    assert accumulator.usage is usage
    accumulator.add([UsageUpdate(Usage(output_tokens=9, reasoning_tokens=2, provenance="reported"))])
    assert accumulator.usage == Usage(input_tokens=3, output_tokens=9, reasoning_tokens=2, provenance="reported")


CHUNKS: st.SearchStrategy[Chunk] = st.one_of(
    st.builds(StreamStart, st.none() | st.just("id"), st.none() | st.just("exact"), st.none() | st.just(7)),
    st.builds(TextDelta, st.sampled_from(["", "a", "b"]), st.integers(0, 1), st.integers(0, 1)),
    st.builds(UsageUpdate, USAGES),
    st.builds(Finish, st.sampled_from(["stop", "length"]), st.integers(0, 1), st.none() | st.just("end")),
    st.just(ReasoningDelta("hm")),
    st.builds(ProviderEvent, st.just("metrics"), st.just({"a": 1}), st.just("p"), st.booleans(), st.integers(0, 1)),
    st.just(ToolCallDelta(0, "c", "f", "{}")),
)


@given(st.lists(CHUNKS, max_size=4) | st.lists(CHUNKS, min_size=4, max_size=7))
def test_a_whole_answer_is_folded_alike_in_both_ways(chunks: list[Chunk]) -> None:
    accumulator = Accumulator("p", "m")
    accumulator.add(chunks)
    assert fold(chunks, "p", "m") == accumulator.response()


@given(
    st.builds(StreamStart, st.none() | st.just("id"), st.none() | st.just("exact"), st.none() | st.just(7)),
    st.builds(TextDelta, st.sampled_from(["", "a"]), st.integers(0, 1), st.integers(0, 1)),
    st.builds(UsageUpdate, USAGES),
    st.builds(Finish, st.sampled_from(["stop", "length"]), st.integers(0, 1), st.none() | st.just("end")),
    st.lists(st.builds(ProviderEvent, st.just("metrics"), st.just({"a": 1}), st.just("p"), st.booleans()), max_size=3),
    st.randoms(use_true_random=False),
)
def test_a_plain_answer_is_folded_alike_in_both_ways(
    start: Chunk, text: Chunk, usage: Chunk, finish: Chunk, beside: list[Chunk], order: random.Random
) -> None:
    chunks = [start, text, usage, finish, *beside]
    order.shuffle(chunks)
    accumulator = Accumulator("p", "m")
    accumulator.add(chunks)
    assert fold(chunks, "p", "m") == accumulator.response()
