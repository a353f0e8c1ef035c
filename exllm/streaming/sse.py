"""Server-sent events: the framing of nearly every hosted provider."""

from __future__ import annotations

from exllm.errors import ExLLMError, FrameTooLarge, StreamClosed
from exllm.streaming.frame import Frame

__all__ = ["SSEDecoder"]

_LF, _CR = b"\n\r"
_BOM = b"\xef\xbb\xbf"
# A provider has a dozen event names. The bound is for a server that makes up new ones for ever.
_MOST_NAMES = 256
# More digits than this is nothing that anybody could wait for, and `int()` refuses a few thousand.
_MOST_RETRY_DIGITS = 600
_MOST_STRAY_BYTES = 65_536


class SSEDecoder:
    """Turn the bytes of one ``text/event-stream`` body into frames, without I/O.

    Any slicing of the same bytes gives the same frames, in time linear in their number. Comments and events without
    data give no frame, so a caller that measures idleness looks at whether `feed` returned any. Bytes that are not
    UTF-8 become U+FFFD, as the standard wants; ``Frame.data`` is always valid UTF-8.

    Args:
        max_frame_bytes: most bytes that one event may hold, its field names and line ends included.

    Attributes:
        last_event_id: the last event id; ``""`` while there was none. It is set by a whole event only.
        retry_ms: the reconnection time that the server asked for last, in milliseconds, or None.
        stray: the lines, up to 64 KiB, that are of no field, which the standard ignores: some services write an error
            into a stream as it is, without ``data:``.

    Raises (from `feed` and `close`):
        FrameTooLarge: an event is over the limit. Frames that were complete before it are returned first, and the error
            is raised by the call after that one, so a caller that stops reading must still call `close`.
            From then on every call raises it.
        StreamClosed: `feed` was called after `close`.

    Source: WHATWG HTML, "Interpreting an event stream". Deviation: ``retry`` is reported, not obeyed.
    """

    __slots__ = (
        "_bom_may_come",
        "_failure",
        "_names",
        "_skip_lf",
        "_tail",
        "_wary",
        "last_event_id",
        "max_frame_bytes",
        "retry_ms",
        "stray",
    )

    def __init__(self, max_frame_bytes: int = 16 * 1024 * 1024) -> None:
        self.max_frame_bytes = max_frame_bytes
        self.last_event_id = ""
        self.retry_ms: int | None = None
        self.stray = b""
        # What follows the last blank line, with LF line ends. It grows in place, in amortised constant time per byte,
        # and only bytes that are new are searched for the end of the event.
        self._tail = bytearray()
        self._names = {b"": "message"}
        self._bom_may_come = True
        self._skip_lf = False
        self._failure: ExLLMError | None = None
        self._wary = True  # one of the three above holds; looked at instead of them, because reads can be small

    def feed(self, data: bytes) -> list[Frame]:
        """Take the next bytes of the body and return the frames that they complete."""
        if self._wary:
            data = self._prepare(data)
        if _CR in data:
            # The three line ends mean the same, so one kind is enough from here on. A CR at the end of the read ends
            # its line at once; the LF that may follow it is skipped when it comes.
            self._wary = self._skip_lf = data[-1] == _CR
            lines = data.replace(b"\r", b"")
            # Single bytes are found eight times as fast as pairs: where putting the CRs back gives the same bytes, they
            # all stood before an LF.
            if lines.replace(b"\n", b"\r\n") == data:
                data = lines
            else:
                data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        tail = self._tail
        end = data.rfind(b"\n\n") + 2
        if end == 1 and not (tail and tail[-1] == _LF and data.startswith(b"\n")):
            tail += data
            if len(tail) > self.max_frame_bytes:
                self._check_tail()
                if self._failure is not None:
                    raise self._failure
            return []
        # end == 1 here means that a blank line was cut in two: its LF is the first byte of this read.
        block = data if end == len(data) else data[:end]
        if tail:
            tail += block
            block = bytes(tail)
            tail.clear()
        if end < len(data):
            tail += data[end:]
            if len(tail) > self.max_frame_bytes:
                self._check_tail()
        if len(block) > self.max_frame_bytes:
            block = self._cut_at_oversize(block)
        frames = self._decode(block)
        if self._failure is not None and not frames:
            raise self._failure
        return frames

    def close(self, *, flush: bool = False) -> list[Frame]:
        """End the body. Calling it again does nothing.

        An event that no blank line has ended is dropped, as the standard wants. With `flush` it is returned instead:
        for a wire that can tell from the data that it is whole, because some servers forget the last blank line.
        """
        failure, tail = self._failure, bytes(self._tail)
        if failure is not None:
            if isinstance(failure, StreamClosed):
                return []
            raise failure
        self._failure = StreamClosed("this decoder was closed; every body needs a new one")
        self._wary = True
        self._tail.clear()
        if flush:
            return self._decode(tail + b"\n\n")
        # `retry` counts as soon as its line has ended, whether or not the event is ever dispatched.
        for line in tail.split(b"\n")[:-1]:
            self._note_retry(line)
        return []

    def _prepare(self, data: bytes) -> bytes:
        """Do what only few reads need: refuse it, or take a byte order mark or the second half of a CRLF from it."""
        if self._failure is not None:
            raise self._failure
        if self._bom_may_come:
            data = bytes(self._tail) + data
            self._tail.clear()
            if len(data) < len(_BOM) and _BOM.startswith(data):
                self._tail += data
                return b""
            self._bom_may_come = False
            data = data.removeprefix(_BOM)
        if self._skip_lf:
            if not data:
                return data
            self._skip_lf = False
            data = data.removeprefix(b"\n")
        self._wary = False
        return data

    def _decode(self, block: bytes) -> list[Frame]:
        """Decode whole events: bytes with LF line ends, the last two of which are LF."""
        if not block.isascii():
            text = block.decode("utf-8", "replace")
            if "\ufffd" in text:
                block = text.encode()
        # Nearly all reads have one of two shapes, and one count of the line ends proves it: when it comes out even, no
        # part has room for a line that is not accounted for. Everything else goes line by line.
        if block.startswith(b"data: "):
            lines = block.count(b"\n")
            if lines == 2:
                return [Frame(block[6:-2], "message", self.last_event_id)]
            parts = block[6:-2].split(b"\n\ndata: ")
            if lines == 2 * len(parts):
                if not self.last_event_id:
                    return list(map(Frame, parts))
                return [Frame(part, "message", self.last_event_id) for part in parts]
        elif block.startswith(b"event: "):
            parts = block[7:-2].split(b"\n\nevent: ")
            if block.count(b"\n") == 3 * len(parts):
                frames = self._decode_named(parts)
                if frames is not None:
                    return frames
        return self._decode_lines(block)

    def _decode_named(self, parts: list[bytes]) -> list[Frame] | None:
        """Decode ``NAME\\ndata: DATA`` parts that hold one line end each on average; None if one of them is not so."""
        frames: list[Frame] = []
        names, event_id = self._names, self.last_event_id
        for part in parts:
            name, separator, data = part.partition(b"\ndata: ")
            if not separator:
                return None
            event = names.get(name)
            if event is None:
                event = self._name(name)
            frames.append(Frame(data, event, event_id))
        return frames

    def _decode_lines(self, block: bytes) -> list[Frame]:
        frames: list[Frame] = []
        data: list[bytes] = []
        event, event_id = "message", self.last_event_id
        for line in block.split(b"\n"):
            if not line:
                if data:
                    frames.append(Frame(data[0] if len(data) == 1 else b"\n".join(data), event, event_id))
                    data = []
                event = "message"
                self.last_event_id = event_id
                continue
            field, _, value = line.partition(b":")
            if value[:1] == b" ":
                value = value[1:]
            if field == b"data":
                data.append(value)
            elif field == b"event":
                event = self._names.get(value) or self._name(value)
            elif field == b"id":
                if b"\0" not in value:
                    event_id = value.decode()
            elif field == b"retry":
                self._note_retry(line)
            elif field and len(self.stray) + len(line) < _MOST_STRAY_BYTES:
                self.stray += line + b"\n"
        return frames

    def _name(self, name: bytes) -> str:
        event = name.decode()
        if len(self._names) < _MOST_NAMES:
            self._names[name] = event
        return event

    def _note_retry(self, line: bytes) -> None:
        field, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if field == b"retry" and value.isdigit() and len(value) <= _MOST_RETRY_DIGITS:
            self.retry_ms = int(value)

    def _check_tail(self) -> None:
        # A blank line that came alone after the last event belongs to no event.
        if len(self._tail) - self._tail.startswith(b"\n") > self.max_frame_bytes:
            self._fail()

    def _cut_at_oversize(self, block: bytes) -> bytes:
        """Note the first event over the limit as the failure and return what comes before it."""
        start = 0
        for event in block.split(b"\n\n"):
            if len(event.lstrip(b"\n")) + 2 > self.max_frame_bytes:
                self._fail()
                return block[:start]
            start += len(event) + 2
        return block

    def _fail(self) -> None:
        self._tail.clear()
        self._wary = True
        self._failure = FrameTooLarge(f"one server-sent event is over the limit of {self.max_frame_bytes} bytes")
