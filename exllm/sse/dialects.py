"""The dialects by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, get_args

from exllm.sse.ag_ui_writer import AGUIWriter
from exllm.sse.anthropic_writer import AnthropicWriter
from exllm.sse.exllm_writer import ExLLMWriter
from exllm.sse.openai_writer import OpenAIWriter
from exllm.sse.vercel_writer import VercelWriter
from exllm.sse.writer import SSEWriter

Dialect = Literal["exllm", "openai", "anthropic", "vercel", "ag-ui"]
DIALECTS: tuple[Dialect, ...] = get_args(Dialect)

_WRITERS: dict[str, Callable[..., SSEWriter]] = {
    "exllm": ExLLMWriter,
    "openai": OpenAIWriter,
    "anthropic": AnthropicWriter,
    "vercel": VercelWriter,
    "ag-ui": AGUIWriter,
}


def writer_of(dialect: Dialect | SSEWriter, **facts: Any) -> SSEWriter:
    """A fresh writer. `facts` are the dialect's own arguments: ``thread_id`` and ``run_id`` of ``"ag-ui"``.

    Raises: ValueError for an unknown dialect, TypeError for facts that it does not know.
    """
    if not isinstance(dialect, str):
        return dialect
    try:
        writer = _WRITERS[dialect]
    except KeyError:
        raise ValueError(f"dialect must be {' | '.join(DIALECTS)}, got {dialect!r}") from None
    return writer(**facts)
