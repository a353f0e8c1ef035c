"""Token counts of OpenAI-compatible services, in one meaning.

Sources: platform.openai.com/docs/api-reference/chat/object (`usage`); the services named in ``openai_chat_events.py``.
"""

from __future__ import annotations

from exllm.providers.openai_chat_events import CompletionDetails, PromptDetails, ServerToolUse, UsageEvent
from exllm.types.usage import Usage

USD_PER_XAI_TICK = 1e-10  # docs.x.ai: one US dollar has 10,000,000,000 ticks

_NO_PROMPT_DETAILS = PromptDetails()
_NO_COMPLETION_DETAILS = CompletionDetails()
_NO_SERVER_TOOLS = ServerToolUse()


def usage_of(event: UsageEvent, service_tier: str | None) -> Usage:
    """`Usage` with `input_tokens` including cached ones and `output_tokens` including reasoning.

    xAI, and Gemini behind some gateways, count reasoning apart from `completion_tokens`. That shows in one of two ways,
    both repaired: the total is more than prompt and completion, or more was reasoned than completed.
    """
    prompt = event.prompt_tokens_details or _NO_PROMPT_DETAILS
    completion = event.completion_tokens_details or _NO_COMPLETION_DETAILS
    used = event.prompt_tokens
    made = event.completion_tokens
    total = event.total_tokens
    reasoned = _first(completion.reasoning_tokens, event.reasoning_tokens)
    if used is not None and made is not None:
        if total is not None and total > used + made:
            made = total - used
        elif reasoned is not None and reasoned > made:
            made += reasoned
        total = used + made
    cached = _first(
        prompt.cached_tokens,
        event.prompt_cache_hit_tokens,
        event.cached_tokens,
        event.num_cached_tokens,
        event.cache_read_input_tokens,
    )
    written = _first(prompt.cache_write_tokens, prompt.cache_creation_input_tokens, event.cache_creation_input_tokens)
    if used is not None:  # Azure's Grok reports more cached tokens than tokens
        cached = None if cached is None else min(cached, used)
        written = None if written is None else min(written, used - (cached or 0))
    return Usage(
        input_tokens=used,
        output_tokens=made,
        total_tokens=total,
        cached_input_tokens=cached,
        cache_write_tokens=written,
        reasoning_tokens=reasoned,
        audio_input_tokens=prompt.audio_tokens,
        audio_output_tokens=completion.audio_tokens,
        image_tokens=_sum(prompt.image_tokens, completion.image_tokens),
        accepted_prediction_tokens=completion.accepted_prediction_tokens,
        rejected_prediction_tokens=completion.rejected_prediction_tokens,
        search_requests=_first(
            event.num_search_queries,
            (event.server_tool_use or _NO_SERVER_TOOLS).web_search_requests,
            (event.server_tool_use_details or _NO_SERVER_TOOLS).web_search_requests,
            event.num_sources_used,
        ),
        service_tier=event.service_tier or service_tier or None,
        reported_cost_usd=_cost_usd(event),
        provenance="reported",
    )


def _cost_usd(event: UsageEvent) -> float | None:
    cost = event.cost
    if isinstance(cost, dict):
        cost = cost.get("total_cost")
    if isinstance(cost, int | float):
        upstream = (event.cost_details or {}).get("upstream_inference_cost") if event.is_byok else None
        return cost + (upstream if isinstance(upstream, int | float) else 0.0)
    ticks = event.cost_in_usd_ticks  # Azure sends 0 with xAI's models, where it means nothing
    return ticks * USD_PER_XAI_TICK if ticks else None


def _first(*counts: int | None) -> int | None:
    for count in counts:
        if count is not None:
            return count
    return None


def _sum(*counts: int | None) -> int | None:
    known = [count for count in counts if count is not None]
    return sum(known) if known else None
