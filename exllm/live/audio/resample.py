"""Sample rates: a polyphase filter over a windowed sinc, as a stream, with NumPy where it is there."""

from __future__ import annotations

import math
from array import array
from functools import lru_cache
from operator import mul
from typing import Any

from exllm.live.audio.samples import to_pcm, to_samples

_ZERO_CROSSINGS = 24
"""Of the sinc, on each side, at the lower of the two rates: how sharp the filter is."""

_KAISER_BETA = 9.0
"""Of the window: side lobes about 90 dB down, below the noise of 16 bits."""

_BLOCK_SAMPLES = 4096
"""How much is filtered at once: NumPy needs about a kilobyte of memory for each sample of it."""

_ROLLOFF = 0.94
"""Where half of the amplitude is left, as a share of half of the lower rate."""

_MOST_PHASES = 256
"""Places between two input samples that weights are computed for. Where two rates need more, the weights between are
interpolated, which costs less than the rounding to 16 bits (-104 dB): tables stay small for any two rates."""


class Resampler:
    """Bring PCM (16 bits, mono) from one sample rate to another, piece by piece, without clicks between the pieces.

    Any slicing of the same input gives the same output. The sound is not shifted: the n-th millisecond of the output is
    that of the input. It needs the next 1.6 ms (16 kHz to 24 kHz and back) of the input for that, so output is that
    much short until `close`.

    Up to 85 % of half of the lower rate the sound stays as it is, within 0.1 dB, and the noise is that of rounding to
    16 bits. What is above 108 % of it is 85 dB down.

    Args:
        from_hz, to_hz: samples per second, any whole numbers.

    Raises ValueError for rates that are none.
    """

    def __init__(self, from_hz: int, to_hz: int) -> None:
        if from_hz < 1 or to_hz < 1:
            raise ValueError(f"a sample rate is at least 1 Hz, got {from_hz} and {to_hz}")
        common = math.gcd(from_hz, to_hz)
        self.from_hz = from_hz
        self.to_hz = to_hz
        self._up, self._down = to_hz // common, from_hz // common
        self._count = min(self._up, _MOST_PHASES)
        self._phases = _phases(self._count, min(1.0, to_hz / from_hz))
        self._taps = len(self._phases[0])
        self._numpy: Any = None if from_hz == to_hz else _numpy()  # loading it takes a while
        self._matrix: Any = None if self._numpy is None else self._numpy.array(self._phases)
        self._begin()

    def feed(self, pcm: bytes) -> bytes:
        """The output that `pcm` completes. Raises ValueError for half a sample."""
        if self._up == self._down:
            return bytes(pcm)
        samples = to_samples(pcm)
        made = []
        for start in range(0, len(samples), _BLOCK_SAMPLES):
            block = samples[start : start + _BLOCK_SAMPLES]
            self._fed += len(block)
            self._input += block
            made.append(self._filter())
        return b"".join(made)

    def close(self) -> bytes:
        """The rest of the output. Begins anew: the next piece is another sound."""
        if self._up == self._down or not self._fed:
            self._begin()
            return b""
        wanted = -(-self._fed * self._up // self._down) - self._made  # as long as the input, in time
        self._input += array("h", bytes(2 * self._taps))
        rest = self._filter()[: 2 * wanted]
        self._begin()
        return rest

    def _begin(self) -> None:
        # The filter is symmetrical: before the first sample half of it stands over silence.
        self._input = array("h", bytes(2 * (self._taps // 2 - 1)))
        self._position = 0  # of the next output sample, in steps of 1 / `_up` input samples from the first kept one
        self._fed = 0
        self._made = 0

    def _filter(self) -> bytes:
        up, down, taps = self._up, self._down, self._taps
        first, phase = divmod(self._position, up)
        room = len(self._input) - taps - first  # how far the filter can still be moved
        count = 0 if room < 0 else (room * up + up - 1 - phase) // down + 1
        if count <= 0:
            return b""
        made = self._filter_fast(count) if self._matrix is not None else self._filter_plain(count)
        self._made += count
        self._position += count * down
        passed = min(self._position // up, len(self._input))
        del self._input[:passed]
        self._position -= passed * up
        return made

    def _filter_plain(self, count: int) -> bytes:
        kept, up, taps, phases, known = self._input, self._up, self._taps, self._phases, self._count
        made = array("h")
        for position in range(self._position, self._position + count * self._down, self._down):
            first, phase = divmod(position, up)
            index, beyond = (phase, 0) if known == up else divmod(phase * known, up)
            window = kept[first : first + taps]
            exact = sum(map(mul, phases[index], window))
            if beyond:
                exact += beyond / up * (sum(map(mul, phases[index + 1], window)) - exact)
            value = round(exact)
            made.append(-32768 if value < -32768 else 32767 if value > 32767 else value)
        return to_pcm(made)

    def _filter_fast(self, count: int) -> bytes:
        np = self._numpy
        positions = self._position + self._down * np.arange(count)
        first, phase = np.divmod(positions, self._up)
        kept = np.frombuffer(self._input.tobytes(), dtype=np.int16).astype(np.float64)
        windows = np.lib.stride_tricks.sliding_window_view(kept, self._taps)[first]
        index, beyond = np.divmod(phase * self._count, self._up)
        values = np.einsum("ij,ij->i", windows, self._matrix[index])
        if self._up > self._count:
            values += beyond / self._up * (np.einsum("ij,ij->i", windows, self._matrix[index + 1]) - values)
        made: bytes = np.clip(np.rint(values), -32768, 32767).astype("<i2").tobytes()
        return made


def resample(pcm: bytes, from_hz: int, to_hz: int) -> bytes:
    """All of a sound at another sample rate; see `Resampler`."""
    resampler = Resampler(from_hz, to_hz)
    return resampler.feed(pcm) + resampler.close()


@lru_cache(32)
def _phases(count: int, ratio: float) -> tuple[tuple[float, ...], ...]:
    """For `count` places between two input samples, and the next of these, the weights of the input samples around it;
    they add up to 1. `ratio` is that of the lower rate to the input's."""
    cutoff = ratio * _ROLLOFF  # relative to half of the input rate
    half = math.ceil(_ZERO_CROSSINGS / cutoff)
    window_0 = _bessel_0(_KAISER_BETA)
    phases: list[tuple[float, ...]] = []
    for phase in range(count // 2 + 1):
        weights = []
        for tap in range(2 * half):
            # Distance from the output sample, in input samples.
            distance = tap - (half - 1) - phase / count
            across = distance / half
            window = _bessel_0(_KAISER_BETA * math.sqrt(max(0.0, 1.0 - across * across))) / window_0
            angle = math.pi * cutoff * distance
            weights.append((math.sin(angle) / angle if angle else 1.0) * window)
        total = sum(weights)
        phases.append(tuple(weight / total for weight in weights))
    mirrored = (phases[count - phase][::-1] for phase in range(count // 2 + 1, count + 1))
    return (*phases, *mirrored)


def _bessel_0(x: float) -> float:
    """The modified Bessel function of the first kind, of order 0, which the Kaiser window is made of."""
    total = term = 1.0
    k = 1
    while term > total * 1e-17:
        term *= (x / (2 * k)) ** 2
        total += term
        k += 1
    return total


@lru_cache(1)
def _numpy() -> Any:
    try:
        import numpy
    except ImportError:
        return None
    return numpy
