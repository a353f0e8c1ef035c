"""A response body reader for those who take all that is there, whatever the HTTP chunks were.

aiohttp's `StreamReader` keeps the end of every HTTP chunk for `readchunk`, and takes its pieces out one by one.
Services send one event per HTTP chunk, so that this is much of what reading a fast stream costs. `BodyReader` leaves it
out. It pauses the socket at the same level, and gives the same bytes; more of them where the connection breaks, as
aiohttp's reader then throws away what nobody had taken.

It builds on names that aiohttp does not promise. Where one of them is missing, aiohttp's own reader stays in place.
"""

from __future__ import annotations

from aiohttp.base_protocol import BaseProtocol
from aiohttp.streams import StreamReader

from exllm.transport.exchange import Response


class BodyReader(StreamReader):
    """Read it with `readany` alone."""

    __slots__ = ()

    def feed_data(self, data: bytes, size: int = 0) -> bool:
        """See `StreamReader.feed_data`."""
        if data:
            self._buffer.append(data)
            self._size += len(data)
            self.total_bytes += len(data)
            waiter = self._waiter
            if waiter is not None:
                self._waiter = None
                if not waiter.done():
                    waiter.set_result(None)
            if self._size > self._high_water:
                self._protocol.pause_reading()
        return False

    def begin_http_chunk_receiving(self) -> None:
        """Where HTTP chunks begin is of no interest."""

    def end_http_chunk_receiving(self) -> None:
        """Where HTTP chunks end is of no interest."""

    async def readany(self) -> bytes:
        """All that is there, after waiting for something if need be; ``b""`` at the end.

        Raises what broke the connection, once all that had come before was given.
        """
        buffer = self._buffer
        while not buffer:
            if self._exception is not None:
                raise self._exception
            if self._eof:
                return b""
            await self._wait("readany")
        data = buffer[0] if len(buffer) == 1 else b"".join(buffer)
        buffer.clear()
        self._size = 0
        # After the end the connection may serve another response already.
        if self._protocol._reading_paused and not self._eof:
            self._protocol.resume_reading()
        return data


def read_whole_reads(response: Response) -> None:
    """Give `response` a `BodyReader` in place of the reader that aiohttp made, before anything is taken from it."""
    reader = response.content
    if type(reader) is StreamReader and IS_AVAILABLE and not reader._buffer_offset:
        reader.__class__ = BodyReader


_BUILDS_ON = (
    "_buffer", "_buffer_offset", "_eof", "_exception", "_high_water", "_protocol", "_size", "_wait", "_waiter",
)  # fmt: skip
IS_AVAILABLE = all(hasattr(StreamReader, name) for name in _BUILDS_ON) and hasattr(BaseProtocol, "_reading_paused")
