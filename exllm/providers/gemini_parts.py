"""Parts of messages to parts of Gemini's contents.

Source: https://ai.google.dev/api/caching#Part, https://ai.google.dev/gemini-api/docs/file-input-methods
"""

from __future__ import annotations

import base64
import mimetypes
from collections.abc import Iterable
from typing import Any
from urllib.parse import urlsplit

import msgspec

from exllm.errors import InvalidRequest
from exllm.providers.answered_media import Media, or_words
from exllm.providers.gemini_models import ModelFacts
from exllm.providers.gemini_signatures import NEXT, OWN, is_made_up, is_signature
from exllm.providers.spec import ProviderSpec
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
)

Block = dict[str, Any]

INVALID_JSON = "INVALID_JSON"
"""Arguments that are no JSON object (a call that was cut off) travel under this name."""
NO_SIGNATURE = "skip_thought_signature_validator"
"""What stands, as it is and not as base64, for the signature of a call that another model made:
https://ai.google.dev/gemini-api/docs/thought-signatures#faqs,
https://github.com/langchain-ai/langchain-google/pull/1972"""
_FILES_API = "https://generativelanguage.googleapis.com/v1beta/"
_RESOLUTION = {"low": "LOW", "high": "HIGH", "original": "ULTRA_HIGH"}


class PartEncoder:
    """Turns parts into Gemini's; collects `warnings` about what could not go along.

    Attributes:
        is_open: the message at hand is not answered yet: media that Gemini does not take raise.
    """

    def __init__(self, spec: ProviderSpec, facts: ModelFacts) -> None:
        self.warnings: list[str] = []
        self._provider = spec.name
        self._on_vertex = "vertex" in spec.quirks
        self._facts = facts
        self.is_open = True

    def blocks(self, parts: Iterable[Part]) -> list[Block]:
        """The parts of one message, tool results apart. Raises `InvalidRequest` for what cannot be said."""
        blocks: list[Block] = []
        carried: str | None = None
        for part in parts:
            if isinstance(part, Reasoning) and part.id == NEXT:
                carried = part.signature
                continue
            block = self._block(part)
            if block is None:
                continue
            if carried is not None:
                block = {**block, "thoughtSignature": carried}
                carried = None
            blocks.append(block)
        if carried is not None:  # what it was of was not kept as a part of its own
            blocks.append({"text": "", "thoughtSignature": carried})
        if self._facts.levels:
            _sign_first_call(blocks)
        return blocks

    def warn(self, text: str) -> None:
        """Say something once."""
        if text not in self.warnings:
            self.warnings.append(text)

    def shown(self, part: Media) -> Block:
        """A part that holds bytes, or says where they are; words for it where it cannot be sent and was answered."""
        if self.is_open:
            return self._media(part)
        return or_words(lambda: self._media(part), part, _words, self.warn)

    def _media(self, part: Media) -> Block:
        if isinstance(part, FileRef):
            return self._file(part.id, part.media_type)
        if isinstance(part, Document):
            self._warn_of_document(part)
        if not isinstance(part, Audio) and part.cache_control is not None:
            self._warn_of_cache()
        if part.url is not None:
            block: Block = self._file(part.url, part.media_type or _type_of(part.url))
        else:
            if part.data is None:
                raise InvalidRequest(f"the file {part.path} was not read", provider=self._provider)
            block = {"inlineData": {"mimeType": part.media_type, "data": base64.b64encode(part.data).decode()}}
        if isinstance(part, Image) and part.detail in _RESOLUTION:
            if self._facts.media_results:
                block["mediaResolution"] = {"level": f"MEDIA_RESOLUTION_{_RESOLUTION[part.detail]}"}
            else:
                self.warn(
                    "models before Gemini 3 know no image detail; it was left out "
                    "(extra={'generationConfig': {'mediaResolution': ...}} sets one for the whole request)"
                )
        return block

    def _block(self, part: Part) -> Block | None:
        match part:
            case Text():
                if part.cache_control is not None:
                    self._warn_of_cache()
                return {"text": part.text} if part.text else None
            case Image() | Audio() | Document() | FileRef():
                return self.shown(part)
            case ToolCall():
                return self._call(part)
            case Reasoning():
                return self._reasoning(part)
            case Refusal():
                return {"text": part.text} if part.text else None
            case ProviderPart():
                if part.provider == self._provider:
                    return part.data
                self.warn(f"a part of an answer of {part.provider} means nothing to {self._provider}; it was left out")
                return None
        raise InvalidRequest("the result of a tool stands in a message of the role tool", provider=self._provider)

    def _file(self, uri: str, media_type: str | None) -> Block:
        """A file by its address; one that was uploaded to the Gemini API by its name, too."""
        if "://" not in uri:
            if self._on_vertex:
                raise InvalidRequest(
                    f"Vertex AI takes files in Cloud Storage, gs://bucket/name, or on the web, got {uri!r}",
                    provider=self._provider,
                )
            uri = _FILES_API + uri
        file = {"fileUri": uri}
        if media_type is not None:
            file["mimeType"] = media_type
        elif self._on_vertex:
            raise InvalidRequest(
                f"Vertex AI wants to know what {uri[:80]!r} is; give media_type=, e.g. 'image/png'",
                provider=self._provider,
            )
        return {"fileData": file}

    def _call(self, part: ToolCall) -> Block | None:
        if part.provider_executed:
            self.warn(f"a call that another provider ran itself means nothing to {self._provider}; it was left out")
            return None
        call: Block = {} if is_made_up(part.id) else {"id": part.id}
        call |= {"args": self._arguments(part), "name": part.name}
        block: Block = {"functionCall": call}
        if is_signature(part.signature):
            block["thoughtSignature"] = part.signature
        return block

    def _arguments(self, part: ToolCall) -> Any:
        if not part.arguments.strip():
            return {}
        decoded = object_of(part.arguments)
        if decoded is None:
            self.warn(f"the arguments of a call of {part.name} are no JSON object; they were sent as {INVALID_JSON}")
            return {INVALID_JSON: part.arguments}
        return decoded

    def _reasoning(self, part: Reasoning) -> Block | None:
        if part.id != OWN:
            self.warn(f"reasoning of another provider than {self._provider} cannot go back; it was left out")
            return None
        block: Block = {"text": part.text}
        if part.text:
            block["thought"] = True
        if part.signature is not None:
            block["thoughtSignature"] = part.signature
        return block

    def _warn_of_document(self, part: Document) -> None:
        given = [name for name in ("title", "context", "citations") if getattr(part, name) is not None]
        if given:
            self.warn(f"Gemini takes no {' or '.join(given)} of a document; left out")

    def _warn_of_cache(self) -> None:
        self.warn("Gemini caches by itself; cache_control was left out (extra={'cachedContent': ...} names a cache)")


def object_of(text: str) -> msgspec.Raw | None:
    """`text` as it is where it is a JSON object, to be put into the request unchanged; None for anything else."""
    try:
        decoded = msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError, UnicodeEncodeError):
        return None
    return msgspec.Raw(text.encode()) if isinstance(decoded, dict) else None


def _words(text: str) -> Block:
    return {"text": text}


def _sign_first_call(blocks: list[Block]) -> None:
    """Gemini 3 wants a signature with the first call of a step; the calls after it need none."""
    first = next((place for place, block in enumerate(blocks) if "functionCall" in block), None)
    if first is not None and "thoughtSignature" not in blocks[first]:
        blocks[first] = {**blocks[first], "thoughtSignature": NO_SIGNATURE}


def _type_of(url: str) -> str | None:
    """What the name at the end of the URL says; YouTube's and the Files API's say nothing, and need not."""
    try:
        return mimetypes.guess_type(urlsplit(url).path)[0]
    except ValueError:
        return None
