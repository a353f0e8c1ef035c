"""Usage and cost of several calls: sums that claim no more than is known."""

from __future__ import annotations

import pytest

from exllm import Cost, Usage
from exllm.cost.totals import add_cost, add_usage


def test_counts_add_up_and_what_nobody_reported_stays_unknown() -> None:
    one = Usage(10, 5, 15, cached_input_tokens=4, provenance="reported")
    other = Usage(20, 1, 21, reasoning_tokens=1, provenance="reported")
    assert add_usage(one, other) == Usage(
        30, 6, 36, cached_input_tokens=4, reasoning_tokens=1, provenance="reported"
    )  # fmt: skip


@pytest.mark.parametrize(
    ("one", "other", "both"),
    [
        ("reported", "reported", "reported"),
        ("unknown", "unknown", "unknown"),
        ("reported", "estimated", "estimated"),
        ("estimated", "reported", "estimated"),
        ("reported", "unknown", "partial"),
        ("partial", "reported", "partial"),
        ("estimated", "unknown", "partial"),
    ],
)
def test_the_sum_is_as_sure_as_its_parts(one: str, other: str, both: str) -> None:
    assert add_usage(Usage(1, provenance=one), Usage(2, provenance=other)).provenance == both  # type: ignore[arg-type]


def test_the_tier_is_told_when_it_is_the_same() -> None:
    assert add_usage(Usage(service_tier="flex"), Usage(service_tier="flex")).service_tier == "flex"
    assert add_usage(Usage(service_tier="flex"), Usage()).service_tier is None


def test_dollars_add_up_by_component() -> None:
    one = Cost(input=0.1, output=0.2, total=0.3, source="catalog")
    other = Cost(input=0.4, reasoning=0.5, total=0.9, source="catalog", estimated=True)
    both = add_cost(one, other)
    assert (both.input, both.output, both.reasoning, both.total) == pytest.approx((0.5, 0.2, 0.5, 1.2))
    assert (both.source, both.estimated, both.reason, both.search) == ("catalog", True, None, None)


def test_a_cost_that_is_not_known_makes_the_total_unknown_and_says_why() -> None:
    known, unknown = Cost(input=0.1, total=0.1, source="catalog"), Cost(reason="no price for m")
    for both in (add_cost(known, unknown), add_cost(unknown, known)):
        assert (both.total, both.input, both.reason, both.source) == (None, 0.1, "no price for m", None)
