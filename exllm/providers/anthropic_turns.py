"""Messages to the `system` field and the alternating turns of the Anthropic Messages API.

- System and developer messages at the start become `system`. Later ones stay where they are on models that take system
  turns (directly after a user turn); on others, and elsewhere, they join `system`, with a warning.
  https://platform.claude.com/docs/en/build-with-claude/mid-conversation-system-messages
- Messages of one side that follow each other become one turn: results of parallel calls must stand in one turn, before
  anything else in it. https://platform.claude.com/docs/en/agents-and-tools/tool-use/handle-tool-calls
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from exllm.errors import InvalidRequest
from exllm.providers.answered_media import first_open
from exllm.providers.anthropic_content import Block, ContentEncoder
from exllm.types.message import Message

_SIDES = {"user": "user", "tool": "user", "assistant": "assistant", "system": "system", "developer": "system"}


class Turns:
    """Takes the messages in order; then `system` and `messages` are what the API wants."""

    def __init__(self, provider: str, *, system_turns: bool) -> None:
        self.messages: list[dict[str, Any]] = []
        self._content = ContentEncoder(provider)
        self._provider = provider
        self._system_turns = system_turns
        self._system: list[tuple[Message, list[Block]]] = []

    @property
    def warnings(self) -> list[str]:
        """What could not go along, and what had to move."""
        return self._content.warnings

    @property
    def system(self) -> str | list[Block] | None:
        """The system prompt: a string for a single plain text, blocks otherwise, None for none."""
        if len(self._system) == 1:
            return _content(*self._system[0])
        return [block for _, blocks in self._system for block in blocks] or None

    def add(self, messages: Sequence[Message]) -> None:
        """Take all messages. Raises `InvalidRequest` for content that has no place, and for a prompt without a turn."""
        open_from = first_open(messages)
        for place, message in enumerate(messages):
            self._content.is_open = place >= open_from and message.role != "tool"
            if message.name is not None:
                self._content.warn("Anthropic has no names of participants; they were left out")
            side = _SIDES[message.role]
            content = message.content
            if isinstance(content, str):
                blocks = self._content.text(content)
            else:
                blocks = self._content.blocks(content, message.role)
            if side == "system":
                self._add_system(message, blocks)
            elif blocks:
                self._add_turn(side, message, blocks)
        if not any(turn["role"] != "system" for turn in self.messages):
            raise InvalidRequest(
                "there is no message with text of a user or assistant to answer", provider=self._provider
            )

    def _add_system(self, message: Message, blocks: list[Block]) -> None:
        if not blocks:
            return
        if not all(block.get("type") == "text" for block in blocks):
            raise InvalidRequest(
                "a system message of the Anthropic Messages API holds text only", provider=self._provider
            )
        if self.messages:
            if self._system_turns and self.messages[-1]["role"] != "assistant":
                self._add_turn("system", message, blocks)
                return
            self._content.warn("a system message in the middle of the conversation was moved to the system prompt")
        self._system.append((message, blocks))

    def _add_turn(self, side: str, message: Message, blocks: list[Block]) -> None:
        last = self.messages[-1] if self.messages else None
        if last is None or last["role"] != side:
            last = {"role": side, "content": _content(message, blocks)}
            self.messages.append(last)
        else:
            if isinstance(last["content"], str):
                last["content"] = [{"type": "text", "text": last["content"]}]
            last["content"].extend(blocks)
        if message.role == "tool":
            last["content"].sort(key=_is_no_result)  # stable: results first, the rest as it was


def _content(message: Message, blocks: list[Block]) -> str | list[Block]:
    if isinstance(message.content, str):
        return message.content
    return blocks


def _is_no_result(block: Block) -> bool:
    return bool(block.get("type") != "tool_result")
