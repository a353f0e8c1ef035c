"""Tools and the choice among them for the Interactions API.

Functions and Google's own tools stand in one list, each with its type: ``{"type": "google_search"}``,
``{"type": "code_execution"}``, ``{"type": "url_context"}``, ``{"type": "mcp_server", "name":, "url":}``.
Sources: https://ai.google.dev/gemini-api/docs/function-calling, https://ai.google.dev/api/interactions-api#Resource:Tool
"""

from __future__ import annotations

from typing import Any

from exllm.errors import InvalidRequest
from exllm.types.options import Options, ToolChoice
from exllm.types.request import Request
from exllm.types.tool import ServerTool, Tool

_MODES = {"auto": "auto", "none": "none", "required": "any", "any": "any", "validated": "validated"}


def tools_of(options: Options, warnings: list[str]) -> list[dict[str, Any]]:
    """The field `tools`. Raises `InvalidRequest` for a tool of another API."""
    tools = [_function(tool) if isinstance(tool, Tool) else _own(tool) for tool in options.tools or ()]
    search = options.web_search
    if search is not None and search is not False:
        tools.append({"type": "google_search", **(search if isinstance(search, dict) else {})})
    if any(isinstance(tool, Tool) and tool.cache_control is not None for tool in options.tools or ()):
        warnings.append("Gemini caches by itself; cache_control of a tool was left out")
    return tools


def tool_choice_of(options: Options) -> Any:
    """The field `tool_choice`, None for nothing."""
    choice = _choice(options.tool_choice)
    strict = any(isinstance(tool, Tool) and tool.strict for tool in options.tools or ())
    return "validated" if strict and choice in (None, "auto") else choice  # calls are held to the schemas


def may_cite(request: Request) -> bool:
    """Whether something other than the model may give sources for the answer."""
    options, extra = request.options, request.extra
    return bool(
        options.web_search
        or not extra.keys().isdisjoint({"tools", "agent", "environment"})
        or any(isinstance(tool, ServerTool) for tool in options.tools or ())
        or agent_of(request) is not None
    )


# https://ai.google.dev/gemini-api/docs/agents
_AGENTS = ("agents/", "deep-research-", "antigravity-")


def agent_of(request: Request) -> str | None:
    """The agent that is asked, None for a model. Google's own are known by their names, yours are ``agents/NAME``."""
    model = request.model
    return model.removeprefix("agents/") if model.startswith(_AGENTS) else None


def _function(tool: Tool) -> dict[str, Any]:
    function: dict[str, Any] = {"type": "function", "name": tool.name}
    if tool.description:
        function["description"] = tool.description
    function["parameters"] = tool.schema
    return function


def _own(tool: ServerTool) -> dict[str, Any]:
    if not isinstance(tool.definition.get("type"), str):
        raise InvalidRequest(
            f"tools of the Interactions API are written like {{'type': 'google_search'}}, {{'type': 'code_execution'}} "
            f"or {{'type': 'url_context'}}; {sorted(tool.definition)} is of another API"
        )
    return tool.definition


def _choice(choice: ToolChoice | None) -> Any:
    match choice:
        case None:
            return None
        case str() if choice in _MODES:
            return _MODES[choice]
        case str():
            return _only(choice)
        case {"type": "function", "function": {"name": str(name)}}:  # OpenAI's shape
            return _only(name)
        case {"type": "tool" | "function", "name": str(name)}:  # Anthropic's, and the Responses API's
            return _only(name)
    return choice


def _only(name: str) -> dict[str, Any]:
    return {"allowed_tools": {"mode": "any", "tools": [name]}}
