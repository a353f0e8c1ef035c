"""Tools and the choice among them for the Responses API.

Source: https://developers.openai.com/api/docs/guides/tools, /function-calling
"""

from __future__ import annotations

from typing import Any

from exllm.types.options import Options
from exllm.types.tool import ServerTool, Tool

_MODES = frozenset({"auto", "none", "required"})
_TYPED = frozenset({"function", "custom"})


def tool_fields(options: Options, quirks: frozenset[str]) -> dict[str, Any]:
    """The fields `tools`, `tool_choice` and `plugins`, where there is something to say."""
    fields: dict[str, Any] = {}
    tools = [_tool(tool) for tool in options.tools or ()]
    search = options.web_search
    if search is not None and search is not False:
        settings = search if isinstance(search, dict) else {}
        if "web_search_plugin" in quirks:
            fields["plugins"] = [{"id": "web", **settings}]
        else:
            tools.append({"type": "web_search", **settings})
    if tools or options.tools is not None:
        fields["tools"] = tools
    choice = options.tool_choice
    if choice is not None:
        fields["tool_choice"] = _choice(choice, tools)
    return fields


def _tool(tool: Tool | ServerTool) -> dict[str, Any]:
    if isinstance(tool, ServerTool):
        custom = tool.definition.get("custom")
        if tool.definition.get("type") == "custom" and isinstance(custom, dict):  # as Chat Completions has it
            return {"type": "custom", **custom}
        return tool.definition
    # `strict` left out means true here, unlike anywhere else, and changes what a schema without it means.
    written: dict[str, Any] = {
        "type": "function", "name": tool.name, "parameters": tool.schema, "strict": bool(tool.strict)
    }  # fmt: skip
    if tool.description:
        written["description"] = tool.description
    return written


def _choice(choice: str | dict[str, Any], tools: list[dict[str, Any]]) -> Any:
    if isinstance(choice, str):
        if choice in _MODES:
            return choice
        for tool in tools:
            if tool.get("name") == choice and tool.get("type") in _TYPED:
                return {"type": tool["type"], "name": choice}
            if tool.get("type") == choice:
                return {"type": choice}
        return {"type": "function", "name": choice}
    for kind in _TYPED:
        inner = choice.get(kind)
        if choice.get("type") == kind and isinstance(inner, dict):  # as Chat Completions has it
            return {"type": kind, **inner}
    return choice
