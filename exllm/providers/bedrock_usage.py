"""Amazon Bedrock's token counts in our words.

Its `inputTokens` leaves out what was read from the cache and written to it; ours includes both.
Source: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_TokenUsage.html
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from exllm.types.usage import Provenance, Usage


def usage_of(counts: dict[str, Any], provenance: Provenance = "reported", tier: str | None = None) -> Usage:
    """The counts of an answer of Converse, or of a Nova model."""
    # The names with "Count" are Nova's own, and Converse repeats them.
    read = _first(counts, "cacheReadInputTokens", "cacheReadInputTokenCount")
    written = _first(counts, "cacheWriteInputTokens", "cacheWriteInputTokenCount")
    return _usage(
        counts.get("inputTokens"), counts.get("outputTokens"), read, written, provenance,
        written_for_an_hour=_for_an_hour(counts.get("cacheDetails")), tier=tier,
    )  # fmt: skip


def usage_of_metrics(metrics: dict[str, Any]) -> Usage:
    """The counts in the ``amazon-bedrock-invocationMetrics`` of a stream of InvokeModel, the same for every model."""
    return _usage(
        metrics.get("inputTokenCount"), metrics.get("outputTokenCount"),
        metrics.get("cacheReadInputTokenCount"), metrics.get("cacheWriteInputTokenCount"), "reported",
    )  # fmt: skip


def usage_of_headers(headers: Mapping[str, str]) -> Usage | None:
    """The counts in the headers of a whole answer of InvokeModel; None where there are none."""
    names = ("input-token-count", "output-token-count", "cache-read-input-token-count", "cache-write-input-token-count")
    counts = [headers.get(f"x-amzn-bedrock-{name}", "") for name in names]
    fresh, output, read, written = (int(count) if count.isdecimal() and len(count) < 19 else None for count in counts)
    return None if fresh is None else _usage(fresh, output, read, written, "reported")


def _usage(
    fresh: Any, output: Any, read: Any, written: Any, provenance: Provenance, *,
    written_for_an_hour: int | None = None, tier: str | None = None,
) -> Usage:  # fmt: skip
    fresh, output, read, written = map(integer, (fresh, output, read, written))
    total_input = None if fresh is None else fresh + (read or 0) + (written or 0)
    return Usage(
        input_tokens=total_input,
        output_tokens=output,
        total_tokens=None if total_input is None or output is None else total_input + output,
        cached_input_tokens=read,
        cache_write_tokens=written,
        cache_write_1h_tokens=written_for_an_hour,
        service_tier=tier,
        provenance=provenance,
    )


def integer(value: Any) -> int | None:
    """A count. Some models write them as 17.0."""
    if isinstance(value, bool) or not isinstance(value, int | float) or value != value or value in _INFINITE:
        return None
    return int(value)


_INFINITE = (float("inf"), float("-inf"))


def _first(counts: dict[str, Any], *names: str) -> Any:
    return next((counts[name] for name in names if counts.get(name) is not None), None)


def _for_an_hour(details: Any) -> int | None:
    if not isinstance(details, list):
        return None
    counts = [
        count
        for entry in details
        if isinstance(entry, dict) and entry.get("ttl") == "1h" and (count := integer(entry.get("inputTokens")))
    ]
    return sum(counts) if counts else None
