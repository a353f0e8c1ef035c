"""Parts of messages to content of the Interactions API.

Each content says what kind it is, and holds its bytes or says where they are.
Source: https://ai.google.dev/api/interactions-api#Resource:Content
"""

from __future__ import annotations

import base64
import mimetypes
from typing import Any
from urllib.parse import urlsplit

from exllm.errors import InvalidRequest
from exllm.providers.answered_media import Media, or_words
from exllm.providers.spec import ProviderSpec
from exllm.types.parts import Audio, Document, FileRef, Image, Part, ProviderPart, Text

Content = dict[str, Any]

_FILES_API = "https://generativelanguage.googleapis.com/v1beta/"
_RESOLUTION = {"low": "low", "high": "high", "original": "ultra_high"}
_KINDS = frozenset({"image", "audio", "video"})
_TEXTS = frozenset({"text/plain", "text/markdown", "text/html", "text/xml", "application/json", "application/xml"})
"""Documents that the API has no kind for, and that are text all the same."""


class ContentWriter:
    """Writes content; collects `warnings`, each once.

    Attributes:
        is_open: the message at hand is not answered yet: media that cannot be sent raise.
    """

    def __init__(self, spec: ProviderSpec) -> None:
        self.warnings: list[str] = []
        self.is_open = True
        self._provider = spec.name

    def content(self, part: Part, role: str) -> Content:
        """A part of what is said to the model. Raises `InvalidRequest` for what has no place there."""
        match part:
            case Text():
                if part.cache_control is not None:
                    self.warn_of_cache()
                return text(part.text)
            case Image() | Audio() | Document() | FileRef():
                return self.shown(part)
            case ProviderPart() if part.provider == self._provider:
                return part.data
        raise InvalidRequest(
            f"a {role} message of the Interactions API cannot hold a {type(part).__name__}", provider=self._provider
        )

    def shown(self, part: Media) -> Content:
        """Media; words for them where they cannot be sent and were answered."""
        if self.is_open:
            return self._media(part)
        return or_words(lambda: self._media(part), part, text, self.warn)

    def warn(self, words: str) -> None:
        """Say something once."""
        if words not in self.warnings:
            self.warnings.append(words)

    def warn_of_cache(self) -> None:
        """A cache breakpoint was asked for."""
        self.warn("Gemini caches by itself; cache_control was left out")

    def _media(self, part: Media) -> Content:
        if not isinstance(part, Audio) and part.cache_control is not None:
            self.warn_of_cache()
        if isinstance(part, FileRef):
            return self._file(part)
        if isinstance(part, Document):
            given = [name for name in ("title", "context", "citations") if getattr(part, name) is not None]
            if given:
                self.warn(f"Gemini takes no {' or '.join(given)} of a document; left out")
        kind = "audio" if isinstance(part, Audio) else "image" if isinstance(part, Image) else "document"
        if part.url is not None:
            return self._with_detail(part, _placed(part.url, part.media_type or _type_of(part.url), kind))
        if part.data is None or part.media_type is None:
            raise InvalidRequest(f"the file {part.path} was not read", provider=self._provider)
        media_type, *parameters = [word.strip() for word in part.media_type.split(";")]
        if isinstance(part, Document) and media_type in _TEXTS:
            return self._text_of(part.data)
        content: Content = {"type": _kind(media_type, kind), "data": base64.b64encode(part.data).decode(),
                   "mime_type": media_type}  # fmt: skip
        for parameter in parameters:  # of raw sound
            name, _, value = parameter.partition("=")
            if value.isdigit() and name in ("rate", "channels"):
                content["sample_rate" if name == "rate" else name] = int(value)
        return self._with_detail(part, content)

    def _with_detail(self, part: Media, content: Content) -> Content:
        if isinstance(part, Image) and part.detail in _RESOLUTION:
            content["resolution"] = _RESOLUTION[part.detail]
        return content

    def _text_of(self, data: bytes) -> Content:
        try:
            return text(data.decode())
        except UnicodeDecodeError:
            raise InvalidRequest("a document of text must be UTF-8", provider=self._provider) from None

    def _file(self, part: FileRef) -> Content:
        if part.media_type is None:
            raise InvalidRequest(
                f"the Interactions API wants to know what {part.id[:80]!r} is; give media_type=, e.g. 'image/png'",
                provider=self._provider,
            )
        uri = part.id if "://" in part.id else _FILES_API + part.id
        return _placed(uri, part.media_type, "document")


def text(words: str) -> Content:
    """Content that is text."""
    return {"type": "text", "text": words}


def _placed(uri: str, media_type: str | None, kind: str) -> Content:
    content = {"type": _kind(media_type, kind), "uri": uri}
    if media_type is not None:
        content["mime_type"] = media_type
    return content


def _kind(media_type: str | None, otherwise: str) -> str:
    kind = (media_type or "").partition("/")[0]
    return kind if kind in _KINDS else otherwise


def _type_of(url: str) -> str | None:
    """What the name at the end of the URL says; YouTube's and the Files API's say nothing."""
    try:
        return mimetypes.guess_type(urlsplit(url).path)[0]
    except ValueError:
        return None
