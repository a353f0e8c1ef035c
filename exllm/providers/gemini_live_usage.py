"""Token counts of a Gemini Live session."""

from __future__ import annotations

import msgspec

from exllm.providers.gemini_events import NOTHING, UsageMetadata, is_there, plain
from exllm.providers.gemini_usage import says_more, usage_of
from exllm.types.chunks import ProviderEvent
from exllm.types.live_events import LiveEvent
from exllm.types.usage import Usage


class _LiveUsage(UsageMetadata):
    """Token counts. The Gemini API calls those of the answer by another name than Vertex AI and generateContent."""

    response_token_count: int | None = None
    response_tokens_details: msgspec.Raw = NOTHING


class _Strict(msgspec.Struct, gc=False, rename="camel", forbid_unknown_fields=True):
    pass


class _KnownCount(_Strict):
    modality: str | int | None = None
    token_count: int | None = None


class _KnownUsage(_Strict):
    """All that is known of token counts: to find what is not."""

    prompt_token_count: int | None = None
    response_token_count: int | None = None
    candidates_token_count: int | None = None
    thoughts_token_count: int | None = None
    tool_use_prompt_token_count: int | None = None
    cached_content_token_count: int | None = None
    total_token_count: int | None = None
    prompt_tokens_details: list[_KnownCount] | None = None
    response_tokens_details: list[_KnownCount] | None = None
    candidates_tokens_details: list[_KnownCount] | None = None
    cache_tokens_details: list[_KnownCount] | None = None
    tool_use_prompt_tokens_details: list[_KnownCount] | None = None
    service_tier: str | int | None = None
    traffic_type: str | int | None = None


_decode_usage = msgspec.json.Decoder(_LiveUsage).decode
_decode_known_usage = msgspec.json.Decoder(_KnownUsage).decode


def read_usage(raw: msgspec.Raw, events: list[LiveEvent], provider: str) -> Usage | None:
    """The counts; those that `Usage` has no place for are passed on in `events`. Raises `msgspec.DecodeError`."""
    if not is_there(raw):
        return None
    counts, is_known = _counts_of(raw)
    usage = usage_of(counts, "reported", 0)
    is_empty = usage.input_tokens is None and usage.output_tokens is None
    if is_empty or not is_known or says_more(counts):
        events.append(ProviderEvent("usageMetadata", plain(raw), provider))
    return None if is_empty else usage


def _counts_of(raw: msgspec.Raw) -> tuple[UsageMetadata, bool]:
    """Token counts, and whether all of their fields are known. Raises `msgspec.DecodeError`."""
    is_known = True
    try:
        _decode_known_usage(raw)
    except msgspec.ValidationError:
        is_known = False
    counts = _decode_usage(raw)
    if counts.response_token_count is not None:
        counts.candidates_token_count = counts.response_token_count
    if counts.response_tokens_details is not NOTHING:
        counts.candidates_tokens_details = counts.response_tokens_details
    return counts, is_known
