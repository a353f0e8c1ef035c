"""Parts of messages to content blocks of Converse.

Source: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ContentBlock.html
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable
from typing import Any

from exllm.errors import InvalidRequest
from exllm.providers.answered_media import or_words
from exllm.providers.anthropic_content import call_input, is_claudes
from exllm.providers.bedrock_converse_blocks import BEDROCKS
from exllm.providers.bedrock_converse_media import KINDS, kind_of
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

# Families that keep a prompt in a cache: https://docs.aws.amazon.com/bedrock/latest/userguide/prompt-caching.html
# None is a model behind an ARN, which may be one of these.
CACHING = frozenset({"anthropic", "nova", "nova-2", None})
_RESULTS_HAVE_STATUS = frozenset({"anthropic", "nova", "nova-2", None})

_IDS = spelt(r"[^a-zA-Z0-9_.:-]", 64)
_NOT_IN_TITLES = re.compile(r"[^a-zA-Z0-9_\s\-()\[\]]+")  # the underscore is taken as well, though undocumented


_CLAUDE = frozenset({"anthropic", None})  # None may be Claude behind an ARN


class ContentEncoder:
    """Turns parts into blocks; collects `warnings` about what could not go along.

    Args:
        provider: the name of the spec.
        family: whose model it is, see `bedrock_models.family_of`.

    Attributes:
        is_open: the message at hand is not answered yet: media that the API does not take raise.
    """

    def __init__(self, provider: str, family: str | None) -> None:
        self.warnings: list[str] = []
        self._provider = provider
        self._family = family
        self._ids = CallIds(_IDS)
        self._own_results: list[Any] = []  # ids of calls that the service ran
        self.is_open = True
        self._titles: set[str] = set()

    def blocks(self, parts: Iterable[Part], role: str) -> list[Block]:
        """The blocks of one message, in the same order. Raises `InvalidRequest` for what the API does not take."""
        blocks: list[Block] = []
        parts = tuple(parts)
        if role == "assistant":
            self._own_results = [
                result.get("toolUseId")
                for part in parts
                if isinstance(part, ProviderPart) and part.provider == self._provider
                if isinstance(result := part.data.get("toolResult"), dict)
            ]
        for part in parts:
            block = self._block(part, role)
            if block is not None:
                blocks.append(block)
            if blocks:
                blocks += self.cache_point(getattr(part, "cache_control", None))
        return blocks

    def cache_point(self, control: CacheControl | None) -> list[Block]:
        """The block that marks the end of what may be cached; none without `control`."""
        if control is None:
            return []
        if self._family not in CACHING:
            self.warn("this model does not cache on request; cache_control was left out")
            return []
        point = {"type": "default"} if control.ttl is None else {"type": "default", "ttl": control.ttl}
        return [{"cachePoint": point}]

    def warn(self, text: str) -> None:
        """Say something once."""
        if text not in self.warnings:
            self.warnings.append(text)

    def _block(self, part: Part, role: str) -> Block | None:
        match part:
            case Text():
                return _text(part, role)
            case ToolCall():
                return self._call(part)
            case ToolResult():
                return self._result(part)
            case Reasoning():
                return self._reasoning(part)
            case Audio(transcript=str(transcript)) if role == "assistant":
                return {"text": transcript} if transcript.strip() else None
            case Image() | Audio() | Document() | FileRef() if role == "assistant":
                self.warn(f"Bedrock has no place for a {type(part).__name__} of the assistant; it was left out")
                return None
            case Image() | Audio() | Document() | FileRef():
                if self.is_open:
                    return self._shown(part)
                return or_words(lambda: self._shown(part), part, _words, self.warn)
            case Refusal():
                return {"text": part.text} if part.text.strip() else None
            case ProviderPart():
                if part.provider == self._provider:
                    return part.data
                self.warn(f"a part of an answer of {part.provider} means nothing to {self._provider}; it was left out")
                return None

    def _shown(self, part: Image | Audio | Document | FileRef) -> Block:
        match part:
            case Image():
                if part.detail is not None:
                    self.warn("Bedrock has no image detail; it was left out")
                return self._media(part, "image")
            case Audio():
                return self._media(part, "audio")
            case Document():
                return self._document(part)
            case FileRef():
                return self._file(part)

    def _call(self, part: ToolCall) -> Block | None:
        if part.provider_executed and part.id not in self._own_results:
            self.warn("calls that another provider ran itself were left out")
            return None
        call: Block = {"toolUseId": self._ids.of_call(part.id), "name": part.name, "input": call_input(part.arguments)}
        if part.provider_executed:
            call["type"] = "server_tool_use"
        return {"toolUse": call}

    def _result(self, part: ToolResult) -> Block:
        content = part.content
        blocks = ([{"text": content}] if content.strip() else []) if isinstance(content, str) else [
            block for inner in content if (block := self._block(inner, "tool")) is not None
        ]  # fmt: skip
        result: Block = {"toolUseId": self._ids.of_result(part.call_id), "content": blocks}
        if part.is_error:
            if self._family in _RESULTS_HAVE_STATUS:
                result["status"] = "error"
            else:
                self.warn("this model does not hear that a tool failed; only the tool's words were sent")
        return {"toolResult": result}

    def _reasoning(self, part: Reasoning) -> Block | None:
        if part.id == BEDROCKS or (is_claudes(part) and self._family in _CLAUDE):
            if part.redacted is not None:
                sent = part.redacted if part.id == BEDROCKS else base64.b64encode(part.redacted.encode()).decode()
                return {"reasoningContent": {"redactedContent": sent}}
            if part.signature is not None:
                return {"reasoningContent": {"reasoningText": {"text": part.text, "signature": part.signature}}}
        self.warn(
            f"reasoning without a signature of {self._provider} (of another provider, or cut off) cannot go back; "
            "it was left out"
        )
        return None

    def _document(self, part: Document) -> Block:
        if (part.media_type or "").startswith(("video/", "image/")):
            return self._media(part, kind_of(_plain_type(part)) or "video")
        block = self._media(part, "document")
        document: Block = block["document"]
        document["name"] = self._title(part.title)
        if part.context is not None:
            document["context"] = part.context
        if part.citations is not None:
            document["citations"] = {"enabled": part.citations}
        return block

    def _file(self, part: FileRef) -> Block:
        """A file in S3, by its address."""
        media_type = (part.media_type or "").partition(";")[0].strip().lower()
        kind = kind_of(media_type)
        if not part.id.startswith("s3://") or kind is None:
            raise InvalidRequest(
                f"Bedrock takes files in S3: FileRef('s3://bucket/key', media_type=...), got {part.id!r} of the type "
                f"{part.media_type!r}",
                provider=self._provider,
            )
        fields: Block = {"format": KINDS[kind][media_type], "source": {"s3Location": {"uri": part.id}}}
        if kind == "document":
            fields["name"] = self._title(None)
        return {kind: fields}

    def _media(self, part: Image | Document | Audio, kind: str) -> Block:
        media_type = _plain_type(part)
        if part.url is not None and not part.url.startswith("s3://"):
            raise InvalidRequest(
                f"Bedrock loads nothing from the web; pass the {kind} as data or as a file, or put it in S3",
                provider=self._provider,
            )
        formats = KINDS[kind]
        if media_type not in formats:
            raise InvalidRequest(
                f"Bedrock takes {kind}s of the types {', '.join(formats)}, got {part.media_type!r}",
                provider=self._provider,
            )
        if part.url is not None:
            source: Block = {"s3Location": {"uri": part.url}}
        elif part.data is not None:
            source = {"bytes": base64.b64encode(part.data).decode()}
        else:
            raise InvalidRequest(f"the file {part.path} was not read")
        return {kind: {"format": formats[media_type], "source": source}}

    def _title(self, title: str | None) -> str:
        """A name that Bedrock takes: letters, digits, single spaces, hyphens and brackets, and no name twice."""
        name = " ".join(_NOT_IN_TITLES.sub(" ", title or "").split()) or "Document"
        unique, number = name, 1
        while unique in self._titles:
            number += 1
            unique = f"{name} {number}"
        self._titles.add(unique)
        if title is not None and unique != title:
            self.warn(f"Bedrock takes no document called {title!r}; it was sent as {unique!r}")
        return unique


def _words(text: str) -> Block:
    return {"text": text}


def _text(part: Text, role: str) -> Block | None:
    sources = [citation.source for citation in part.citations if citation.source and _is_ours(citation.source)]
    if sources and role == "assistant":
        cited: Block = {"citations": sources}
        if part.text:
            cited["content"] = [{"text": part.text}]
        return {"citationsContent": cited}
    # The API refuses empty text, and models do begin a turn with line breaks only.
    return {"text": part.text} if part.text.strip() else None


def _is_ours(source: Block) -> bool:
    """Whether a citation is one of Converse: all its fields are, and it has a place or a source."""
    return source.keys() <= _CITATION_FIELDS and ("location" in source or "sourceContent" in source)


_CITATION_FIELDS = {"title", "source", "sourceContent", "location"}


def _plain_type(part: Image | Document | Audio) -> str:
    return (part.media_type or "").partition(";")[0].strip().lower()
