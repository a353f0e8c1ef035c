"""Calls in a conversation that nobody answered, or too late: most providers refuse such a conversation.

"An assistant message with 'tool_calls' must be followed by tool messages responding to each 'tool_call_id'" (OpenAI);
"`tool_use` ids were found without `tool_result` blocks immediately after" (Anthropic).
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import takewhile

import msgspec

from exllm.types.message import Message
from exllm.types.parts import ToolCall, ToolResult

NOT_MADE = "This call was not made."


def with_results(messages: tuple[Message, ...]) -> tuple[tuple[Message, ...], tuple[str, ...]]:
    """The conversation with the results of all calls right behind them, and what was put in, in words.

    The calls of the last message are left alone: they are still to be made. So are results of which there is no call.
    """
    out: list[Message] = []
    names: list[str] = []
    taken = 0  # messages up to here are in `out`
    for place, message in enumerate(messages[:-1]):
        if type(message.content) is str or message.role != "assistant":
            continue
        calls = [part for part in message.parts if type(part) is ToolCall and not part.provider_executed]
        if not calls:
            continue
        behind = [*takewhile(lambda each: each.role != "assistant", messages[place + 1 :])]
        if {call.id for call in calls} <= {result.call_id for result in _leading(behind)}:
            continue
        given = {result.call_id: result for result in reversed(_results(behind))}
        names += [call.name for call in calls if call.id not in given]
        results = [given.get(call.id) or ToolResult(call.id, NOT_MADE, call.name, is_error=True) for call in calls]
        out += messages[taken : place + 1]
        out.append(Message("tool", tuple(results)))
        out += _without(behind, results)
        taken = place + 1 + len(behind)
    if not taken:
        return messages, ()
    warnings = [f"a call of {name} has no result; {NOT_MADE!r} was sent as one" for name in dict.fromkeys(names)]
    return (*out, *messages[taken:]), tuple(warnings)


def _results(messages: Sequence[Message]) -> list[ToolResult]:
    return [part for message in messages for part in message.parts if type(part) is ToolResult]


def _leading(messages: Sequence[Message]) -> list[ToolResult]:
    """The results that come before anything else is said."""
    return _results([*takewhile(lambda message: any(type(part) is ToolResult for part in message.parts), messages)])


def _without(messages: Sequence[Message], results: Sequence[ToolResult]) -> list[Message]:
    moved = {id(result) for result in results}
    rest = []
    for message in messages:
        if any(id(part) in moved for part in message.parts):
            parts = tuple(part for part in message.parts if id(part) not in moved)
            if not parts:
                continue
            message = msgspec.structs.replace(message, content=parts)
        rest.append(message)
    return rest
