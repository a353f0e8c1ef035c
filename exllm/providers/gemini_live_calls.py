"""Calls of a Gemini Live session's functions: as they come, whole or in pieces, and until they are answered."""

from __future__ import annotations

import msgspec

from exllm.providers.gemini_events import FunctionCall, is_there, plain
from exllm.providers.gemini_partial_args import PartialArgs
from exllm.types.chunks import ProviderEvent
from exllm.types.live_events import LiveEvent, ToolCall

_MOST_VOID = 1_000


class Calls:
    """The calls of one session, over all its connections.

    Attributes:
        waiting: names of the functions whose calls wait for an answer, by id.
        void: ids of calls that were cancelled: the service refuses their results.
    """

    def __init__(self) -> None:
        self.waiting: dict[str, str] = {}
        self.void: dict[str, None] = {}
        self._open: tuple[str, str, PartialArgs] | None = None
        self._made_up = 0

    def read(self, call: FunctionCall, events: list[LiveEvent]) -> None:
        """A call, or a piece of one: it is told when its arguments are complete."""
        if self._open is not None and call.name:
            self._end(events)  # the next one begins
        if self._open is None:
            if not call.name and not call.id:
                return  # the empty call that ends one in pieces
            id_, name = call.id or self._made_up_id(), call.name or ""
            if not call.partial_args and not call.will_continue:
                arguments = msgspec.json.format(bytes(call.args), indent=-1).decode() if is_there(call.args) else "{}"
                self._tell(id_, name, arguments, events)
                return
            self._open = (id_, name, PartialArgs(plain(call.args) if is_there(call.args) else {}))
        for arg in call.partial_args or ():
            self._open[2].add(arg)
        if not call.will_continue:
            self._end(events)

    def end_turn(self, events: list[LiveEvent], provider: str, *, was_interrupted: bool) -> None:
        """No piece follows. What was interrupted within its arguments is not to be called."""
        if self._open is None:
            return
        if was_interrupted:
            id_, name, arguments = self._open
            self._open = None
            said = {"id": id_, "name": name, "arguments": arguments.text()}
            events.append(ProviderEvent("incompleteToolCall", said, provider))
        else:
            self._end(events)

    def give_up(self, ids: tuple[str, ...]) -> None:
        """Nobody waits for the results of these."""
        for id_ in ids:
            self.waiting.pop(id_, None)
            self.void[id_] = None
            if self._open is not None and self._open[0] == id_:
                self._open = None
        if len(self.void) > 2 * _MOST_VOID:  # all at once: one by one takes the square of their number
            self.void = dict.fromkeys(list(self.void)[-_MOST_VOID:])

    def lose(self) -> tuple[str, ...]:
        """The connection is gone: returns the calls that nobody waits for any more."""
        lost = tuple(self.waiting)
        self.give_up(lost)
        self._open = None
        return lost

    def _end(self, events: list[LiveEvent]) -> None:
        if self._open is not None:
            id_, name, arguments = self._open
            self._open = None
            self._tell(id_, name, arguments.text(), events)

    def _tell(self, id_: str, name: str, arguments: str, events: list[LiveEvent]) -> None:
        self.waiting[id_] = name
        self.void.pop(id_, None)
        events.append(ToolCall(id_, name, arguments))

    def _made_up_id(self) -> str:
        """An id for a call that came without one; it does not go back."""
        self._made_up += 1
        return f"call_0_{self._made_up}"
