"""PCM of any lengths in, frames of one length out."""

from __future__ import annotations


class PcmFrames:
    """Cut a stream of PCM (16 bits, mono) into frames of `frame_ms`, as codecs, players and detectors want it.

    ::

        frames = PcmFrames(24_000)
        for frame in frames.feed(event.data): play(frame)
        play(frames.close())

    Args:
        rate_hz: samples per second.
        frame_ms: length of a frame, 20 ms by default.
        sample_bytes: 1 for G.711.

    Raises ValueError for a frame that is no whole number of samples.
    """

    def __init__(self, rate_hz: int = 24_000, frame_ms: float = 20.0, *, sample_bytes: int = 2) -> None:
        samples = rate_hz * frame_ms / 1000
        if samples < 1 or samples != int(samples):
            raise ValueError(f"{frame_ms:g} ms at {rate_hz} Hz are {samples:g} samples, which is no frame")
        self.frame_bytes = int(samples) * sample_bytes
        self._rest = bytearray()

    def feed(self, pcm: bytes) -> list[bytes]:
        """The frames that are complete now."""
        size, rest = self.frame_bytes, self._rest
        rest += pcm
        whole = len(rest) // size * size
        frames = [bytes(rest[start : start + size]) for start in range(0, whole, size)]
        del rest[:whole]
        return frames

    def close(self, *, pad: bool = True) -> bytes:
        """The last frame, filled up with silence, or as it is; empty where nothing is left. Begins anew."""
        last = bytes(self._rest)
        self._rest.clear()
        return last.ljust(self.frame_bytes, b"\0") if last and pad else last

    def clear(self) -> None:
        """Throw away what is not yet a frame: the model was interrupted."""
        self._rest.clear()
