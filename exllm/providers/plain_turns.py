"""Conversations of plain texts, written in the short way: most of them are."""

from __future__ import annotations

from collections.abc import Sequence

from exllm.types.message import Message

_SIDES = frozenset({"user", "assistant"})


def plain_turns(messages: Sequence[Message]) -> list[dict[str, str]] | None:
    """Role and text of each message, where all are texts of a user and an assistant in turns, the user's last.

    None where there is anything else: parts, names, other roles, two of one side, or a text without a word.
    """
    turns: list[dict[str, str]] = []
    last = "assistant"
    for message in messages:
        role, content = message.role, message.content
        if (
            role == last
            or role not in _SIDES
            or type(content) is not str
            or message.name is not None
            or not content.strip()
        ):
            return None
        turns.append({"role": role, "content": content})
        last = role
    return turns if last == "user" else None
