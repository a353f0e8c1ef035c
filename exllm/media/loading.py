"""From wherever media are to a part of a message."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import BinaryIO, Literal
from urllib.parse import urlsplit

from exllm.errors import InvalidRequest
from exllm.transport.public_fetch import DEFAULT_MAX_BYTES, fetch
from exllm.types.media import as_audio, load_media, media_type_by_name, media_type_of, read_data_url
from exllm.types.message import Message
from exllm.types.parts import Audio, Document, Image

Media = Image | Audio | Document
Kind = Literal["image", "audio", "document"]
Source = str | Path | bytes | bytearray | memoryview | BinaryIO

_PARTS: dict[str, type[Media]] = {"image": Image, "audio": Audio, "document": Document}


async def load(
    source: Source,
    *,
    kind: Kind | None = None,
    media_type: str | None = None,
    fetch: bool = False,
    max_bytes: int = DEFAULT_MAX_BYTES,
) -> Media:
    """An `Image`, `Audio` or `Document` with its bytes in it; only an address stays one, unless `fetch` is True.

    Args:
        source: a path (`str` or `Path`), an ``http(s)://`` address, a ``data:`` URL, bytes, or an open binary file.
        kind: what it is, in place of what its bytes or its name say.
        media_type: likewise, e.g. ``"image/png"``.
        fetch: get what is at an address now, by `exllm.media.fetch`, instead of leaving that to the provider.
        max_bytes: the most that is taken of a file or fetched.

    Raises: InvalidRequest for what cannot be read, is larger than `max_bytes`, or is of no kind that can be told; what
        `exllm.media.fetch` raises.
    """
    if kind is not None and kind not in _PARTS:
        raise ValueError(f"kind must be {' | '.join(_PARTS)}, got {kind!r}")
    if isinstance(source, str) and _scheme(source) in ("http", "https"):
        if not fetch:
            told = media_type or media_type_by_name(urlsplit(source).path)
            return _class(kind, told, "the address")(url=source, media_type=media_type)
        data, told = await _fetched(source, max_bytes)
        return _part(data, kind, media_type, told, "what is at the address")
    if isinstance(source, str) and _scheme(source) == "data":
        data, told = read_data_url(source, "source")
        return _part(data, kind, media_type, told, "a data: URL")
    if isinstance(source, str | Path):
        return await asyncio.to_thread(_from_file, Path(source), kind, media_type, max_bytes)
    if isinstance(source, bytes | bytearray | memoryview):
        data = bytes(source)
    elif hasattr(source, "read"):
        data = await asyncio.to_thread(_read, source, max_bytes)
    else:
        raise TypeError(f"source must be a path, an address, bytes or an open file, got {type(source).__name__}")
    _check_size(len(data), max_bytes, "the source")
    return _part(data, kind, media_type, None, "the source")


_fetch = fetch  # `load` has an argument of that name


async def _fetched(url: str, max_bytes: int) -> tuple[bytes, str | None]:
    return await _fetch(url, max_bytes=max_bytes)


def _scheme(source: str) -> str:
    scheme, colon, _rest = source[:16].partition(":")
    return scheme.lower() if colon else ""


def _from_file(path: Path, kind: Kind | None, media_type: str | None, max_bytes: int) -> Media:
    start, size = b"", 0
    try:
        path = path.expanduser()
        if path.is_file():  # not a pipe, which would block for ever; `load_media` says what is wrong with others
            with path.open("rb") as file:
                start, size = file.read(512), path.stat().st_size
    except (OSError, ValueError, RuntimeError) as error:  # see `load_media`
        raise InvalidRequest(f"cannot read {path}: {getattr(error, 'strerror', None) or error}") from error
    _check_size(size, max_bytes, str(path))
    named = media_type_by_name(path.name)
    told = media_type_of(start) or named
    if media_type is not None:
        told = media_type
    elif named is not None and named.startswith("audio/"):
        told = as_audio(told)
    part = _class(kind, told, str(path), fallback=Document)(path=str(path), media_type=media_type)
    (message,) = load_media((Message("user", (part,)),))
    return message.parts[0]  # type: ignore[return-value]


def _read(file: BinaryIO, max_bytes: int) -> bytes:
    data = file.read(max_bytes + 1)
    if not isinstance(data, bytes):
        raise TypeError("the file must be open in binary mode: open(path, 'rb')")
    return data


def _part(data: bytes, kind: Kind | None, media_type: str | None, told: str | None, where: str) -> Media:
    if not data:
        raise InvalidRequest(f"{where} is empty")
    if media_type is None:
        media_type = media_type_of(data) or told
        if kind == "audio":
            media_type = as_audio(media_type)
    made = _class(kind, media_type, where)
    if media_type is None:
        raise InvalidRequest(f"cannot tell the media type of {where}; give media_type=, e.g. 'image/png'")
    return made(data=data, media_type=media_type)


def _class(kind: Kind | None, media_type: str | None, where: str, fallback: type[Media] | None = None) -> type[Media]:
    if kind is not None:
        return _PARTS[kind]
    if media_type is None:
        if fallback is not None:
            return fallback
        raise InvalidRequest(f"cannot tell what {where} is; give kind= 'image', 'audio' or 'document'")
    return _PARTS.get(media_type.partition("/")[0], Document)


def _check_size(size: int, max_bytes: int, where: str) -> None:
    if size > max_bytes:
        raise InvalidRequest(f"{where} has more than max_bytes={max_bytes:,}")
