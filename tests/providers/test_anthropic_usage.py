"""Token counts: the last word wins, the cache is part of the input, and nothing is made up."""

from __future__ import annotations

import pytest

from exllm.types.chunks import (
    ProviderEvent,
)
from exllm.types.usage import Usage
from tests.providers.anthropic_streams import Event, decode, end, response, start, text


def test_usage_is_what_came_last_and_counts_the_cache_as_input() -> None:
    first = {
        "input_tokens": 100, "cache_read_input_tokens": 20, "cache_creation_input_tokens": 30, "output_tokens": 1,
        "cache_creation": {"ephemeral_5m_input_tokens": 10, "ephemeral_1h_input_tokens": 20},
        "service_tier": "priority",
    }  # fmt: skip
    last = {
        "output_tokens": 50, "server_tool_use": {"web_search_requests": 2, "web_fetch_requests": 1},
        "output_tokens_details": {"thinking_tokens": 40}, "cache_read_input_tokens": None,
    }  # fmt: skip
    found = response([start(usage=first), *text(0, "x"), *end(usage=last)])
    assert found.usage == Usage(
        input_tokens=150, output_tokens=50, total_tokens=200, cached_input_tokens=20, cache_write_tokens=30,
        cache_write_1h_tokens=20, reasoning_tokens=40, search_requests=2, service_tier="priority",
        provenance="reported",
    )  # fmt: skip
    chunks = decode([start(usage=first), *end(usage=last)])
    assert ProviderEvent("usage", {"server_tool_use": {"web_fetch_requests": 1}}, "anthropic") in chunks


@pytest.mark.parametrize(("hour", "later", "told"), [(0, 500, 0), (30, 90, 90), (10, 90, 10), (30, 30, 30)])
def test_cache_writes_after_the_first_count_are_for_an_hour_only_when_all_were(
    hour: int, later: int, told: int
) -> None:
    written = 30 if hour else 0
    first = {
        "input_tokens": 1, "output_tokens": 1, "cache_creation_input_tokens": written,
        "cache_creation": {"ephemeral_5m_input_tokens": written - hour, "ephemeral_1h_input_tokens": hour},
    }  # fmt: skip
    found = response([start(usage=first), *end(usage={"output_tokens": 2, "cache_creation_input_tokens": later})])
    assert (found.usage.cache_write_tokens, found.usage.cache_write_1h_tokens) == (later, told)


def test_without_final_counts_usage_is_partial() -> None:
    found = response(
        [start(), {"type": "message_delta", "delta": {"stop_reason": "end_turn"}}, {"type": "message_stop"}]
    )
    assert found.usage == Usage(10, 1, 11, provenance="partial")


def test_without_any_counts_usage_is_unknown() -> None:
    found = response([start(usage=None), {"type": "message_stop"}])
    assert found.usage == Usage()


@pytest.mark.parametrize(
    "usage", [{"input_tokens": "many"}, {"cache_creation": 5}, {"iterations": [5]}, {"service_tier": 5}]
)
def test_counts_of_the_wrong_type_are_not_counted(usage: Event) -> None:
    found = response([start(usage={**usage, "output_tokens": 1}), *end()])
    assert found.usage.output_tokens == 5
    assert found.usage.service_tier is None
