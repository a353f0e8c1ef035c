"""What a model may call."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Self

import msgspec

from exllm.types.parts import CacheControl

if TYPE_CHECKING:
    from exllm.types.signature import Parameters


def _no_arguments() -> dict[str, Any]:
    return {"type": "object", "properties": {}}


class Tool(msgspec.Struct, frozen=True, omit_defaults=True, dict=True, tag_field="kind", tag="function"):
    """A function that the model may ask you to call.

    `exllm.tool` makes one of a callable. Written out, ``Tool(name, description, schema)`` is only a description: you
    make the call yourself.

    Attributes:
        name, description: what the model reads.
        schema: JSON Schema of the arguments object.
        strict: ask the provider to hold the model to the schema.
        cache_control: prompt-cache breakpoint after this tool.
        timeout: seconds that a call may take in a run; None for the run's own limit.
        manual: a run does not call the handler; it is suspended, and you answer.
        needs_approval: a run asks before it calls the handler, see `Client.run`.
    """

    name: str
    description: str = ""
    schema: dict[str, Any] = msgspec.field(default_factory=_no_arguments)
    strict: bool | None = None
    cache_control: CacheControl | None = None
    timeout: float | None = None
    manual: bool = False
    needs_approval: bool = False

    @property
    def handler(self) -> Callable[..., Any] | None:
        """The callable behind it, when there is one.

        It is no field, so that a tool is plain data: JSON leaves it out and equality does not look at it. Copies keep
        it; pickling keeps it where it can be imported by its name.
        """
        return self.__dict__.get("__wrapped__")

    @property
    def parameters(self) -> Parameters | None:
        """What the handler takes, when it was read from its signature; no field, like `handler`."""
        return self.__dict__.get("_parameters")

    def with_handler(self, handler: Callable[..., Any] | None, parameters: Parameters | None = None) -> Self:
        """The same tool with `handler` behind it."""
        made = type(self)(*msgspec.structs.astuple(self))
        if parameters is not None:
            made.__dict__["_parameters"] = parameters
        if handler is not None:
            # What `functools.wraps` would set, so that `help` and `inspect.signature` see the function.
            made.__dict__["__wrapped__"] = handler
            for name in ("__name__", "__qualname__", "__module__", "__doc__"):
                if isinstance(value := getattr(handler, name, None), str):
                    made.__dict__[name] = value
        return made

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the handler directly, as if it had not been decorated; an async one gives its coroutine."""
        handler = self.handler
        if handler is None:
            raise TypeError(f"tool {self.name!r} has no handler")
        return handler(*args, **kwargs)

    def __copy__(self) -> Self:
        return self.with_handler(self.handler, self.parameters)

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        from copy import deepcopy

        plain = msgspec.structs.replace(self, schema=deepcopy(self.schema, memo))
        return plain.with_handler(self.handler, self.parameters)

    def __reduce__(self) -> tuple[Any, ...]:
        return _restore, (type(self), msgspec.structs.astuple(self), _address(self.handler))


class ServerTool(msgspec.Struct, frozen=True, omit_defaults=True, tag_field="kind", tag="server"):
    """A tool that the provider runs itself, in its own words: ``{"type": "web_search_20250305", ...}``."""

    definition: dict[str, Any]


def _address(handler: Callable[..., Any] | None) -> tuple[str, str] | None:
    """Module and qualified name under which `handler`, or a tool made of it, can be found again."""
    module, name = getattr(handler, "__module__", None), getattr(handler, "__qualname__", None)
    if handler is None or not isinstance(module, str) or not isinstance(name, str):
        return None
    return (module, name) if _find(module, name) is handler else None


def _find(module: str, name: str) -> Any:
    found: Any = sys.modules.get(module)
    for attribute in name.split("."):
        found = getattr(found, attribute, None)
    return found.handler if isinstance(found, Tool) else found


def _restore(kind: type[Tool], fields: tuple[Any, ...], address: tuple[str, str] | None) -> Tool:
    made = kind(*fields)
    if address is None:
        return made
    __import__(address[0])
    return made.with_handler(_find(*address))
