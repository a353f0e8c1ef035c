"""Messages of a conversation to those of Ollama's `/api/chat`.

A message has one text, one train of thought, a list of images and a list of calls: parts of a kind are joined in their
order, and how text and images were mixed is lost. Results are matched to calls by the tool's name; ids travel along for
the cloud's models.
Source: https://docs.ollama.com/api/chat and ``api/types.go`` of https://github.com/ollama/ollama (`Message`).
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence
from typing import Any

from exllm.errors import InvalidRequest
from exllm.providers.answered_media import Media, first_open, or_words
from exllm.providers.anthropic_content import call_input
from exllm.providers.call_ids import CallIds, spelt
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

_ROLES = {"developer": "system"}
_TEXT_TYPES = ("application/json", "application/xml")
_IDS = spelt("(?!)", 64)


class MessageWriter:
    """Writes the messages of one request.

    Attributes:
        warnings: what could not be sent, in words, each once.
    """

    def __init__(self, spec: ProviderSpec) -> None:
        self.warnings: list[str] = []
        self._spec = spec
        self._ids = CallIds(_IDS)
        self._is_open = True  # the message at hand is not answered yet
        self._names: dict[str, str] = {}  # id of a call -> the tool's name

    def write(self, messages: Sequence[Message]) -> list[dict[str, Any]]:
        """The messages as JSON-like data. Raises `InvalidRequest` for what Ollama does not take."""
        written: list[dict[str, Any]] = []
        open_from = first_open(messages)
        for place, message in enumerate(messages):
            self._is_open = place >= open_from
            if message.name is not None:
                self.warn("takes no names of messages; they were not sent")
            results = [part for part in message.parts if type(part) is ToolResult]
            written.extend(map(self._result, results))
            rest = [part for part in message.parts if type(part) is not ToolResult]
            if rest or not results:
                written.append(self._message(message.role, rest))
        return written

    def warn(self, words: str) -> None:
        """Say something about the provider, once."""
        self._say(f"{self._spec.label} {words}")

    def _say(self, words: str) -> None:
        if words not in self.warnings:
            self.warnings.append(words)

    def _message(self, role: str, parts: Sequence[Part]) -> dict[str, Any]:
        if role == "tool":
            raise InvalidRequest(
                "a message of the role 'tool' holds ToolResult parts, so that it names its call",
                provider=self._spec.name,
            )
        written: dict[str, Any] = {"role": _ROLES.get(role, role), "content": ""}
        if role == "assistant":
            thoughts = self._thoughts(parts)
            if thoughts:
                written["thinking"] = thoughts
            calls = [self._call(part) for part in parts if type(part) is ToolCall and not part.provider_executed]
            if calls:
                written["tool_calls"] = calls
        self._fill(written, parts, role)
        return written

    def _fill(self, written: dict[str, Any], parts: Iterable[Part], role: str) -> None:
        """Text and images."""
        texts: list[str] = []
        images: list[str] = []
        for part in parts:
            if getattr(part, "cache_control", None) is not None:
                self.warn("takes no cache_control; the breakpoints were not sent")
            match part:
                case Text() | Refusal():
                    texts.append(part.text)
                case Audio(transcript=str(transcript)) if role == "assistant":
                    texts.append(transcript)
                case Image(data=None) | Document() | Audio() | FileRef() if role == "assistant":
                    self.warn(f"has no place for a {type(part).__name__} of the assistant; it was left out")
                case Image() | Document() | Audio() | FileRef():
                    text, shown = self._media(part) if self._is_open and role != "tool" else self._answered(part)
                    texts.append(text)
                    images.extend(shown)
                case ToolCall(provider_executed=True):
                    self.warn("has no tools that a provider runs; such calls were left out")
                case ProviderPart():
                    self.warn(f"knows nothing of the parts of {part.provider}'s answers; they were left out")
        written["content"] = "".join(texts)
        if images:
            written["images"] = images

    def _answered(self, part: Media) -> tuple[str, list[str]]:
        return or_words(lambda: self._media(part), part, lambda words: (words, []), self._say)

    def _media(self, part: Media) -> tuple[str, list[str]]:
        """What a part adds to the text, and to the images."""
        match part:
            case Image():
                return "", [self._image(part)]
            case Document():
                return self._document(part), []
        raise InvalidRequest(
            f"{self._spec.label} takes text and images, got a {type(part).__name__}", provider=self._spec.name
        )

    def _image(self, image: Image) -> str:
        if image.detail is not None:
            self.warn("knows no detail of images; it was not sent")
        if image.data is not None:
            return base64.b64encode(image.data).decode()
        raise InvalidRequest(
            f"{self._spec.label} takes images as data, not from a URL; fetch it, then pass Image(data=..., "
            f"media_type=...) or Image(path=...)",
            provider=self._spec.name,
        )

    def _document(self, document: Document) -> str:
        """The text of a text file. There is no other kind of document here."""
        kind = (document.media_type or "").partition(";")[0].strip().lower()
        if document.data is None or not (kind.startswith("text/") or kind in _TEXT_TYPES):
            raise InvalidRequest(
                f"{self._spec.label} takes no documents but texts as data, got {document.media_type or 'a URL'}",
                provider=self._spec.name,
            )
        try:
            text = document.data.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise InvalidRequest(
                f"the document {document.title or kind!r} is not UTF-8 text", provider=self._spec.name
            ) from error
        self.warn("takes no documents; those of text were sent as text")
        head = "\n".join(line for line in (document.title, document.context) if line)
        return f"{head}\n\n{text}\n\n" if head else f"{text}\n\n"

    def _thoughts(self, parts: Iterable[Part]) -> str:
        """Thoughts are plain text here, so those of another model can go along, where they can be read."""
        thoughts = [part for part in parts if type(part) is Reasoning]
        if not all(part.text for part in thoughts):
            self.warn("cannot read thoughts that another provider signed or redacted; they were left out")
        return "".join(part.text for part in thoughts)

    def _call(self, call: ToolCall) -> dict[str, Any]:
        self._names[call.id] = call.name
        written: dict[str, Any] = {"function": {"name": call.name, "arguments": call_input(call.arguments)}}
        return {"id": self._ids.of_call(call.id), **written} if call.id else written

    def _result(self, result: ToolResult) -> dict[str, Any]:
        written: dict[str, Any] = {"role": "tool", "content": "", "tool_call_id": self._ids.of_result(result.call_id)}
        name = result.name or self._names.get(result.call_id)
        if name is not None:
            written["tool_name"] = name
        if result.cache_control is not None:
            self.warn("takes no cache_control; the breakpoints were not sent")
        content = result.content
        self._fill(written, (Text(content),) if isinstance(content, str) else content, "tool")
        return written
