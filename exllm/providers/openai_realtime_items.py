"""Messages to conversation items of the Realtime API.

Source: https://developers.openai.com/api/reference/resources/realtime/client-events#conversation.item.create
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from exllm.errors import InvalidRequest
from exllm.providers.live_checks import text_of
from exllm.providers.openai_responses_parts import data_url, encoded
from exllm.providers.spec import ProviderSpec
from exllm.types.message import Message
from exllm.types.parts import Audio, Image, Part, ProviderPart, Refusal, Text, ToolCall, ToolResult

Item = dict[str, Any]


def items_of(messages: Sequence[Message], spec: ProviderSpec, warn: Callable[[str], None]) -> list[Item]:
    """The items, in order. Raises `InvalidRequest` for what cannot be said."""
    items: list[Item] = []
    for message in messages:
        if message.name is not None:
            warn("the Realtime API has no names of participants; they were left out")
        if message.role == "tool":
            items += [result_item(_result_of(part, spec), spec) for part in message.parts]
        elif message.role == "assistant":
            _add_assistant(message, items, spec, warn)
        else:
            role = "user" if message.role == "user" else "system"
            content = [_input(part, role, spec) for part in message.parts]
            if content:
                items.append({"type": "message", "role": role, "content": content})
    return items


def result_item(result: ToolResult, spec: ProviderSpec) -> Item:
    """The answer to a call of a function."""
    return {"type": "function_call_output", "call_id": result.call_id, "output": text_of(result, spec)}


def approval_item(result: ToolResult, spec: ProviderSpec) -> Item:
    """The answer to an MCP server's request for approval: an error says no, with the reason."""
    item = {"type": "mcp_approval_response", "approval_request_id": result.call_id, "approve": not result.is_error}
    reason = text_of(result, spec) if result.is_error else ""
    # The id is the caller's to choose, up to 32 characters, and the type asks for one.
    return {"id": f"approval_{result.call_id[-23:]}", **item, **({"reason": reason} if reason else {})}


def _result_of(part: Part, spec: ProviderSpec) -> ToolResult:
    if not isinstance(part, ToolResult):
        raise InvalidRequest(
            f"a message of the role tool holds results of tools, got {type(part).__name__}", provider=spec.name
        )
    return part


def _input(part: Part, role: str, spec: ProviderSpec) -> Item:
    match part:
        case Text():
            return {"type": "input_text", "text": part.text}
        case Image() if role == "user":
            content: Item = {"type": "input_image", "image_url": part.url or data_url(part)}
            return content if part.detail is None else {**content, "detail": part.detail}
        case Audio() if role == "user":
            if part.url is not None:
                raise InvalidRequest(f"{spec.label} takes audio as data, not from a URL", provider=spec.name)
            spoken: Item = {"type": "input_audio", "audio": encoded(part)}
            return spoken if part.transcript is None else {**spoken, "transcript": part.transcript}
        case ProviderPart() if part.provider == spec.name:
            return part.data
    raise InvalidRequest(
        f"a {role} message of the Realtime API cannot hold a {type(part).__name__}", provider=spec.name
    )


def _add_assistant(message: Message, items: list[Item], spec: ProviderSpec, warn: Callable[[str], None]) -> None:
    said: list[Item] = []

    def end() -> None:
        if said:
            items.append({"type": "message", "role": "assistant", "content": list(said)})
            said.clear()

    for part in message.parts:
        match part:
            case Text() | Refusal():
                if part.text:
                    said.append({"type": "output_text", "text": part.text})
            case Audio(transcript=str(transcript)):
                said.append({"type": "output_text", "text": transcript})
            case ToolCall() if not part.provider_executed:
                end()
                items.append(
                    {"type": "function_call", "call_id": part.id, "name": part.name,
                     "arguments": part.arguments if part.arguments.strip() else "{}"}
                )  # fmt: skip
            case ProviderPart() if part.provider == spec.name:
                end()
                items.append(part.data)
            case _:
                warn(f"{type(part).__name__} parts of the assistant have no place in the Realtime API; left out")
    end()
