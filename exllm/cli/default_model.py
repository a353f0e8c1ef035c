"""Which model answers when none was named."""

from __future__ import annotations

import os

from exllm.cli.failures import LOCAL
from exllm.cli.screen import Screen
from exllm.providers import registry

_FIRST = ("anthropic", "openai", "gemini", "mistral", "groq", "deepseek", "openrouter")  # then by name


def choose_model(screen: Screen) -> str:
    """``$EXLLM_MODEL``; else a provider whose key is set; else the local model. Says which on stderr."""
    named = os.environ.get("EXLLM_MODEL", "").strip()
    if named:
        return named
    ready = {
        info.name: info
        for info in registry.list_providers()
        if info.requires_key and info.default_model and registry.configured(info.name)
    }
    for name in (*_FIRST, *ready):
        if name in ready:
            info = ready[name]
            screen.say(f"{info.label} answers with {info.default_model}; choose another with -m or EXLLM_MODEL")
            return name
    screen.say("No key is set, so the local model answers. exllm providers lists the others; choose one with -m.")
    return LOCAL
