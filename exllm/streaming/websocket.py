"""WebSocket messages as frames, so that realtime wires read what the others read."""

from __future__ import annotations

from exllm.errors import ExLLMError, FrameTooLarge, ProtocolError, StreamClosed, StreamInterrupted
from exllm.streaming.frame import Frame

__all__ = ["WebSocketDecoder"]


class WebSocketDecoder:
    """Turn the messages of one WebSocket connection into frames, without I/O.

    The protocol itself (handshake, masks, pings, the close) is the WebSocket library's. This takes what the library
    received, whole messages or the fragments of one, and gives one frame per message: ``event`` is ``"text"`` or
    ``"binary"``, ``data`` its bytes. Empty messages give no frame.

    Args:
        max_frame_bytes: most bytes that one message may hold. Give the library the same limit: it is what keeps a
            whole message from being received; this one counts fragments.

    Raises (from `feed` and `close`); from then on every call raises it:
        FrameTooLarge: a message is over the limit.
        ProtocolError: a text that cannot be written as UTF-8.
        StreamInterrupted (from `close`): the connection ended within a message.
        StreamClosed: `feed` was called after `close`.

    Source: RFC 6455, sections 5.4 (fragments) and 5.6 (text and binary messages).
    """

    __slots__ = ("_failure", "_kind", "_pieces", "_size", "max_frame_bytes")

    def __init__(self, max_frame_bytes: int = 16 * 1024 * 1024) -> None:
        self.max_frame_bytes = max_frame_bytes
        self._pieces: list[bytes] = []
        self._size = 0
        self._kind = ""  # of the unfinished message
        self._failure: ExLLMError | None = None

    def feed(self, data: str | bytes, *, final: bool = True) -> list[Frame]:
        """Take a message, or with ``final=False`` a fragment that others follow; return the frame that it completes.

        Raises TypeError when the fragments of one message are of both types.
        """
        if self._failure is not None:
            raise self._failure
        kind = "text" if isinstance(data, str) else "binary"
        if self._kind and kind != self._kind:
            raise TypeError(f"a {kind} fragment cannot continue a {self._kind} message")
        piece = self._encode(data) if isinstance(data, str) else bytes(data)
        self._size += len(piece)
        if self._size > self.max_frame_bytes:
            raise self._fail(FrameTooLarge(f"one message is over the limit of {self.max_frame_bytes} bytes"))
        if not final:
            self._kind = kind
            self._pieces.append(piece)
            return []
        if self._pieces:
            self._pieces.append(piece)
            piece = b"".join(self._pieces)
        self._forget()
        return [Frame(piece, kind)] if piece else []

    def close(self) -> list[Frame]:
        """End the connection. Returns nothing: a message without its last fragment is none. Again: does nothing."""
        if isinstance(self._failure, StreamClosed):
            return []
        if self._failure is not None:
            raise self._failure
        is_within_message = bool(self._kind)
        self._fail(StreamClosed("this decoder was closed; every connection needs a new one"))
        if is_within_message:
            raise StreamInterrupted("the connection ended within a message")
        return []

    def _encode(self, text: str) -> bytes:
        try:
            return text.encode()
        except UnicodeEncodeError:
            raise self._fail(ProtocolError("a text message holds half of a surrogate pair")) from None

    def _forget(self) -> None:
        self._pieces = []
        self._size = 0
        self._kind = ""

    def _fail(self, error: ExLLMError) -> ExLLMError:
        self._forget()
        self._failure = error
        return error
