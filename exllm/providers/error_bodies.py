"""What an error body says, wherever it says it.

The JSON shapes that are understood: ``{"error": {...}}``, ``{"error": "..."}``, a list of these (Gemini),
``{"message": ...}``, ``{"detail": ...}`` (FastAPI servers, Mistral), ``{"errors": [...]}`` (Cloudflare), and
OpenRouter's ``metadata.raw`` with the words of the provider behind it. HTML and plain text are read as far as they make
sense.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import msgspec

MAX_BODY_CHARS = 64 * 1024
MAX_MESSAGE_CHARS = 2_000


class ErrorFacts(msgspec.Struct, frozen=True):
    """What an error body says, wherever it says it. `status` is a status that is named inside the body."""

    message: str = ""
    code: str | None = None
    kind: str | None = None
    status: int | None = None
    request_id: str | None = None
    retry_after_s: float | None = None


def read_error_body(body: bytes) -> ErrorFacts:
    """What `body` says; for HTML its title, for other text the text."""
    text = body[: MAX_BODY_CHARS * 4].decode("utf-8", "replace").strip()
    if not text:
        return ErrorFacts()
    try:
        return read_error(msgspec.json.decode(body.decode("utf-8", "replace")))
    except (msgspec.DecodeError, RecursionError):
        pass
    if text[:1] == "<":
        title = re.search(r"<(title|h1)[^>]*>(.*?)</\1>", text[:8192], re.IGNORECASE | re.DOTALL)
        words = " ".join(title.group(2).split()) if title else "no title"
        return ErrorFacts(f"the server answered with an HTML page instead of JSON: {words}")
    return ErrorFacts(text[:MAX_MESSAGE_CHARS])


def read_error(data: Any) -> ErrorFacts:
    """What a decoded JSON error says."""
    while isinstance(data, list) and data:
        data = data[0]
    if not isinstance(data, dict):
        return ErrorFacts(str(data) if data else "")
    inner = data.get("error")
    if inner is None:
        errors = data.get("errors")
        inner = errors[0] if isinstance(errors, list) and errors else None
    if not isinstance(inner, dict):
        inner = {**data, "message": inner} if isinstance(inner, str) else data
    message = _message(inner)
    nested = inner.get("message")
    if isinstance(nested, dict):  # Mistral: {"message": {"detail": [...]}, "type": ...}
        message = _message(nested)
    code, kind = inner.get("code"), inner.get("type") or inner.get("status") or data.get("code")
    details = inner.get("details")
    wait = None
    for detail in details if isinstance(details, list) else ():  # google.rpc.Status
        if isinstance(detail, dict):
            code = detail.get("reason") or code
            wait = _seconds(detail.get("retryDelay")) if "retryDelay" in detail else wait
    return ErrorFacts(
        message or msgspec.json.encode(data).decode()[:MAX_MESSAGE_CHARS],
        code=_name(code),
        kind=_name(kind),
        status=_first_status(inner.get("status_code"), inner.get("code"), inner.get("status"), data.get("status_code")),
        request_id=_word(data.get("request_id")) or _word(inner.get("request_id")),
        retry_after_s=wait,
    )


def _message(fields: Mapping[str, Any]) -> str:
    for name in ("message", "detail", "msg", "error_description", "error", "title"):
        value = fields.get(name)
        if isinstance(value, list):  # FastAPI: [{"loc": [...], "msg": "..."}]
            value = "; ".join(_complaint(item) for item in value)
        if isinstance(value, dict):
            value = _message(value)
        if isinstance(value, str) and value:
            return value + _upstream(fields.get("metadata"))
    return ""


def _complaint(item: Any) -> str:
    if not isinstance(item, dict):
        return str(item)
    place = ".".join(str(step) for step in item.get("loc") or ())
    words = str(item.get("msg") or item.get("message") or item)
    return f"{place}: {words}" if place else words


def _upstream(metadata: Any) -> str:
    """OpenRouter says "Provider returned error" and keeps what the provider said apart."""
    raw = metadata.get("raw") if isinstance(metadata, dict) else None
    return f": {raw}" if isinstance(raw, str) and raw else ""


def _word(value: Any) -> str | None:
    if isinstance(value, bool) or value is None or value == "":
        return None
    return str(value) if isinstance(value, str | int) else None


def _name(value: Any) -> str | None:
    """A code or type, unless it only repeats an HTTP status."""
    return _word(value) if _status(value) is None else None


def _status(value: Any) -> int | None:
    if isinstance(value, str) and value.isdigit():
        value = int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) and 400 <= value < 600 else None


def _first_status(*values: Any) -> int | None:
    return next((status for value in values if (status := _status(value)) is not None), None)


def _seconds(value: Any) -> float | None:
    """A google.protobuf.Duration, e.g. "38s"."""
    try:
        return max(0.0, float(value.rstrip("s"))) if isinstance(value, str) else None
    except ValueError:
        return None
