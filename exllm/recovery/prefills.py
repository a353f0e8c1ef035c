"""Who goes on with an assistant's message at the end of a conversation, instead of beginning another one."""

from __future__ import annotations

from typing import Any

from exllm.providers.spec import ProviderSpec
from exllm.types.request import Request

_QUIRKS = frozenset({"assistant_prefix", "assistant_partial"})
_CLAUDE_WIRES = frozenset({"anthropic_messages", "bedrock_converse"})

# Servers that do so when they are told to, or always, with the fields that tell them.
_SERVERS: dict[str, dict[str, Any]] = {
    # docs.vllm.ai, "Chat API: extra parameters"
    "vllm": {"continue_final_message": True, "add_generation_prompt": False},
    # docs.sglang.ai, ChatCompletionRequest
    "sglang": {"continue_final_message": True},
    # llama.cpp, tools/server/README.md: --prefill-assistant is on by default
    "llamacpp": {},
}


def prefill_fields(backend: object, request: Request) -> dict[str, Any] | None:
    """The fields of a request that is to be answered with the rest of its last message; None where that is not done.

    Of Claude's models the newer ones refuse it, and none does it while it thinks: the model catalog knows which do.
    """
    if not isinstance(backend, ProviderSpec):
        return {} if getattr(backend, "prefills", False) else None
    options = request.options
    if options.thinking or options.reasoning_effort:
        return None
    if _QUIRKS & backend.quirks or backend.wire == "openai_completions":  # which goes on with any text
        return {}
    if backend.wire in _CLAUDE_WIRES and "claude" in request.model:
        from exllm.model_catalog import model_supports  # reads the catalog when it is first asked

        return {} if model_supports(backend.name, request.model, "assistant_prefill") else None
    return _SERVERS.get(backend.name)
