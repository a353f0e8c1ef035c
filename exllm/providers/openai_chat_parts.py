"""Media of a message to content parts of Chat Completions.

Sources: platform.openai.com/docs/guides/images-vision, /guides/pdf-files, /guides/audio; docs.mistral.ai/capabilities
(document_url, audio); openrouter.ai/docs/features/multimodal/pdfs (URLs as ``file_data``).
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

from exllm.errors import InvalidRequest
from exllm.providers.spec import ProviderSpec
from exllm.types.parts import Audio, Document, FileRef, Image

_AUDIO_FORMATS = {
    "audio/wav": "wav",
    "audio/x-wav": "wav",
    "audio/wave": "wav",
    "audio/mpeg": "mp3",
    "audio/mp3": "mp3",
    "audio/pcm": "pcm16",
    "audio/mp4": "m4a",
    "audio/x-m4a": "m4a",
}
_EXTENSIONS = {"application/pdf": "pdf", "text/plain": "txt", "text/markdown": "md", "text/html": "html"}


def image_part(image: Image) -> dict[str, Any]:
    """``image_url`` with a URL or a data URL."""
    place: dict[str, Any] = {"url": image.url if image.url is not None else _data_url(image)}
    if image.detail is not None:
        place["detail"] = image.detail
    return {"type": "image_url", "image_url": place}


def input_audio_part(audio: Audio, spec: ProviderSpec) -> dict[str, Any]:
    """``input_audio``. Raises `InvalidRequest` for audio at a URL where the service fetches none."""
    if "input_audio_string" in spec.quirks:
        return {"type": "input_audio", "input_audio": audio.url if audio.url is not None else _base64(audio)}
    if audio.url is not None:
        raise InvalidRequest(f"{spec.label} takes audio as data, not from a URL", provider=spec.name)
    kind = (audio.media_type or "").partition(";")[0].lower()
    format_ = _AUDIO_FORMATS.get(kind) or kind.removeprefix("audio/")
    return {"type": "input_audio", "input_audio": {"data": _base64(audio), "format": format_}}


def document_part(document: Document, spec: ProviderSpec, warn: Callable[[str], None]) -> dict[str, Any]:
    """``file`` with the bytes in it, or Mistral's ``document_url``.

    Raises `InvalidRequest` for a document at a URL where the service fetches none.
    """
    if document.citations:
        warn(f"{spec.label} cites from no documents; citations=True was not sent")
    if document.context is not None:
        warn(f"{spec.label} has no place for the context of a document; it was not sent")
    place = document.url if document.url is not None else _data_url(document)
    if "document_url" in spec.quirks:
        titled = {} if document.title is None else {"document_name": document.title}
        return {"type": "document_url", "document_url": place, **titled}
    if document.url is not None and "file_url" not in spec.quirks:
        raise InvalidRequest(f"{spec.label} takes documents as data, not from a URL", provider=spec.name)
    extension = _EXTENSIONS.get(document.media_type or "application/pdf", "bin")
    return {"type": "file", "file": {"filename": document.title or f"document.{extension}", "file_data": place}}


def file_part(file: FileRef, spec: ProviderSpec) -> dict[str, Any]:
    """``file`` with the id of an uploaded file, which Mistral has one level higher."""
    named = {"file_id": file.id}
    return {"type": "file", **named} if "document_url" in spec.quirks else {"type": "file", "file": named}


def _data_url(media: Image | Document) -> str:
    return f"data:{media.media_type};base64,{_base64(media)}"


def _base64(media: Image | Document | Audio) -> str:
    assert media.data is not None, "files are read before a request is built"
    return base64.b64encode(media.data).decode()
