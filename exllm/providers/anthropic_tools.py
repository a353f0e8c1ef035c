"""Tools and the choice among them for the Anthropic Messages API.

Sources: https://platform.claude.com/docs/en/agents-and-tools/tool-use/define-tools,
https://platform.claude.com/docs/en/agents-and-tools/tool-use/web-search-tool
"""

from __future__ import annotations

from typing import Any

from exllm.providers.anthropic_content import Block, cache_marker
from exllm.types.options import Options, ToolChoice
from exllm.types.tool import ServerTool, Tool

WEB_SEARCH: Block = {"type": "web_search_20250305", "name": "web_search"}
"""The version that every model knows; ``web_search={"type": ...}`` asks for another."""


def tool_fields(options: Options) -> dict[str, Any]:
    """The fields `tools` and `tool_choice`, where there is something to say."""
    tools = [_tool(tool) for tool in options.tools or ()]
    search = options.web_search
    if search is not None and search is not False:
        tools.append(WEB_SEARCH | (search if isinstance(search, dict) else {}))
    fields: dict[str, Any] = {}
    if tools:
        fields["tools"] = tools
    choice = _choice(options.tool_choice)
    if options.parallel_tool_calls is False and tools:
        choice = {"type": "auto"} if choice is None else choice
        if choice.get("type") != "none":
            choice = {**choice, "disable_parallel_tool_use": True}
    if choice is not None:
        fields["tool_choice"] = choice
    return fields


def _tool(tool: Tool | ServerTool) -> Block:
    if isinstance(tool, ServerTool):
        return tool.definition
    block: Block = {"name": tool.name}
    if tool.description:
        block["description"] = tool.description
    block["input_schema"] = tool.schema
    if tool.strict is not None:
        block["strict"] = tool.strict
    if tool.cache_control is not None:
        block["cache_control"] = cache_marker(tool.cache_control)
    return block


def _choice(choice: ToolChoice | None) -> Block | None:
    match choice:
        case None:
            return None
        case "auto" | "none":
            return {"type": choice}
        case "required" | "any":
            return {"type": "any"}
        case str():
            return {"type": "tool", "name": choice}
        case {"type": "function", "function": {"name": name}}:  # OpenAI's shape
            return {"type": "tool", "name": name}
    return choice
