"""Make an image fit what a provider takes: its format, its sides, its bytes."""

from __future__ import annotations

import asyncio
import io
from typing import Any, TypeVar

import msgspec

from exllm.errors import InvalidRequest, MissingExtra
from exllm.media.limits import MediaLimits, limits_of, problem_of, side_limit
from exllm.types.image_header import image_size
from exllm.types.media import load_media
from exllm.types.message import Message
from exllm.types.parts import Audio, Document, Image

M = TypeVar("M", bound=Image | Audio | Document)

MOST_PIXELS = 89_000_000
"""An image that claims to have more is not decoded: it may be made to fill the memory. Pillow warns from here on."""

_READABLE = ("PNG", "JPEG", "GIF", "WEBP", "BMP", "TIFF", "AVIF", "HEIF")
_FORMATS = {"image/png": "PNG", "image/jpeg": "JPEG", "image/webp": "WEBP"}
_QUALITIES = (90, 80, 65, 50)
_SMALLEST_SIDE_PX = 32


async def fit(part: M, model: str, *, max_side_px: int | None = None, images: int = 1) -> M:
    """The same part if the provider takes it, else one that it takes. Pillow's work is done in a thread.

    An image is turned upright (EXIF), made smaller until its sides and bytes are within the limits, and written as PNG
    (with transparency) or JPEG where its own format is not taken; what is written anew has no metadata, and only the
    first frame of an animation. Media at an address, audio and documents are handed back as they are.

    Args:
        model: ``"provider/model"`` or a provider; see `exllm.media.limits_of`.
        max_side_px: make the image no larger than this, also where the provider takes more: it saves tokens and time.
        images: how many images the request will hold; Claude takes smaller ones where there are many.

    Raises: InvalidRequest for an image that cannot be read, or a document that is too large; MissingExtra where an
        image must be changed and Pillow is missing.
    """
    if max_side_px is not None and max_side_px < 1:
        raise ValueError(f"max_side_px must be at least 1, got {max_side_px!r}")
    limits = limits_of(model)
    if part.path is not None:
        (message,) = await asyncio.to_thread(load_media, (Message("user", (part,)),))
        part = message.parts[0]  # type: ignore[assignment]
    problem = problem_of(part, limits, images)
    if not isinstance(part, Image):
        if problem is not None:
            raise InvalidRequest(f"{problem}; split it, or upload it where the provider keeps files")
        return part
    if part.data is None:
        return part
    sides = [side for side in (side_limit(limits, images), max_side_px) if side is not None]
    side = min(sides, default=None)
    size = image_size(part.data)
    if problem is None and (max_side_px is None or (size is not None and max(size) <= max_side_px)):
        return part
    data, media_type = await asyncio.to_thread(_written, part.data, part.media_type or "", limits, side)
    return msgspec.structs.replace(part, data=data, media_type=media_type)


def _written(data: bytes, media_type: str, limits: MediaLimits, side: int | None) -> tuple[bytes, str]:
    picture = _opened(data)
    target = _target(media_type, limits, has_alpha=_has_alpha(picture))
    picture = _in_mode(_in_srgb(picture), target)
    picture.info = {}  # comments, profiles and the like are written from here
    if side is not None and max(picture.size) > side:
        picture = _scaled(picture, side / max(picture.size))
    while True:
        written = b""
        for quality in _QUALITIES:
            written = _encoded(picture, target, quality)
            if limits.image_bytes is None or len(written) <= limits.image_bytes:
                return written, target
            if target == "image/png":  # which has no quality to give up
                break
        if min(picture.size) <= _SMALLEST_SIDE_PX:
            raise InvalidRequest(f"the image cannot be made smaller than {len(written):,} bytes")
        assert limits.image_bytes is not None
        # Bytes go about with the area; a little less, so that few rounds are needed.
        picture = _scaled(picture, max(0.3, min(0.9, (limits.image_bytes / len(written)) ** 0.5 * 0.95)))


def _opened(data: bytes) -> Any:
    """The image, upright. Raises `InvalidRequest` for what is none, or too large to be decoded."""
    try:
        from PIL import Image as Pillow
        from PIL import ImageOps
    except ImportError:
        raise MissingExtra("images are changed by Pillow: pip install 'exllm[vision]'") from None
    _check_pixels(image_size(data) or (0, 0))
    Pillow.init()
    readable = [name for name in _READABLE if name in Pillow.OPEN]  # HEIF where pillow-heif has registered it
    try:
        with Pillow.open(io.BytesIO(data), formats=readable) as picture:
            _check_pixels(picture.size)
            picture.load()
            return ImageOps.exif_transpose(picture)
    except InvalidRequest:
        raise
    except Exception as error:  # Pillow's readers raise whatever the bytes lead them to
        raise InvalidRequest(f"the image cannot be read: {type(error).__name__}: {error}") from error


def _check_pixels(size: tuple[int, int]) -> None:
    if size[0] * size[1] > MOST_PIXELS:
        raise InvalidRequest(f"the image has {size[0]} x {size[1]} pixels; more than {MOST_PIXELS:,} are not decoded")


def _has_alpha(picture: Any) -> bool:
    return picture.mode in ("RGBA", "LA", "PA") or "transparency" in picture.info


def _target(media_type: str, limits: MediaLimits, *, has_alpha: bool) -> str:
    allowed = [kind for kind in _FORMATS if not limits.image_types or kind in limits.image_types]
    if media_type in allowed:
        return media_type
    wanted = "image/png" if has_alpha else "image/jpeg"
    return wanted if wanted in allowed else allowed[0]


def _in_srgb(picture: Any) -> Any:
    """The colours that every viewer shows: what is written has no profile, and without it others look wrong."""
    profile = picture.info.get("icc_profile")
    if not profile or picture.mode not in ("RGB", "RGBA", "CMYK") or "transparency" in picture.info:
        return picture
    from PIL import ImageCms

    mode = "RGBA" if picture.mode == "RGBA" else "RGB"
    try:
        return ImageCms.profileToProfile(picture, io.BytesIO(profile), ImageCms.createProfile("sRGB"), outputMode=mode)
    except (ImageCms.PyCMSError, ImportError):  # a broken profile, or one for other pixels; a Pillow without LittleCMS
        return picture


def _in_mode(picture: Any, target: str) -> Any:
    if picture.mode.startswith("I"):  # 16 bits a pixel; Pillow would cut off all above 255
        return picture.convert("I").point(lambda value: value / 256).convert("L")
    if not _has_alpha(picture):
        return picture if picture.mode in ("RGB", "L") else picture.convert("RGB")
    if target != "image/jpeg":
        return picture.convert("RGBA")
    from PIL import Image as Pillow

    page = Pillow.new("RGB", picture.size, "white")
    page.paste(picture.convert("RGBA"), mask=picture.convert("RGBA").getchannel("A"))
    return page


def _scaled(picture: Any, factor: float) -> Any:
    from PIL import Image as Pillow

    width, height = picture.size
    size = (max(1, int(width * factor)), max(1, int(height * factor)))
    return picture.resize(size, Pillow.Resampling.LANCZOS)


def _encoded(picture: Any, target: str, quality: int) -> bytes:
    out = io.BytesIO()
    # `exif=b""`: where a picture was taken is nobody's business.
    options: dict[str, Any] = {"exif": b""}
    if target == "image/png":
        options["optimize"] = True
    else:
        options["quality"] = quality
    picture.save(out, _FORMATS[target], **options)
    return out.getvalue()
