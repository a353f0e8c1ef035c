"""Messages to `input` and `system_instruction` of the Interactions API.

- A single message of the user is its text or its content; anything longer is a list of steps, as answers are.
- One message of the assistant becomes several steps: its thoughts, its words, its calls, and whatever tools of Google's
  left in it.
- System and developer messages become the system instruction, wherever they stand: there is no other place for them.
Source: https://ai.google.dev/api/interactions-api#Resource:Step
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from exllm.errors import InvalidRequest
from exllm.providers.answered_media import first_open
from exllm.providers.call_ids import CallIds, spelt
from exllm.providers.gemini_interactions_parts import Content, ContentWriter, text
from exllm.providers.gemini_interactions_signatures import OWN, read_call_signature
from exllm.providers.gemini_parts import INVALID_JSON, object_of
from exllm.providers.spec import ProviderSpec
from exllm.types.message import Message
from exllm.types.parts import (
    Audio,
    Document,
    FileRef,
    Image,
    Part,
    ProviderPart,
    Reasoning,
    Refusal,
    Text,
    ToolCall,
    ToolResult,
)

_Step = dict[str, Any]
_IDS = spelt("(?!)", 128)


class InputWriter:
    """Writes the messages of one request; then `system` and `input` are what the API wants."""

    def __init__(self, spec: ProviderSpec) -> None:
        self._spec = spec
        self._content = ContentWriter(spec)
        self._ids = CallIds(_IDS)
        self._names: dict[str, str] = {}  # id of a call -> name of its function
        self._system: list[str] = []
        self._steps: list[_Step] = []

    @property
    def warnings(self) -> list[str]:
        """What could not go along, and what had to move."""
        return self._content.warnings

    @property
    def system(self) -> str | None:
        """The system instruction, None for none."""
        return "\n\n".join(self._system) or None

    @property
    def input(self) -> str | list[_Step]:
        """What the model is to answer."""
        steps = self._steps
        if len(steps) != 1 or steps[0]["type"] != "user_input":
            return steps
        content: list[Content] = steps[0]["content"]
        if len(content) == 1 and content[0].keys() == {"type", "text"}:
            words: str = content[0]["text"]
            return words
        return content

    def write(self, messages: Sequence[Message]) -> None:
        """Take all messages. Raises `InvalidRequest` for content that has no place, and where there is none at all."""
        open_from = first_open(messages)
        for place, message in enumerate(messages):
            self._content.is_open = place >= open_from and message.role != "tool"
            if message.name is not None:
                self._content.warn("Gemini has no names of participants; they were left out")
            if message.role in ("system", "developer"):
                self._add_system(message)
            elif message.role == "assistant":
                for part in message.parts:
                    self._add_said(part)
            else:
                self._add_asked(message)
        if not self._steps:
            raise InvalidRequest(
                "there is no message with content of a user or assistant to answer", provider=self._spec.name
            )

    # -- what is said to the model

    def _add_system(self, message: Message) -> None:
        if not all(type(part) is Text for part in message.parts):
            raise InvalidRequest("a system message of Gemini holds text only", provider=self._spec.name)
        if self._steps and message.parts:
            self._content.warn("a system message in the middle of the conversation was moved to the system instruction")
        words = [self._content.content(part, message.role)["text"] for part in message.parts]
        self._system += [each for each in words if each]

    def _add_asked(self, message: Message) -> None:
        """A message of the user, or the results of tools: other APIs have both in one."""
        contents: list[Content] = []
        for part in message.parts:
            if isinstance(part, ToolResult):
                self._steps.append(self._result(part))
            elif message.role == "tool":
                raise InvalidRequest(
                    f"a message of the role tool holds results of tools, got {type(part).__name__}",
                    provider=self._spec.name,
                )
            elif not isinstance(part, Text) or part.text:
                contents.append(self._content.content(part, message.role))
        if contents:
            self._steps.append({"type": "user_input", "content": contents})

    def _result(self, result: ToolResult) -> _Step:
        if result.cache_control is not None:
            self._content.warn_of_cache()
        content: Any = result.content
        if not isinstance(content, str):
            content = [self._content.content(part, "tool") for part in content]
        step: _Step = {"type": "function_result", "call_id": self._ids.of_result(result.call_id), "result": content}
        if (name := self._names.get(result.call_id, result.name)) is not None:
            step["name"] = name
        if result.is_error:
            step["is_error"] = True
        return step

    # -- what the model said

    def _add_said(self, part: Part) -> None:
        match part:
            case Text() | Refusal():
                if isinstance(part, Text) and part.cache_control is not None:
                    self._content.warn_of_cache()
                if part.text:
                    self._say(text(part.text))
            case Image() | Audio() | Document() | FileRef():
                self._say(self._content.shown(part))
            case Reasoning():
                self._add_thought(part)
            case ToolCall():
                self._add_call(part)
            case ProviderPart() if part.provider != self._spec.name:
                self._content.warn(
                    f"a part of an answer of {part.provider} means nothing to {self._spec.name}; it was left out"
                )
            case ProviderPart(data={"type": "model_output", "content": list(contents)}):
                self._say(*contents)
            case ProviderPart():
                self._steps.append(part.data)
            case ToolResult():
                raise InvalidRequest(
                    "the result of a tool stands in a message of the role tool", provider=self._spec.name
                )

    def _say(self, *contents: Content) -> None:
        last = self._steps[-1] if self._steps else {}
        if last.get("type") != "model_output":
            last = {"type": "model_output", "content": []}
            self._steps.append(last)
        last["content"].extend(contents)

    def _add_thought(self, part: Reasoning) -> None:
        if part.id != OWN:
            self._content.warn(f"reasoning of another provider than {self._spec.name} cannot go back; it was left out")
            return
        step: _Step = {"type": "thought"}
        if part.text:
            step["summary"] = [text(part.text)]
        if part.signature is not None:
            step["signature"] = part.signature
        self._steps.append(step)

    def _add_call(self, part: ToolCall) -> None:
        if part.provider_executed:
            self._content.warn(
                f"a call that another provider ran itself means nothing to {self._spec.name}; it was left out"
            )
            return
        if part.cache_control is not None:
            self._content.warn_of_cache()
        self._names[part.id] = part.name
        arguments: Any = object_of(part.arguments) if part.arguments.strip() else {}
        if arguments is None:
            self._content.warn(
                f"the arguments of a call of {part.name} are no JSON object; they were sent as {INVALID_JSON}"
            )
            arguments = {INVALID_JSON: part.arguments}
        step = {"type": "function_call", "id": self._ids.of_call(part.id), "name": part.name, "arguments": arguments}
        if (signature := read_call_signature(part.signature)) is not None:
            step["signature"] = signature
        self._steps.append(step)
