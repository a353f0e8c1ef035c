"""What fits in a model's window: counting, checking before sending, and making a conversation shorter.

    exllm.context.context_window("anthropic/claude-sonnet-4-5")                  # 200000
    exllm.context.estimate_tokens("openai/gpt-4.1", messages)                    # a number and its error band
    exllm.context.context_stats("openai/gpt-4.1", messages, max_output_tokens=1000)
    exllm.context.validate_context("openai/gpt-4.1", messages, max_output_tokens=1000)

    shorter = exllm.context.fit_messages(messages, "openai/gpt-4.1", strategy="smart", max_output_tokens=1000)
    shorter = await exllm.context.summarize_messages(messages, "openai/gpt-4.1", chat=client.chat)

Nothing here asks a provider, but for `summarize_messages`; `Client.count_tokens` does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from exllm.context.estimate import estimate_tokens
    from exllm.context.fit import STRATEGIES, fit_messages
    from exllm.context.summary import summarize_messages
    from exllm.context.window import ContextStats, context_stats, context_window, validate_context
    from exllm.types.image_header import image_size
    from exllm.types.token_count import TokenCount

__all__ = [
    "STRATEGIES",
    "ContextStats",
    "TokenCount",
    "context_stats",
    "context_window",
    "estimate_tokens",
    "fit_messages",
    "image_size",
    "summarize_messages",
    "validate_context",
]

_LAZY = {
    "STRATEGIES": "exllm.context.fit",
    "ContextStats": "exllm.context.window",
    "TokenCount": "exllm.types.token_count",
    "context_stats": "exllm.context.window",
    "context_window": "exllm.context.window",
    "estimate_tokens": "exllm.context.estimate",
    "fit_messages": "exllm.context.fit",
    "image_size": "exllm.types.image_header",
    "summarize_messages": "exllm.context.summary",
    "validate_context": "exllm.context.window",
}


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        from importlib import import_module

        value = getattr(import_module(_LAZY[name]), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module 'exllm.context' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
