"""Where a call is made: by default in this process."""

from __future__ import annotations

import inspect
from functools import partial
from typing import Any, Protocol

import anyio.to_thread

from exllm.tools.binding import handler_parameters
from exllm.types.tool import Tool
from exllm.types.tool_context import ToolContext


class Executor(Protocol):
    """Makes one call that was checked, somewhere: in a container, by a queue, on another machine.

    `arguments` are converted to what the handler takes; as the model gave them they are in ``context.call``. What it
    returns or raises is taken as if the handler had.
    """

    async def __call__(self, tool: Tool, arguments: dict[str, Any], context: ToolContext, /) -> Any: ...


async def call_handler(tool: Tool, arguments: dict[str, Any], context: ToolContext) -> Any:
    """Call the handler here: an async one is awaited, a sync one runs in a thread, with the context variables.

    When the caller is cancelled, by a time limit as well, an async handler is cancelled. A thread cannot be: it runs
    on to its end, and what it then returns is lost.
    """
    handler = tool.handler
    if handler is None:
        raise TypeError(f"tool {tool.name!r} has no handler")
    parameters = handler_parameters(tool)
    if parameters is not None and parameters.context is not None:
        arguments = {**arguments, parameters.context: context}
    if is_async(handler):
        return await handler(**arguments)
    value = await anyio.to_thread.run_sync(partial(handler, **arguments), abandon_on_cancel=True)
    return await value if inspect.isawaitable(value) else value


def is_async(handler: Any) -> bool:
    """Whether calling it only makes a coroutine."""
    while isinstance(handler, partial):
        handler = handler.func
    call = handler if inspect.isroutine(handler) or inspect.isclass(handler) else getattr(handler, "__call__", handler)  # noqa: B004
    return inspect.iscoroutinefunction(call)
