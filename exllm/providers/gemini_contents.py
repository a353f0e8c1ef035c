"""Messages to `systemInstruction` and `contents` of Gemini's generateContent.

- System and developer messages become the system instruction, wherever they stand: there is no other place for them.
- The results of calls stand in one content right after the calls, in their order: Gemini matches them by it where a
  call has no id. https://ai.google.dev/gemini-api/docs/function-calling
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from exllm.errors import InvalidRequest
from exllm.providers.answered_media import first_open
from exllm.providers.gemini_models import ModelFacts
from exllm.providers.gemini_parts import Block, PartEncoder, object_of
from exllm.providers.gemini_signatures import is_made_up
from exllm.providers.spec import ProviderSpec
from exllm.types.message import Message
from exllm.types.parts import Part, Text, ToolCall, ToolResult


class Contents:
    """Takes the messages in order; then `system` and `contents` are what the API wants."""

    def __init__(self, spec: ProviderSpec, facts: ModelFacts) -> None:
        self.contents: list[dict[str, Any]] = []
        self._provider = spec.name
        self._facts = facts
        self._encoder = PartEncoder(spec, facts)
        self._system: list[Block] = []
        self._calls: dict[str, tuple[int, str]] = {}  # id -> position among the calls, name; a later call wins
        self._results: list[tuple[int, list[Block]]] | None = None  # of the content that is open for results

    @property
    def warnings(self) -> list[str]:
        """What could not go along, and what had to move."""
        return self._encoder.warnings

    @property
    def system(self) -> dict[str, Any] | None:
        """The system instruction, None for none."""
        return {"parts": self._system, "role": "user"} if self._system else None

    def add(self, messages: Sequence[Message]) -> None:
        """Take all messages. Raises `InvalidRequest` for content that has no place, and for a prompt without a turn."""
        open_from = first_open(messages)
        for place, message in enumerate(messages):
            self._encoder.is_open = place >= open_from and message.role != "tool"
            if message.name is not None:
                self._encoder.warn("Gemini has no names of participants; they were left out")
            if message.role in ("system", "developer"):
                self._add_system(message)
            elif message.role == "tool":
                self._add_results(message)
            else:
                self._add_turn(message)
        if not self.contents:
            raise InvalidRequest(
                "there is no message with content of a user or assistant to answer", provider=self._provider
            )

    def _add_system(self, message: Message) -> None:
        if not all(type(part) is Text for part in message.parts):
            raise InvalidRequest("a system message of Gemini holds text only", provider=self._provider)
        if self.contents and message.parts:
            self._encoder.warn("a system message in the middle of the conversation was moved to the system instruction")
        self._system += self._encoder.blocks(message.parts)

    def _add_turn(self, message: Message) -> None:
        parts = message.parts
        results = [part for part in parts if isinstance(part, ToolResult)]
        if results:  # as other APIs have it: results and words in one turn of the user
            self._add_results(Message.of("tool", results))
            parts = tuple(part for part in parts if not isinstance(part, ToolResult))
        blocks = self._encoder.blocks(parts)
        if not blocks:
            return
        self._results = None
        role = "model" if message.role == "assistant" else "user"
        if role == "model" and self.contents and self.contents[-1]["role"] == "model":
            self.contents[-1]["parts"] += blocks  # calls must follow a turn of the user or results
        else:
            self.contents.append({"parts": blocks, "role": role})
        for part in parts:
            if isinstance(part, ToolCall):
                self._calls[part.id] = (len(self._calls), part.name)

    def _add_results(self, message: Message) -> None:
        if self._results is None:
            self._results = []
            self.contents.append({"parts": [], "role": "user"})
        for part in message.parts:
            if not isinstance(part, ToolResult):
                raise InvalidRequest(
                    f"a message of the role tool holds results of tools, got {type(part).__name__}",
                    provider=self._provider,
                )
            self._results.append(self._result(part))
        self._results.sort(key=lambda result: result[0])  # stable
        self.contents[-1]["parts"] = [block for _, blocks in self._results for block in blocks]
        if not self.contents[-1]["parts"]:
            self.contents.pop()
            self._results = None

    def _result(self, result: ToolResult) -> tuple[int, list[Block]]:
        position, name = self._calls.get(result.call_id, (len(self._calls), result.name))
        if name is None:
            raise InvalidRequest(
                f"Gemini wants the name of the function with its result: no call before it has the id "
                f"{result.call_id!r}; give ToolResult(name=...)",
                provider=self._provider,
            )
        if result.cache_control is not None:
            self._encoder.warn("Gemini caches by itself; cache_control was left out")
        parts: tuple[Part, ...] = (Text(result.content),) if isinstance(result.content, str) else result.content
        blocks = [
            {"text": part.text} if isinstance(part, Text) else self._encoder.shown(part)  # type: ignore[arg-type]
            for part in parts
        ]
        text = "".join(block["text"] for block in blocks if "text" in block)
        media = [block for block in blocks if "text" not in block]
        response: Block = {"name": name, "response": response_of(text, is_error=result.is_error)}
        if not is_made_up(result.call_id):
            response = {"id": result.call_id, **response}
        if media and self._facts.media_results:
            response["parts"] = media
            media = []
        return position, [{"functionResponse": response}, *media]


def response_of(text: str, *, is_error: bool) -> Any:
    """What a function gave, as the object that it must be; `output` and `error` are the names Gemini gives them."""
    if is_error:
        return {"error": text}
    return object_of(text) or {"output": text}
