"""From a request to the plan of one answer: the prompt's tokens, the grammar, how tool calls are read. Blocking."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from exllm.errors import InvalidRequest, UnsupportedOption
from exllm.local.engine import Engine
from exllm.local.generation import Plan, check_length
from exllm.local.grammar import call_grammar, response_grammar
from exllm.local.prompt import ChatFormat, template_messages, template_tools
from exllm.local.settings import CallExtras, sampling
from exllm.local.tool_calls import ToolCallReader
from exllm.types.message import Message
from exllm.types.options import ToolChoice
from exllm.types.request import Request
from exllm.types.tool import Tool


def plan_answer(engine: Engine, model_name: str, request: Request, extras: CallExtras) -> Plan:
    """All that the answer to `request` depends on. Blocking: renders and tokenizes the prompt.

    Raises: UnsupportedOption, InvalidRequest, ContextLengthExceeded.
    """
    options = request.options
    style, tools = engine.chat_format(extras.chat_template, extras.chat_format), list(options.tools or ())
    choice = options.tool_choice
    if choice == "none":
        tools = []
    grammar = extras.grammar or response_grammar(options.response_format)
    described = template_tools(tools)
    if tools and style.call_style is None:
        raise UnsupportedOption(
            f"the chat template of {model_name} knows no tools; use a model made for them", provider="local"
        )
    forces_call = choice is not None and choice not in ("auto", "none")
    if forces_call and not tools:
        raise InvalidRequest("tool_choice asks for a call, but there are no tools", provider="local")
    calls: ToolCallReader | None = None
    if tools:
        assert style.call_style is not None
        calls = ToolCallReader(style.call_style, [tool.name for tool in tools if isinstance(tool, Tool)])
        if forces_call and choice is not None:
            most = 1 if options.parallel_tool_calls is False else None
            grammar = call_grammar(_chosen(described, choice), style.call_style, style.argument_key, most_calls=most)
    prompt, stops = encode(engine, style, request.messages, described)
    check_length(prompt, engine.context_tokens)
    wants_logprobs = options.logprobs or options.top_logprobs is not None
    return Plan(
        model_name,
        prompt,
        sampling(options, extras, grammar),
        options.max_tokens,
        (*(options.stop or ()), *stops),
        (options.top_logprobs or 0) if wants_logprobs else None,
        calls,
        options.parallel_tool_calls is False,
    )


def encode(
    engine: Engine, style: ChatFormat, messages: Sequence[Message], tools: Sequence[Mapping[str, Any]] = ()
) -> tuple[list[int], tuple[str, ...]]:
    """The tokens of the prompt for `messages`, and the stop sequences that belong to the format.

    A last message of the assistant is an answer that was begun: the model goes on with it.
    """
    begun = ""
    if len(messages) > 1 and messages[-1].role == "assistant" and not messages[-1].tool_calls:
        begun, messages = messages[-1].text, messages[:-1]
    prompt = style.render(template_messages(messages), tools)
    tokens = engine.tokenize(prompt.text, add_bos=prompt.adds_bos, special=True)
    if begun:  # apart, so that the model's own words cannot be taken for marks of the format
        tokens = [*tokens, *engine.tokenize(begun, add_bos=False, special=False)]
    return tokens, prompt.stops


def _chosen(tools: Sequence[Mapping[str, Any]], choice: ToolChoice) -> Sequence[Mapping[str, Any]]:
    """The tools that `choice` leaves: all for "required", else the one named."""
    if choice == "required":
        return tools
    name: Any = choice
    if isinstance(choice, dict):  # {"type": "function", "function": {"name": ...}}
        function = choice.get("function")
        name = function.get("name") if isinstance(function, dict) else choice.get("name")
    found = [tool for tool in tools if tool["function"]["name"] == name]
    if not found:
        raise InvalidRequest(f"tool_choice names {name!r}, which is not among the tools", provider="local")
    return found
