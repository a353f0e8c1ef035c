"""Pictures made by Pillow, which is not ours."""

from __future__ import annotations

import io
import random
from typing import Any

from PIL import Image as Pillow

MEDIA_TYPE = {"PNG": "image/png", "JPEG": "image/jpeg", "WEBP": "image/webp", "GIF": "image/gif", "TIFF": "image/tiff"}


def picture(
    width: int, height: int, form: str = "PNG", mode: str = "RGB", *, noise: bool = False, **save: Any
) -> bytes:
    """A picture of four differently coloured quarters, or of noise, which hardly compresses."""
    if noise:
        made = Pillow.frombytes(mode, (width, height), random.Random(5).randbytes(width * height * len(mode)))
    else:
        made = Pillow.new("RGB", (width, height), "red")
        made.paste("blue", (width // 2, 0, width, height // 2))
        made.paste("green", (0, height // 2, width // 2, height))
        made = made.convert(mode)
    out = io.BytesIO()
    made.save(out, form, **save)
    return out.getvalue()


def opened(data: bytes) -> Pillow.Image:
    made = Pillow.open(io.BytesIO(data))
    made.load()
    return made
