"""Width and height of an image, from the first bytes of its file: PNG, JPEG, GIF, WebP.

Sources: RFC 2083 section 11.2.1; ITU-T T.81 section B.2.2; the GIF89a specification section 18; RFC 9649 (WebP).
"""

from __future__ import annotations

_PNG = b"\x89PNG\r\n\x1a\n"
# Start-of-frame markers: 0xC0-0xCF but DHT, JPG and DAC.
_JPEG_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_JPEG_BARE = frozenset({0x01, *range(0xD0, 0xD9)})  # markers without a length


def image_size(data: bytes) -> tuple[int, int] | None:
    """Width and height in pixels; None for another format, or for bytes that end too early or make no sense."""
    try:
        size = _read(data)
    except IndexError:
        return None
    return size if size is not None and size[0] > 0 and size[1] > 0 else None


def _read(data: bytes) -> tuple[int, int] | None:
    if data[:8] == _PNG:
        if data[12:16] != b"IHDR" or len(data) < 24:
            return None
        return int.from_bytes(data[16:20]), int.from_bytes(data[20:24])
    if data[:6] in (b"GIF87a", b"GIF89a"):
        return _little(data, 6, 2), _little(data, 8, 2)
    if data[:3] == b"\xff\xd8\xff":
        return _jpeg(data)
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return _webp(data)
    return None


def _jpeg(data: bytes) -> tuple[int, int] | None:
    at = 2
    while True:
        if data[at] != 0xFF:
            return None
        while data[at] == 0xFF:  # any number of fill bytes may stand before a marker
            at += 1
        marker = data[at]
        at += 1
        if marker in _JPEG_BARE:
            continue
        if marker in _JPEG_FRAMES:
            return _big(data, at + 5, 2), _big(data, at + 3, 2)
        if marker in (0xD9, 0xDA):  # the end, or the pixels, without a frame before them
            return None
        length = _big(data, at, 2)
        if length < 2:
            return None
        at += length


def _webp(data: bytes) -> tuple[int, int] | None:
    match data[12:16]:
        case b"VP8 ":  # lossy: 14 bits each, after the start code of the key frame
            if data[23:26] != b"\x9d\x01\x2a":
                return None
            return _little(data, 26, 2) & 0x3FFF, _little(data, 28, 2) & 0x3FFF
        case b"VP8L":  # lossless: 14 bits each, less one
            bits = _little(data, 21, 4)
            return (bits & 0x3FFF) + 1, ((bits >> 14) & 0x3FFF) + 1
        case b"VP8X":  # extended: 24 bits each, less one
            return _little(data, 24, 3) + 1, _little(data, 27, 3) + 1
        case _:
            return None


def _big(data: bytes, at: int, size: int) -> int:
    data[at + size - 1]  # IndexError where the bytes end, which a slice would hide
    return int.from_bytes(data[at : at + size])


def _little(data: bytes, at: int, size: int) -> int:
    data[at + size - 1]
    return int.from_bytes(data[at : at + size], "little")
