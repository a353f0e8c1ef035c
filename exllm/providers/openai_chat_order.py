"""The order of turns that some services insist on, where OpenAI takes any: after the messages are written.

Perplexity: "After the (optional) system message(s), user and assistant roles should be alternating."
(https://github.com/perplexityai/api-discussion/issues/265). Mistral: "Unexpected role 'user' after role 'tool'"
(https://github.com/onyx-dot-app/onyx/issues/6458; mistral-common takes it now), "Unexpected role 'system' after role
'assistant'", and no empty message of the assistant (the validator of mistral-common).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from exllm.providers.spec import ProviderSpec

Written = dict[str, Any]

ORDERS = frozenset({"alternating_turns", "strict_order"})
"""The quirks that are obeyed here."""

NOTHING_SAID = "..."
"""Stands where a service wants a turn and nobody spoke: such services take no empty text."""


def in_order(messages: list[Written], spec: ProviderSpec, warn: Callable[[str], None]) -> list[Written]:
    """`messages` as the service takes them. What is more than a merge is told to `warn`."""
    if not ORDERS & spec.quirks:
        return messages
    systems = [message for message in messages if message["role"] == "system"]
    if systems != messages[: len(systems)]:
        warn("a system message in the middle of the conversation was moved before it")
    spoken = [message for message in messages if _says_something(message)]
    if "alternating_turns" not in spec.quirks:
        return systems + _bridged(spoken, spec, warn)
    turns = _alternating(spoken)
    if turns and turns[0]["role"] == "assistant":
        warn(f"{spec.label} wants the user to speak first; {NOTHING_SAID!r} was put before the assistant's message")
        turns.insert(0, {"role": "user", "content": NOTHING_SAID})
    return systems + turns


def _says_something(message: Written) -> bool:
    """Whether it is a turn: no system prompt, and of the assistant only what is not empty."""
    if message["role"] == "assistant":
        return bool(message.get("content") or message.get("tool_calls"))
    return bool(message["role"] != "system")


def _bridged(messages: list[Written], spec: ProviderSpec, warn: Callable[[str], None]) -> list[Written]:
    """An answer of the assistant between results and the next message of the user."""
    turns: list[Written] = []
    for message in messages:
        if message["role"] == "user" and turns and turns[-1]["role"] == "tool":
            warn(
                f"{spec.label} takes no message of the user right after results of tools; an answer of the assistant, "
                f"{NOTHING_SAID!r}, was put between them"
            )
            turns.append({"role": "assistant", "content": NOTHING_SAID})
        turns.append(message)
    return turns


def _alternating(messages: list[Written]) -> list[Written]:
    """Neighbours of one role become one message; results of tools stay as they are."""
    turns: list[Written] = []
    for message in messages:
        if turns and turns[-1]["role"] == message["role"] != "tool":
            turns[-1] = _merged(turns[-1], message)
        else:
            turns.append(message)
    return turns


def _merged(one: Written, other: Written) -> Written:
    merged = {**one, **other}
    if one.get("name") != other.get("name"):
        merged.pop("name", None)
    first, second = one.get("content") or "", other.get("content") or ""
    if isinstance(first, str) and isinstance(second, str):
        merged["content"] = "\n\n".join(filter(None, (first, second))) or None
    else:
        merged["content"] = [*_parts(first), *_parts(second)]
    calls = [*one.get("tool_calls", ()), *other.get("tool_calls", ())]
    return {**merged, "tool_calls": calls} if calls else merged


def _parts(content: str | list[Written]) -> list[Written]:
    if isinstance(content, str):
        return [{"type": "text", "text": content}] if content else []
    return content
