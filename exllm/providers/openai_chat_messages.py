"""Messages to the ``messages`` of a Chat Completions request.

Source: platform.openai.com/docs/api-reference/chat/create, `messages`; the services' own pages for the quirks.

`ToolResult.is_error` has no place in Chat Completions and stays behind: the content says it. Anything else that cannot
be sent, calls that a provider ran itself and reasoning among it, is named in `MessageWriter.warnings`, or raises.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from exllm.errors import InvalidRequest
from exllm.providers.answered_media import Media, first_open, or_words
from exllm.providers.call_ids import CallIds, hashed, spelt
from exllm.providers.gemini_signatures import is_signature
from exllm.providers.openai_chat_calls import CUSTOM_SIGNATURE
from exllm.providers.openai_chat_choice import NOT_SENT_BACK
from exllm.providers.openai_chat_order import in_order
from exllm.providers.openai_chat_parts import document_part, file_part, image_part, input_audio_part
from exllm.providers.openai_chat_reasoning import blocks_of
from exllm.providers.spec import ProviderSpec
from exllm.types.message import Message
from exllm.types.parts import (
    Audio,
    CacheControl,
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

_SHORT_IDS = hashed("[a-zA-Z0-9]{9}", 9)
_IDS = spelt("(?!)", 40)
"""OpenAI refuses ids of more than 40 characters."""


class MessageWriter:
    """Writes the messages of one request.

    Args:
        spec: whose dialect to write.
        cache_control: a breakpoint at the end of the conversation.

    Attributes:
        warnings: what could not be sent, in words, each once.
    """

    def __init__(self, spec: ProviderSpec, cache_control: CacheControl | None = None) -> None:
        self.warnings: list[str] = []
        self._spec = spec
        self._quirks = spec.quirks
        self._cache_control = cache_control
        self._is_open = True  # the message at hand is not answered yet
        self._ids = CallIds(_SHORT_IDS if "short_tool_call_ids" in self._quirks else _IDS)

    def write(self, messages: Sequence[Message]) -> list[dict[str, Any]]:
        """The messages as JSON-like data. Raises `InvalidRequest` for what cannot be said."""
        out: list[dict[str, Any]] = []
        shown: list[dict[str, Any]] = []  # images of tool results, which follow the last result of the run
        open_from = first_open(messages)
        for place, message in enumerate(messages):
            self._is_open = place >= open_from
            rest = message.content
            if type(rest) is not str:
                results = [part for part in message.parts if type(part) is ToolResult]
                out.extend(self._result(result, shown) for result in results)
                rest = tuple(part for part in message.parts if type(part) is not ToolResult)
                if results and not rest:
                    continue
            if shown:
                out.append({"role": "user", "content": shown})
                shown = []
            out.append(self._message(message, rest))
        if shown:
            out.append({"role": "user", "content": shown})
        out = in_order(out, self._spec, self.warn)
        last = messages[-1] if messages else None
        if last is not None and last.role == out[-1]["role"] == "assistant" and not last.tool_calls:
            if "assistant_prefix" in self._quirks:
                out[-1]["prefix"] = True
            elif "assistant_partial" in self._quirks:
                out[-1]["partial"] = True
        if self._cache_control is not None:
            self._mark_end(out, self._cache_control)
        return out

    def _message(self, message: Message, content: str | tuple[Part, ...]) -> dict[str, Any]:
        role = message.role
        if role == "tool":
            raise InvalidRequest("a message of the role 'tool' holds ToolResult parts, so that it names its call")
        if role == "developer" and "no_developer_role" in self._quirks:
            role = "system"
        written: dict[str, Any] = {"role": role}
        if message.name is not None and "no_message_name" in self._quirks:
            self.warn(f"{self._spec.label} takes no names of messages; they were not sent")
        elif message.name is not None:
            written["name"] = message.name
        if isinstance(content, str):
            written["content"] = content
        elif role == "assistant":
            self._assistant(written, content)
        else:
            parts = [self._part(part, role) for part in content]
            is_joined = "text_content_only" in self._quirks and all(part["type"] == "text" for part in parts)
            written["content"] = "".join(part["text"] for part in parts) if is_joined else parts
        return written

    def _part(self, part: Part, role: str) -> dict[str, Any]:
        match part:
            case Text():
                return self._cached({"type": "text", "text": part.text}, part.cache_control)
            case Image() | Audio() | Document() | FileRef():
                if self._is_open and role != "tool":
                    return self._media(part)
                return or_words(lambda: self._media(part), part, _words, self.warn)
            case ProviderPart() if part.provider == self._spec.name:
                return part.data
        raise InvalidRequest(
            f"a {role} message of Chat Completions cannot hold a {type(part).__name__}", provider=self._spec.name
        )

    def _media(self, part: Media) -> dict[str, Any]:
        if "text_content_only" in self._quirks:
            raise InvalidRequest(f"{self._spec.label} takes text alone", provider=self._spec.name)
        if "no_files" in self._quirks and type(part) is not Image:
            raise InvalidRequest(f"{self._spec.label} takes text and images alone", provider=self._spec.name)
        match part:
            case Image():
                return self._cached(image_part(part), part.cache_control)
            case Audio():
                return input_audio_part(part, self._spec)
            case Document():
                written = document_part(part, self._spec, self.warn)
                return self._cached(written, part.cache_control)
            case FileRef():
                return self._cached(file_part(part, self._spec), part.cache_control)

    def _result(self, result: ToolResult, shown: list[dict[str, Any]]) -> dict[str, Any]:
        written: dict[str, Any] = {"role": "tool", "tool_call_id": self._ids.of_result(result.call_id)}
        if result.name is not None and "tool_result_name" in self._quirks:
            written["name"] = result.name
        content = result.content
        if isinstance(content, str):
            written["content"] = content
            if result.cache_control is not None:
                written["content"] = [self._cached({"type": "text", "text": content}, result.cache_control)]
            return self._joined_if_string_only(written)
        kept = content
        if not self._quirks & {"tool_images", "text_content_only"}:
            kept = tuple(part for part in content if type(part) is Text)
            for part in content:
                if type(part) is not Text:
                    shown.append(self._part(part, "tool"))
                    self.warn(
                        f"{self._spec.label} takes text alone from tools; {type(part).__name__.lower()} parts of tool "
                        f"results were sent in a user message after them"
                    )
        written["content"] = [self._part(part, "tool") for part in kept]
        return self._joined_if_string_only(written)

    def _joined_if_string_only(self, written: dict[str, Any]) -> dict[str, Any]:
        content = written["content"]
        if (
            isinstance(content, list)
            and (not content or self._quirks & {"string_tool_content", "text_content_only"})
            and all(part["type"] == "text" for part in content)
        ):
            written["content"] = "".join(part["text"] for part in content)
        return written

    # -- the assistant's turn

    def _assistant(self, written: dict[str, Any], parts: tuple[Part, ...]) -> None:
        calls = [self._call(part) for part in parts if type(part) is ToolCall and not part.provider_executed]
        if any(type(part) is ToolCall and part.provider_executed for part in parts):
            self.warn("calls that a provider ran itself have no place in Chat Completions; they were left out")
        refusal = "".join(part.text for part in parts if type(part) is Refusal)
        spoken = next((part for part in parts if type(part) is Audio), None)
        content = self._assistant_content(parts)
        if refusal and "no_developer_role" in self._quirks:  # not OpenAI's own models: refusals are words there
            if isinstance(content, list):
                content.append(_words(refusal))
            else:
                content = (content or "") + refusal
            refusal = ""
        if content is None and not (calls or refusal or (spoken and spoken.id)):
            content = ""
        written["content"] = content
        thoughts = [part for part in parts if type(part) is Reasoning]
        if thoughts:
            self._thoughts(written, thoughts)
        if refusal:
            written["refusal"] = refusal
        if spoken is not None and spoken.id is not None:
            written["audio"] = {"id": spoken.id}
        if calls:
            written["tool_calls"] = calls

    def _assistant_content(self, parts: tuple[Part, ...]) -> str | list[dict[str, Any]] | None:
        """A string where that says it all, parts for breakpoints and for what has no other form."""
        content: list[dict[str, Any]] = []
        for part in parts:
            match part:
                case Text():
                    if part.text:
                        content.append(self._cached({"type": "text", "text": part.text}, part.cache_control))
                case Reasoning() if "thinking_parts_back" in self._quirks:
                    if part.text:
                        content.append({"type": "thinking", "thinking": [{"type": "text", "text": part.text}]})
                case Audio(id=None, transcript=str(transcript)):
                    content.append({"type": "text", "text": transcript})
                case ProviderPart() if part.provider == self._spec.name:
                    if part.data.get("type") not in NOT_SENT_BACK:
                        content.append(part.data)
                case Image() | Document() | FileRef() | ProviderPart() | Audio(id=None):
                    self.warn(f"a {type(part).__name__} of the assistant has no place in Chat Completions; not sent")
        if not content:
            return None
        if all(piece.keys() == {"type", "text"} and piece["type"] == "text" for piece in content):
            return "".join(piece["text"] for piece in content)
        return content

    def _call(self, call: ToolCall) -> dict[str, Any]:
        id_ = self._ids.of_call(call.id)
        if call.signature == CUSTOM_SIGNATURE:
            return {"id": id_, "type": "custom", "custom": {"name": call.name, "input": call.arguments}}
        arguments = call.arguments if call.arguments.strip() else "{}"  # gateways to other protocols parse it
        written: dict[str, Any] = {
            "id": id_,
            "type": "function",
            "function": {"name": call.name, "arguments": arguments},
        }
        if "google_thought_signature" in self._quirks and is_signature(call.signature):
            written["extra_content"] = {"google": {"thought_signature": call.signature}}
        return written

    def _thoughts(self, written: dict[str, Any], thoughts: list[Reasoning]) -> None:
        if "reasoning_details_back" in self._quirks:
            blocks = blocks_of(thoughts, self._spec.name)
            if blocks:
                written["reasoning_details"] = blocks
            if len(blocks) < len(thoughts):
                self.warn("reasoning that another provider signed cannot go back; it was left out")
            return
        text = "".join(thought.text for thought in thoughts)
        if text and "reasoning_content_back" in self._quirks:
            written["reasoning_content"] = text
        elif text and "reasoning_back" in self._quirks:
            written["reasoning"] = text
        elif "thinking_parts_back" not in self._quirks or not text:
            self.warn(f"reasoning does not go back to {self._spec.label}; it was left out")
            return
        if not all(thought.text for thought in thoughts):
            self.warn("reasoning that only another provider can read was left out")

    # -- cache breakpoints

    def _cached(self, written: dict[str, Any], control: CacheControl | None) -> dict[str, Any]:
        if control is None:
            return written
        if "cache_control" not in self._quirks:
            self.warn(f"{self._spec.label} takes no cache_control; the breakpoints were not sent")
            return written
        return {**written, "cache_control": cache_marker(control)}

    def _mark_end(self, out: list[dict[str, Any]], control: CacheControl) -> None:
        """Put the breakpoint on the last text of the conversation."""
        for message in reversed(out):
            content = message.get("content")
            if isinstance(content, str) and content:
                message["content"] = [{"type": "text", "text": content, "cache_control": cache_marker(control)}]
                return
            if isinstance(content, list) and content and content[-1].get("type") == "text":
                content[-1] = {**content[-1], "cache_control": cache_marker(control)}
                return

    def warn(self, words: str) -> None:
        """Say something once."""
        if words not in self.warnings:
            self.warnings.append(words)


def _words(text: str) -> dict[str, Any]:
    return {"type": "text", "text": text}


def cache_marker(control: CacheControl) -> dict[str, Any]:
    return {"type": control.type} if control.ttl is None else {"type": control.type, "ttl": control.ttl}
