"""Sessions for people and for other programs: Markdown, HTML, JSON."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Literal

import msgspec

from exllm.sessions.html import to_html
from exllm.sessions.markdown import to_markdown
from exllm.sessions.session import Session
from exllm.sessions.versions import to_json

ExportFormat = Literal["markdown", "html", "json"]


def export(session: Session, format: ExportFormat = "markdown") -> str:
    """The session as text.

    Args:
        format: ``markdown``; ``html``: one page that needs nothing else, images in it, calls folded; ``json``: all of
            it, for `from_json`, which makes a session that may be saved in any store.

    Raises: ValueError for another format.
    """
    if format == "markdown":
        return to_markdown(session, about(session))
    if format == "html":
        return to_html(session, about(session))
    if format == "json":
        whole = to_json(msgspec.structs.replace(session, revision=""))  # which counts in its own store only
        return msgspec.json.format(whole, indent=2).decode()
    raise ValueError(f"the format is markdown, html or json, got {format!r}")


def about(session: Session) -> list[str]:
    """The facts of a session for its heading."""
    when = datetime.fromtimestamp(session.updated_at, UTC).strftime("%Y-%m-%d %H:%M UTC")
    facts = [session.model, session.status.replace("_", " "), f"{len(session.messages)} messages", when]
    if (tokens := session.usage.total_tokens) is not None:
        facts.insert(3, f"{tokens:,} tokens")
    if (total := session.cost.total) is not None:
        facts.insert(-1, f"${total:.6f}".rstrip("0").rstrip("."))
    return facts
