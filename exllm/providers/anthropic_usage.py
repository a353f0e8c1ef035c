"""Anthropic's token counts in our words.

Anthropic's `input_tokens` leaves out what was read from the cache and written to it; ours includes both. The counts in
a stream are cumulative: those of `message_start` are a first word, those of `message_delta` replace them.
Source: https://platform.claude.com/docs/en/api/messages#response-usage
"""

from __future__ import annotations

from typing import Any

from exllm.types.usage import Provenance, Usage

# What `Usage` has a place for. `cache_creation`, `output_tokens_details` and `server_tool_use` hold further counts.
_NAMED = frozenset(
    {
        "input_tokens",
        "output_tokens",
        "cache_read_input_tokens",
        "cache_creation_input_tokens",
        "cache_creation",
        "output_tokens_details",
        "service_tier",
    }
)
_SAYS_NOTHING: tuple[Any, ...] = (None, 0, "not_available", {}, [])


class UsageCounter:
    """Collects the counts of one answer."""

    __slots__ = ("_counts", "_written_at_first")

    def __init__(self) -> None:
        self._counts: dict[str, Any] = {}
        self._written_at_first: int | None = None

    def update(self, counts: dict[str, Any]) -> None:
        """Take newer counts; a field that is absent or null keeps its value."""
        self._counts.update({name: value for name, value in counts.items() if value is not None})
        if "cache_creation" in counts:
            self._written_at_first = _integer(self._counts.get("cache_creation_input_tokens"))

    def usage(self, provenance: Provenance) -> Usage:
        """All counts so far."""
        counts = self._counts
        fresh = _integer(counts.get("input_tokens"))
        read = _integer(counts.get("cache_read_input_tokens"))
        written = _integer(counts.get("cache_creation_input_tokens"))
        output = _integer(counts.get("output_tokens"))
        tier = counts.get("service_tier")
        total_input = None if fresh is None else fresh + (read or 0) + (written or 0)
        return Usage(
            input_tokens=total_input,
            output_tokens=output,
            total_tokens=None if total_input is None or output is None else total_input + output,
            cached_input_tokens=read,
            cache_write_tokens=written,
            cache_write_1h_tokens=self._written_for_an_hour(written) if "cache_creation" in counts else None,
            reasoning_tokens=_inner_integer(counts, "output_tokens_details", "thinking_tokens"),
            search_requests=_inner_integer(counts, "server_tool_use", "web_search_requests"),
            service_tier=tier if isinstance(tier, str) else None,
            provenance=provenance,
        )

    def unnamed(self) -> dict[str, Any]:
        """What was reported and has no place in `Usage`: `inference_geo`, `speed`, `iterations`, other server tools."""
        if self._counts.keys() <= _NAMED:
            return {}
        rest = {name: value for name, value in self._counts.items() if name not in _NAMED}
        tools = _inner(rest, "server_tool_use")
        rest["server_tool_use"] = {
            name: value for name, value in tools.items() if value and name != "web_search_requests"
        }
        iterations = rest.get("iterations")
        if isinstance(iterations, list) and [_kind(entry) for entry in iterations] == ["message"]:
            del rest["iterations"]  # the only sampling run: the counts above once more
        return {name: value for name, value in rest.items() if value not in _SAYS_NOTHING}

    def _written_for_an_hour(self, written: int | None) -> int | None:
        """The split by lifetime comes once, before a loop of server tools may have written more."""
        hour = _integer(_inner(self._counts, "cache_creation").get("ephemeral_1h_input_tokens"))
        if hour and hour == self._written_at_first:
            return written  # all of it was for an hour, and what came later is as well
        return hour


def _inner(counts: dict[str, Any], name: str) -> dict[str, Any]:
    value = counts.get(name)
    return value if isinstance(value, dict) else {}


def _inner_integer(counts: dict[str, Any], name: str, inner: str) -> int | None:
    value = counts.get(name)
    return _integer(value.get(inner)) if isinstance(value, dict) else None


def _kind(entry: Any) -> Any:
    return entry.get("type") if isinstance(entry, dict) else None


def _integer(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None
