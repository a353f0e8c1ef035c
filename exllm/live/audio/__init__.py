"""Audio for realtime sessions: frames, sample rates, G.711, WAV files, a jitter buffer, a file at the speed of sound.

PCM here is what the services speak: samples of 16 bits, little-endian, one channel. NumPy makes resampling faster where
it is installed.
"""

from exllm.live.audio.frames import PcmFrames
from exllm.live.audio.g711 import alaw_decode, alaw_encode, ulaw_decode, ulaw_encode
from exllm.live.audio.jitter import JitterBuffer
from exllm.live.audio.pace import paced
from exllm.live.audio.resample import Resampler, resample
from exllm.live.audio.wav import Recording, read_wav, write_wav

__all__ = [
    "JitterBuffer",
    "PcmFrames",
    "Recording",
    "Resampler",
    "alaw_decode",
    "alaw_encode",
    "paced",
    "read_wav",
    "resample",
    "ulaw_decode",
    "ulaw_encode",
    "write_wav",
]
