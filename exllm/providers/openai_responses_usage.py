"""Token counts of the Responses API, in our words.

Sources: https://developers.openai.com/api/reference/resources/responses (`usage`, `tool_usage`);
https://docs.perplexity.ai/api-reference/agent-post and openrouter.ai/docs (`cost`); docs.x.ai (`cost_in_usd_ticks`).
"""

from __future__ import annotations

from typing import Any

from exllm.types.usage import Usage

USD_PER_XAI_TICK = 1e-10  # docs.x.ai: one US dollar has 10,000,000,000 ticks

# What `Usage` has a place for, and what only says the same again.
_NAMED = frozenset(
    {
        "input_tokens", "input_tokens_details", "output_tokens", "output_tokens_details", "total_tokens", "cost",
        "cost_in_usd_ticks", "num_sources_used", "context_details",
    }
)  # fmt: skip
_NAMED_DETAILS = {
    "input_tokens_details": frozenset(
        {
            "cached_tokens", "cache_read_input_tokens", "cache_write_tokens", "cache_creation_input_tokens",
            "audio_tokens", "text_tokens",
        }
    ),
    "output_tokens_details": frozenset({"reasoning_tokens", "audio_tokens", "text_tokens"}),
}  # fmt: skip
_SAYS_NOTHING: tuple[Any, ...] = (None, 0, False, {}, [], "")


def usage_of(counts: dict[str, Any], tool_usage: Any, service_tier: Any) -> Usage:
    """The final counts. `input_tokens` includes cached ones and `output_tokens` reasoning, as the API has it."""
    given, made = _inner(counts, "input_tokens_details"), _inner(counts, "output_tokens_details")
    used, answered = _integer(counts.get("input_tokens")), _integer(counts.get("output_tokens"))
    total = _integer(counts.get("total_tokens"))
    cached = _first(given.get("cached_tokens"), given.get("cache_read_input_tokens"))
    written = _first(given.get("cache_write_tokens"), given.get("cache_creation_input_tokens"))
    if used is not None:
        cached = None if cached is None else min(cached, used)
        written = None if written is None else min(written, used - (cached or 0))
        if answered is not None:
            total = used + answered
    tools = tool_usage if isinstance(tool_usage, dict) else {}
    return Usage(
        input_tokens=used,
        output_tokens=answered,
        total_tokens=total,
        cached_input_tokens=cached,
        cache_write_tokens=written,
        reasoning_tokens=_integer(made.get("reasoning_tokens")),
        audio_input_tokens=_integer(given.get("audio_tokens")),
        audio_output_tokens=_integer(made.get("audio_tokens")),
        search_requests=_first(
            _inner(tools, "web_search").get("num_requests"), counts.get("num_sources_used"), _searches(counts)
        ),
        service_tier=service_tier if isinstance(service_tier, str) and service_tier else None,
        reported_cost_usd=_cost_usd(counts),
        provenance="reported",
    )


def unnamed(counts: dict[str, Any], tool_usage: Any) -> dict[str, Any]:
    """What was reported and has no place in `Usage`, such as the tokens of the model that makes images."""
    rest = {name: value for name, value in counts.items() if name not in _NAMED and value not in _SAYS_NOTHING}
    for group, named in _NAMED_DETAILS.items():
        details = {name: n for name, n in _inner(counts, group).items() if name not in named and n not in _SAYS_NOTHING}
        if details:
            rest[group] = details
    tools = tool_usage if isinstance(tool_usage, dict) else {}
    more = {
        name: value
        for name, value in tools.items()
        if name != "web_search" and isinstance(value, dict) and any(isinstance(n, int) and n for n in value.values())
    }
    return rest | more


def _searches(counts: dict[str, Any]) -> Any:
    """Perplexity counts the calls of each tool: ``tool_calls_details: {search_web: {invocation: 2}}``."""
    return _inner(_inner(counts, "tool_calls_details"), "search_web").get("invocation")


def _cost_usd(counts: dict[str, Any]) -> float | None:
    cost = counts.get("cost")
    if isinstance(cost, dict):  # Perplexity
        cost = cost.get("total_cost")
    if isinstance(cost, int | float) and not isinstance(
        cost, bool
    ):  # OpenRouter: its fee alone with a key of one's own
        details = _inner(counts, "cost_details")
        upstream = details.get("upstream_inference_cost") if counts.get("is_byok") is True else None
        return cost + (upstream if isinstance(upstream, int | float) else 0.0)
    ticks = _integer(counts.get("cost_in_usd_ticks"))
    return ticks * USD_PER_XAI_TICK if ticks else None


def _inner(fields: dict[str, Any], name: str) -> dict[str, Any]:
    value = fields.get(name)
    return value if isinstance(value, dict) else {}


def _first(*values: Any) -> int | None:
    return next((count for value in values if (count := _integer(value)) is not None), None)


def _integer(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None
