"""The ``tool_choice`` option against the tools that there are."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from typing import Any

from exllm.errors import InvalidRequest
from exllm.types.tool import ServerTool, Tool

MODES = frozenset({"auto", "none", "required"})


def check_tool_choice(
    choice: str | Mapping[str, Any], tools: tuple[Tool | ServerTool, ...] | None, *, web_search: bool
) -> None:
    """Refuse a choice that names none of `tools`, which every provider would refuse.

    A name that cannot be known passes: `web_search` adds a tool, and so do provider's tools that carry no name.

    Raises: InvalidRequest that lists the tools.
    """
    name = choice if isinstance(choice, str) else _named_in(choice)
    if name is None or (isinstance(choice, str) and name in MODES) or web_search:
        return
    names: list[str] = []
    for tool in tools or ():
        if isinstance(tool, Tool):
            names.append(tool.name)
            continue
        own = list(names_in(tool.definition))
        if not own:
            return
        names += own
    if name in names:
        return
    if not names:
        raise InvalidRequest(f"tool_choice names {name!r}, but there are no tools")
    near = difflib.get_close_matches(name, names, n=1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    raise InvalidRequest(f"tool_choice names {name!r}, which is none of the tools {', '.join(map(repr, names))}{hint}")


def _named_in(choice: Mapping[str, Any]) -> str | None:
    """The function's name in a provider's own object: Anthropic's and Responses' shape, or Chat Completions'."""
    inner = choice.get("function", choice)
    name = inner.get("name") if isinstance(inner, Mapping) and choice.get("type") in ("function", "tool") else None
    return name if isinstance(name, str) else None


def names_in(definition: Mapping[str, Any]) -> Iterator[str]:
    """What a provider's tool may be called: its name, at the top or inside, as in ``{"custom": {"name": ...}}``."""
    for part in (definition, *definition.values()):
        if isinstance(part, Mapping) and isinstance(part.get("name"), str):
            yield part["name"]
