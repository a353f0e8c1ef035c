"""Speak with a realtime model: microphone in, loudspeaker out. Interrupt it by speaking; wear headphones.

pip install "exllm[audio]"                              # sounddevice, which brings PortAudio on macOS and Windows
python examples/live_microphone.py                      # with GEMINI_API_KEY set; Ctrl-C ends it
python examples/live_microphone.py openai               # with OPENAI_API_KEY set
"""

import asyncio
import contextlib
import sys
import threading
from typing import Any

import exllm
from exllm import live
from exllm.live.audio import JitterBuffer

RATE_HZ = 24_000
FRAME_MS = 20
MOST_WAITING_FRAMES = 50  # a second; the microphone loses sound rather than speak ever later


class SoundCard:
    """The microphone and the loudspeaker, which both call us from threads of their own."""

    def __init__(self) -> None:
        try:
            import sounddevice
        except ImportError:  # it is not installed
            sys.exit('This example needs sounddevice: pip install "exllm[audio]"')
        except OSError as error:  # it is, and the library that it stands on is not
            sys.exit(f"{error}. On Debian and Ubuntu: apt install libportaudio2")
        self.loop = asyncio.get_running_loop()
        self.heard: asyncio.Queue[bytes] = asyncio.Queue()
        self.jitter = JitterBuffer(RATE_HZ, frame_ms=FRAME_MS, target_ms=100)
        self.lock = threading.Lock()  # of the jitter buffer
        self.lost = 0
        frames = RATE_HZ * FRAME_MS // 1000
        how: dict[str, Any] = {"samplerate": RATE_HZ, "channels": 1, "dtype": "int16", "blocksize": frames}
        try:
            self.microphone = sounddevice.RawInputStream(callback=self._microphone, **how)
            self.speaker = sounddevice.RawOutputStream(callback=self._speaker, **how)
        except sounddevice.PortAudioError as error:
            sys.exit(f"There is no microphone or no loudspeaker: {error}")

    def __enter__(self) -> "SoundCard":
        self.microphone.start()
        self.speaker.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.microphone.close()
        self.speaker.close()

    def _microphone(self, data: Any, _frames: int, _time: Any, _status: Any) -> None:
        with contextlib.suppress(RuntimeError):  # the loop has ended
            self.loop.call_soon_threadsafe(self._take, bytes(data))

    def _take(self, pcm: bytes) -> None:
        if self.heard.qsize() < MOST_WAITING_FRAMES:
            self.heard.put_nowait(pcm)
        else:
            self.lost += 1

    def _speaker(self, out: Any, _frames: int, _time: Any, _status: Any) -> None:
        with self.lock:
            out[:] = self.jitter.pop()


async def speak(session: live.LiveSession, card: SoundCard) -> None:
    """What the microphone hears goes to the model."""
    while True:
        await session.send_audio(await card.heard.get(), RATE_HZ)


async def listen(session: live.LiveSession, card: SoundCard) -> None:
    """What the model says goes to the loudspeaker, until it is interrupted."""
    jitter, item = card.jitter, ""

    async for event in session:
        match event:
            case live.AudioOut(data=pcm, item=now):
                with card.lock:
                    if now != item:
                        item = now
                        jitter.restart()
                    jitter.push(pcm)
            case live.Interrupted() | live.SpeechStarted():  # silence at once; the model is told how much was heard
                with card.lock:
                    thrown_ms, played_ms = jitter.clear(), int(jitter.played_ms)
                if thrown_ms:
                    print(" -")
                    await session.interrupt(played_ms=played_ms)
            case live.OutputTranscript(text=text):
                print(text, end="", flush=True)
            case live.TurnComplete():
                with card.lock:
                    jitter.finish()
                print()
            case live.Reconnecting(reason=reason):
                print(f"[{reason}]")


async def main(model: str = "gemini") -> None:
    with SoundCard() as card:
        async with exllm.Client() as client, client.live(model, output_transcription=True) as session:
            print("[speak; Ctrl-C ends it]")
            speaking = asyncio.create_task(speak(session, card))
            try:
                await listen(session, card)
            finally:
                speaking.cancel()
                stats, lost_ms = session.stats, card.lost * FRAME_MS
                print(
                    f"\n[heard {stats.audio_in_bytes} bytes, said {stats.audio_out_bytes}; the microphone lost "
                    f"{lost_ms} ms, the loudspeaker ran dry {card.jitter.underruns} times]"
                )


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(main(*sys.argv[1:]))
