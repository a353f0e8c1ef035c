"""Audio help: frames, sample rates, G.711, WAV files, the jitter buffer."""

from __future__ import annotations

import asyncio
import math
import os
import random
import struct
import subprocess
import sys
import threading
import tracemalloc
import wave
from collections.abc import Callable
from pathlib import Path

import pytest

from exllm.live.audio import (
    JitterBuffer,
    PcmFrames,
    Recording,
    Resampler,
    alaw_decode,
    alaw_encode,
    paced,
    read_wav,
    resample,
    ulaw_decode,
    ulaw_encode,
    write_wav,
)


def sine(frequency_hz: float, rate_hz: int, samples: int, amplitude: float = 20_000) -> bytes:
    values = (round(amplitude * math.sin(2 * math.pi * frequency_hz * n / rate_hz)) for n in range(samples))
    return struct.pack(f"<{samples}h", *values)


def samples_of(pcm: bytes) -> tuple[int, ...]:
    return struct.unpack(f"<{len(pcm) // 2}h", pcm)


def plain(from_hz: int, to_hz: int) -> Resampler:
    """One that does without NumPy."""
    resampler = Resampler(from_hz, to_hz)
    resampler._matrix = None
    return resampler


RATES = [
    (16_000, 24_000), (24_000, 16_000), (8_000, 24_000), (24_000, 8_000), (48_000, 16_000), (44_100, 16_000),
    (22_050, 16_000),  # more places between two samples than weights are computed for
]  # fmt: skip


# -- sample rates


@pytest.mark.parametrize(("from_hz", "to_hz"), RATES)
@pytest.mark.parametrize("frequency_hz", [300, 1_000, 3_000])
def test_a_tone_stays_what_it_is(from_hz: int, to_hz: int, frequency_hz: int) -> None:
    made = samples_of(resample(sine(frequency_hz, from_hz, from_hz // 4), from_hz, to_hz))
    assert len(made) == to_hz // 4
    wanted = samples_of(sine(frequency_hz, to_hz, len(made)))
    middle = range(200, len(made) - 200)  # a tone that begins out of nothing is no tone
    noise = sum((made[n] - wanted[n]) ** 2 for n in middle) or 1
    signal = sum(wanted[n] ** 2 for n in middle)
    assert 10 * math.log10(signal / noise) > 80  # 16 bits have 98 dB


def chord(rate_hz: int, samples: int, highest_hz: float) -> list[float]:
    """Many tones at once, as they are at any sample rate."""
    chance = random.Random(7)
    tones = [(chance.uniform(50, highest_hz), chance.uniform(0, 2 * math.pi)) for _ in range(40)]
    return [sum(math.sin(2 * math.pi * hz * n / rate_hz + at) for hz, at in tones) * 1_200 for n in range(samples)]


@pytest.mark.parametrize("make", [Resampler, plain])
@pytest.mark.parametrize(("from_hz", "to_hz"), [*RATES, (44_100, 24_000), (44_101, 24_000), (24_000, 23_999)])
def test_the_only_noise_is_that_of_16_bits(from_hz: int, to_hz: int, make: Callable[[int, int], Resampler]) -> None:
    highest_hz = 0.84 * min(from_hz, to_hz) / 2
    sound = struct.pack(f"<{from_hz // 8}h", *map(round, chord(from_hz, from_hz // 8, highest_hz)))
    resampler = make(from_hz, to_hz)
    made = samples_of(resampler.feed(sound) + resampler.close())
    wanted = chord(to_hz, len(made), highest_hz)
    errors = [made[n] - wanted[n] for n in range(200, len(made) - 200)]
    # Rounding twice, before and after, is sqrt(2 / 12) = 0.41 of a step.
    assert math.sqrt(sum(error * error for error in errors) / len(errors)) < 0.46


@pytest.mark.parametrize(("from_hz", "to_hz"), RATES)
def test_the_pass_band_is_flat_and_nothing_is_folded_back(from_hz: int, to_hz: int) -> None:
    def level_db(share: float) -> float:
        frequency_hz = share * min(from_hz, to_hz) / 2
        made = samples_of(resample(sine(frequency_hz, from_hz, from_hz // 8), from_hz, to_hz))[200:-200]
        return 10 * math.log10(max(2 * sum(value * value for value in made) / len(made), 1e-9)) - 20 * math.log10(
            20_000
        )

    for share in (0.02, 0.2, 0.5, 0.7, 0.85):
        assert abs(level_db(share)) < 0.1, share
    for share in (1.08, 1.2, 1.33):
        if share * to_hz / 2 < from_hz / 2:
            assert level_db(share) < -85, share


@pytest.mark.parametrize(("from_hz", "to_hz"), [(191_999, 16_000), (44_101, 48_000), (7_999, 192_000)])
def test_no_two_rates_need_large_tables(from_hz: int, to_hz: int) -> None:
    assert sum(map(len, Resampler(from_hz, to_hz)._phases)) < 200_000


@pytest.mark.parametrize(("from_hz", "to_hz"), [(44_100, 16_000), (22_050, 24_000)])
def test_a_long_stream_does_not_drift(from_hz: int, to_hz: int) -> None:
    resampler, chance, fed, made = Resampler(from_hz, to_hz), random.Random(3), 0, 0
    for _ in range(400):
        count = chance.randint(0, 2_000)
        fed += count
        made += len(resampler.feed(bytes(2 * count))) // 2
        assert 0 <= fed / from_hz - made / to_hz < 0.002 or not fed
    made += len(resampler.close()) // 2
    assert made == math.ceil(fed * to_hz / from_hz)


@pytest.mark.parametrize(("from_hz", "frequency_hz"), [(24_000, 9_500), (48_000, 15_000)])
def test_what_the_lower_rate_cannot_carry_is_filtered_out(from_hz: int, frequency_hz: int) -> None:
    made = samples_of(resample(sine(frequency_hz, from_hz, from_hz // 4), from_hz, 16_000))
    loudest = max(abs(value) for value in made[200:-200])
    assert 20 * math.log10(max(loudest, 1) / 20_000) < -70


@pytest.mark.parametrize(("from_hz", "to_hz"), RATES)
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_any_slicing_gives_the_same_sound(from_hz: int, to_hz: int, seed: int) -> None:
    sound, chance = sine(440, from_hz, 3_000), random.Random(seed)
    resampler, made, at = Resampler(from_hz, to_hz), b"", 0
    while at < len(sound):
        size = 2 * chance.choice([0, 1, 7, 160, 500])
        made += resampler.feed(sound[at : at + size])
        at += size
    assert made + resampler.close() == resample(sound, from_hz, to_hz)


@pytest.mark.parametrize(("from_hz", "to_hz"), RATES)
def test_with_and_without_numpy_it_sounds_the_same(from_hz: int, to_hz: int) -> None:
    sound = sine(700, from_hz, 2_000)
    resampler = plain(from_hz, to_hz)
    slow = samples_of(resampler.feed(sound) + resampler.close())
    fast = samples_of(resample(sound, from_hz, to_hz))
    assert len(slow) == len(fast)
    assert max(abs(one - other) for one, other in zip(slow, fast, strict=True)) <= 1


def test_a_long_sound_needs_memory_for_itself_alone() -> None:
    sound = bytes(2 * 24_000 * 2)
    tracemalloc.start()
    try:
        assert len(resample(sound, 24_000, 16_000)) == 2 * 16_000 * 2
        assert tracemalloc.get_traced_memory()[1] < 10_000_000  # all at once would be 42 MB
    finally:
        tracemalloc.stop()


def test_there_and_back_again_is_nearly_the_same() -> None:
    sound = sine(1_000, 16_000, 4_000)
    back = samples_of(resample(resample(sound, 16_000, 24_000), 24_000, 16_000))
    assert max(abs(one - other) for one, other in zip(back[200:-200], samples_of(sound)[200:-200], strict=True)) <= 3


def test_the_loudest_sound_does_not_wrap_around() -> None:
    square = struct.pack("<200h", *([32767] * 50 + [-32768] * 50) * 2)
    for resampler in (Resampler(16_000, 24_000), plain(16_000, 24_000)):
        made = samples_of(resampler.feed(square) + resampler.close())
        assert max(made[20:70]) == 32767
        assert min(made[20:70]) > 0  # an overflow would be negative


def test_a_resampler_begins_anew_after_close() -> None:
    resampler, sound = Resampler(16_000, 24_000), sine(440, 16_000, 1_000)
    first = resampler.feed(sound) + resampler.close()
    assert resampler.feed(sound) + resampler.close() == first
    assert resampler.close() == b""


def test_equal_rates_pass_through_and_wrong_ones_are_refused() -> None:
    assert resample(b"\1\0\2\0", 16_000, 16_000) == b"\1\0\2\0"
    assert resample(b"", 16_000, 24_000) == b""
    with pytest.raises(ValueError, match="at least 1 Hz"):
        Resampler(0, 8_000)
    with pytest.raises(ValueError, match="even number"):
        Resampler(8_000, 16_000).feed(b"\0")


# -- the speed of sound


async def test_a_sound_is_given_out_as_fast_as_it_is_spoken() -> None:
    sound = sine(440, 11_025, 2_000)  # 181 ms, of which 20 ms are no whole number of samples
    loop = asyncio.get_running_loop()
    began, made, at = loop.time(), [], []
    async for piece in paced(sound, 11_025):
        made.append(piece)
        at.append(loop.time() - began)
    assert b"".join(made) == sound
    assert {len(piece) for piece in made[:-1]} == {440}
    for number, moment in enumerate(at):
        assert moment >= number * 220 / 11_025 - 0.002  # none before its time
    assert at[-1] < 5


async def test_what_was_held_up_for_long_is_not_made_up_for() -> None:
    loop, at = asyncio.get_running_loop(), []
    async for _ in paced(bytes(2 * 3_200), 8_000, piece_ms=10):  # 40 pieces
        at.append(loop.time())
        if len(at) == 3:
            await asyncio.sleep(0.4)
    assert len(at) == 40
    assert 0.15 < at[-1] - at[3] < 5  # 0.36 s of sound, of which 0.1 s is caught up


async def test_what_is_no_sound_has_no_pace() -> None:
    with pytest.raises(ValueError, match="even number"):
        await anext(paced(b"\1", 8_000))
    with pytest.raises(ValueError, match="are none"):
        await anext(paced(b"", 0))


# -- frames


def test_frames_have_one_length_and_hold_everything() -> None:
    frames = PcmFrames(16_000, 20)
    sound, chance, made, at = (bytes(range(256)) * 20)[:5_000], random.Random(5), [], 0
    while at < len(sound):
        size = chance.randint(0, 900)
        made += frames.feed(sound[at : at + size])
        at += size
    assert {len(frame) for frame in made} == {640}
    last = frames.close()
    assert len(last) == 640
    assert (b"".join(made) + last)[: len(sound)] == sound
    assert not any((b"".join(made) + last)[len(sound) :])
    assert frames.close() == b""
    frames.feed(b"\1\1")
    assert frames.close(pad=False) == b"\1\1"
    frames.feed(b"\1\1")
    frames.clear()
    assert frames.close() == b""
    with pytest.raises(ValueError, match="no frame"):
        PcmFrames(11_025, 20.1)


# -- G.711


def test_g711_has_the_codes_of_the_standard() -> None:
    # ITU-T G.711, tables 2a and 1a, scaled to 16 bits.
    assert samples_of(ulaw_decode(bytes([0x00, 0x80, 0xFF, 0x7F, 0x0F]))) == (-32124, 32124, 0, 0, -16764)
    assert samples_of(alaw_decode(bytes([0xD5, 0x55, 0xAA, 0x2A, 0x80]))) == (8, -8, 32256, -32256, 5504)


@pytest.mark.parametrize(("encode", "decode"), [(ulaw_encode, ulaw_decode), (alaw_encode, alaw_decode)])
def test_g711_keeps_its_own_values_and_comes_near_all_others(encode, decode) -> None:  # type: ignore[no-untyped-def]
    values = samples_of(decode(bytes(range(256))))
    assert samples_of(decode(encode(struct.pack("<256h", *values)))) == values
    for sample in range(-32768, 32768, 97):
        (near,) = samples_of(decode(encode(struct.pack("<h", sample))))
        assert abs(near - sample) == min(abs(value - sample) for value in values)


# -- WAV files


def test_a_wav_file_is_read_as_it_was_written(tmp_path: Path) -> None:
    sound = sine(440, 24_000, 1_000)
    write_wav(tmp_path / "a.wav", sound, 24_000)
    assert read_wav(tmp_path / "a.wav") == (sound, 24_000)
    with wave.open(str(tmp_path / "a.wav")) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate(), file.getnframes()) == (
            1,
            2,
            24_000,
            1_000,
        )


def chunk(name: bytes, body: bytes) -> bytes:
    return name + struct.pack("<I", len(body)) + body + b"\0" * (len(body) % 2)


def wav(kind: int, channels: int, bits: int, data: bytes, extension: bytes = b"", block_bytes: int = 0) -> bytes:
    block_bytes = block_bytes or channels * bits // 8
    form = struct.pack("<HHIIHH", kind, channels, 8_000, 8_000 * block_bytes, block_bytes, bits) + extension
    chunks = chunk(b"fmt ", form) + chunk(b"LIST", b"odd") + chunk(b"data", data)
    return b"RIFF" + struct.pack("<I", 4 + len(chunks)) + b"WAVE" + chunks


def extensible(kind: int, valid_bits: int, end: str = "000000001000800000aa00389b71") -> bytes:
    """What WAVE_FORMAT_EXTENSIBLE adds: valid bits, loudspeakers, and a GUID that the format's number begins."""
    return struct.pack("<HHIH", 22, valid_bits, 0, kind) + bytes.fromhex(end)


@pytest.mark.parametrize(
    ("content", "samples"),
    [
        (wav(1, 1, 8, bytes([128, 255, 0])), (0, 127 << 8, -32768)),
        (wav(1, 2, 16, struct.pack("<4h", 100, 200, -5, -7)), (150, -6)),
        (wav(1, 1, 24, b"\xff\x34\x12\x00\x00\x80"), (0x1234, -32768)),
        (wav(1, 1, 32, struct.pack("<2i", 0x12345678, -1)), (0x1234, -1)),
        (wav(3, 1, 32, struct.pack("<3f", 0.0, 1.0, -2.0)), (0, 32767, -32767)),
        (wav(7, 1, 8, b"\x80\xff"), (32124, 0)),
        (wav(6, 1, 8, b"\xd5\xaa"), (8, 32256)),
        (wav(0xFFFE, 1, 16, struct.pack("<h", 7), extensible(1, 16)), (7,)),
        (wav(0xFFFE, 1, 32, struct.pack("<2i", 0x12345600, -256), extensible(1, 24)), (0x1234, -1)),  # 24 bits in 32
        (wav(0xFFFE, 1, 32, struct.pack("<f", 0.5), extensible(3, 32)), (16384,)),
        (wav(0xFFFE, 2, 8, b"\x80\xff", extensible(7, 8)), (16062,)),
        (wav(1, 1, 20, b"\0\x34\x12", block_bytes=3), (0x1234,)),  # at the upper end of three bytes
        (wav(1, 1, 12, struct.pack("<h", -32), block_bytes=2), (-32,)),
        (wav(1, 2, 16, struct.pack("<2h", 5, 7), block_bytes=2), (6,)),  # a field that some writers have wrong
        (wav(3, 1, 32, struct.pack("<3f", math.nan, math.inf, -math.inf)), (0, 32767, -32767)),
        (wav(3, 1, 64, struct.pack("<d", 0.25)), (8192,)),
        (wav(1, 6, 16, struct.pack("<7h", 6, 12, 0, 0, 0, 0, 9)), (3,)),  # the rest is no whole frame
        (wav(1, 1, 16, struct.pack("<3h", 1, 2, 3))[:-3], (1,)),  # cut in the middle of a sample
        (b"RF64" + b"\xff" * 4 + b"WAVE" + chunk(b"ds64", struct.pack("<QQQI", 80, 4, 2, 0))
         + wav(1, 1, 16, b"")[12:-4] + b"\xff" * 4 + struct.pack("<2h", 4, 5) + chunk(b"LIST", b"INFO"), (4, 5)),
    ],
)  # fmt: skip
def test_other_kinds_of_wav_files_are_read(tmp_path: Path, content: bytes, samples: tuple[int, ...]) -> None:
    (tmp_path / "x.wav").write_bytes(content)
    pcm, rate_hz = read_wav(tmp_path / "x.wav")
    assert (samples_of(pcm), rate_hz) == (samples, 8_000)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "no WAV file"),
        (b"RIFF", "no WAV file"),
        (b"no wav at all, but long enough", "no WAV file"),
        (b"RIFX" + wav(1, 1, 16, b"ab")[4:], "no WAV file"),  # numbers the other way round
        (wav(1, 1, 16, b"")[:20], "no sound in it"),
        (wav(1, 1, 16, b"")[:12] + chunk(b"data", b"ab"), "no sound in it"),
        (wav(85, 1, 16, b"ab"), "MP3 with 16 bits, which cannot be read; convert it"),
        (wav(2, 1, 4, b"ab"), "ADPCM with 4 bits"),
        (wav(3, 1, 16, b"ab"), "format 3 with 16 bits"),
        (wav(1, 1, 64, bytes(8)), "format 1 with 64 bits"),
        (wav(1, 0, 16, b"ab"), "not 0 and 8000 Hz"),
        (
            wav(0xFFFE, 4, 16, bytes(8), extensible(1, 16, "000021 07d31186 44c8c1ca000000")),
            "unknown format",
        ),  # ambisonic
    ],
)
def test_what_is_no_wav_file_is_refused(tmp_path: Path, content: bytes, words: str) -> None:
    (tmp_path / "x.wav").write_bytes(content)
    with pytest.raises(ValueError, match=rf"x\.wav.*{words}"):
        read_wav(tmp_path / "x.wav")


def test_a_file_whose_lengths_were_never_filled_in_is_read_to_its_end(tmp_path: Path) -> None:
    for written in (0, 36):  # what a recorder may say before it knows
        header = b"RIFF" + struct.pack("<I", written) + b"WAVE" + wav(1, 1, 16, b"")[12:36]
        (tmp_path / "y.wav").write_bytes(header + b"data" + bytes(4) + b"\1\0\2\0\3")
        assert read_wav(tmp_path / "y.wav") == (b"\1\0\2\0", 8_000)
    empty = wav(1, 1, 16, b"")[12:] + chunk(b"LIST", b"INFO")  # with the right lengths
    (tmp_path / "y.wav").write_bytes(chunk(b"RIFF", b"WAVE" + empty))
    assert read_wav(tmp_path / "y.wav") == (b"", 8_000)


def test_a_recording_brings_all_to_the_rate_of_the_first_piece(tmp_path: Path) -> None:
    with Recording(tmp_path / "x.wav") as recording:
        recording.write(bytes(480), 24_000)
        recording.write(bytes(1_600), 8_000)
        recording.write(b"\xff" * 100, 24_000, "audio/pcmu")
    recording.write(bytes(100), 24_000)  # closed: nothing happens
    pcm, rate_hz = read_wav(tmp_path / "x.wav")
    assert rate_hz == 24_000
    assert len(pcm) == 480 + 4_800 + 200
    assert not any(pcm)


def test_a_recording_leaves_a_file_as_it_is_until_there_is_something_to_write(tmp_path: Path) -> None:
    path, sound = tmp_path / "x.wav", sine(440, 16_000, 500)
    Recording(path).close()
    assert read_wav(path) == (b"", 24_000)  # nothing was said
    write_wav(path, sound, 16_000)
    recording = Recording(path)
    assert read_wav(path) == (sound, 16_000)
    recording.close()
    assert read_wav(path) == (sound, 16_000)
    write_wav(path, b"\1\0", 8_000)
    assert read_wav(path) == (b"\1\0", 8_000)
    assert path.stat().st_size == 46
    write_wav(path, b"", 8_000)
    assert read_wav(path) == (b"", 8_000)


def test_a_recording_may_go_nowhere() -> None:
    write_wav(os.devnull, b"\1\0", 8_000)


def test_a_recording_keeps_samples_whole_whatever_the_pieces_are(tmp_path: Path) -> None:
    sound = sine(440, 16_000, 1_601)
    with Recording(tmp_path / "x.wav") as recording:
        for start in range(0, len(sound), 33):
            recording.write(sound[start : start + 33], 16_000)
    assert read_wav(tmp_path / "x.wav") == (sound, 16_000)


def test_the_recording_of_a_program_that_was_killed_can_be_read(tmp_path: Path) -> None:
    program = (
        "import os, sys; from exllm.live.audio import Recording; recording = Recording(sys.argv[1])\n"
        "for number in range(100): recording.write(bytes([number, 0]) * 480, 24_000)\n"
        "os.kill(os.getpid(), 9)"
    )
    killed = subprocess.run([sys.executable, "-c", program, str(tmp_path / "x.wav")], check=False)
    assert killed.returncode == -9
    pcm, rate_hz = read_wav(tmp_path / "x.wav")
    assert rate_hz == 24_000
    whole = b"".join(bytes([number, 0]) * 480 for number in range(100))
    assert len(pcm) > len(whole) - 16_384
    assert whole.startswith(pcm)


def test_a_recording_goes_through_a_pipe(tmp_path: Path) -> None:
    path, got = tmp_path / "pipe", bytearray()
    os.mkfifo(path)
    reader = threading.Thread(target=lambda: got.extend(path.read_bytes()))
    reader.start()
    with Recording(path) as recording:
        recording.write(b"\1\0" * 100, 16_000)
    reader.join(5)
    (tmp_path / "x.wav").write_bytes(got)
    assert read_wav(tmp_path / "x.wav") == (b"\1\0" * 100, 16_000)


# -- the jitter buffer


def test_a_jitter_buffer_waits_for_enough_and_then_plays_without_gaps() -> None:
    buffer = JitterBuffer(1_000, frame_ms=10, target_ms=30)
    assert buffer.pop() == bytes(20)
    buffer.push(b"\1" * 40)
    assert buffer.pop() == bytes(20)  # not yet enough
    buffer.push(b"\2" * 20)
    assert [buffer.pop() for _ in range(3)] == [b"\1" * 20, b"\1" * 20, b"\2" * 20]
    assert buffer.played_ms == 30
    assert buffer.pop() == bytes(20)
    assert buffer.underruns == 1
    buffer.push(b"\3" * 10)
    assert buffer.pop() == bytes(20)
    buffer.finish()  # no more comes: what is there is played
    assert buffer.pop() == b"\3" * 10 + bytes(10)
    assert buffer.underruns == 1
    assert buffer.played_ms == 35


@pytest.mark.parametrize("seed", range(20))
def test_a_jitter_buffer_plays_bursts_and_late_pieces_whole_and_in_order(seed: int) -> None:
    dice = random.Random(seed)
    buffer = JitterBuffer(8_000, target_ms=dice.choice([0, 40, 333]))
    sound = bytes(1 + number % 250 for number in range(2 * dice.randint(0, 6_000)))
    played, at = bytearray(), 0
    while at < len(sound):
        length = dice.choice([2, 100, 320, 3_200])
        buffer.push(sound[at : at + length])
        at += length
        for _ in range(dice.randint(0, 6)):
            played += buffer.pop()
    buffer.finish()
    while buffer.buffered_ms:
        played += buffer.pop()
    assert bytes(byte for byte in played if byte) == sound
    assert buffer.played_ms == pytest.approx(len(sound) / 16)
    with pytest.raises(ValueError, match="target_ms"):
        JitterBuffer(8_000, target_ms=-1)


def test_a_jitter_buffer_counts_what_was_played_of_the_last_item_alone() -> None:
    buffer = JitterBuffer(1_000, frame_ms=10, target_ms=0)
    buffer.push(b"\1" * 60)
    buffer.pop()
    buffer.restart()  # the next item has come, and 20 ms of the one before are still to be played
    buffer.push(b"\2" * 60)
    heard = []
    for _ in range(4):
        heard.append(buffer.played_ms)
        buffer.pop()
    assert heard == [0, 0, 0, 10]
    assert buffer.clear() == 10
    assert buffer.played_ms == 20
    buffer.push(b"\3" * 40)
    buffer.restart()
    buffer.clear()  # nothing of the last item was heard
    buffer.push(b"\4" * 20)
    buffer.pop()
    assert buffer.played_ms == 10


def test_a_jitter_buffer_keeps_samples_whole_when_pieces_are_not() -> None:
    buffer = JitterBuffer(1_000, frame_ms=2, target_ms=0)
    buffer.push(b"\1\1\2")
    assert buffer.pop() == b"\1\1\0\0"
    assert buffer.underruns == 1
    buffer.push(b"\2\3\3")
    assert buffer.pop() == b"\2\2\3\3"
    buffer.push(b"\4\4\5")
    buffer.finish()
    assert buffer.pop() == b"\4\4\0\0"
    assert buffer.pop() == bytes(4)
    assert buffer.underruns == 1
    assert buffer.played_ms == 4


def test_a_jitter_buffer_that_ran_dry_plays_what_is_late_when_there_is_enough_of_it() -> None:
    buffer = JitterBuffer(1_000, frame_ms=10, target_ms=30)
    buffer.push(b"\1" * 60)
    assert [buffer.pop() for _ in range(4)] == [b"\1" * 20] * 3 + [bytes(20)]
    assert buffer.underruns == 1
    buffer.push(b"\2" * 40)
    assert [buffer.pop() for _ in range(3)] == [bytes(20)] * 3  # a stutter would be worse
    assert buffer.underruns == 1  # still the same gap
    buffer.push(b"\3" * 40)
    assert [buffer.pop() for _ in range(4)] == [b"\2" * 20, b"\2" * 20, b"\3" * 20, b"\3" * 20]
    buffer.finish()
    assert buffer.pop() == bytes(20)
    buffer.push(b"\4" * 20)  # the next answer is held back again
    assert buffer.pop() == bytes(20)


def test_a_jitter_buffer_is_emptied_by_an_interruption() -> None:
    buffer = JitterBuffer(1_000, frame_ms=10, target_ms=0)
    buffer.push(b"\1" * 100)
    assert buffer.pop() == b"\1" * 20
    assert buffer.buffered_ms == 40
    assert buffer.clear() == 40
    assert buffer.pop() == bytes(20)
    assert buffer.played_ms == 10
    buffer.restart()
    assert buffer.played_ms == 0
