"""Which models go when another needs their memory. Decides, and does nothing."""

from __future__ import annotations

from collections.abc import Sequence

from exllm.config import ConfigSource, lookup
from exllm.errors import ConfigurationError, Overloaded
from exllm.local.loaded import LoadedModel

MEMORY_VARIABLE = "EXLLM_LOCAL_MEMORY_BYTES"


def configured_budget_bytes(source: ConfigSource) -> int | None:
    """The limit that the config sets for all local models together. Raises ConfigurationError for what is no number."""
    text = lookup(source, "local", "memory_bytes", (MEMORY_VARIABLE,))
    if text is None:
        return None
    if not text.isdecimal():
        raise ConfigurationError(
            f"the memory for local models must be a number of bytes, not {text!r}", provider="local"
        )
    return int(text)


def choose_victims(models: Sequence[LoadedModel], new: LoadedModel, budget_bytes: int | None) -> list[LoadedModel]:
    """The idle models that must go so that `new` fits beside the rest, least recently used first.

    Raises: ConfigurationError when it could never fit; Overloaded when it cannot beside those in use.
    """
    if budget_bytes is None:
        return []
    if new.size_bytes > budget_bytes:
        raise ConfigurationError(
            f"{new.name} needs about {_mib(new.size_bytes)}, and the budget for local models is {_mib(budget_bytes)}; "
            f"give it a smaller n_ctx, or raise the budget",
            provider="local",
        )
    idle = sorted((entry for entry in models if not entry.users), key=lambda entry: entry.last_used)
    over = sum(entry.size_bytes for entry in models) + new.size_bytes - budget_bytes
    victims: list[LoadedModel] = []
    while over > 0 and idle:
        victims.append(idle.pop(0))
        over -= victims[-1].size_bytes
    if over > 0:
        busy = ", ".join(entry.name for entry in models if entry.users)
        raise Overloaded(
            f"{new.name} needs about {_mib(new.size_bytes)} of the {_mib(budget_bytes)} for local models, and these "
            f"are in use: {busy}",
            provider="local",
        )
    return victims


def _mib(size_bytes: int) -> str:
    return f"{size_bytes / 2**20:,.1f} MiB"
