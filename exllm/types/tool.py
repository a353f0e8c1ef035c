"""What a model may call."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from exllm.types.parts import CacheControl


def _no_arguments() -> dict[str, Any]:
    return {"type": "object", "properties": {}}


class Tool(msgspec.Struct, frozen=True, omit_defaults=True):
    """A function that the model may ask you to call.

    Attributes:
        name, description: what the model reads.
        schema: JSON Schema of the arguments object.
        handler: the callable behind it, when there is one; not serialised.
        strict: ask the provider to hold the model to the schema.
        cache_control: prompt-cache breakpoint after this tool.
    """

    name: str
    description: str = ""
    schema: dict[str, Any] = msgspec.field(default_factory=_no_arguments)
    handler: Callable[..., Any] | None = None
    strict: bool | None = None
    cache_control: CacheControl | None = None

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the handler directly, as if it had not been decorated."""
        if self.handler is None:
            raise TypeError(f"tool {self.name!r} has no handler")
        return self.handler(*args, **kwargs)


class ServerTool(msgspec.Struct, frozen=True, omit_defaults=True):
    """A tool that the provider runs itself, in its own words: ``{"type": "web_search_20250305", ...}``."""

    definition: dict[str, Any]
