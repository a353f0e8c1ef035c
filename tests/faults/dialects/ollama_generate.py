"""Ollama's `/api/generate`."""

from __future__ import annotations

from typing import Any

from tests.faults.dialects.dialect import Dialect
from tests.faults.dialects.ollama_chat import END, HEAD, OLLAMA, line


def _piece(text: str, **fields: Any) -> bytes:
    return line({**HEAD, "response": text, "done": False, **fields})


GENERATE = Dialect(
    "ollama-generate",
    "llama3.2",
    (_piece(""),),
    (_piece("", **END, context=[105, 2364, 107]),),
    _piece,
    OLLAMA.ping,
    OLLAMA.error,
    OLLAMA.error_body,
    lambda text: _piece(text, **END, context=[105, 2364, 107]),
    None,
    OLLAMA.frame,
    content_type=OLLAMA.content_type,
    takes_conversations=False,
)
