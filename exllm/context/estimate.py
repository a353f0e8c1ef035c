"""The tokens of messages and tools without asking anybody: a rule, and how far off it may be."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from exllm.context.families import Family, family_of
from exllm.context.image_tokens import ImageRule, image_rule
from exllm.context.text_tokens import text_tokens
from exllm.types.image_header import image_size
from exllm.types.message import Message
from exllm.types.normalise import Messages, normalise_messages
from exllm.types.parts import Document, Image, Part, ProviderPart, Reasoning, Refusal, Text, ToolCall, ToolResult
from exllm.types.token_count import TokenCount
from exllm.types.tool import ServerTool, Tool
from exllm.types.tool_dicts import tools_of

_encode = msgspec.json.Encoder().encode


def estimate_tokens(model: str, messages: Messages, *, tools: Sequence[Any] | None = None) -> TokenCount:
    """The input tokens of a call, nearly, and between which bounds. Asks nobody and reads no file.

    Text is counted by a rule for the model's family; images by the provider's published one, where their bytes are
    given. An image at a URL or in a file, audio, PDFs and files at the provider are in `TokenCount.uncounted`.

    Args:
        model: ``"provider/model"``; any name will do, an unknown one has a wider band.
        messages: as `Client.chat` takes them. An empty list is 0 messages.
        tools: as the option.

    Raises: TypeError, InvalidRequest for messages that are none.
    """
    checked = normalise_messages(messages) if messages else ()
    return Estimator(model, tools_of(tools) if tools else ()).count(checked)


class Estimator:
    """Estimates for one model with the same tools, message by message. `add` what they come to with `total`."""

    def __init__(self, model: str, tools: Iterable[Tool | ServerTool] = ()) -> None:
        self.family: Family = family_of(model)
        self._image: ImageRule | None = image_rule(self.family.name, model)
        self._tools = tuple(tools)
        self.uncounted: dict[str, None] = {}
        family = self.family
        self.base = family.request
        """Tokens of a call without messages."""
        if self._tools:
            self.base += family.tools
            for tool in self._tools:
                self.base += family.tool + family.tool_text * text_tokens(_tool_text(tool))
                if type(tool) is ServerTool:
                    self.uncounted["what the provider's own tools add"] = None
        self.margin = family.tools_band if self._tools else family.request_band

    def count(self, messages: Iterable[Message]) -> TokenCount:
        """The estimate of a call with `messages`."""
        exact = self.base + sum(map(self.message, messages))
        tokens = round(exact)
        low = max(0, math.floor(exact * (1 - self.family.relative) - self.margin))
        return TokenCount(tokens, "estimate", low, self.high(exact), tuple(self.uncounted))

    def high(self, tokens: float) -> int:
        """The upper bound for a call that is estimated at `tokens`."""
        return math.ceil(tokens * (1 + self.family.relative) + self.margin)

    def message(self, message: Message) -> float:
        """The tokens of one message, with what is put around it."""
        family = self.family
        if type(message.content) is str:
            return family.message + family.text * text_tokens(message.content)
        return family.message + sum(self._part(part) for part in message.parts)

    def _part(self, part: Part) -> float:
        family = self.family
        match part:
            case Text(text=text) | Refusal(text=text):
                return family.text * text_tokens(text)
            case Reasoning(text=text, redacted=redacted):
                return family.text * text_tokens(text) + (len(redacted) / 4 if redacted else 0)
            case ToolCall(name=name, arguments=arguments):
                return family.call + family.text * text_tokens(f"{name} {arguments}")
            case ToolResult(content=content):
                inside = (Text(content),) if isinstance(content, str) else content
                return family.call + sum(self._part(inner) for inner in inside)
            case Image():
                return self._image_tokens(part)
            case Document(data=bytes(data), media_type=str(kind)) if kind.startswith("text/"):
                return family.text * text_tokens(data.decode(errors="replace"))
            case ProviderPart(data=data):
                return family.text * text_tokens(_encode(data).decode())
            case _:
                self.uncounted[f"{type(part).__name__} parts"] = None
                return 0.0

    def _image_tokens(self, image: Image) -> float:
        if self._image is None:
            self.uncounted["images: the provider publishes no rule for this model"] = None
            return 0.0
        size = image_size(image.data) if image.data is not None else None
        if size is None:
            where = (
                "at a URL" if image.url is not None else "in a file" if image.path is not None else "of another format"
            )
            self.uncounted[f"images {where}: their size is not known"] = None
            return 0.0
        return self._image(*size, image.detail)


def _tool_text(tool: Tool | ServerTool) -> str:
    if type(tool) is ServerTool:
        return _encode(tool.definition).decode()
    assert isinstance(tool, Tool)
    return f"{tool.name} {tool.description} {_encode(tool.schema).decode()}"
