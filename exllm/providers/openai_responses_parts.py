"""Parts of messages to content parts of the Responses API.

Sources: https://developers.openai.com/api/docs/guides/images-vision, /file-inputs, /prompt-caching
"""

from __future__ import annotations

import base64
from typing import Any

from exllm.errors import InvalidRequest
from exllm.providers.answered_media import Media, or_words, words_for
from exllm.providers.spec import ProviderSpec
from exllm.types.parts import Audio, CacheControl, Document, FileRef, Image, Part, ProviderPart, Text

Content = dict[str, Any]

_AUDIO_FORMATS = {
    "audio/wav": "wav",
    "audio/x-wav": "wav",
    "audio/wave": "wav",
    "audio/mpeg": "mp3",
    "audio/mp3": "mp3",
}
_EXTENSIONS = {
    "application/pdf": "pdf",
    "text/plain": "txt",
    "text/markdown": "md",
    "text/html": "html",
    "text/csv": "csv",
    "application/json": "json",
}
_CITED: dict[str, tuple[str, ...]] = {
    "url_citation": ("url", "title", "start_index", "end_index"),
    "file_citation": ("file_id", "filename", "index"),
    "container_file_citation": ("container_id", "file_id", "filename", "start_index", "end_index"),
    "file_path": ("file_id", "index"),
}
"""Annotations that the API reads back, and what each must have."""


class PartWriter:
    """Writes content parts; collects `warnings`, each once.

    Args:
        spec: whose dialect to write.
        cache_breakpoints: whether the model takes `prompt_cache_breakpoint`.
    """

    def __init__(self, spec: ProviderSpec, *, cache_breakpoints: bool) -> None:
        self.warnings: list[str] = []
        self.is_open = True  # the message at hand is not answered yet: media that are not taken raise
        self._spec = spec
        self._cache_breakpoints = cache_breakpoints

    def input(self, part: Part, role: str) -> Content:
        """A part of what is said to the model. Raises `InvalidRequest` for what has no place there."""
        match part:
            case Text():
                return self.cached({"type": "input_text", "text": part.text}, part.cache_control)
            case Image() | Document() | FileRef() | Audio():
                if self.is_open:
                    return self._media(part)
                return or_words(lambda: self._media(part), part, _words, self.warn)
            case ProviderPart() if part.provider == self._spec.name:
                return part.data
        raise InvalidRequest(
            f"a {role} message of the Responses API cannot hold a {type(part).__name__}", provider=self._spec.name
        )

    def _media(self, part: Media) -> Content:
        match part:
            case Image():
                return self.cached(_image(part), part.cache_control)
            case Document():
                return self.cached(self._document(part), part.cache_control)
            case FileRef():
                is_image = (part.media_type or "").startswith("image/")
                kind = "input_image" if is_image else "input_file"
                return self.cached({"type": kind, "file_id": part.id}, part.cache_control)
            case Audio():
                return self._audio(part)

    def words(self, part: Text | Image | Document) -> str:
        """A part of a tool's result as text, for services that take text alone from tools."""
        if isinstance(part, Text):
            return part.text
        self.warn(f"{self._spec.label} takes text alone from tools; words were sent for images and documents")
        return words_for(part)

    def output(self, part: Text) -> Content:
        """Text that the model wrote."""
        if part.cache_control is not None:
            self.warn("a cache breakpoint after words of the assistant has no place in the Responses API; not sent")
        sources = [citation.source for citation in part.citations if citation.source is not None]
        annotations = [
            source
            for source in sources
            if (needed := _CITED.get(str(source.get("type")))) and all(source.get(name) is not None for name in needed)
        ]
        return {"type": "output_text", "text": part.text, "annotations": annotations}

    def cached(self, content: Content, control: CacheControl | None) -> Content:
        """`content` with the cache breakpoint that `control` asks for."""
        if control is None:
            return content
        if not self._cache_breakpoints:
            self.warn("this model takes no cache breakpoints (it caches by itself); they were not sent")
            return content
        if control.ttl is not None:
            self.warn(f"a cache breakpoint cannot live for {control.ttl} here; it was sent without a ttl (30 minutes)")
        return {**content, "prompt_cache_breakpoint": {"mode": "explicit"}}

    def warn(self, words: str) -> None:
        """Say something once."""
        if words not in self.warnings:
            self.warnings.append(words)

    def _document(self, document: Document) -> Content:
        if document.citations:
            self.warn(f"{self._spec.label} cites from no documents of a message; citations=True was not sent")
        if document.context is not None:
            self.warn(f"{self._spec.label} has no place for the context of a document; it was not sent")
        if document.url is not None:
            return {"type": "input_file", "file_url": document.url}
        media_type = (document.media_type or "application/pdf").partition(";")[0].strip().lower()
        name = document.title or f"document.{_EXTENSIONS.get(media_type, 'bin')}"
        return {"type": "input_file", "filename": name, "file_data": data_url(document)}

    def _audio(self, audio: Audio) -> Content:
        name, label = self._spec.name, self._spec.label
        if "input_audio" not in self._spec.quirks:
            raise InvalidRequest(f"the Responses API of {label} takes no audio", provider=name)
        if audio.url is not None:
            raise InvalidRequest(f"{label} takes audio as data, not from a URL", provider=name)
        kind = (audio.media_type or "").partition(";")[0].lower()
        if kind not in _AUDIO_FORMATS:
            raise InvalidRequest(f"{label} takes audio as wav or mp3, got {audio.media_type!r}", provider=name)
        return {"type": "input_audio", "input_audio": {"data": encoded(audio), "format": _AUDIO_FORMATS[kind]}}


def _words(text: str) -> Content:
    return {"type": "input_text", "text": text}


def encoded(media: Image | Document | Audio) -> str:
    """The bytes of `media` as base64."""
    if media.data is None:
        raise InvalidRequest(f"the file {media.path} was not read")
    return base64.b64encode(media.data).decode()


def data_url(media: Image | Document) -> str:
    """The bytes of `media` as a ``data:`` URL."""
    return f"data:{media.media_type};base64,{encoded(media)}"


def _image(image: Image) -> Content:
    content: Content = {"type": "input_image", "image_url": data_url(image) if image.url is None else image.url}
    if image.detail is not None:
        content["detail"] = image.detail
    return content
