"""Tools and the choice among them for Gemini's generateContent.

All functions stand in one tool, each of Gemini's own tools in one of its own: ``{"googleSearch": {}}``,
``{"codeExecution": {}}``, ``{"urlContext": {}}``.
Sources: https://ai.google.dev/gemini-api/docs/function-calling, https://ai.google.dev/api/caching#Tool
"""

from __future__ import annotations

from typing import Any

from exllm.errors import InvalidRequest
from exllm.types.options import Options, ToolChoice
from exllm.types.tool import ServerTool, Tool

_MODES = {"auto": "AUTO", "none": "NONE", "required": "ANY", "any": "ANY"}


def tool_fields(options: Options, warnings: list[str]) -> dict[str, Any]:
    """The fields `tools` and `toolConfig`, where there is something to say. Raises `InvalidRequest`."""
    functions = [tool for tool in options.tools or () if isinstance(tool, Tool)]
    tools = [_own(tool) for tool in options.tools or () if isinstance(tool, ServerTool)]
    if functions:
        tools.insert(0, {"functionDeclarations": [_declaration(tool) for tool in functions]})
    search = options.web_search
    if search is not None and search is not False:
        tools.append({"googleSearch": search if isinstance(search, dict) else {}})
    fields: dict[str, Any] = {}
    if tools:
        fields["tools"] = tools
    config = _config(options.tool_choice)
    if any(tool.strict for tool in functions) and config in (None, {"functionCallingConfig": {"mode": "AUTO"}}):
        config = {"functionCallingConfig": {"mode": "VALIDATED"}}  # calls are held to the schemas
    if config is not None:
        fields["toolConfig"] = config
    if any(tool.cache_control is not None for tool in functions):
        warnings.append("Gemini caches by itself; cache_control of a tool was left out")
    return fields


def has_own_tools(options: Options, extra: dict[str, Any]) -> bool:
    """Whether a tool of Gemini's may give sources for its answer."""
    return bool(
        options.web_search
        or "tools" in extra
        or "cachedContent" in extra  # which may hold tools
        or any(isinstance(tool, ServerTool) for tool in options.tools or ())
    )


def _own(tool: ServerTool) -> dict[str, Any]:
    if "type" in tool.definition:
        raise InvalidRequest(
            f"Gemini's own tools are written like {{'googleSearch': {{}}}}, {{'codeExecution': {{}}}} or "
            f"{{'urlContext': {{}}}}; {tool.definition['type']!r} is a tool of another provider"
        )
    return tool.definition


def _declaration(tool: Tool) -> dict[str, Any]:
    declaration: dict[str, Any] = {"name": tool.name}
    if tool.description:
        declaration["description"] = tool.description
    declaration["parametersJsonSchema"] = tool.schema
    return declaration


def _config(choice: ToolChoice | None) -> dict[str, Any] | None:
    match choice:
        case None:
            return None
        case "auto" | "none" | "required" | "any":
            return {"functionCallingConfig": {"mode": _MODES[choice]}}
        case str():
            return _only(choice)
        case {"type": "function", "function": {"name": str(name)}}:  # OpenAI's shape
            return _only(name)
        case {"type": "tool", "name": str(name)}:  # Anthropic's
            return _only(name)
        case {"mode": _}:
            return {"functionCallingConfig": choice}
    return choice


def _only(name: str) -> dict[str, Any]:
    return {"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": [name]}}
