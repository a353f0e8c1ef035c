"""Why an answer ended, in the words of all services that speak Chat Completions."""

from __future__ import annotations

from exllm.types.chunks import FinishReason

# What services say where OpenAI says stop, length, tool_calls, content_filter.
_REASONS: dict[str, FinishReason] = {
    "length": "length",
    "max_tokens": "length",
    "model_length": "length",  # Mistral
    "model_context_window_exceeded": "length",  # Anthropic behind gateways, Z.ai
    "context_length": "length",
    "tool_calls": "tool_calls",
    "tool_call": "tool_calls",
    "tool_use": "tool_calls",
    "function_call": "tool_calls",
    "content_filter": "content_filter",
    "content-filter": "content_filter",
    "safety": "content_filter",  # Gemini behind gateways
    "recitation": "content_filter",
    "prohibited_content": "content_filter",
    "sensitive": "content_filter",  # Z.ai
    "refusal": "refusal",
}
# Words that say that the answer failed, and what for.
_FAILURES: dict[str, str] = {
    "error": "server_error",  # OpenRouter, Mistral
    "network_error": "server_error",  # Z.ai
    "insufficient_system_resource": "overloaded_error",  # DeepSeek
    "abort": "server_error",  # vLLM, SGLang
}


def finish_reason(raw: str) -> FinishReason:
    """The reason that the word `raw` means. An unknown one is "stop": the provider ended the answer by itself."""
    return _REASONS.get(raw.lower(), "stop")


def failure_code(raw: str) -> str | None:
    """The error code, when `raw` says that the answer failed."""
    return _FAILURES.get(raw.lower())
