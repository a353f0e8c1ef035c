"""A session as what people read: turns of speech, with each call next to its result."""

from __future__ import annotations

import re
from collections.abc import Iterator

import msgspec

from exllm.sessions.session import Session
from exllm.types.message import Message
from exllm.types.parts import Part, ToolCall, ToolResult

_WEB = re.compile(r"https?://", re.ASCII | re.IGNORECASE)
_MOST_LETTERS = 300  # of an address that is told


class Called(msgspec.Struct, frozen=True):
    """A call with what came of it."""

    call: ToolCall
    result: ToolResult | None = None


class Spoken(msgspec.Struct, frozen=True):
    """What one side said.

    Attributes:
        speaker: ``System``, ``User``, ``Assistant``.
        is_cut_off: an answer of which only this had arrived.
    """

    speaker: str
    parts: tuple[Part | Called, ...]
    is_cut_off: bool = False


def transcript(session: Session) -> Iterator[Spoken]:
    """What was said, in order; results stand with their calls."""
    if session.instructions:
        yield Spoken("System", Message("system", session.instructions).parts)
    messages = session.messages
    has_partial = len(messages) > 0 and session.partial is not None and bool(session.partial.text.strip())
    for place, message in enumerate(messages):
        if message.role == "tool" and place > 0 and messages[place - 1].tool_calls:
            continue  # told with its calls
        after = messages[place + 1] if place + 1 < len(messages) else None
        results = {part.call_id: part for part in after.parts if isinstance(part, ToolResult)} if after else {}
        parts = tuple(
            Called(part, results.get(part.id)) if isinstance(part, ToolCall) else part for part in message.parts
        )
        speaker = message.role.capitalize() + (f" ({message.name})" if message.name else "")
        yield Spoken(speaker, parts, has_partial and place == len(messages) - 1)


def title_of(session: Session) -> str:
    """Its name, on one line; its id where it has none."""
    return re.sub(r"\s+", " ", session.name or "").strip() or f"Session {session.id}"


def is_web_address(url: str) -> bool:
    """Whether a link to it does no more than open a page."""
    return _WEB.match(url) is not None


def words_for(part: Part) -> str:
    """What stands for a part that is no text and cannot be shown."""
    kind = type(part).__name__
    for name in ("title", "path", "url", "id", "transcript", "media_type"):
        value = getattr(part, name, None)
        if value:
            return f"{kind}: {value if len(value) <= _MOST_LETTERS else value[:_MOST_LETTERS] + '…'}"
    return kind
