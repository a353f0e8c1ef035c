"""A body never outlives its connection.

aiohttp closes the connection when it finds something that is not HTTP, such as garbage in the place of a chunk's
length, but does not tell the reader of the body, who then waits for ever (seen with 3.14).
"""

from __future__ import annotations

import asyncio

import aiohttp

from exllm.transport.exchange import Response


def end_with_connection(response: Response) -> None:
    """See to it that whoever reads the body of `response` gets an error when the connection ends before the body."""
    body, connection = response.content, response.connection
    if connection is None or connection.protocol is None or body.is_eof():
        return
    closed: asyncio.Future[None] | None = connection.protocol.closed
    if closed is None:
        _break_off(body)
        return

    def connection_closed(future: asyncio.Future[None]) -> None:
        if not future.cancelled():
            future.exception()  # it is in the body already, or does not matter any more
        _break_off(body)

    def body_read() -> None:
        closed.remove_done_callback(connection_closed)

    closed.add_done_callback(connection_closed)
    body.on_eof(body_read)


def _break_off(body: aiohttp.StreamReader) -> None:
    if not body.is_eof() and body.exception() is None:
        body.set_exception(aiohttp.ClientPayloadError("the connection ended within the body"))
