"""A conversation in pieces that can be left out: never a call without its result, or a result without its call."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from exllm.types.message import Message
from exllm.types.parts import ToolCall, ToolResult

_OF_THE_SYSTEM = frozenset({"system", "developer"})


class Exchange(msgspec.Struct, frozen=True):
    """What a user said, and all that followed until a user spoke again. Holds indexes of messages.

    Attributes:
        core: the user's message and the last step: the answer, or calls that are being worked on, with their results.
        middles: the steps between, in order; each is an assistant message with the results of its calls.
    """

    core: tuple[int, ...]
    middles: tuple[tuple[int, ...], ...] = ()

    @property
    def whole(self) -> tuple[int, ...]:
        return tuple(sorted([*self.core, *(index for middle in self.middles for index in middle)]))


class Conversation(msgspec.Struct, frozen=True):
    """Indexes of messages: `system` is what is never left out, wherever it stands."""

    system: tuple[int, ...]
    exchanges: tuple[Exchange, ...]


def read_conversation(messages: Sequence[Message]) -> Conversation:
    """Cut `messages` into exchanges. What comes before the first user message is an exchange of its own."""
    system = tuple(index for index, message in enumerate(messages) if message.role in _OF_THE_SYSTEM)
    runs: list[list[int]] = []  # of messages that stay or go together, in order
    run_of_call: dict[str, int] = {}  # the newest call of an id: some servers use an id again
    for index, message in enumerate(messages):
        if message.role in _OF_THE_SYSTEM:
            continue
        answered = [run_of_call[id] for id in _results(message) if id in run_of_call]
        if message.role == "tool" and runs:
            answered.append(len(runs) - 1)  # also what no call is known of: it stays with what it follows
        if answered:
            first = min(answered)
            if first < len(runs) - 1:  # a result that comes late: what is between goes with it
                for later in runs[first + 1 :]:
                    runs[first] += later
                del runs[first + 1 :]
                run_of_call = {id: min(run, first) for id, run in run_of_call.items()}
            runs[first].append(index)
        else:
            runs.append([index])
        run_of_call.update((id, len(runs) - 1) for id in _calls(message))
    return Conversation(system, tuple(_exchanges(messages, runs)))


def _exchanges(messages: Sequence[Message], runs: Sequence[Sequence[int]]) -> list[Exchange]:
    grouped: list[list[Sequence[int]]] = []
    for run in runs:
        begins = messages[run[0]].role == "user"
        # Two user messages in a row are one question.
        still_asking = grouped and all(messages[index].role == "user" for index in grouped[-1][-1])
        if not grouped or (begins and not still_asking):
            grouped.append([])
        grouped[-1].append(run)
    exchanges = []
    for group in grouped:
        asked = 0
        while asked < len(group) and all(messages[index].role == "user" for index in group[asked]):
            asked += 1
        head, steps = group[:asked], group[asked:]
        if not head:
            exchanges.append(Exchange(tuple(index for run in group for index in run)))
            continue
        core = [index for run in (*head, *steps[-1:]) for index in run]
        exchanges.append(Exchange(tuple(core), tuple(map(tuple, steps[:-1]))))
    return exchanges


def _calls(message: Message) -> list[str]:
    return [part.id for part in message.parts if type(part) is ToolCall]


def _results(message: Message) -> list[str]:
    return [part.call_id for part in message.parts if type(part) is ToolResult]
