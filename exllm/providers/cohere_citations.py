"""Cohere's citations: which words of the answer rest on which documents or results of tools.

A citation says `start` and `end` within one content block, and names its `sources`, each a document of the request or
the output of a tool. The object itself stays in `Citation.source`, and goes back with the message.
Source: https://docs.cohere.com/docs/rag-citations
"""

from __future__ import annotations

import re
from typing import Any

from exllm.types.parts import Citation

TEXT_CONTENT = "TEXT_CONTENT"
"""The `type` of citations of the answer; others are of thoughts and of the plan for tools. Older models give none."""

_TEXT_FIELDS = ("text", "snippet", "content", "excerpt")
_DOCUMENT = re.compile(r"doc:(\d+)")


def document_id(number: int) -> str:
    """The id of the document at this place of the request, as Cohere itself would call it."""
    return f"doc:{number}"


def to_citation(found: dict[str, Any]) -> Citation:
    """The first source decides url, title and passage. Raises `AttributeError` or `TypeError` for a wrong shape."""
    sources = found.get("sources") or ()
    first: dict[str, Any] = sources[0] if sources else {}
    document = first.get("document") or first.get("tool_output") or {}
    number = _DOCUMENT.fullmatch(str(first.get("id"))) if first.get("type") == "document" else None
    return Citation(
        url=_text(document, "url"),
        title=_text(document, "title"),
        text=next((text for name in _TEXT_FIELDS if (text := _text(document, name)) is not None), None),
        start=_number(found, "start"),
        end=_number(found, "end"),
        document=int(number[1]) if number else None,
        source=found,
    )


def _text(fields: dict[str, Any], name: str) -> str | None:
    value = fields.get(name)
    return value if isinstance(value, str) and value else None


def _number(fields: dict[str, Any], name: str) -> int | None:
    value = fields.get(name)
    return value if isinstance(value, int) else None
