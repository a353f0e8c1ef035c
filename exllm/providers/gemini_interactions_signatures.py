"""How what an interaction signed is told from what others signed.

A signature is of a thought, or of a call. Those of Gemini's generateContent belong to other places of an answer, and
are not exchanged with these.
Source: https://ai.google.dev/gemini-api/docs/thinking
"""

from __future__ import annotations

OWN = "gemini-interactions"
"""The `id` of all reasoning of an interaction."""
_MARK = "gemini-interactions:"


def call_signature(signature: str) -> str | None:
    """`ToolCall.signature` for what came with a call; None for nothing."""
    return _MARK + signature if signature else None


def read_call_signature(signature: str | None) -> str | None:
    """What goes back with a call; None where it is of another provider, or nothing came with it."""
    return signature.removeprefix(_MARK) if signature is not None and signature.startswith(_MARK) else None
