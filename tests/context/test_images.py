"""Sizes from the bytes of images, and what they cost by the published rules."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exllm.context import estimate_tokens, image_size
from exllm.context.image_tokens import image_rule
from exllm.types.message import Message
from exllm.types.parts import Audio, Document, Image


def png(width: int, height: int) -> bytes:
    return b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + struct.pack(">II", width, height) + b"\x08\x02\0\0\0"


def gif(width: int, height: int) -> bytes:
    return b"GIF89a" + struct.pack("<HH", width, height) + b"\xf7\0\0"


def jpeg(width: int, height: int, *, marker: int = 0xC2) -> bytes:
    """A progressive one, with an EXIF block that holds a thumbnail's own frame before it, and fill bytes."""
    thumbnail = b"Exif\0\0\xff\xd8\xff\xc0\0\x11\x08\0\x10\0\x20"
    exif = b"\xff\xe1" + struct.pack(">H", len(thumbnail) + 2) + thumbnail
    table = b"\xff\xdb" + struct.pack(">H", 67) + bytes(65)
    frame = bytes([0xFF, 0xFF, marker]) + struct.pack(">HBHH", 17, 8, height, width) + bytes(10)
    return b"\xff\xd8" + exif + table + frame + b"\xff\xda"


def webp(kind: bytes, width: int, height: int) -> bytes:
    match kind:
        case b"VP8 ":
            body = b"\x30\x01\0\x9d\x01\x2a" + struct.pack("<HH", width | 0x4000, height)
        case b"VP8L":
            body = b"\x2f" + struct.pack("<I", (width - 1) | (height - 1) << 14)
        case _:
            body = b"\x10\0\0\0" + (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    return b"RIFF" + struct.pack("<I", len(body) + 12) + b"WEBP" + kind + struct.pack("<I", len(body)) + body


MAKERS = {
    "png": png,
    "gif": gif,
    "jpeg": jpeg,
    "jpeg, baseline": lambda width, height: jpeg(width, height, marker=0xC0),
    "webp, lossy": lambda width, height: webp(b"VP8 ", width, height),
    "webp, lossless": lambda width, height: webp(b"VP8L", width, height),
    "webp, extended": lambda width, height: webp(b"VP8X", width, height),
}


@pytest.mark.parametrize("kind", MAKERS)
def test_the_size_is_read_from_the_first_bytes(kind: str) -> None:
    assert image_size(MAKERS[kind](800, 601)) == (800, 601)


@pytest.mark.parametrize("kind", MAKERS)
def test_bytes_that_end_early_have_no_size(kind: str) -> None:
    data = MAKERS[kind](800, 601)
    sizes = {image_size(data[:end]) for end in range(len(data))}
    assert sizes <= {None, (800, 601)}
    assert image_size(data[:14]) in (None, (800, 601))


@given(
    st.binary(max_size=200),
    st.sampled_from([b"", b"\xff\xd8\xff", b"GIF89a", b"\x89PNG\r\n\x1a\n", b"RIFF....WEBPVP8X"]),
)
def test_any_bytes_have_a_size_or_none(data: bytes, start: bytes) -> None:
    size = image_size(start + data)
    assert size is None or min(size) > 0


@pytest.mark.parametrize(
    ("family", "model", "size", "detail", "tokens"),
    [
        # OpenAI's own examples
        ("openai", "openai/gpt-4o", (1024, 1024), "high", 765),
        ("openai", "openai/gpt-4o", (2048, 4096), "high", 1105),
        ("openai", "openai/gpt-4o", (4096, 8192), "low", 85),
        ("openai", "openai/gpt-4o-2024-08-06", (512, 512), None, 255),
        ("openai", "openai/gpt-4o-mini", (512, 512), None, 8500),
        ("openai", "openai/gpt-5", (1024, 1024), None, 630),
        ("openai", "openai/gpt-4.1-mini", (1024, 1024), None, 1659),  # 1024 patches, times 1.62
        ("openai", "openai/gpt-4.1-nano", (1800, 2400), None, 3572),  # 1452 patches, times 2.46
        # Anthropic's published table, in patches of 28 pixels
        ("anthropic", "anthropic/claude-sonnet-4-5", (1000, 1000), None, 1296),
        ("anthropic", "anthropic/claude-sonnet-4-5", (200, 200), None, 64),
        # Google's
        ("gemini", "gemini/gemini-2.5-flash", (384, 384), None, 258),
        ("gemini", "gemini/gemini-2.5-flash", (960, 540), None, 6 * 258),
        ("gemini", "gemini/gemini-3-pro-preview", (960, 540), None, 1120),
        ("gemini", "gemini/gemini-3-pro-preview", (960, 540), "low", 280),
    ],
)
def test_images_cost_what_the_providers_publish(
    family: str, model: str, size: tuple[int, int], detail: str | None, tokens: int
) -> None:
    rule = image_rule(family, model)
    assert rule is not None
    assert rule(*size, detail) == tokens


@given(st.integers(1, 9000), st.integers(1, 9000))
def test_no_image_costs_more_than_the_provider_says_it_can(width: int, height: int) -> None:
    limits = {"claude-sonnet-4-5": 1568, "claude-opus-4-7": 4784}
    for model, most in limits.items():
        rule = image_rule("anthropic", model)
        assert rule is not None
        assert 1 <= rule(width, height, None) <= most
    rule = image_rule("openai", "gpt-5-mini")
    assert rule is not None
    assert 1 <= rule(width, height, None) <= 2489  # 1,536 patches, times 1.62


def test_a_model_whose_rule_nobody_publishes_has_none() -> None:
    assert image_rule("openai", "gpt-5.5") is None
    assert image_rule("llama", "llama-4-scout") is None


def test_what_cannot_be_counted_is_named_and_not_guessed() -> None:
    words = Message("user", "What is this?")
    more = Message(
        "user",
        ("What is this?", Image(url="https://x.test/a.png"), Audio(data=b"a", media_type="audio/wav"),
         Document(data=b"%PDF-", media_type="application/pdf"), Image(data=b"?", media_type="image/heic")),
    )  # type: ignore[arg-type]  # fmt: skip
    count, plain = estimate_tokens("openai/gpt-4o", [more]), estimate_tokens("openai/gpt-4o", [words])
    assert count.tokens == plain.tokens
    assert set(count.uncounted) == {
        "images at a URL: their size is not known", "images of another format: their size is not known",
        "Audio parts", "Document parts",
    }  # fmt: skip
    assert not count.is_exact
