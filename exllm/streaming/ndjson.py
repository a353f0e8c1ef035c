"""Newline-delimited JSON: the framing of Ollama and of many local servers."""

from __future__ import annotations

from exllm.errors import ExLLMError, FrameTooLarge, StreamClosed
from exllm.streaming.frame import Frame

__all__ = ["NDJSONDecoder"]

_BLANK = b" \t\r"  # what JSON allows around a value, but for the line feed


class NDJSONDecoder:
    """Turn the bytes of one NDJSON body into frames, one per line, without I/O.

    Any slicing of the same bytes gives the same frames, in time linear in their number. White space around a line,
    the CR of a CRLF with it, is not part of the frame; lines of nothing else are skipped. Whether a line is JSON is for
    the wire to find out.

    Args:
        max_frame_bytes: most bytes that one line may hold, without its line feed.

    Raises (from `feed` and `close`):
        FrameTooLarge: a line is over the limit. Frames that were complete before it are returned first, and the error
            is raised by the call after that one, so a caller that stops reading must still call `close`.
            From then on every call raises it.
        StreamClosed: `feed` was called after `close`.

    Source: https://github.com/ndjson/ndjson-spec. Of its choices: empty lines are ignored.
    """

    __slots__ = ("_failure", "_tail", "max_frame_bytes")

    def __init__(self, max_frame_bytes: int = 16 * 1024 * 1024) -> None:
        self.max_frame_bytes = max_frame_bytes
        # The unfinished line. It grows in place, in amortised constant time per byte; only new bytes are searched.
        self._tail = bytearray()
        self._failure: ExLLMError | None = None

    def feed(self, data: bytes) -> list[Frame]:
        """Take the next bytes of the body and return the frames that they complete."""
        if self._failure is not None:
            raise self._failure
        tail = self._tail
        end = data.rfind(b"\n")
        if end < 0:
            tail += data
            if len(tail) > self.max_frame_bytes:
                raise self._fail()
            return []
        block = data[:end]
        if tail:
            tail += block
            block = bytes(tail)
            tail.clear()
        lines = block.split(b"\n")
        if len(block) > self.max_frame_bytes:
            lines = self._within_limit(lines)
        if self._failure is None:
            tail += data[end + 1 :]
            if len(tail) > self.max_frame_bytes:
                self._fail()
        frames = [Frame(line) for line in (line.strip(_BLANK) for line in lines) if line]
        if self._failure is not None and not frames:
            raise self._failure
        return frames

    def close(self) -> list[Frame]:
        """End the body and return its last line, if no line feed has ended it. Calling it again does nothing."""
        if isinstance(self._failure, StreamClosed):
            return []
        if self._failure is not None:
            raise self._failure
        self._failure = StreamClosed("this decoder was closed; every body needs a new one")
        line = bytes(self._tail).strip(_BLANK)
        self._tail.clear()
        return [Frame(line)] if line else []

    def _within_limit(self, lines: list[bytes]) -> list[bytes]:
        """The lines before the first one over the limit, which is noted as the failure."""
        for number, line in enumerate(lines):
            if len(line) > self.max_frame_bytes:
                self._fail()
                return lines[:number]
        return lines

    def _fail(self) -> FrameTooLarge:
        self._tail.clear()
        self._failure = failure = FrameTooLarge(f"one line is over the limit of {self.max_frame_bytes} bytes")
        return failure
