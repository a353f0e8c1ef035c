"""Messages to the ``input`` of a Responses request, a flat list of items.

One message of the assistant becomes several items: its words, its reasoning, its calls, and whatever tools of the
provider left in it. They go back without their ids, which no service needs and which bind items together: OpenAI
refuses an item whose neighbours are not exactly the ones it remembers. Only where an item of a provider's tool must
have its id do all items around it have theirs.
Source: https://developers.openai.com/api/reference/resources/responses/methods/create, `input`
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from exllm.errors import InvalidRequest
from exllm.providers.answered_media import first_open
from exllm.providers.call_ids import CallIds, spelt
from exllm.providers.openai_responses_calls import CALLS, read_call_signature
from exllm.providers.openai_responses_parts import PartWriter, data_url, encoded
from exllm.providers.openai_responses_reasoning import grouped, reasoning_item
from exllm.providers.spec import ProviderSpec
from exllm.types.message import Message
from exllm.types.parts import (
    Audio,
    CacheControl,
    Image,
    Part,
    ProviderPart,
    Reasoning,
    Refusal,
    Text,
    ToolCall,
    ToolResult,
)

Item = dict[str, Any]

_IDS = spelt("(?!)", 64)


class InputWriter:
    """Writes the messages of one request.

    Attributes:
    """

    def __init__(self, spec: ProviderSpec, *, cache_breakpoints: bool) -> None:
        self._spec = spec
        self._quirks = spec.quirks
        self._parts = PartWriter(spec, cache_breakpoints=cache_breakpoints)
        self._kinds: dict[str, str] = {}  # id of a call -> type of its item
        self._ids = CallIds(_IDS)

    @property
    def warnings(self) -> list[str]:
        """What could not go along."""
        return self._parts.warnings

    def cached(self, content: Item, control: CacheControl) -> Item:
        """`content` with a cache breakpoint."""
        return self._parts.cached(content, control)

    def write(self, messages: Sequence[Message]) -> list[Item]:
        """The items. Raises `InvalidRequest` for what cannot be said."""
        items: list[Item] = []
        open_from = first_open(messages)
        for place, message in enumerate(messages):
            self._parts.is_open = place >= open_from and message.role != "tool"
            if message.name is not None:
                self._parts.warn("the Responses API has no names of participants; they were left out")
            if message.role == "assistant":
                items += self._assistant(message)
            elif message.role == "tool":
                items += [self._result(part) for part in message.parts]
            else:
                items.append(self._said(message))
        return items

    # -- what is said to the model

    def _said(self, message: Message) -> Item:
        role = message.role
        if role == "developer" and "no_developer_role" in self._quirks:
            role = "system"
        content = message.content
        said = content if isinstance(content, str) else [self._parts.input(part, role) for part in content]
        return self._message({"role": role, "content": said})

    def _message(self, fields: Item) -> Item:
        return {"type": "message", **fields} if "messages_only" in self._quirks else fields

    def _result(self, part: Part) -> Item:
        if isinstance(part, ProviderPart) and part.provider == self._spec.name:
            return part.data
        if not isinstance(part, ToolResult):
            raise InvalidRequest("a message of the role 'tool' holds ToolResult parts, so that it names its call")
        kind = self._kinds.get(part.call_id, "function_call")
        if kind in _ANSWERS:
            return _ANSWERS[kind](part)
        if part.cache_control is not None and isinstance(part.content, str):
            output: str | list[Item] = [self._parts.input(Text(part.content, cache_control=part.cache_control), "tool")]
        elif isinstance(part.content, str):
            output = part.content
        elif "messages_only" in self._quirks:
            output = "".join(self._parts.words(piece) for piece in part.content)
        else:
            output = [self._parts.input(piece, "tool") for piece in part.content]
            if part.cache_control is not None and output:
                output[-1] = self._parts.cached(output[-1], part.cache_control)
        return {"type": f"{kind}_output", "call_id": self._ids.of_result(part.call_id), "output": output}

    # -- what the model said

    def _assistant(self, message: Message) -> list[Item]:
        if isinstance(message.content, str):
            said = self._message({"role": "assistant", "content": message.content})
            return [said] if message.content else []
        own = [part.data for part in message.content if isinstance(part, ProviderPart) and self._is_own(part)]
        turn = _Turn(with_ids=any(data.get("type") != "message" and data.get("id") for data in own))
        for part in grouped(message.content):
            if isinstance(part, list):
                self._reasoning(part, turn)
                continue
            match part:
                case Text():
                    if part.text or part.citations:
                        turn.say(self._parts.output(part))
                case Refusal():
                    turn.say({"type": "refusal", "refusal": part.text})
                case ToolCall():
                    self._call(part, turn)
                case ProviderPart() if self._is_own(part):
                    self._own(part, turn)
                case Image() if turn.awaits_image and part.data is not None:
                    turn.items[-1]["result"] = encoded(part)
                    turn.awaits_image = False
                case Audio(transcript=str(transcript)):
                    turn.say(self._parts.output(Text(transcript)))
                case ProviderPart():
                    self._parts.warn(
                        f"a part of an answer of {part.provider} means nothing to {self._spec.name}; it was left out"
                    )
                case _:
                    self._parts.warn(
                        f"{type(part).__name__} parts of the assistant have no place in the Responses API; "
                        f"they were left out"
                    )
        return [self._plain(item) for item in turn.items] if "messages_only" in self._quirks else turn.items

    def _plain(self, item: Item) -> Item:
        """Words of the assistant as plain text, for services that take no parts of it."""
        if item["type"] != "message":
            return item
        words = "".join(content.get("text") or content.get("refusal") or "" for content in item["content"])
        return {"type": "message", "role": "assistant", "content": words}

    def _reasoning(self, parts: list[Reasoning], turn: _Turn) -> None:
        if "messages_only" in self._quirks:
            self._parts.warn(f"reasoning does not go back to {self._spec.label}; it was left out")
            return
        item = reasoning_item(parts, self._spec.name, with_id=turn.with_ids)
        if item is None:
            self._parts.warn(
                f"reasoning that is not signed by {self._spec.name} (of another provider, cut off, or not asked for "
                f"in encrypted form) cannot go back; it was left out"
            )
            return
        turn.add(item)

    def _call(self, part: ToolCall, turn: _Turn) -> None:
        if part.provider_executed:
            self._parts.warn("calls that another provider ran itself were left out")
            return
        signature = read_call_signature(part.signature, self._spec.name)
        field = CALLS.get(signature.kind, "arguments")
        arguments = part.arguments if field == "input" or part.arguments.strip() else "{}"
        self._kinds[part.id] = signature.kind
        if part.cache_control is not None:
            self._parts.warn("a cache breakpoint after a call has no place in the Responses API; not sent")
        item = {"type": signature.kind, "call_id": self._ids.of_call(part.id), "name": part.name, field: arguments}
        if turn.with_ids and signature.id is not None:
            item["id"] = signature.id
        turn.add(item | signature.fields)

    def _own(self, part: ProviderPart, turn: _Turn) -> None:
        data = part.data
        if data.get("type") != "message":
            call_id = data.get("call_id") or data.get("id")
            if isinstance(call_id, str) and isinstance(data.get("type"), str):
                self._kinds[call_id] = data["type"]
            if "messages_only" in self._quirks:
                self._parts.warn(f"what tools of {self._spec.label} found does not go back; it was left out")
                return
            turn.add(dict(data))
            turn.awaits_image = data.get("type") == "image_generation_call" and "result" not in data
        elif "content" in data:
            turn.say(*data["content"])
        else:
            turn.open(data)

    def _is_own(self, part: ProviderPart) -> bool:
        return part.provider == self._spec.name


class _Turn:
    """The items of one message of the assistant. Content that follows content is one item."""

    __slots__ = ("_message", "_opening", "awaits_image", "items", "with_ids")

    def __init__(self, *, with_ids: bool) -> None:
        self.items: list[Item] = []
        self.with_ids = with_ids
        self.awaits_image = False
        self._message: Item | None = None
        self._opening: Item = {}

    def open(self, facts: Item) -> None:
        """A message begins, of which these facts are known."""
        self._message = None
        self._opening = facts

    def say(self, *contents: Item) -> None:
        """Content of a message."""
        self.awaits_image = False
        if self._message is None:
            self._message = {"type": "message", "role": "assistant", "content": []}
            if self.with_ids and self._opening.get("id"):
                self._message |= {"id": self._opening["id"], "status": "completed"}
            if self._opening.get("phase"):
                self._message["phase"] = self._opening["phase"]
            self._opening = {}
            self.items.append(self._message)
        self._message["content"].extend(contents)

    def add(self, item: Item) -> None:
        """An item that is no message."""
        self.awaits_image = False
        self._message = None
        self.items.append(item)


def _pieces(result: ToolResult) -> Sequence[Part]:
    return (Text(result.content),) if isinstance(result.content, str) else result.content


def _text(result: ToolResult) -> str:
    return "".join(part.text for part in _pieces(result) if isinstance(part, Text))


def _screenshot(result: ToolResult) -> Item:
    images = [part for part in _pieces(result) if isinstance(part, Image)]
    if len(images) != 1:
        raise InvalidRequest(f"the call {result.call_id} of the computer tool is answered with one Image, a screenshot")
    url = images[0].url if images[0].url is not None else data_url(images[0])
    screenshot = {"type": "computer_screenshot", "image_url": url}
    return {"type": "computer_call_output", "call_id": result.call_id, "output": screenshot}


def _local_shell(result: ToolResult) -> Item:
    return {"type": "local_shell_call_output", "id": result.call_id, "output": _text(result)}


def _shell(result: ToolResult) -> Item:
    field, other, code = ("stderr", "stdout", 1) if result.is_error else ("stdout", "stderr", 0)
    said = {field: _text(result), other: "", "outcome": {"type": "exit", "exit_code": code}}
    return {"type": "shell_call_output", "call_id": result.call_id, "output": [said]}


def _patch(result: ToolResult) -> Item:
    status = "failed" if result.is_error else "completed"
    return {
        "type": "apply_patch_call_output", "call_id": result.call_id, "status": status, "output": _text(result)
    }  # fmt: skip


def _approval(result: ToolResult) -> Item:
    """An error says no, with the reason."""
    answer: Item = {
        "type": "mcp_approval_response", "approval_request_id": result.call_id, "approve": not result.is_error
    }  # fmt: skip
    if result.is_error and (reason := _text(result)):
        answer["reason"] = reason
    return answer


# How a `ToolResult` answers what a provider's own tools ask for.
_ANSWERS: dict[str, Callable[[ToolResult], Item]] = {
    "computer_call": _screenshot,
    "local_shell_call": _local_shell,
    "shell_call": _shell,
    "apply_patch_call": _patch,
    "mcp_approval_request": _approval,
}
