"""Tools and the choice among them for Converse.

Sources: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ToolConfiguration.html,
https://docs.aws.amazon.com/nova/latest/nova2-userguide/web-grounding.html
"""

from __future__ import annotations

from exllm.errors import UnsupportedOption
from exllm.providers.bedrock_converse_content import Block
from exllm.providers.bedrock_converse_turns import Turns
from exllm.providers.bedrock_models import NOVAS
from exllm.providers.spec import ProviderSpec
from exllm.types.options import Options, ToolChoice
from exllm.types.tool import ServerTool

SEARCHING = NOVAS
"""Families that search the web."""

WEB_SEARCH: Block = {"systemTool": {"name": "nova_grounding"}}


def tool_config(options: Options, turns: Turns, family: str | None, spec: ProviderSpec) -> Block | None:
    """The field `toolConfig`, where there is something to say. Raises `UnsupportedOption`."""
    tools: list[Block] = []
    for tool in options.tools or ():
        if isinstance(tool, ServerTool):
            tools.append(tool.definition)
            continue
        specification: Block = {"name": tool.name, "inputSchema": {"json": tool.schema}}
        if tool.description:
            specification["description"] = tool.description
        if tool.strict is not None:
            specification["strict"] = tool.strict
        tools.append({"toolSpec": specification})
        tools += turns.content.cache_point(tool.cache_control)
    if options.web_search:
        if family not in SEARCHING or options.web_search is not True:
            raise UnsupportedOption(
                "on Bedrock only Amazon's Nova models search the web, and take no options for it", provider=spec.name
            )
        tools.append(WEB_SEARCH)
    if not tools:
        return None
    if options.tool_choice == "none":
        if turns.has_tools:
            raise UnsupportedOption(
                "Bedrock has no tool_choice 'none', and wants the tools of a conversation that used them",
                provider=spec.name,
            )
        turns.content.warn("Bedrock has no tool_choice 'none'; the tools were left out")
        return None
    choice = _choice(options.tool_choice)
    return {"tools": tools} if choice is None else {"tools": tools, "toolChoice": choice}


def _choice(choice: ToolChoice | None) -> Block | None:
    match choice:
        case None:
            return None
        case "auto":
            return {"auto": {}}
        case "required" | "any":
            return {"any": {}}
        case str():
            return {"tool": {"name": choice}}
        case {"type": "function", "function": {"name": name}} | {"type": "tool", "name": name}:  # OpenAI's, Anthropic's
            return {"tool": {"name": name}}
    return choice
