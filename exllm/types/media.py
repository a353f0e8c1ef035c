"""Bytes of images, audio and documents: from files, from ``data:`` URLs, and what kind they are."""

from __future__ import annotations

import base64
import binascii
import mimetypes
from collections.abc import Iterable
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import unquote_to_bytes

import msgspec

from exllm.errors import InvalidRequest
from exllm.types.message import Message
from exllm.types.parts import Audio, Document, Image, ToolResult

M = TypeVar("M", Image, Audio, Document)

_MEDIA = frozenset({Image, Audio, Document})
# Where the system's table has an old name, or none: the names that providers document.
_BY_SUFFIX = {
    ".wav": "audio/wav",
    ".mp3": "audio/mpeg",
    ".m4a": "audio/mp4",
    ".flac": "audio/flac",
    ".ogg": "audio/ogg",
    ".opus": "audio/ogg",
    ".aac": "audio/aac",
    ".aiff": "audio/aiff",
    ".webp": "image/webp",
    ".heic": "image/heic",
    ".heif": "image/heif",
    ".avif": "image/avif",
    ".md": "text/markdown",
    ".csv": "text/csv",
    ".docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    ".xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    ".pptx": "application/vnd.openxmlformats-officedocument.presentationml.presentation",
}
_BY_START = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"%PDF-", "application/pdf"),
    (b"fLaC", "audio/flac"),
    (b"OggS", "audio/ogg"),
    (b"ID3\2", "audio/mpeg"),
    (b"ID3\3", "audio/mpeg"),
    (b"ID3\4", "audio/mpeg"),
    (b"II*\0", "image/tiff"),
    (b"MM\0*", "image/tiff"),
    (b"\x1aE\xdf\xa3", "video/webm"),
)
_BY_BRAND = {
    b"heic": "image/heic",
    b"heix": "image/heic",
    b"heim": "image/heic",
    b"heis": "image/heic",
    b"hevc": "image/heic-sequence",
    b"mif1": "image/heif",
    b"msf1": "image/heif-sequence",
    b"avif": "image/avif",
    b"avis": "image/avif",
    b"M4A ": "audio/mp4",
    b"M4B ": "audio/mp4",
    b"M4P ": "audio/mp4",
    b"qt  ": "video/quicktime",
    b"3gp4": "video/3gpp",
    b"3gp5": "video/3gpp",
}
_AS_AUDIO = {"video/mp4": "audio/mp4", "video/webm": "audio/webm", "video/3gpp": "audio/3gpp"}
_KIND: dict[type[Any], str] = {Image: "image/", Audio: "audio/"}


def has_paths(messages: Iterable[Message]) -> bool:
    """Whether any part is given by path, so that a file must be read before the request can be built."""
    return any(type(message.content) is not str and _any_path(message.content) for message in messages)


def load_media(messages: Iterable[Message]) -> tuple[Message, ...]:
    """The same messages with the bytes of all files in them. Reads files: call it in a thread.

    The media type is the one given, else what the first bytes say, else what the file's name says.

    Raises: InvalidRequest that names the file which cannot be read, or whose media type cannot be told.
    """
    return tuple(
        message
        if type(message.content) is str or not _any_path(message.content)
        else msgspec.structs.replace(message, content=tuple(_loaded(part) for part in message.content))
        for message in messages
    )


def from_data_url(part: M, where: str) -> M:
    """A part whose URL is a ``data:`` URL, as bytes; any other part unchanged.

    Raises: InvalidRequest for a ``data:`` URL that cannot be read, or a URL without a scheme, which is probably a path.
    """
    url = part.url
    if url is None:
        return part
    if url[:5].lower() != "data:":
        if ":" not in url:
            raise InvalidRequest(f"{where}: {url[:80]!r} is no URL; a file is given as {type(part).__name__}(path=...)")
        return part
    data, media_type = read_data_url(url, where)
    return msgspec.structs.replace(part, url=None, data=data, media_type=part.media_type or media_type)


def read_data_url(url: str, where: str) -> tuple[bytes, str]:
    """Bytes and media type of a ``data:`` URL (RFC 2397). Raises `InvalidRequest` for what is none."""
    head, comma, body = url[5:].partition(",")
    if not comma:
        raise InvalidRequest(f"{where}: a data: URL without a comma")
    media_type, *parameters = head.split(";")
    if parameters and parameters[-1].strip().lower() == "base64":
        return decode_base64(body, where), media_type or "text/plain"
    return unquote_to_bytes(body), media_type or "text/plain"


def decode_base64(letters: str, where: str) -> bytes:
    """The bytes of base64 text, with or without padding. Raises `InvalidRequest` for anything else."""
    try:
        return base64.b64decode(letters.strip() + "=" * (-len(letters.strip()) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise InvalidRequest(f"{where}: the data is not base64") from None


def _any_path(parts: Iterable[Any]) -> bool:
    for part in parts:
        kind = type(part)
        if kind in _MEDIA:
            if part.path is not None:
                return True
        elif kind is ToolResult and type(part.content) is not str and _any_path(part.content):
            return True
    return False


def _loaded(part: Any) -> Any:
    if type(part) in _MEDIA:
        return part if part.path is None else _read(part)
    if type(part) is ToolResult and type(part.content) is not str:
        return msgspec.structs.replace(part, content=tuple(_loaded(inner) for inner in part.content))
    return part


def _read(part: M) -> M:
    path = Path(str(part.path))
    try:
        path = path.expanduser()
        if path.exists() and not path.is_file():  # a directory, or a pipe that would block for ever
            raise InvalidRequest(f"cannot read {path}: it is no regular file")
        data = path.read_bytes()
    except (OSError, ValueError, RuntimeError) as error:  # ValueError: a NUL in the path; RuntimeError: unknown ~user
        reason = getattr(error, "strerror", None) or str(error)
        raise InvalidRequest(f"cannot read {path}: {reason}") from error
    if not data:
        raise InvalidRequest(f"the file {path} is empty")
    media_type = part.media_type or _guess(type(part), path, data)
    if media_type is None:
        raise InvalidRequest(
            f"cannot tell what kind of {type(part).__name__.lower()} {path} is; give media_type=, e.g. 'image/png'"
        )
    return msgspec.structs.replace(part, path=None, data=data, media_type=media_type)


def _guess(kind: type[Any], path: Path, data: bytes) -> str | None:
    found = media_type_of(data)
    if found is None:
        found = media_type_by_name(path.name)
    if kind is Audio:
        found = as_audio(found)
    if kind is Document:
        return found or ("text/plain" if _is_text(data) else None)
    return found if found is not None and found.startswith(_KIND[kind]) else None


def media_type_by_name(name: str) -> str | None:
    """What kind of file has such a name; None where its suffix does not tell."""
    suffix = Path(name).suffix.lower()
    return _BY_SUFFIX.get(suffix) or mimetypes.guess_type(f"x{suffix}")[0]


def as_audio(media_type: str | None) -> str | None:
    """The type of a file that holds sound alone, where its first bytes are those of films, too."""
    return _AS_AUDIO.get(media_type or "", media_type)


def media_type_of(data: bytes) -> str | None:
    """What kind of file `data` is the beginning of, by its first bytes (a hundred do); None where they do not tell."""
    for start, media_type in _BY_START:
        if data.startswith(start):
            return media_type
    if data[:2] == b"BM" and data[6:10] == b"\0\0\0\0":  # two letters alone may begin any text
        return "image/bmp"
    if data[:4] in (b"RF64", b"BW64") and data[8:12] == b"WAVE":  # of more than 4 GiB
        return "audio/wav"
    if data[:4] == b"RIFF":
        return {b"WAVE": "audio/wav", b"WEBP": "image/webp", b"AVI ": "video/x-msvideo"}.get(data[8:12])
    if data[:4] == b"FORM" and data[8:12] in (b"AIFF", b"AIFC"):
        return "audio/aiff"
    if data[4:8] == b"ftyp":
        return _by_brands(data)
    if len(data) > 1 and data[0] == 0xFF and data[1] & 0xF6 == 0xF0:  # ADTS
        return "audio/aac"
    if len(data) > 1 and data[0] == 0xFF and data[1] & 0xE6 == 0xE2:  # MPEG audio frame, layer III
        return "audio/mpeg"
    return None


def _by_brands(data: bytes) -> str:
    """ISO/IEC 14496-12 section 4.3: the main brand, a version, and all brands that the file is compatible with."""
    main = data[8:12]
    if main == b"mif1":  # of any still image; what codec it has is told by the others
        size = min(int.from_bytes(data[:4]), 100)
        for at in range(16, size, 4):
            if data[at : at + 4] in (b"heic", b"heix", b"avif"):
                return _BY_BRAND[data[at : at + 4]]
    return _BY_BRAND.get(main, "video/mp4")


def _is_text(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return b"\0" not in data
