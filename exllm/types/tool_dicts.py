"""The ``tools`` option: functions, `Tool` objects, and dicts in our own shape, OpenAI's two, or Anthropic's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from exllm.types.tool import ServerTool, Tool

_SCHEMA_FIELDS = ("schema", "parameters", "input_schema")  # our own, OpenAI's, Anthropic's
_TOOL_FIELDS = frozenset({"type", "kind", "name", "description", "strict", "cache_control", *_SCHEMA_FIELDS})


def tools_of(value: Any) -> tuple[Tool | ServerTool, ...]:
    """The tools that `value` lists. Raises TypeError or ValueError for what is no list of tools."""
    if isinstance(value, Tool | ServerTool | Mapping):
        raise TypeError("expected a list of tools")
    tools = tuple(_tool_of(item) for item in value)
    names = [tool.name for tool in tools if isinstance(tool, Tool)]
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"two tools are called {name!r}")
    return tools


def _tool_of(item: Any) -> Tool | ServerTool:
    if isinstance(item, Tool | ServerTool):
        return item
    if isinstance(item, Mapping):
        return _tool_of_dict(item)
    if callable(item):
        from exllm.types.callable_tool import tool

        return tool(item)
    raise TypeError(f"expected a Tool, a function or a dict, got {type(item).__name__}")


def _tool_of_dict(item: Mapping[str, Any]) -> Tool | ServerTool:
    function, fields = item.get("function"), item
    if item.get("type") == "function" and isinstance(function, Mapping):  # Chat Completions
        if "name" not in function:
            raise TypeError("a function without a name")
        fields = {**function, **{name: value for name, value in item.items() if name != "function"}}
    given = {name: value for name, value in fields.items() if value is not None}
    is_function = given.get("type") == "function" or any(field in given for field in _SCHEMA_FIELDS)
    if not is_function or "name" not in given or not given.keys() <= _TOOL_FIELDS:
        return ServerTool(dict(item))  # run by the provider, or more than a `Tool` can say
    schema: Any = next((given[field] for field in _SCHEMA_FIELDS if field in given), None)
    said: dict[str, Any] = {
        name: given[name] for name in ("name", "description", "strict", "cache_control") if name in given
    }
    if schema is not None:
        said["schema"] = schema
    tool: Tool = msgspec.convert(said, Tool)
    return tool
