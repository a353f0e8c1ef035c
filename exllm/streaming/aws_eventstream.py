"""AWS event-stream (``application/vnd.amazon.eventstream``): the binary framing of Amazon Bedrock."""

from __future__ import annotations

from functools import lru_cache
from struct import Struct
from typing import Literal, TypeAlias
from uuid import UUID
from zlib import crc32

import msgspec

from exllm.errors import ExLLMError, FrameTooLarge, ProtocolError, StreamClosed, StreamInterrupted
from exllm.streaming.frame import Frame

__all__ = ["EventStreamDecoder", "EventStreamFrame", "HeaderValue"]

HeaderValue: TypeAlias = bool | int | bytes | str | UUID
"""A header's value. The four sizes of integers are `int`, and so is a timestamp: milliseconds since 1970, UTC."""

MessageType = Literal["event", "exception", "error"]
_Block: TypeAlias = tuple[str, MessageType, dict[str, HeaderValue]]  # what one block of headers says

_PRELUDE = Struct(">III")  # bytes of the message, bytes of its headers, CRC-32 of the two
_CRC = Struct(">I")
_PRELUDE_SIZE, _CRC_SIZE = _PRELUDE.size, _CRC.size
_NUMBERS = {2: Struct(">b"), 3: Struct(">h"), 4: Struct(">i"), 5: Struct(">q"), 8: Struct(">q")}
_TRUE, _FALSE, _BYTES, _STRING, _UUID = 0, 1, 6, 7, 9
_LENGTH = Struct(">H")
# All streams repeat a handful of header blocks, each of some 100 bytes, in their messages, and pairs of lengths as
# well. What was read of them is remembered for the next stream; the bounds are for one that repeats nothing.
_MOST_BLOCKS = 64
_MOST_PRELUDES = 1024
_LARGEST_BLOCK = 512
_blocks: dict[bytes, _Block] = {}


@lru_cache(8)
def _preludes_of(max_frame_bytes: int) -> dict[bytes, tuple[int, int, int]]:
    """The preludes that were right and within this limit, with their numbers."""
    return {}


class EventStreamFrame(Frame, frozen=True, gc=False):
    """One message.

    Attributes:
        event: the ``:event-type``, ``:exception-type`` or ``:error-code``; ``"message"`` where the message has none.
        message_type: ``"event"`` for a part of the answer, ``"exception"`` for an error that the service describes in
            `data`, ``"error"`` for one with nothing but a code and the header ``:error-message``.
        headers: all headers by name.
    """

    message_type: MessageType = "event"
    headers: dict[str, HeaderValue] = msgspec.field(default_factory=dict)


class EventStreamDecoder:
    """Turn the bytes of one AWS event-stream body into frames, without I/O.

    Any slicing of the same bytes gives the same frames, in time linear in their number. Both checksums are verified
    before anything is handed out.

    Args:
        max_frame_bytes: most bytes that one message may hold, headers and checksums included.

    Raises (from `feed` and `close`), after frames that were complete before; from then on every call raises it:
        ProtocolError: a checksum, a length or a header is wrong. The rest of the body cannot be read, because the
            place where the next message begins is not known.
        FrameTooLarge: a message announces itself as over the limit; none of it is kept.
        StreamInterrupted (from `close`): the body ended within a message.
        StreamClosed: `feed` was called after `close`.

    Source: https://docs.aws.amazon.com/lexv2/latest/dg/event-stream-encoding.html and the Smithy specification,
    "Amazon Event Stream". Where they leave it open: a header that comes twice is an error.
    """

    __slots__ = ("_failure", "_needed", "_preludes", "_tail", "max_frame_bytes")

    def __init__(self, max_frame_bytes: int = 16 * 1024 * 1024) -> None:
        self.max_frame_bytes = max_frame_bytes
        self._tail = bytearray()  # the unfinished message
        self._needed = _PRELUDE_SIZE  # bytes that it must have before there is any use in looking at it
        self._preludes = _preludes_of(max_frame_bytes)
        self._failure: ExLLMError | None = None

    def feed(self, data: bytes) -> list[Frame]:
        """Take the next bytes of the body and return the frames that they complete."""
        if self._failure is not None:
            raise self._failure
        tail = self._tail
        if tail or len(data) < self._needed:
            tail += data
            if len(tail) < self._needed:
                return []
            data = bytes(tail)
            tail.clear()
        frames: list[Frame] = []
        preludes, blocks = self._preludes, _blocks  # locals are faster
        start, size = 0, len(data)
        try:
            while True:
                if size - start < _PRELUDE_SIZE:
                    self._needed = _PRELUDE_SIZE
                    break
                prelude = data[start : start + _PRELUDE_SIZE]
                total, headers_size, checksum = preludes.get(prelude) or self._read_prelude(prelude)
                if size - start < total:
                    self._needed = total
                    break
                headers_at, end = start + _PRELUDE_SIZE, start + total
                data_at, data_end = headers_at + headers_size, end - _CRC_SIZE
                # The checksum of the prelude is that of the message so far.
                if crc32(data[start + 8 : data_end], checksum) != _CRC.unpack_from(data, data_end)[0]:
                    raise ProtocolError("an event-stream message has a wrong checksum")
                block = data[headers_at:data_at]
                event, message_type, headers = blocks.get(block) or _read_block(block)
                # The headers are copied, so that nobody can change those of a later frame.
                frames.append(EventStreamFrame(data[data_at:data_end], event, "", message_type, headers.copy()))
                start = end
        except ProtocolError as error:
            self._failure = error
            if not frames:
                raise
            return frames
        tail += data[start:]
        return frames

    def close(self) -> list[Frame]:
        """End the body. Returns nothing: messages say how long they are. Calling it again does nothing."""
        if isinstance(self._failure, StreamClosed):
            return []
        if self._failure is not None:
            raise self._failure
        self._failure = StreamClosed("this decoder was closed; every body needs a new one")
        if self._tail:
            have = len(self._tail)
            self._tail.clear()
            raise StreamInterrupted(f"the body ended within a message, {have} bytes after its beginning")
        return []

    def _read_prelude(self, prelude: bytes) -> tuple[int, int, int]:
        """The three numbers of a prelude that is right; it is not looked at again."""
        total, headers_size, checksum = numbers = _PRELUDE.unpack(prelude)
        if crc32(prelude[:-_CRC_SIZE]) != checksum:
            raise ProtocolError("an event-stream message has a wrong checksum in its prelude")
        if headers_size + _PRELUDE_SIZE + _CRC_SIZE > total:
            raise ProtocolError(f"an event-stream message of {total} bytes claims {headers_size} bytes of headers")
        if total > self.max_frame_bytes:
            raise FrameTooLarge(
                f"an event-stream message of {total} bytes is over the limit of {self.max_frame_bytes} bytes"
            )
        if len(self._preludes) >= _MOST_PRELUDES:
            self._preludes.clear()
        self._preludes[prelude] = numbers
        return numbers


def _read_block(block: bytes) -> _Block:
    headers = _read_headers(block)
    known = (*_kind(headers), headers)
    if len(block) <= _LARGEST_BLOCK:
        if len(_blocks) >= _MOST_BLOCKS:
            _blocks.clear()
        _blocks[block] = known
    return known


def _read_headers(block: bytes) -> dict[str, HeaderValue]:
    headers: dict[str, HeaderValue] = {}
    start = 0
    while start < len(block):
        name, start = _take(block, start + 1, block[start])
        kind_byte, start = _take(block, start, 1)
        kind = kind_byte[0]
        value: HeaderValue
        if kind in (_STRING, _BYTES):
            length, start = _take(block, start, _LENGTH.size)
            raw, start = _take(block, start, _LENGTH.unpack(length)[0])
            value = _text(raw) if kind == _STRING else raw
        elif kind in _NUMBERS:
            raw, start = _take(block, start, _NUMBERS[kind].size)
            value = _NUMBERS[kind].unpack(raw)[0]
        elif kind in (_TRUE, _FALSE):
            value = kind == _TRUE
        elif kind == _UUID:
            raw, start = _take(block, start, 16)
            value = UUID(bytes=raw)
        else:
            raise ProtocolError(f"an event-stream header is of type {kind}, which does not exist")
        key = _text(name)
        if not key or key in headers:
            raise ProtocolError("an event-stream header comes twice" if key else "an event-stream header has no name")
        headers[key] = value
    return headers


def _take(block: bytes, start: int, size: int) -> tuple[bytes, int]:
    """The next `size` bytes, and where they end."""
    end = start + size
    if end > len(block):
        raise ProtocolError("an event-stream header is longer than the headers of its message")
    return block[start:end], end


def _text(raw: bytes) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        raise ProtocolError("an event-stream header is not UTF-8") from None


_NAMED_BY: dict[str, str] = {"event": ":event-type", "exception": ":exception-type", "error": ":error-code"}


def _kind(headers: dict[str, HeaderValue]) -> tuple[str, MessageType]:
    """The frame's `event` and `message_type`."""
    message_type = headers.get(":message-type", "event")
    named_by = _NAMED_BY.get(message_type) if isinstance(message_type, str) else None
    if named_by is None:
        raise ProtocolError(f"an event-stream message is of the type {message_type!r}, which does not exist")
    event = headers.get(named_by, "message")
    if not isinstance(event, str):
        raise ProtocolError(f"the event-stream header {named_by} is not a string")
    return event, message_type  # type: ignore[return-value]
