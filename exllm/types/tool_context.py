"""What a tool's handler may know of the call that it answers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from exllm.types.message import Message
from exllm.types.parts import ToolCall
from exllm.types.tool import Tool
from exllm.types.usage import Usage


def _nowhere(_progress: float | None, _total: float | None, _message: str | None) -> None:
    """Where progress goes when nobody listens."""


@dataclass(slots=True)
class ToolContext:
    """One call within a run. A handler gets it in the parameter that is annotated with it, whatever its name::

        @exllm.tool
        async def search(query: str, context: exllm.ToolContext) -> list[str]:
            return await context.state.index.find(query, user=context.state.user)

    The model is not told of that parameter. Hooks, `approve` and executors get it as well.

    Attributes:
        tool: what is called; for a name that is none of the tools, a bare one of that name.
        call: as the model wrote it.
        arguments: as the handler gets them, by name; before they are checked, as the model gave them.
        model: ``"provider/model"``.
        turn: which answer of the model the call is in; the first is 1.
        messages: the conversation up to the message that holds the call.
        usage: tokens of the run so far.
        state: what was given to the run as ``state=``.
        error: for `after_call`: what the handler raised.
    """

    tool: Tool
    call: ToolCall
    arguments: dict[str, Any]
    model: str = ""
    turn: int = 1
    messages: tuple[Message, ...] = ()
    usage: Usage = field(default_factory=Usage)
    state: Any = None
    error: BaseException | None = None
    on_progress: Callable[[float | None, float | None, str | None], None] = field(default=_nowhere, repr=False)

    @property
    def call_id(self) -> str:
        """The id of the call, unique within the run."""
        return self.call.id

    def report(self, progress: float | None = None, total: float | None = None, message: str | None = None) -> None:
        """Say how far the call is; becomes a `ToolProgress` event. May be called from any thread, and never waits.

        Of reports that come faster than they are read, the newest counts.
        """
        self.on_progress(progress, total, message)
