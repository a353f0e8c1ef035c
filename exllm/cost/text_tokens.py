"""A guess of how many tokens a text is, for want of a count."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from exllm.types.message import Message
from exllm.types.options import NO_OPTIONS, Options
from exllm.types.parts import Part, Reasoning, Refusal, Text, ToolCall, ToolResult
from exllm.types.request import Request

CHARACTERS_PER_TOKEN = 4
TOKENS_PER_MESSAGE = 4


def tokens_of_text(characters: int) -> int:
    """Tokens of so many characters: one for four, and for what is left."""
    return -(-characters // CHARACTERS_PER_TOKEN)


def guess_tokens(messages: Iterable[Message]) -> tuple[int, str]:
    """Tokens of the text in `messages`, and the names of the parts that are something else."""
    characters = count = 0
    unread: set[str] = set()
    for message in messages:
        count += 1
        parts: list[Part] = list(message.parts)
        for part in parts:  # results add their own parts to the list
            match part:
                case Text(text=text) | Refusal(text=text) | Reasoning(text=text):
                    characters += len(text)
                case ToolCall(name=name, arguments=arguments):
                    characters += len(name) + len(arguments)
                case ToolResult(content=content):
                    parts += (Text(content),) if isinstance(content, str) else content
                case _:
                    unread.add(type(part).__name__)
    return tokens_of_text(characters) + count * TOKENS_PER_MESSAGE, " and ".join(sorted(unread))


def guess_input_tokens(request: Request) -> int:
    """Tokens of all text that `request` sends: messages and descriptions of tools; other parts are not in it."""
    return guess_tokens(request.messages)[0] + _tokens_of_tools(request.options)


def _tokens_of_tools(options: Options) -> int:
    if options is NO_OPTIONS or not options.tools:
        return 0
    return tokens_of_text(len(msgspec.json.encode(options.tools, enc_hook=str)))
