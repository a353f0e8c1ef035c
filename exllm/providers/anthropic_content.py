"""Parts of messages to content blocks of the Anthropic Messages API.

Source: https://platform.claude.com/docs/en/api/messages#body-messages-content
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable
from typing import Any

import msgspec

from exllm.errors import InvalidRequest
from exllm.providers.answered_media import or_words
from exllm.providers.anthropic_blocks import INVALID_JSON
from exllm.providers.call_ids import CallIds, spelt
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

Block = dict[str, Any]

_IDS = spelt("[^a-zA-Z0-9_-]", 64)
_IMAGE_TYPES = ("image/jpeg", "image/png", "image/gif", "image/webp")
_BASE64 = re.compile("[A-Za-z0-9+/_=-]*")
_SERVER_ID = re.compile("(srv|mcp)toolu_")


class ContentEncoder:
    """Turns parts into blocks; collects `warnings` about what could not go along.

    Attributes:
        is_open: the message at hand is not answered yet: media that the API does not take raise.
    """

    def __init__(self, provider: str) -> None:
        self.warnings: list[str] = []
        self._provider = provider
        self._ids = CallIds(_IDS)
        self.is_open = True
        self._foreign_results: list[Any] = []  # ids of server tools' calls whose results do not go along
        self._toolsets: dict[str, str] = {}  # id of a call -> the toolset that its result must name

    def blocks(self, parts: Iterable[Part], role: str) -> list[Block]:
        """The blocks of one message, in the same order. Raises `InvalidRequest` for what the API does not take."""
        parts = tuple(parts)
        if role == "assistant":
            self._foreign_results = [
                part.data.get("tool_use_id")
                for part in parts
                if isinstance(part, ProviderPart) and part.provider != self._provider
            ]
        return [block for part in parts if (block := self._block(part, role)) is not None]

    def text(self, text: str) -> list[Block]:
        """The blocks of a message that is one text: one or none."""
        # The API refuses empty text, and models do begin a turn with line breaks only.
        return [{"type": "text", "text": text}] if text.strip() else []

    def warn(self, text: str) -> None:
        """Say something once."""
        if text not in self.warnings:
            self.warnings.append(text)

    def _block(self, part: Part, role: str) -> Block | None:
        match part:
            case Text():
                return self._text(part, role)
            case ToolCall():
                return self._call(part)
            case ToolResult():
                return self._result(part)
            case Reasoning():
                return self._reasoning(part)
            case Audio(transcript=str(transcript)) if role == "assistant":
                return {"type": "text", "text": transcript} if transcript.strip() else None
            case Image() | Document() | FileRef() | Audio() if role == "assistant":
                self.warn(f"Anthropic has no place for a {type(part).__name__} of the assistant; it was left out")
                return None
            case Image() | Document() | FileRef() | Audio():
                if self.is_open:
                    return self._media(part)
                return or_words(lambda: self._media(part), part, _words, self.warn)
            case Refusal():
                return {"type": "text", "text": part.text} if part.text.strip() else None
            case ProviderPart():
                if part.provider == self._provider:
                    return part.data
                self.warn(f"a part of an answer of {part.provider} means nothing to {self._provider}; it was left out")
                return None

    def _media(self, part: Image | Document | FileRef | Audio) -> Block:
        match part:
            case Image():
                if part.detail is not None:
                    self.warn("Anthropic has no image detail; it was left out")
                if part.url is None and _plain_type(part) not in _IMAGE_TYPES:
                    raise InvalidRequest(
                        f"the Anthropic Messages API takes images of the types {', '.join(_IMAGE_TYPES)}, got "
                        f"{part.media_type!r}",
                        provider=self._provider,
                    )
                return _cached({"type": "image", "source": _source(part)}, part.cache_control)
            case Document():
                return _document(part)
            case FileRef():
                return _file(part)
            case Audio():
                raise InvalidRequest("the Anthropic Messages API takes no audio", provider=self._provider)

    def _text(self, part: Text, role: str) -> Block | None:
        blocks = self.text(part.text)
        if not blocks:
            return None
        block = blocks[0]
        if part.citations and role == "assistant":
            sources = [source for citation in part.citations if _is_own(source := citation.source or {})]
            if sources:
                block["citations"] = sources
        return _cached(block, part.cache_control)

    def _reasoning(self, part: Reasoning) -> Block | None:
        if part.redacted is not None and is_claudes(part):
            return {"type": "redacted_thinking", "data": part.redacted}
        if part.signature is not None and is_claudes(part):
            return {"type": "thinking", "thinking": part.text, "signature": part.signature}
        self.warn(
            f"reasoning without a signature of {self._provider} (of another provider, or cut off) cannot go back; "
            "it was left out"
        )
        return None

    def _call(self, part: ToolCall) -> Block | None:
        if part.provider_executed and not (_SERVER_ID.match(part.id) and part.id not in self._foreign_results):
            self.warn("calls that another provider ran itself were left out")
            return None
        kind = "server_tool_use" if part.provider_executed else "tool_use"
        block: Block = {
            "type": kind,
            "id": self._ids.of_call(part.id),
            "name": part.name,
            "input": call_input(part.arguments),
        }
        for name, value in _fields(part.signature).items():
            block.setdefault(name, value)
        if "toolset_name" in block:
            self._toolsets[part.id] = block["toolset_name"]
        return _cached(block, part.cache_control)

    def _result(self, part: ToolResult) -> Block:
        block: Block = {"type": "tool_result", "tool_use_id": self._ids.of_result(part.call_id)}
        content = part.content if isinstance(part.content, str) else self.blocks(part.content, "tool")
        if content:
            block["content"] = content
        if part.is_error:
            block["is_error"] = True
        if part.call_id in self._toolsets:
            block["toolset_name"] = self._toolsets[part.call_id]
        return _cached(block, part.cache_control)


def is_claudes(part: Reasoning) -> bool:
    """Whether thoughts may be Claude's: those of others have an id, or a token that is no base64."""
    return part.id is None and _BASE64.fullmatch(part.signature or part.redacted or "") is not None


def _words(text: str) -> Block:
    return {"type": "text", "text": text}


def _is_own(citation: dict[str, Any]) -> bool:
    """Whether it is one of Anthropic's, ``char_location`` and the like: citations of others have types, too."""
    return str(citation.get("type")).endswith("_location")


def call_input(arguments: str) -> Any:
    """The arguments of a call as the object that the API wants.

    What is no JSON object (a call that was cut off) travels as the documentation advises, see `INVALID_JSON`.
    """
    text = arguments.strip()
    if not text:
        return {}
    try:
        decoded = msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        decoded = None
    return decoded if isinstance(decoded, dict) else {INVALID_JSON: arguments}


def cache_marker(control: CacheControl) -> Block:
    """The `cache_control` object."""
    return {"type": control.type} if control.ttl is None else {"type": control.type, "ttl": control.ttl}


def _cached(block: Block, control: CacheControl | None) -> Block:
    if control is not None:
        block["cache_control"] = cache_marker(control)
    return block


def _fields(signature: str | None) -> Block:
    """What `anthropic_blocks.call_signature` put away. Signatures of other providers are no JSON objects."""
    if signature is None:
        return {}
    try:
        fields = msgspec.json.decode(signature)
    except msgspec.DecodeError:
        return {}
    return fields if isinstance(fields, dict) else {}


def _source(part: Image | Document) -> Block:
    if part.url is not None:
        return {"type": "url", "url": part.url}
    return {"type": "base64", "media_type": _plain_type(part), "data": base64.b64encode(_data(part)).decode()}


def _plain_type(part: Image | Document) -> str:
    media_type = (part.media_type or "").partition(";")[0].strip().lower()
    return "image/jpeg" if media_type == "image/jpg" else media_type


def _data(part: Image | Document) -> bytes:
    if part.data is None:
        raise InvalidRequest(f"the file {part.path} was not read")
    return part.data


def _document(part: Document) -> Block:
    """PDFs and text; https://platform.claude.com/docs/en/build-with-claude/pdf-support."""
    block: Block = {"type": "document"}
    media_type = _plain_type(part)
    if part.url is not None or media_type == "application/pdf":
        block["source"] = _source(part)
    elif media_type.startswith("text/") or media_type in ("application/json", "application/xml"):
        try:
            text = _data(part).decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise InvalidRequest(f"the document {part.title or media_type!r} is not UTF-8 text") from error
        block["source"] = {"type": "text", "media_type": "text/plain", "data": text}
    else:
        raise InvalidRequest(f"the Anthropic Messages API takes PDF and text documents, got {part.media_type!r}")
    if part.title is not None:
        block["title"] = part.title
    if part.context is not None:
        block["context"] = part.context
    if part.citations is not None:
        block["citations"] = {"enabled": part.citations}
    return _cached(block, part.cache_control)


def _file(part: FileRef) -> Block:
    """An uploaded file, as the block that its type asks for. No beta header: the Files API left beta.

    https://platform.claude.com/docs/en/build-with-claude/files
    """
    media_type = part.media_type or "application/pdf"
    if media_type.startswith("image/"):
        block: Block = {"type": "image", "source": {"type": "file", "file_id": part.id}}
    elif media_type in ("application/pdf", "text/plain"):
        block = {"type": "document", "source": {"type": "file", "file_id": part.id}}
    else:  # for code execution: the model works with it in its container
        block = {"type": "container_upload", "file_id": part.id}
    return _cached(block, part.cache_control)
