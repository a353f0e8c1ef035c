"""A request whose answer is one body: model lists, embeddings."""

from __future__ import annotations

import msgspec

from exllm.providers.spec import ProviderSpec
from exllm.providers.wire import Wire
from exllm.transport.http import HttpCall, HttpTransport, map_read_error, read_error_body, request_id, scrub


class WholeBody(msgspec.Struct, frozen=True):
    """A successful answer. `headers` has lower-case names."""

    body: bytes
    headers: dict[str, str]
    request_id: str | None


async def fetch_body(transport: HttpTransport, call: HttpCall, spec: ProviderSpec, wire: Wire) -> WholeBody:
    """Send `call` and read its whole answer.

    Raises: what `HttpTransport.send` raises, what `wire` makes of an error response, and StreamInterrupted when the
        body breaks off.
    """
    response = await transport.send(call)
    try:
        headers = {name.lower(): value for name, value in response.headers.items()}
        if response.status >= 400:
            body = await read_error_body(response)
            raise scrub(wire.parse_error(response.status, headers, body, spec), call.secrets)
        try:
            body = await response.read()
        except Exception as error:
            raise map_read_error(error, call.url) from error
        return WholeBody(body, headers, request_id(response.headers))
    finally:
        response.close()
