"""The calls of an answer as the conversation keeps them: each with an id of its own, and arguments that are JSON."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from exllm.tools.arguments import ArgumentsError, parse_arguments
from exllm.types.message import Message
from exllm.types.parts import Part, ToolCall


def with_sound_calls(message: Message, history: Iterable[Message]) -> Message:
    """`message`, where a call without an id, or with one that is taken, has got another, and nearly-JSON is JSON.

    Some servers give no ids, the same to all calls of an answer, or the same again in every answer. Some refuse a
    conversation with arguments in it that are not JSON; those that cannot be read at all stay as they are.
    """
    if not message.tool_calls:
        return message
    taken = {
        part.id
        for earlier in history
        if earlier.role == "assistant" and not isinstance(earlier.content, str)
        for part in earlier.content
        if type(part) is ToolCall
    }
    parts: list[Part] = []
    for part in message.parts:
        if type(part) is ToolCall:
            if not part.provider_executed and (not part.id or part.id in taken):
                part = msgspec.structs.replace(part, id=_another(part.id or "call", taken))
            part = _with_json(part)
            taken.add(part.id)
        parts.append(part)
    if all(new is old for new, old in zip(parts, message.parts, strict=True)):
        return message
    return Message(message.role, tuple(parts), message.name)


def _with_json(call: ToolCall) -> ToolCall:
    if call.provider_executed or call.signature is not None or not call.arguments.strip():  # a signature may cover them
        return call
    try:
        call.parse_arguments()
    except (msgspec.DecodeError, RecursionError, UnicodeEncodeError):
        try:
            read = parse_arguments(call.arguments)
        except ArgumentsError:
            return call
        return msgspec.structs.replace(call, arguments=msgspec.json.encode(read).decode())
    return call


def _another(id_: str, taken: set[str]) -> str:
    number = 2
    while f"{id_}_{number}" in taken:
        number += 1
    return f"{id_}_{number}"
