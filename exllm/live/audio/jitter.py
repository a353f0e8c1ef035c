"""A buffer between a network that is uneven and a player that is not."""

from __future__ import annotations

from exllm.live.audio.frames import PcmFrames


class JitterBuffer:
    """Hold back the beginning of a sound until there is enough of it to be played without gaps.

    The network fills it (`push`), the player empties it at its own pace (`pop`, from any callback of the same thread).
    Before the first sound, and after it has run dry, it gives silence until `target_ms` are there again.

    What comes late is played late: nothing is skipped or dropped to catch up, and nothing is put in order, as a
    WebSocket keeps the order itself. It holds as much as it is given, as services make answers faster than they are
    spoken. Say `finish` at the end of every answer, or its last `target_ms` may wait for the next one.

    Args:
        rate_hz: samples per second of 16-bit PCM.
        frame_ms: what one `pop` gives.
        target_ms: how much is held back; 0 plays at once.

    Raises ValueError for lengths that are none.
    """

    def __init__(self, rate_hz: int = 24_000, *, frame_ms: float = 20.0, target_ms: float = 100.0) -> None:
        self.frame_bytes = PcmFrames(rate_hz, frame_ms).frame_bytes
        if not 0 <= target_ms < float("inf"):
            raise ValueError(f"target_ms must be 0 or more, got {target_ms!r}")
        self._bytes_per_ms = rate_hz * 2 / 1000
        self._target_bytes = int(target_ms * self._bytes_per_ms)
        self._held = bytearray()
        self._is_playing = False
        self._is_ending = False
        self._played_bytes = 0
        self.underruns = 0
        """How often a player found too little in the middle of a sound."""

    def push(self, pcm: bytes) -> None:
        """Sound has arrived, in a piece of any length."""
        self._held += pcm
        self._is_ending = False
        if len(self._held) >= self._target_bytes:
            self._is_playing = True

    def finish(self) -> None:
        """The sound is complete (`TurnComplete`): what is left is played, however short."""
        self._is_ending = True
        self._is_playing = bool(self._held)

    def pop(self) -> bytes:
        """The next frame for the player, filled up with silence where there is too little."""
        held, size = self._held, self.frame_bytes
        if not self._is_playing:
            return bytes(size)
        frame = bytes(held[: min(size, len(held) // 2 * 2)])  # half a sample waits for its other half
        del held[: len(frame)]
        self._played_bytes += len(frame)
        if len(frame) < size or (len(held) < 2 and self._is_ending):
            self._is_playing = False
            if not self._is_ending:
                self.underruns += 1
        return frame.ljust(size, b"\0")

    def clear(self) -> float:
        """The model was interrupted: throw away what was not played; returns how many milliseconds that was."""
        thrown_ms = len(self._held) / self._bytes_per_ms
        self._held.clear()
        self._played_bytes = max(self._played_bytes, 0)
        self._is_playing = False
        return thrown_ms

    @property
    def buffered_ms(self) -> float:
        """How much sound waits to be played."""
        return len(self._held) / self._bytes_per_ms

    @property
    def played_ms(self) -> float:
        """How much was played of the sound since `restart`: what ``session.interrupt(played_ms=...)`` wants to know."""
        return max(self._played_bytes, 0) / self._bytes_per_ms

    def restart(self) -> None:
        """Count `played_ms` anew, of what is pushed from here on: another item of the model's begins."""
        self._played_bytes = -len(self._held)  # what is still to be played before it
