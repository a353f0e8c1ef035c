"""WAV files of PCM, in and out."""

from __future__ import annotations

import os
import stat
import struct
from collections.abc import Sequence
from types import TracebackType
from typing import IO, Self

from exllm.live.audio.g711 import DECODERS, alaw_decode, ulaw_decode
from exllm.live.audio.resample import Resampler
from exllm.live.audio.samples import to_pcm, to_samples

_PCM, _FLOAT, _ALAW, _ULAW, _EXTENSIBLE = 1, 3, 6, 7, 0xFFFE
_SUBFORMAT_END = bytes.fromhex("000000001000800000aa00389b71")  # of those that are a format's number and this
_UNKNOWN = 2**32 - 1


def write_wav(path: str | os.PathLike[str], pcm: bytes, rate_hz: int) -> None:
    """Write PCM (16 bits, mono) as a WAV file."""
    with Recording(path) as recording:
        recording.write(pcm, rate_hz)


def read_wav(path: str | os.PathLike[str]) -> tuple[bytes, int]:
    """The sound of a WAV file as PCM (16 bits, mono, channels mixed) and its sample rate.

    Reads whole numbers of up to 32 bits, floats, and G.711, with any number of channels; of a file that was cut short,
    or whose lengths were never filled in, all that is there. Raises OSError; ValueError for what is no such file.
    """
    with open(path, "rb") as file:
        data = file.read()
    if data[:4] not in (b"RIFF", b"RF64", b"BW64") or data[8:12] != b"WAVE":
        raise ValueError(f"{os.fspath(path)} is no WAV file")
    long_size = _UNKNOWN
    form: _Format | None = None
    at = 12
    while at + 8 <= len(data):
        name, size = data[at : at + 4], int.from_bytes(data[at + 4 : at + 8], "little")
        at += 8
        if name == b"data":
            if form is None:
                break
            if size == 0 and int.from_bytes(data[4:8], "little") + 8 <= at:
                size = _UNKNOWN  # a recorder that was killed before it came back to its header
            sound = data[at : at + (long_size if size == _UNKNOWN else size)]
            try:
                return _mixed(form.samples(sound), form.channels), form.rate_hz
            except ValueError as error:
                raise ValueError(f"{os.fspath(path)}: {error}") from None
        chunk = data[at : at + size]
        if name == b"fmt " and len(chunk) >= 16:
            form = _Format(chunk)
        elif name == b"ds64" and len(chunk) >= 16:  # sizes that do not fit into 32 bits: EBU Tech 3306
            long_size = int.from_bytes(chunk[8:16], "little")
        at += size + size % 2
    raise ValueError(f"{os.fspath(path)} has no sound in it that can be read")


class Recording:
    """A WAV file that sound is written to as it comes; finished by `close`, or with the block.

    Audio of another sample rate than the first piece is brought to that one. G.711 becomes PCM. The file of a program
    that was killed can be read as far as it came: until `close` its header says that the length is not known. A file
    that cannot be moved in, such as a pipe, keeps that header.

    A file that is there already stays as it is until there is something to write. Raises OSError when `path` cannot be
    written.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.rate_hz = 0
        self._resampler: Resampler | None = None
        self._odd = b""  # half a sample
        self._size = 0
        self._file: IO[bytes] | None = open(path, "wb", opener=_keeping)  # noqa: SIM115 - closed by `close`

    def write(self, data: bytes, rate_hz: int, media_type: str = "audio/pcm") -> None:
        """Add a piece. After `close` it does nothing. Raises OSError."""
        if self._file is None:
            return
        decode = DECODERS.get(media_type.partition(";")[0])
        if decode is not None:
            data = decode(data)
        elif self._odd or len(data) % 2:
            data = self._odd + data
            data, self._odd = data[: len(data) // 2 * 2], data[len(data) // 2 * 2 :]
        if not self.rate_hz:
            self.rate_hz = rate_hz
            if stat.S_ISREG(os.fstat(self._file.fileno()).st_mode):
                self._file.truncate()
            self._put(_header(rate_hz, _UNKNOWN))
        if self._resampler is not None and self._resampler.from_hz != rate_hz:
            self._end_rate()
        if rate_hz != self.rate_hz:
            if self._resampler is None:
                self._resampler = Resampler(rate_hz, self.rate_hz)
            data = self._resampler.feed(data)
        self._add(data)

    def close(self) -> None:
        """Finish the file. Idempotent. Raises OSError."""
        file = self._file
        if file is None:
            return
        try:
            if not self.rate_hz and not os.fstat(file.fileno()).st_size:
                self._put(_header(24_000, 0))
            self._end_rate()
            if self._size and file.seekable():
                file.seek(0)
                self._put(_header(self.rate_hz, min(self._size, _UNKNOWN)))
        finally:
            self._file = None
            file.close()

    @property
    def is_closed(self) -> bool:
        """Nothing more is written."""
        return self._file is None

    def _end_rate(self) -> None:
        """No more sound of the rate that came last: what the filter holds of it."""
        resampler, self._resampler = self._resampler, None
        if resampler is not None:
            self._add(resampler.close())

    def _add(self, pcm: bytes) -> None:
        self._put(pcm)
        self._size += len(pcm)

    def _put(self, data: bytes) -> None:
        assert self._file is not None
        self._file.write(data)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _value: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        self.close()


def _keeping(path: str, flags: int) -> int:
    """Open for writing what keeps its content."""
    return os.open(path, flags & ~os.O_TRUNC, 0o666)


def _header(rate_hz: int, size: int) -> bytes:
    """Of `size` bytes of PCM (16 bits, mono), `_UNKNOWN` for a length that nobody knows."""
    return struct.pack(
        "<4sI4s4sIHHIIHH4sI",
        b"RIFF", min(size + 36, _UNKNOWN), b"WAVE",
        b"fmt ", 16, _PCM, 1, rate_hz, rate_hz * 2, 2, 16,
        b"data", size,
    )  # fmt: skip


class _Format:
    """What a ``fmt`` chunk says of the sound."""

    def __init__(self, chunk: bytes) -> None:
        self.kind, self.channels, self.rate_hz, _, block_bytes, self.bits = struct.unpack_from("<HHIIHH", chunk)
        if self.kind == _EXTENSIBLE and chunk[26:40] == _SUBFORMAT_END:
            self.kind = int.from_bytes(chunk[24:26], "little")
        # Samples of 12 or 20 bits stand at the upper end of whole bytes.
        self.width = max((self.bits + 7) // 8, block_bytes // max(self.channels, 1))

    def samples(self, data: bytes) -> Sequence[int]:
        """All samples, of all channels, as 16-bit numbers. Raises ValueError."""
        kind, width = self.kind, self.width
        if not (self.channels and self.rate_hz):
            raise ValueError(f"a sound has channels and a rate, not {self.channels} and {self.rate_hz} Hz")
        data = data[: len(data) // max(width, 1) * max(width, 1)]
        if kind == _PCM and width == 1:
            return [(byte - 128) << 8 for byte in data]
        if kind == _PCM and width in (2, 3, 4):
            pcm = bytearray(len(data) // width * 2)
            pcm[0::2], pcm[1::2] = data[width - 2 :: width], data[width - 1 :: width]  # the upper two bytes of each
            return to_samples(pcm)
        if kind == _FLOAT and width in (4, 8):
            values = struct.unpack(f"<{len(data) // width}{'f' if width == 4 else 'd'}", data)
            # What is no number is silence.
            return [round(max(-1.0, min(1.0, value)) * 32767) if value == value else 0 for value in values]
        if kind in (_ALAW, _ULAW) and width == 1:
            return to_samples(alaw_decode(data) if kind == _ALAW else ulaw_decode(data))
        named = _UNREADABLE.get(kind, f"format {kind}")
        raise ValueError(
            f"its sound is {named} with {self.bits} bits, which cannot be read; convert it first, such as with "
            f"`ffmpeg -i in.wav -c:a pcm_s16le out.wav`"
        )


_UNREADABLE = {2: "ADPCM", 0x11: "ADPCM", 0x31: "GSM 6.10", 0x55: "MP3", _EXTENSIBLE: "of an unknown format"}


def _mixed(samples: Sequence[int], channels: int) -> bytes:
    if channels > 1:
        whole = len(samples) // channels * channels
        by_channel = (samples[channel:whole:channels] for channel in range(channels))
        samples = [sum(together) // channels for together in zip(*by_channel, strict=True)]
    return to_pcm(samples)
