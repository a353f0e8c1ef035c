"""Counts that come again and again are folded field by field, in the short way and in the long one alike."""

from __future__ import annotations

from functools import reduce

from hypothesis import given
from hypothesis import strategies as st

from exllm.streaming.accumulator import Accumulator, merge_usage
from exllm.types.chunks import UsageUpdate
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
