"""What a model is told of an exception: its type and its message, and no secret."""

from __future__ import annotations

from exllm.providers.error_mapping import mask_secrets
from exllm.tools.encoding import encodable

_MOST_CHARS = 2000
_MOST_PARTS = 5  # of an exception group


def words_of(error: BaseException) -> str:
    """``ValueError: no such city``; without traceback, keys masked, cut to 2,000 characters."""
    if isinstance(error, BaseExceptionGroup):
        return "; ".join(words_of(part) for part in error.exceptions[:_MOST_PARTS])
    try:
        message = str(error)
    except Exception:  # noqa: BLE001 - whatever its __str__ raises
        message = ""
    name = type(error).__name__
    words = mask_secrets(encodable(f"{name}: {message}" if message else name))
    return words if len(words) <= _MOST_CHARS else f"{words[:_MOST_CHARS]}..."
