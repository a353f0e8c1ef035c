"""`exllm.media.fit`: what comes out is read by Pillow and held to the provider's limits."""

from __future__ import annotations

import io
import sys
from array import array
from pathlib import Path
from typing import Any

import msgspec
import pytest
from PIL import Image as Pillow
from PIL import ImageCms

from exllm import Audio, Document, Image, MissingExtra
from exllm.errors import InvalidRequest
from exllm.media import fit, fitting, limits_of
from exllm.media.limits import MIB
from tests.media.pictures import MEDIA_TYPE, opened, picture


def image(data: bytes, form: str = "PNG") -> Image:
    return Image(data=data, media_type=MEDIA_TYPE[form])


async def test_what_fits_is_handed_back_as_it_is() -> None:
    for part in (
        image(picture(100, 50)),
        Image(url="https://example.org/a.png"),
        Audio(data=b"RIFF....WAVE", media_type="audio/wav"),
        Document(data=b"%PDF-1.7", media_type="application/pdf"),
    ):
        assert await fit(part, "anthropic") is part


async def test_a_side_over_the_limit_is_made_shorter_and_the_shape_kept() -> None:
    made = await fit(image(picture(9000, 300)), "anthropic/claude-sonnet-4-5")
    assert made.media_type == "image/png"
    assert opened(made.data or b"").size == (8000, 266)


async def test_many_images_are_smaller_ones_for_claude() -> None:
    large = image(picture(3000, 1500))
    assert await fit(large, "anthropic", images=20) is large
    made = await fit(large, "anthropic", images=21)
    assert opened(made.data or b"").size == (2000, 1000)


async def test_bytes_over_the_limit_are_brought_below_it() -> None:
    data = picture(1500, 1500, noise=True)
    limit = limits_of("groq").image_bytes
    assert limit is not None
    assert len(data) > limit == 3 * MIB
    made = await fit(image(data), "groq")
    assert made.data is not None
    assert len(made.data) <= limit
    assert made.media_type == "image/png"
    assert min(opened(made.data).size) > 700  # not smaller than it must be


async def test_quality_is_given_up_before_size() -> None:
    data = picture(1800, 1800, "JPEG", noise=True, quality=98)
    assert len(data) > 3 * MIB
    made = await fit(image(data, "JPEG"), "groq")
    assert made.data is not None
    assert len(made.data) <= 3 * MIB
    assert opened(made.data).size == (1800, 1800)
    assert made.media_type == "image/jpeg"


@pytest.mark.parametrize("form", ["TIFF", "GIF", "WEBP"])
async def test_a_format_that_is_not_taken_becomes_jpeg(form: str) -> None:
    made = await fit(image(picture(64, 64, form), form), "xai")
    assert made.media_type == "image/jpeg"
    assert opened(made.data or b"").format == "JPEG"


async def test_transparency_is_kept_where_the_provider_takes_png() -> None:
    clear = io.BytesIO()
    Pillow.new("RGBA", (40, 40), (255, 0, 0, 0)).save(clear, "TIFF")
    made = await fit(image(clear.getvalue(), "TIFF"), "xai")
    assert made.media_type == "image/png"
    assert opened(made.data or b"").convert("RGBA").getpixel((5, 5)) == (255, 0, 0, 0)


async def test_an_image_is_turned_upright_and_loses_its_metadata() -> None:
    exif = Pillow.Exif()
    exif[0x0112] = 6  # to be shown turned by a quarter
    exif[0x010E] = "taken at home"
    data = picture(400, 100, "JPEG", exif=exif)
    assert b"taken at home" in data
    made = await fit(image(data, "JPEG"), "openai", max_side_px=200)
    assert made.data is not None
    assert opened(made.data).size == (50, 200)
    assert b"taken at home" not in made.data
    assert not opened(made.data).getexif()


@pytest.mark.parametrize("mode", ["1", "L", "P", "CMYK", "I;16", "LA"])
async def test_every_kind_of_pixels_can_be_written(mode: str) -> None:
    out = io.BytesIO()
    Pillow.new(mode, (300, 200)).save(out, "TIFF" if mode == "CMYK" else "PNG")
    form = "TIFF" if mode == "CMYK" else "PNG"
    made = await fit(image(out.getvalue(), form), "xai", max_side_px=30)
    assert opened(made.data or b"").size == (30, 20)


@pytest.mark.parametrize("form", ["PNG", "TIFF"])
async def test_sixteen_bits_a_pixel_keep_their_brightness(form: str) -> None:
    numbers = array("H", [row * 256 for row in range(256) for _ in range(64)])
    out = io.BytesIO()
    Pillow.frombytes("I;16", (64, 256), numbers.tobytes()).save(out, form)
    made = opened((await fit(image(out.getvalue(), form), "xai", max_side_px=128)).data or b"").convert("L")
    assert [made.getpixel((10, y)) for y in (5, 64, 120)] == pytest.approx([11, 129, 241], abs=4)


@pytest.mark.parametrize("orientation", range(1, 9))
async def test_all_orientations_are_turned_upright(orientation: int) -> None:
    upright = Pillow.new("RGB", (80, 40), "white")
    upright.paste("red", (0, 0, 40, 20))
    undo = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}  # `Transpose` that a camera held so has done
    turned = upright if orientation == 1 else upright.transpose(Pillow.Transpose(undo[orientation]))
    exif = Pillow.Exif()
    exif[0x0112] = orientation
    out = io.BytesIO()
    turned.save(out, "JPEG", exif=exif, quality=95)
    made = opened((await fit(image(out.getvalue(), "JPEG"), "xai", max_side_px=40)).data or b"").convert("RGB")
    assert made.size == (40, 20)
    assert [made.getpixel(at)[1] > 128 for at in ((4, 4), (35, 4), (4, 15), (35, 15))] == [False, True, True, True]  # type: ignore[index]


async def test_colours_of_a_profile_are_kept_without_it() -> None:
    def profile_of(gamma: float) -> bytes:  # of sRGB, but with another response
        made = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
        at = made.index(b"para")
        made[at : at + 16] = b"para" + bytes(8) + round(gamma * 65536).to_bytes(4)
        return bytes(made)

    out = io.BytesIO()
    Pillow.new("RGB", (100, 100), (128, 128, 128)).save(out, "PNG", icc_profile=profile_of(1.0))
    made = opened((await fit(image(out.getvalue()), "openai", max_side_px=50)).data or b"")
    assert made.getpixel((5, 5)) == pytest.approx((188, 188, 188), abs=2)  # half the light, in sRGB
    assert "icc_profile" not in made.info
    broken = io.BytesIO()
    Pillow.new("RGB", (100, 100), "red").save(broken, "PNG", icc_profile=b"no profile")
    made = opened((await fit(image(broken.getvalue()), "openai", max_side_px=50)).data or b"")
    assert made.getpixel((5, 5)) == (255, 0, 0)


@pytest.mark.parametrize(("form", "to"), [("JPEG", "openai"), ("GIF", "xai"), ("WEBP", "openai")])
async def test_no_metadata_is_written(form: str, to: str) -> None:
    told: dict[str, Any] = {
        "GIF": {"comment": b"s3cret"},
        "JPEG": {"comment": b"s3cret", "xmp": b"s3cret"},
        "WEBP": {"xmp": b"s3cret"},
    }
    data = picture(100, 50, form, **told[form])
    assert b"s3cret" in data
    made = await fit(image(data, form), to, max_side_px=50)
    assert b"s3cret" not in (made.data or b"")


@pytest.mark.parametrize("size", [(1, 20_000), (20_000, 1)])
async def test_lines_stay_lines(size: tuple[int, int]) -> None:
    made = opened((await fit(image(picture(*size)), "anthropic")).data or b"")
    assert made.size == (min(size[0], 8000), min(size[1], 8000))


async def test_an_animation_that_must_be_changed_becomes_its_first_frame() -> None:
    frames = [Pillow.new("RGB", (600, 600), colour) for colour in ("red", "blue")]
    out = io.BytesIO()
    frames[0].save(out, "GIF", save_all=True, append_images=frames[1:])
    made = await fit(image(out.getvalue(), "GIF"), "openai", max_side_px=100)
    assert opened(made.data or b"").convert("RGB").getpixel((5, 5)) == pytest.approx((255, 0, 0), abs=3)


async def test_a_file_is_read_first(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(picture(500, 250))
    made = await fit(Image(path=str(tmp_path / "a.png")), "openai", max_side_px=100)
    assert made.path is None
    assert opened(made.data or b"").size == (100, 50)


@pytest.mark.parametrize("data", [b"\x89PNG\r\n\x1a\n garbage", picture(50, 50, "JPEG")[:300], b""])
async def test_what_cannot_be_read_is_a_clear_error(data: bytes) -> None:
    with pytest.raises(InvalidRequest, match="cannot be read"):
        await fit(Image(data=data, media_type="image/tiff"), "xai")


async def test_an_image_that_claims_to_be_huge_is_not_decoded() -> None:
    bomb = bytearray(picture(10, 10))
    bomb[16:24] = (50_000).to_bytes(4) * 2
    with pytest.raises(InvalidRequest, match="are not decoded"):
        await fit(image(bytes(bomb)), "anthropic")


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
async def test_nor_one_whose_size_only_pillow_can_read() -> None:
    out = io.BytesIO()
    Pillow.new("1", (20_000, 4_500)).save(out, "TIFF", compression="group4")
    assert len(out.getvalue()) < 10_000
    with pytest.raises(InvalidRequest, match="are not decoded"):
        await fit(image(out.getvalue(), "TIFF"), "xai")


async def test_a_document_that_is_too_large_cannot_be_mended() -> None:
    with pytest.raises(InvalidRequest, match="split it"):
        await fit(Document(data=b"%PDF-" + b"0" * (5 * MIB), media_type="application/pdf"), "bedrock")


async def test_without_pillow_what_fits_still_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    small = image(picture(10, 10))
    monkeypatch.setitem(sys.modules, "PIL", None)
    assert await fit(small, "openai") is small
    with pytest.raises(MissingExtra, match=r"exllm\[vision\]"):
        await fit(small, "openai", max_side_px=5)


def test_the_smallest_side_ends_the_search(monkeypatch: pytest.MonkeyPatch) -> None:
    limits = limits_of("groq")
    with pytest.raises(InvalidRequest, match="cannot be made smaller"):
        fitting._written(
            picture(64, 64, noise=True), "image/png", msgspec.structs.replace(limits, image_bytes=10), None
        )
