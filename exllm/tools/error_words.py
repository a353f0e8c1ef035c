"""What a model is told of an exception: its type and its message, and no secret."""

from __future__ import annotations

import re

from exllm.providers.error_mapping import mask_secrets
from exllm.tools.encoding import encodable

_MOST_CHARS = 2000
_MOST_PARTS = 5  # of an exception group

# Beside the keys of providers: what the exceptions of databases and other services repeat.
_CREDENTIALS = re.compile(
    r"(?P<user>://[^\s/:@]*:)[^\s/@]+(?=@)"
    r"|(?P<name>(?i:password|passwd|secret|api[_-]?key|access[_-]?key|token)"
    r"(?:[\"']?\s*=|[\"']\s*:)\s*[\"']?)[^\s\"'&,;]{4,}"
    r"|\b(?:gh[opsru]|github_pat|glpat|xox[abeprs])[_-][\w-]{10,}"
    r"|\b(?:AKIA|ASIA)[A-Z0-9]{16}\b"
    r"|\beyJ[\w-]{8,}\.[\w-]+\.[\w-]*"
)


def words_of(error: BaseException) -> str:
    """``ValueError: no such city``; without traceback, keys masked, cut to 2,000 characters."""
    if isinstance(error, BaseExceptionGroup):
        return "; ".join(words_of(part) for part in error.exceptions[:_MOST_PARTS])
    try:
        message = str(error)
    except Exception:  # noqa: BLE001 - whatever its __str__ raises
        message = ""
    name = type(error).__name__
    words = f"{name}: {message}" if message else name
    words = mask_secrets(encodable(words[: 2 * _MOST_CHARS]))  # a secret that is cut in two is not known as one
    words = _CREDENTIALS.sub(lambda found: f"{found['user'] or found['name'] or ''}***", words)
    return words if len(words) <= _MOST_CHARS else f"{words[:_MOST_CHARS]}..."
