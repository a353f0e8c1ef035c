"""The recordings of a session: what is heard goes into files, too."""

from __future__ import annotations

import os

from exllm.live.audio.wav import Recording
from exllm.types.live_events import AudioOut


class Recordings:
    """Those that go on. One that fails (the disk is full) ends, and says so: that costs neither event nor session.

    Attributes:
        warnings: what became of those that failed.
    """

    def __init__(self) -> None:
        self.warnings: list[str] = []
        self._open: list[Recording] = []

    def __bool__(self) -> bool:
        return bool(self._open)

    def begin(self, path: str | os.PathLike[str]) -> Recording:
        """Another one. Raises OSError."""
        recording = Recording(path)
        self._open.append(recording)
        return recording

    def write(self, event: AudioOut) -> None:
        """Somebody hears this."""
        for recording in tuple(self._open):
            try:
                recording.write(event.data, event.rate_hz, event.media_type)
            except OSError as error:
                self.warnings.append(f"a recording ended early: {error}")
                self._end(recording)

    def close(self) -> None:
        """Finish all: nobody will hear anything more."""
        while self._open:
            self._end(self._open[-1])

    def _end(self, recording: Recording) -> None:
        self._open.remove(recording)
        try:
            recording.close()
        except OSError as error:
            self.warnings.append(f"a recording could not be finished: {error}")
