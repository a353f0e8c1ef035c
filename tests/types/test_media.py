"""Files into bytes: what is read, what kind it is, and what cannot be read."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from exllm import Audio, Document, Image, Message, Text, ToolResult
from exllm.errors import InvalidRequest
from exllm.types.normalise import has_paths, load_media

PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 8
WAV = b"RIFF\x24\0\0\0WAVEfmt "


def load(part: Any) -> Any:
    (message,) = load_media((Message("user", (Text("see"), part)),))
    return message.content[1]


def test_only_media_given_by_path_need_reading() -> None:
    assert not has_paths((Message("user", "Hi"), Message("user", (Text("a"), Image(url="https://a/b.png")))))
    assert has_paths((Message("user", "Hi"), Message("user", (Image(path="b.png"),))))
    assert has_paths((Message("tool", (ToolResult("c", (Document(path="b.pdf"),)),)),))


def test_messages_without_paths_are_the_same_objects() -> None:
    messages = (Message("user", "Hi"), Message("user", (Image(url="https://a/b.png"),)))
    assert all(new is old for new, old in zip(load_media(messages), messages, strict=True))


def test_a_file_becomes_bytes_and_keeps_what_was_said_of_it(tmp_path: Path) -> None:
    (tmp_path / "cat.png").write_bytes(PNG)
    assert load(Image(path=tmp_path / "cat.png", detail="low")) == Image(  # type: ignore[arg-type]
        data=PNG, media_type="image/png", detail="low"
    )


def test_files_in_tool_results_are_read_too(tmp_path: Path) -> None:
    (tmp_path / "cat.png").write_bytes(PNG)
    given = Message("tool", (ToolResult("c", (Text("it"), Image(path=str(tmp_path / "cat.png")))),))
    (message,) = load_media((given,))
    assert message.content == (ToolResult("c", (Text("it"), Image(data=PNG, media_type="image/png"))),)


@pytest.mark.parametrize(
    ("name", "data", "kind", "media_type"),
    [
        ("a.jpg", PNG, Image, "image/png"),  # the bytes are right, the name is wrong
        ("a", b"\xff\xd8\xff\xe0", Image, "image/jpeg"),
        ("a", b"GIF89a..", Image, "image/gif"),
        ("a", b"RIFF\0\0\0\0WEBPVP8 ", Image, "image/webp"),
        ("a", b"\0\0\0\x18ftypavif", Image, "image/avif"),
        ("a", b"\0\0\0\x18ftypheic", Image, "image/heic"),
        ("a.svg", b"<svg/>", Image, "image/svg+xml"),
        ("a", WAV, Audio, "audio/wav"),
        ("a", b"ID3\x03", Audio, "audio/mpeg"),
        ("a", b"\xff\xfb\x90\x00", Audio, "audio/mpeg"),
        ("a", b"OggS\0", Audio, "audio/ogg"),
        ("a", b"fLaC\0", Audio, "audio/flac"),
        ("a", b"\0\0\0\x18ftypM4A ", Audio, "audio/mp4"),
        ("a.AAC", b"\x01\x02", Audio, "audio/aac"),
        ("a.bin", b"%PDF-1.7", Document, "application/pdf"),
        ("a.md", b"# Title", Document, "text/markdown"),
        ("a.csv", b"a,b", Document, "text/csv"),
        ("LICENCE", "grüezi".encode(), Document, "text/plain"),
    ],
)
def test_the_media_type_comes_from_the_bytes_then_from_the_name(
    tmp_path: Path, name: str, data: bytes, kind: Any, media_type: str
) -> None:
    (tmp_path / name).write_bytes(data)
    assert load(kind(path=str(tmp_path / name))).media_type == media_type


def test_a_media_type_that_was_given_is_kept(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"whatever")
    assert load(Image(path=str(tmp_path / "a"), media_type="image/x-raw")).media_type == "image/x-raw"


@pytest.mark.parametrize("kind", [Image, Audio, Document])
def test_a_file_of_an_unknown_kind_asks_for_its_media_type(tmp_path: Path, kind: Any) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"\x80\x00\x81")
    with pytest.raises(InvalidRequest, match=r"cannot tell what kind of .*/a is; give media_type="):
        load(kind(path=str(path)))


def test_an_image_that_is_a_document_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(b"%PDF-1.7")
    with pytest.raises(InvalidRequest, match="cannot tell what kind of image"):
        load(Image(path=str(path)))


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    for path, words in (
        (tmp_path / "absent.png", "No such file"),
        (tmp_path, "no regular file"),
        (tmp_path / "a\0b", "null byte"),
    ):
        with pytest.raises(InvalidRequest, match=f"cannot read .*{words}"):
            load(Image(path=str(path)))


def test_an_empty_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"")
    with pytest.raises(InvalidRequest, match=r"a\.png is empty"):
        load(Image(path=str(tmp_path / "a.png")))


def test_a_pipe_is_refused_without_waiting_for_a_writer(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(InvalidRequest, match="no regular file"):
        load(Document(path=str(tmp_path / "pipe")))


def test_the_home_directory_is_expanded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "cat.png").write_bytes(PNG)
    assert load(Image(path="~/cat.png")).data == PNG
