"""`exllm.media.load`: from wherever media are to a part."""

from __future__ import annotations

import asyncio
import base64
import io
import os
from pathlib import Path
from typing import Any

import pytest

from exllm import Audio, Document, Image
from exllm.errors import InvalidRequest
from exllm.media import load, loading, media_type_of
from tests.media.pictures import MEDIA_TYPE, picture

PNG = picture(4, 4)
PDF = b"%PDF-1.7\n"
WAV = b"RIFF\x24\0\0\0WAVEfmt "


@pytest.mark.parametrize("form", MEDIA_TYPE)
def test_pictures_are_known_by_their_first_bytes(form: str) -> None:
    assert media_type_of(picture(3, 3, form)) == MEDIA_TYPE[form]


@pytest.mark.parametrize(
    ("start", "media_type"),
    [
        (b"BM\x46\0\0\0\0\0\0\0\x36", "image/bmp"),
        (b"BMW and other words", None),
        (b"ID3\4\0\0", "audio/mpeg"),
        (b"ID3,name\n1,x", None),
        (b"RF64\xff\xff\xff\xffWAVEds64", "audio/wav"),
        (b"RIFF\0\0\0\0WEBP", "image/webp"),
        (b"RIFF\0\0\0\0ACON", None),
        (b"\0\0\0\x20ftypmif1\0\0\0\0mif1heicmiaf", "image/heic"),
        (b"\0\0\0\x1cftypmif1\0\0\0\0mif1avif", "image/avif"),
        (b"\xff\xff\xff\xffftypmif1", "image/heif"),
        (b"\0\0\0\x18ftypavis", "image/avif"),
        (b"\0\0\0\x18ftyp3gp4", "video/3gpp"),
        (b"\xff\xfeU\0T\0F\0", None),
        (b"FORM\0\0\0\0AIFF", "audio/aiff"),
        (b"\0\0\0\x20ftypisom", "video/mp4"),
        (b"\0\0\0\x20ftypM4A ", "audio/mp4"),
        (b"\x1aE\xdf\xa3", "video/webm"),
        (b"\xff\xf1\x50\x80", "audio/aac"),
        (b"\xff\xfb\x90\x00", "audio/mpeg"),
        (b"OggS", "audio/ogg"),
        (b"plain words", None),
        (b"", None),
    ],
)
def test_other_files_too(start: bytes, media_type: str | None) -> None:
    assert media_type_of(start) == media_type


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (PNG, Image(data=PNG, media_type="image/png")),
        (WAV, Audio(data=WAV, media_type="audio/wav")),
        (PDF, Document(data=PDF, media_type="application/pdf")),
    ],
)
async def test_bytes_files_paths_and_data_urls_are_the_same(data: bytes, expected: Any, tmp_path: Path) -> None:
    path = tmp_path / "without-suffix"
    path.write_bytes(data)
    url = f"data:application/octet-stream;base64,{base64.b64encode(data).decode()}"
    for source in (data, bytearray(data), memoryview(data), io.BytesIO(data), path, str(path), url):
        assert await load(source) == expected


async def test_an_address_stays_one() -> None:
    assert await load("https://example.org/cat.jpg?size=1") == Image(url="https://example.org/cat.jpg?size=1")
    assert await load("https://example.org/talk.mp3") == Audio(url="https://example.org/talk.mp3")
    assert await load("https://example.org/x", kind="document") == Document(url="https://example.org/x")
    with pytest.raises(InvalidRequest, match="give kind="):
        await load("https://example.org/x")


async def test_an_address_is_fetched_on_request(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, int]] = []

    async def fetch(url: str, *, max_bytes: int) -> tuple[bytes, str | None]:
        asked.append((url, max_bytes))
        return PNG, "text/html"

    monkeypatch.setattr(loading, "_fetch", fetch)
    assert await load("https://example.org/x", fetch=True, max_bytes=99) == Image(data=PNG, media_type="image/png")
    assert asked == [("https://example.org/x", 99)]


async def test_a_text_file_is_a_document(tmp_path: Path) -> None:
    (tmp_path / "notes").write_text("plain words")
    assert await load(tmp_path / "notes") == Document(data=b"plain words", media_type="text/plain")


async def test_what_is_said_counts_more_than_the_bytes() -> None:
    assert await load(b"raw", kind="audio", media_type="audio/pcm") == Audio(data=b"raw", media_type="audio/pcm")


@pytest.mark.parametrize("make", [lambda path: path, lambda path: path.read_bytes(), lambda path: io.BytesIO(PNG)])
async def test_more_than_wanted_is_refused(make: Any, tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(PNG)
    with pytest.raises(InvalidRequest, match="more than max_bytes=10"):
        await load(make(path), max_bytes=10)


@pytest.mark.parametrize(
    ("source", "error", "words"),
    [
        ("no-such-file.png", InvalidRequest, "cannot read no-such-file.png: No such file"),
        (b"", InvalidRequest, "empty|cannot tell"),
        (b"words", InvalidRequest, "give kind="),
        (7, TypeError, "a path, an address, bytes or an open file, got int"),
        (io.StringIO("text"), TypeError, "binary mode"),
        ("data:nothing", InvalidRequest, "without a comma"),
    ],
)
async def test_what_cannot_be_loaded_is_told(source: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        await load(source)


async def test_containers_of_films_may_hold_sound_alone(tmp_path: Path) -> None:
    mp4, webm = b"\0\0\0\x18ftypmp42\0\0\0\0", b"\x1aE\xdf\xa3"
    (tmp_path / "memo.m4a").write_bytes(mp4)
    memo = Audio(data=mp4, media_type="audio/mp4")
    assert await load(tmp_path / "memo.m4a") == memo
    assert await load(mp4, kind="audio") == memo
    assert await load(webm, kind="audio") == Audio(data=webm, media_type="audio/webm")
    assert await load(webm) == Document(data=webm, media_type="video/webm")
    (tmp_path / "x").write_bytes(mp4)
    assert await load(tmp_path / "x", kind="audio") == memo


async def test_what_is_no_file_is_told_and_blocks_nobody(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", tmp_path, Path("/dev/zero")):
        with pytest.raises(InvalidRequest, match="no regular file"):
            await asyncio.wait_for(load(path), 5)


async def test_secrets_of_addresses_are_not_told() -> None:
    with pytest.raises(InvalidRequest) as told:
        await load("https://example.org/x?token=s3cret")
    assert "s3cret" not in str(told.value)


async def test_a_wrong_kind_is_told() -> None:
    with pytest.raises(ValueError, match=r"image \| audio \| document"):
        await load(PNG, kind="picture")  # type: ignore[arg-type]
