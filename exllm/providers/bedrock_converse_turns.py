"""Messages to the `system` field and the alternating turns of Converse.

System and developer messages become `system`, wherever they stand. Messages of one side that follow each other become
one turn: the results of parallel calls must stand in one turn, before anything else in it. The first turn is the
user's ("A conversation must start with a user message").
Source: https://docs.aws.amazon.com/bedrock/latest/userguide/conversation-inference-call.html
"""

from __future__ import annotations

from collections.abc import Sequence

from exllm.errors import InvalidRequest
from exllm.providers.answered_media import first_open
from exllm.providers.bedrock_converse_content import Block, ContentEncoder
from exllm.types.message import Message
from exllm.types.parts import CacheControl

_SIDES = {"user": "user", "tool": "user", "assistant": "assistant", "system": "system", "developer": "system"}
NOTHING_SAID = "..."
"""Stands for the user where the assistant spoke first: a text must not be empty or blank."""
_IN_SYSTEM = frozenset({"text", "cachePoint", "guardContent"})


class Turns:
    """Takes the messages in order; then `system` and `messages` are what the API wants."""

    def __init__(self, provider: str, family: str | None) -> None:
        self.system: list[Block] = []
        self.messages: list[Block] = []
        self.content = ContentEncoder(provider, family)
        self._provider = provider

    @property
    def has_tools(self) -> bool:
        """Whether a tool was called before; the tools must then be declared."""
        return any("toolUse" in block or "toolResult" in block for turn in self.messages for block in turn["content"])

    def add(self, messages: Sequence[Message], cache_control: CacheControl | None = None) -> None:
        """Take all messages; `cache_control` marks the end of the last one.

        Raises: InvalidRequest for content that has no place, and for a prompt without a turn.
        """
        open_from = first_open(messages)
        for place, message in enumerate(messages):
            self.content.is_open = place >= open_from and message.role != "tool"
            if message.name is not None:
                self.content.warn("Bedrock has no names of participants; they were left out")
            side = _SIDES[message.role]
            blocks = self.content.blocks(message.parts, message.role)
            if side == "system":
                self._add_system(blocks)
            elif blocks:
                self._add_turn(side, message, blocks)
        if not self.messages:
            raise InvalidRequest(
                "there is no message with text of a user or assistant to answer", provider=self._provider
            )
        last: list[Block] = self.messages[-1]["content"]
        last += self.content.cache_point(cache_control)

    def _add_system(self, blocks: list[Block]) -> None:
        if not all(_IN_SYSTEM & block.keys() for block in blocks):
            raise InvalidRequest("a system message of Bedrock holds text only", provider=self._provider)
        if blocks and self.messages:
            self.content.warn("a system message in the middle of the conversation was moved to the system prompt")
        self.system += blocks

    def _add_turn(self, side: str, message: Message, blocks: list[Block]) -> None:
        last = self.messages[-1] if self.messages else None
        if last is None and side == "assistant":
            self.content.warn(
                f"a conversation with Bedrock begins with the user; {NOTHING_SAID!r} was put before the assistant's "
                f"message"
            )
            self.messages.append({"role": "user", "content": [{"text": NOTHING_SAID}]})
        if last is None or last["role"] != side:
            last = {"role": side, "content": []}
            self.messages.append(last)
        last["content"] += blocks
        if message.role == "tool":
            last["content"] = _results_first(last["content"])


def _results_first(blocks: list[Block]) -> list[Block]:
    """The results of tools, each with the cache point behind it, and then the rest as it was."""
    results: list[Block] = []
    others: list[Block] = []
    place = others
    for block in blocks:
        if "cachePoint" not in block:
            place = results if "toolResult" in block else others
        place.append(block)
    return results + others
