"""Every kind of price, on models made for it."""

from __future__ import annotations

import datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from exllm.cost.pricer import Conditions, NoPrice, Pricer
from exllm.cost.quantities import Quantities
from exllm.model_catalog.schema import ModelInfo, Rates
from exllm.types.usage import Cost, Usage

PARTS = ("input", "cached_input", "cache_write", "output", "reasoning", "audio", "image", "search", "other")


def _pricer(*rows: Rates) -> Pricer:
    return Pricer(ModelInfo("acme", "m", prices=rows))


def _sum(cost: Cost) -> float:
    return sum(getattr(cost, part) or 0.0 for part in PARTS)


FULL = Rates(
    input=3, output=15, cache_read=0.3, cache_write=3.75, cache_write_1h=6, reasoning=20, input_audio=30,
    output_audio=60, cache_read_audio=2, input_image=5, output_image=40, per_search=0.01,
)  # fmt: skip


def test_q17_input_is_uncached_plus_read_plus_written_for_five_minutes_or_an_hour() -> None:
    usage = Usage(
        input_tokens=10_000, output_tokens=100, cached_input_tokens=4_000, cache_write_tokens=3_000,
        cache_write_1h_tokens=1_000,
    )  # fmt: skip
    cost = _pricer(FULL).cost(usage)
    assert cost.input == pytest.approx(3_000 * 3e-6)
    assert cost.cached_input == pytest.approx(4_000 * 0.3e-6)
    assert cost.cache_write == pytest.approx(2_000 * 3.75e-6 + 1_000 * 6e-6)
    assert cost.output == pytest.approx(100 * 15e-6)
    assert cost.total == pytest.approx(_sum(cost))
    assert cost.source == "catalog"


def test_reasoning_and_audio_and_pictures_are_taken_out_of_the_output() -> None:
    usage = Usage(input_tokens=0, output_tokens=1_000, reasoning_tokens=400, audio_output_tokens=100)
    cost = _pricer(FULL).cost(usage, Quantities(image_output_tokens=200))
    assert cost.output == pytest.approx(300 * 15e-6)
    assert cost.reasoning == pytest.approx(400 * 20e-6)
    assert cost.audio == pytest.approx(100 * 60e-6)
    assert cost.image == pytest.approx(200 * 40e-6)


def test_cached_tokens_are_text_unless_there_is_not_so_much_text_or_the_audio_part_is_told() -> None:
    mixed = Usage(input_tokens=1_000, output_tokens=0, cached_input_tokens=500, audio_input_tokens=300)
    assert _pricer(FULL).cost(mixed).audio == pytest.approx(300 * 30e-6)
    told = _pricer(FULL).cost(mixed, Quantities(cached_audio_tokens=200))
    assert told.audio == pytest.approx(100 * 30e-6)
    assert told.cached_input == pytest.approx(300 * 0.3e-6 + 200 * 2e-6)
    known = Usage(
        input_tokens=1_000, output_tokens=0, cached_input_tokens=500, audio_input_tokens=300, cached_audio_tokens=200
    )
    assert _pricer(FULL).cost(known) == told
    no_audio = msgspec.structs.replace(known, audio_input_tokens=600, cached_audio_tokens=0)
    assert _pricer(FULL).cost(no_audio).cached_input == pytest.approx(500 * 0.3e-6)
    all_audio = Usage(input_tokens=1_000, output_tokens=0, cached_input_tokens=500, audio_input_tokens=1_000)
    cost = _pricer(FULL).cost(all_audio)
    assert cost.audio == pytest.approx(500 * 30e-6)
    assert cost.cached_input == pytest.approx(500 * 2e-6)


def test_a_part_without_a_price_costs_what_the_whole_does() -> None:
    usage = Usage(
        input_tokens=1_000, output_tokens=500, cached_input_tokens=100, cache_write_tokens=200, reasoning_tokens=50,
        audio_input_tokens=10, audio_output_tokens=20,
    )  # fmt: skip
    cost = _pricer(Rates(input=2, output=8)).cost(usage)
    assert cost.total == pytest.approx(1_000 * 2e-6 + 500 * 8e-6)


@pytest.mark.parametrize(
    ("rows", "usage", "quantities", "reason"),
    [
        ((Rates(output=1),), Usage(input_tokens=5, output_tokens=5), Quantities(), "its input tokens"),
        ((Rates(input=1),), Usage(input_tokens=5, output_tokens=5), Quantities(), "its output tokens"),
        ((FULL,), Usage(), None, "the provider reported no token counts"),
        ((Rates(input=1, output=1),), Usage(input_tokens=1, search_requests=2), None, "of its 2 web searches"),
        ((Rates(per_image=1),), Usage(input_tokens=5, output_tokens=5), None, "billed by images"),
        ((Rates(input=1, output=1),), Usage(input_tokens=5), Quantities(pages=3), "no price is known of its pages"),
    ],
)  # fmt: skip
def test_what_is_used_and_has_no_price_makes_the_total_unknown_and_says_why(
    rows: tuple[Rates, ...], usage: Usage, quantities: Quantities | None, reason: str
) -> None:
    cost = _pricer(*rows).cost(usage, *([quantities] if quantities is not None else []))
    assert cost.total is None
    assert cost.reason is not None
    assert reason in cost.reason


STEPS = (
    Rates(input=1, output=4, cache_read=0.1),
    Rates(above=128_000, input=2, output=6, cache_read=0.2),
    Rates(above=200_000, input=3, output=9),
    Rates(tier="batch", input=0.5, output=2),
    Rates(tier="batch", above=200_000, input=1.5, output=4.5),
)


@pytest.mark.parametrize(
    ("tokens", "tier", "rates"),
    [
        (128_000, None, (1, 4, 0.1)),
        (128_001, None, (2, 6, 0.2)),
        (200_000, None, (2, 6, 0.2)),
        (200_001, None, (3, 9, 0.2)),
        (10, "batch", (0.5, 2, 0.1)),
        (150_000, "batch", (0.5, 2, 0.2)),
        (200_001, "batch", (1.5, 4.5, 0.2)),
    ],
)
def test_a_step_is_for_more_tokens_than_it_says_and_for_all_of_them(
    tokens: int, tier: str | None, rates: tuple[float, float, float]
) -> None:
    found = _pricer(*STEPS).rates(tokens, Conditions(tier=tier))
    assert (found["input"], found["output"], found["cache_read"]) == rates


def test_cached_tokens_count_for_the_step() -> None:
    cost = _pricer(*STEPS).cost(Usage(input_tokens=200_001, cached_input_tokens=200_000, output_tokens=0))
    assert cost.input == pytest.approx(3e-6)


@pytest.mark.parametrize("word", ["default", "auto", "standard", "on_demand", None])
def test_the_normal_tier_has_many_names(word: str | None) -> None:
    cost = _pricer(*STEPS).cost(Usage(input_tokens=100, output_tokens=0, service_tier=word))
    assert cost.total == pytest.approx(100e-6)


def test_the_tier_of_the_answer_counts_and_one_without_a_price_is_unknown() -> None:
    batch = Usage(input_tokens=100, output_tokens=0, service_tier="batch")
    assert _pricer(*STEPS).cost(batch).total == pytest.approx(50e-6)
    with pytest.raises(NoPrice, match="flex tier of acme/m"):
        _pricer(*STEPS).rates(0, Conditions(tier="flex"))
    assert _pricer(*STEPS).cost(Usage(input_tokens=1, output_tokens=1, service_tier="flex")).total is None


def test_fast_is_priority_where_there_is_no_price_of_that_name() -> None:
    rows = Rates(input=1, output=1), Rates(tier="priority", input=2, output=2)
    assert _pricer(*rows).rates(0, Conditions(tier="fast"))["input"] == 2
    assert _pricer(*rows, Rates(tier="fast", input=6)).rates(0, Conditions(tier="fast"))["input"] == 6


def _at(text: str) -> datetime.datetime:
    return datetime.datetime.fromisoformat(text)


NIGHT = Rates(input=1, output=1), Rates(hours=("16:30-00:30",), input=0.5, output=0.5)
WEEK = Rates(input=1, output=1), Rates(hours=("00:00-00:00",), weekdays=(6, 7), input=0.25)
LATER = Rates(input=1, output=1), Rates(since="2026-12-01", input=3)


@pytest.mark.parametrize(
    ("rows", "at", "price"),
    [
        (NIGHT, "2026-11-20T16:29:59+00:00", 1),
        (NIGHT, "2026-11-20T16:30:00+00:00", 0.5),
        (NIGHT, "2026-11-20T00:29:00+00:00", 0.5),
        (NIGHT, "2026-11-20T00:30:00+00:00", 1),
        (NIGHT, "2026-11-21T01:00:00+08:00", 0.5),
        (WEEK, "2026-11-20T12:00:00+00:00", 1),
        (WEEK, "2026-11-21T12:00:00+00:00", 0.25),
        (LATER, "2026-11-30T23:59:59+00:00", 1),
        (LATER, "2026-12-01T00:00:00+00:00", 3),
    ],
)
def test_prices_that_depend_on_the_time(rows: tuple[Rates, ...], at: str, price: float) -> None:
    assert _pricer(*rows).rates(0, Conditions(at=_at(at)))["input"] == price


def test_regions_sizes_and_qualities() -> None:
    rows = (
        Rates(input=1, per_image=0.04, per_search=0.01),
        Rates(region="eu", input=1.1),
        Rates(size="1024x1792", per_image=0.08),
        Rates(size="1024x1792", quality="hd", per_image=0.12),
        Rates(search_size="high", per_search=0.02),
    )
    pricer = _pricer(*rows)
    assert pricer.rates(0, Conditions(region="eu"))["input"] == 1.1
    assert pricer.rates(0, Conditions(region="us"))["input"] == 1
    assert pricer.rates(0, Conditions(size="1024x1792"))["per_image"] == 0.08
    assert pricer.rates(0, Conditions(size="1024x1792", quality="hd"))["per_image"] == 0.12
    assert pricer.rates(0, Conditions(size="1024x1024", quality="hd"))["per_image"] == 0.04
    assert pricer.rates(0, Conditions(search_size="high"))["per_search"] == 0.02


@pytest.mark.parametrize(
    ("rates", "quantities", "part", "usd"),
    [
        (Rates(per_image=0.04), Quantities(images=3), "image", 0.12),
        (Rates(per_input_image=0.0001), Quantities(input_images=2), "image", 0.0002),
        (Rates(per_input_second=0.0001), Quantities(input_seconds=90.5), "audio", 0.00905),
        (Rates(per_output_second=0.1), Quantities(output_seconds=8), "other", 0.8),
        (Rates(per_page=0.002), Quantities(pages=10), "other", 0.02),
        (Rates(per_annotated_page=0.003), Quantities(annotated_pages=10), "other", 0.03),
        (Rates(per_query=0.002), Quantities(queries=5), "search", 0.01),
        (Rates(per_request=0.005), Quantities(), "other", 0.005),
        (Rates(input_characters=15), Quantities(input_characters=2_000), "input", 0.03),
        (Rates(per_file_search=0.0025), Quantities(file_searches=2), "search", 0.005),
        (Rates(per_code_session=0.03), Quantities(code_sessions=1), "other", 0.03),
    ],
)
def test_units_that_are_not_tokens(rates: Rates, quantities: Quantities, part: str, usd: float) -> None:
    cost = _pricer(rates).cost(Usage(input_tokens=None, output_tokens=None), quantities)
    assert cost.total == pytest.approx(usd)
    assert getattr(cost, part) == pytest.approx(usd)


counts = st.integers(0, 2_000_000)


@given(
    counts, counts, counts, counts, counts, counts, counts, counts,
    st.sampled_from([FULL, Rates(input=3, output=15), STEPS[0]]),
)  # fmt: skip
def test_any_usage_is_billed_between_its_cheapest_and_its_dearest_rate_and_the_parts_add_up(
    used: int,
    made: int,
    read: int,
    written: int,
    hour: int,
    reasoning: int,
    audio_in: int,
    audio_out: int,
    rates: Rates,
) -> None:
    usage = Usage(
        input_tokens=used, output_tokens=made, cached_input_tokens=read, cache_write_tokens=written,
        cache_write_1h_tokens=hour, reasoning_tokens=reasoning, audio_input_tokens=audio_in,
        audio_output_tokens=audio_out,
    )  # fmt: skip
    cost = _pricer(rates).cost(usage)
    assert cost.total is not None
    assert cost.total == pytest.approx(_sum(cost), rel=1e-12, abs=1e-15)
    given: dict[str, Any] = {name: getattr(rates, name) for name in ("input", "cache_read", "cache_write",
        "cache_write_1h", "input_audio", "cache_read_audio", "output", "reasoning", "output_audio")}  # fmt: skip
    ins = [given[name] for name in ("input", "cache_read", "cache_write", "cache_write_1h", "input_audio",
        "cache_read_audio") if given[name] is not None]  # fmt: skip
    outs = [given[name] for name in ("output", "reasoning", "output_audio") if given[name] is not None]
    low = (used * min(ins) + made * min(outs)) / 1e6
    high = (used * max(ins) + made * max(outs)) / 1e6
    assert low * (1 - 1e-9) - 1e-12 <= cost.total <= high * (1 + 1e-9) + 1e-12


@given(counts, counts, counts)
def test_the_quick_way_and_the_long_way_come_to_the_same(used: int, made: int, read: int) -> None:
    usage = Usage(input_tokens=used, output_tokens=made, cached_input_tokens=min(read, used))
    quick = _pricer(FULL).cost(usage)
    long = _pricer(FULL).cost(usage, Quantities(requests=0))
    assert quick.total == pytest.approx(long.total, rel=1e-12, abs=1e-15)


def test_where_a_bill_is_for_fewer_tokens_than_were_read_these_count() -> None:
    """Cohere reads its own preambles, and does not bill them; how many of those billed were cached it does not say."""
    usage = Usage(
        input_tokens=1_508, output_tokens=67, cached_input_tokens=1_472, reasoning_tokens=20, billed_input_tokens=98,
        billed_output_tokens=35,
    )  # fmt: skip
    cost = _pricer(Rates(input=2.5, output=10, cache_read=0.1)).cost(usage)
    assert cost.total == pytest.approx((98 * 2.5 + 35 * 10) / 1e6)
    assert (cost.cached_input, cost.reasoning) == (None, None)
    only_input = Usage(input_tokens=100, output_tokens=10, billed_input_tokens=0)
    assert _pricer(Rates(input=2.5, output=10)).cost(only_input).total == pytest.approx(100 / 1e6)
