"""From messages to the text that the model reads: by the template in its file, or another that was asked for."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Literal, Protocol

import msgspec

from exllm.errors import InvalidRequest, MissingExtra, UnsupportedOption
from exllm.types.message import Message
from exllm.types.parts import Part, ProviderPart, Reasoning, Refusal, Text, ToolCall, ToolResult
from exllm.types.tool import Tool

CallStyle = Literal["tagged", "mistral", "bare"]

CHATML = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
"""For a file without a template, as in llama.cpp's own server."""


class Prompt(msgspec.Struct, frozen=True):
    """What the model reads. `adds_bos`: the text lacks the token that begins a text, if the model wants one."""

    text: str
    adds_bos: bool = False
    stops: tuple[str, ...] = ()


class ChatFormat(Protocol):
    """A way to write a conversation down."""

    call_style: CallStyle | None
    """How the model writes tool calls; None when the format knows no tools."""
    argument_key: str

    def render(self, messages: Sequence[Mapping[str, Any]], tools: Sequence[Mapping[str, Any]]) -> Prompt:
        """The prompt that asks for the assistant's next message. Raises InvalidRequest when the template refuses."""


def chat_format(template: str | None, bos_text: str, eos_text: str, *, name: str | None = None) -> ChatFormat:
    """The format by `name` (llama-cpp-python's) if given, else by `template`, else ChatML.

    Raises: InvalidRequest for an unknown name or a template with an error in it.
    """
    if name is not None:
        return _NamedFormat(name)
    if template is None:
        return _TemplateFormat(CHATML, bos_text, eos_text, stops=("<|im_end|>",))
    return _TemplateFormat(template, bos_text, eos_text)


class _TemplateFormat:
    def __init__(self, template: str, bos_text: str, eos_text: str, *, stops: tuple[str, ...] = ()) -> None:
        formats = _llama_chat_format()
        import jinja2
        from jinja2 import meta

        self._stops = stops
        self._template_errors = (jinja2.TemplateError, ValueError, TypeError, LookupError, AttributeError)
        try:
            self._formatter = formats.Jinja2ChatFormatter(template=template, eos_token=eos_text, bos_token=bos_text)
            environment = jinja2.Environment(
                extensions=[formats.Jinja2ChatFormatter.IgnoreGenerationTags, "jinja2.ext.loopcontrols"],
                autoescape=True,
            )
            variables = meta.find_undeclared_variables(environment.parse(template))
        except jinja2.TemplateError as error:
            raise InvalidRequest(f"the chat template has an error: {error}", provider="local") from None
        self.call_style: CallStyle | None = None
        self.argument_key = "arguments"
        if "tools" in variables:
            if "<tool_call>" in template:
                self.call_style = "tagged"
            elif "[TOOL_CALLS]" in template:
                self.call_style = "mistral"
            else:
                self.call_style = "bare"
                if '"parameters"' in template and '"arguments"' not in template:
                    self.argument_key = "parameters"  # Llama 3.x

    def render(self, messages: Sequence[Mapping[str, Any]], tools: Sequence[Mapping[str, Any]]) -> Prompt:
        try:
            # Templates ask `if tools`, and some `if tools is not none`.
            text = self._formatter(messages=list(messages), tools=list(tools) or None).prompt
        except self._template_errors as error:
            raise InvalidRequest(f"the chat template refuses the messages: {error}", provider="local") from None
        return Prompt(text, False, self._stops)


class _NamedFormat:
    call_style: CallStyle | None = None
    argument_key = "arguments"

    def __init__(self, name: str) -> None:
        formats = _llama_chat_format()
        # Each format is registered under a name and written as a function `format_<name>`.
        spellings = (name.replace("-", "_"), name.replace("-", ""))
        found = [getattr(formats, f"format_{spelling}", None) for spelling in spellings if spelling]
        self._name = name
        self._formatter = next((function for function in found if callable(function)), None)
        if self._formatter is None:
            known = sorted(entry.removeprefix("format_") for entry in dir(formats) if entry.startswith("format_"))
            raise InvalidRequest(f"no chat format {name!r}; there are {', '.join(known)}", provider="local")

    def render(self, messages: Sequence[Mapping[str, Any]], tools: Sequence[Mapping[str, Any]]) -> Prompt:
        assert self._formatter is not None
        try:
            made = self._formatter(messages=list(messages))
        except (ValueError, TypeError, LookupError, AttributeError) as error:
            raise InvalidRequest(
                f"the chat format {self._name} refuses the messages: {error}", provider="local"
            ) from None
        stops = made.stop or ()
        return Prompt(made.prompt, not made.added_special, (stops,) if isinstance(stops, str) else tuple(stops))


def _llama_chat_format() -> Any:
    try:
        from llama_cpp import llama_chat_format
    except ImportError as error:
        raise MissingExtra(
            'local models need llama-cpp-python: pip install "exllm[local]"', provider="local"
        ) from error
    return llama_chat_format


# -- messages and tools as templates know them


def template_messages(messages: Sequence[Message]) -> list[dict[str, Any]]:
    """The messages as dicts of text. Raises UnsupportedOption for pictures, sound and files."""
    turns: list[dict[str, Any]] = []
    for message in messages:
        results = [part for part in message.parts if isinstance(part, ToolResult)]
        turns += map(_result, results)
        others = [part for part in message.parts if not isinstance(part, ToolResult)]
        if results and not others:
            continue
        # Templates know no developer; it is today's name for the same voice.
        turn: dict[str, Any] = {"role": "system" if message.role == "developer" else message.role}
        turn["content"] = "".join(_text(part) for part in others)
        if message.name:
            turn["name"] = message.name
        if calls := message.tool_calls:
            turn["tool_calls"] = [_call(call) for call in calls]
        turns.append(turn)
    return turns


def template_tools(tools: Sequence[Any]) -> list[dict[str, Any]]:
    """The tools in the form of Chat Completions, which templates expect. Raises UnsupportedOption for server tools."""
    made = []
    for tool in tools:
        if not isinstance(tool, Tool):
            raise UnsupportedOption("a local model has no tools that run on a server", provider="local")
        function = {"name": tool.name, "description": tool.description, "parameters": tool.schema}
        made.append({"type": "function", "function": function})
    return made


def _text(part: Part) -> str:
    match part:
        case Text(text=text) | Refusal(text=text):
            return text
        case Reasoning() | ToolCall() | ProviderPart():
            return ""  # thought is not repeated; calls have a place of their own
    raise UnsupportedOption(f"a local model reads text only; the messages hold {type(part).__name__}", provider="local")


def _result(result: ToolResult) -> dict[str, Any]:
    content = result.content if isinstance(result.content, str) else "".join(_text(part) for part in result.content)
    turn = {"role": "tool", "tool_call_id": result.call_id, "content": content}
    return {**turn, "name": result.name} if result.name else turn


def _call(call: ToolCall) -> dict[str, Any]:
    try:
        arguments = call.parse_arguments()
    except msgspec.DecodeError:
        arguments = call.arguments
    if not isinstance(arguments, dict | str):
        arguments = json.dumps(arguments)
    return {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": arguments}}
