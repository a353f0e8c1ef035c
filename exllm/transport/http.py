"""The only place with HTTP sockets: requests out, bytes in, every failure mapped to one of our errors."""

from __future__ import annotations

import asyncio
import contextlib
import io
import math
import platform
import ssl
from collections.abc import Mapping
from functools import lru_cache
from urllib.parse import urljoin, urlsplit

import aiohttp
import msgspec
from aiohttp.http_exceptions import HttpProcessingError
from multidict import CIMultiDict, CIMultiDictProxy, istr

from exllm.credentials.signer import Signer
from exllm.errors import (
    ConfigurationError,
    ConnectionFailed,
    ConnectTimeout,
    ExLLMError,
    ProtocolError,
    StreamInterrupted,
)
from exllm.transport.body_end import end_with_connection
from exllm.transport.exact_url import exact_url
from exllm.transport.exchange import Response
from exllm.transport.sessions import SessionPool, TransportSettings
from exllm.version import __version__

MAX_REDIRECTS = 5
MAX_ERROR_BODY_BYTES = 65_536
USER_AGENT = f"exllm/{__version__} Python/{platform.python_version()} aiohttp/{aiohttp.__version__}"

_REDIRECTS = frozenset({301, 302, 307, 308})
_REQUEST_ID_HEADERS = tuple(
    map(istr, ("x-request-id", "request-id", "x-amzn-requestid", "apim-request-id", "x-goog-request-id"))
)
_LARGE_BODY_BYTES = 1 << 20  # aiohttp warns about plain bytes above this; a file-like body is written in pieces


class HttpCall(msgspec.Struct, frozen=True):
    """One request with everything that goes on the wire, credentials included. Never logged, never shown.

    `connect_s` limits the making of the connection; `secret` is the key in `headers`, taken out of every error.
    `signer` adds to each attempt the credentials that no header can hold for long.
    """

    url: str
    body: bytes
    headers: dict[str, str]
    method: str = "POST"
    connect_s: float | None = None
    secret: str | None = None
    signer: Signer | None = None

    @property
    def secrets(self) -> tuple[str, ...]:
        """All that must not be seen in an error."""
        if self.signer is not None:
            return self.signer.secrets
        return (self.secret,) if self.secret else ()

    def __repr__(self) -> str:
        return f"HttpCall({self.method} {self.url}, {len(self.body)} bytes)"


class HttpTransport:
    """Sends calls over pooled connections. One per client; safe on several event loops."""

    def __init__(self, settings: TransportSettings) -> None:
        self.settings = settings
        self.pool = SessionPool(settings)

    async def send(self, call: HttpCall) -> Response:
        """Send `call` and return the response as soon as its head is there; the caller closes it.

        Redirects are followed within the same host only, with method, body and key unchanged, and signed anew. All time
        limits but that of connecting are the caller's.

        Raises: ConnectTimeout, ConnectionFailed, ConfigurationError (a bad URL, a redirect elsewhere), and what
            `Signer.sign` raises.
        """
        url = call.url
        for _ in range(MAX_REDIRECTS):
            if call.signer is not None:
                url, headers = await call.signer.sign(call.method, url, call.headers, call.body)
                call = msgspec.structs.replace(call, headers=headers)
            response = await self._send_once(call, url)
            if response.status not in _REDIRECTS:
                end_with_connection(response)
                return response
            response.close()
            try:
                target = urljoin(url, response.headers.get("location", ""))
                is_same = _same_service(url, target)
            except ValueError:
                raise ProtocolError(f"{origin_of(url)} redirects to something that is no URL") from None
            if not is_same:
                raise ConfigurationError(
                    f"{origin_of(url)} redirects to {origin_of(target)}; a key is not sent to another host. "
                    f"If that is where the service lives now, pass base_url=."
                )
            url = target
        raise ProtocolError(f"{origin_of(url)} redirects in a circle")

    async def _send_once(self, call: HttpCall, url: str) -> Response:
        connections = self.pool.opened() or await self.pool.connections()
        proxy, limit = self.pool.proxy_for(url), _connect_limit(call.connect_s)
        try:
            if proxy is None and connections.exchanges.can_send(call.body):
                return await connections.exchanges.send(call.method, url, call.headers, call.body, limit)
            return await connections.session.request(
                call.method,
                exact_url(url),
                data=(call.body or None) if len(call.body) < _LARGE_BODY_BYTES else io.BytesIO(call.body),
                headers=call.headers,
                allow_redirects=False,
                proxy=proxy,
                timeout=limit,
            )
        except Exception as error:  # noqa: BLE001 - mapped to one of ours
            raise map_send_error(error, url, call.connect_s) from without_headers(error)

    async def aclose(self) -> None:
        """Close all connections. Idempotent."""
        await self.pool.aclose()


@lru_cache(64)
def _connect_limit(connect_s: float | None) -> aiohttp.ClientTimeout:
    return aiohttp.ClientTimeout(total=None, sock_connect=None if connect_s == math.inf else connect_s)


def map_send_error(error: Exception, url: str, connect_s: float | None) -> ExLLMError:
    """What a failure before the response head means to the caller."""
    origin = origin_of(url)
    match error:
        case TimeoutError():
            return ConnectTimeout(f"no connection to {origin} within {connect_s or 0:g} s")
        case aiohttp.ClientConnectorCertificateError() | aiohttp.ClientSSLError() | ssl.SSLError():
            return ConnectionFailed(
                f"TLS with {origin} failed: {error}. For a private certificate authority set SSL_CERT_FILE "
                f"or pass ssl_context=.",
                retryable=False,
            )
        case (
            aiohttp.InvalidURL() | aiohttp.NonHttpUrlClientError() | ValueError()
        ):  # certificate errors are ValueErrors
            return ConfigurationError(f"{origin!r} is not a usable base URL: {error}")
        case aiohttp.ClientConnectorDNSError():
            return ConnectionFailed(f"the host of {origin} cannot be resolved; is the base URL right?")
        case aiohttp.ClientProxyConnectionError():
            return ConnectionFailed(f"the proxy for {origin} cannot be reached")
        case aiohttp.ClientHttpProxyError():
            return ConnectionFailed(f"the proxy for {origin} refused: {error.status} {error.message}", retryable=False)
        case aiohttp.ClientConnectorError():
            return ConnectionFailed(f"cannot connect to {origin}: {error.os_error.strerror or error.os_error}")
        case aiohttp.ServerDisconnectedError() | aiohttp.ClientOSError() | OSError():
            return ConnectionFailed(f"{origin} closed the connection before it answered")
        case aiohttp.ClientResponseError() | HttpProcessingError():
            return ProtocolError(f"{origin} does not speak HTTP as expected: {error.message}")
        case _:
            return ConnectionFailed(f"the request to {origin} failed: {type(error).__name__}: {error}")


def without_headers(error: Exception) -> Exception:
    """`error` as a cause that may be shown: aiohttp's errors remember the request's headers, and so the key."""
    if isinstance(error, aiohttp.ClientResponseError):
        empty: CIMultiDict[str] = CIMultiDict()
        error.request_info = error.request_info._replace(headers=CIMultiDictProxy(empty))
        error.args = (error.request_info, error.history)
    return error


def map_read_error(error: Exception, url: str) -> ExLLMError:
    """What a failure in the middle of a body means to the caller."""
    origin = origin_of(url)
    match error:
        case aiohttp.ClientPayloadError() if "Content-Encoding" in str(error) or "decode" in str(error):
            return ProtocolError(f"{origin} sent a compressed body that cannot be read")
        case _:
            return StreamInterrupted(f"the connection to {origin} broke in the middle of the answer")


async def read_error_body(response: Response, limit_s: float = 10.0) -> bytes:
    """As much of an error body as comes and is worth keeping; never fails."""
    body = b""
    with contextlib.suppress(aiohttp.ClientError, OSError):  # TimeoutError is an OSError
        async with asyncio.timeout(limit_s):
            while len(body) < MAX_ERROR_BODY_BYTES and (piece := await response.content.readany()):
                body += piece
    return body[:MAX_ERROR_BODY_BYTES]


def request_id(headers: Mapping[str, str]) -> str | None:
    """The provider's id of this request, under whichever name it sends it."""
    for name in _REQUEST_ID_HEADERS:
        value = headers.get(name)
        if value:
            return value
    return None


def scrub(error: ExLLMError, secrets: tuple[str, ...]) -> ExLLMError:
    """Take the keys out of an error: some servers repeat them."""
    for secret in secrets:
        if secret in error.message:
            error.message = error.message.replace(secret, "***")
            error.args = (error.message,)
        if error.body and secret in error.body:
            error.body = error.body.replace(secret, "***")
    return error


def origin_of(url: str) -> str:
    """Scheme and host only: a path or a query may hold what should not be shown."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    return f"{parts.scheme}://{host}{f':{parts.port}' if parts.port else ''}"


def _same_service(url: str, target: str) -> bool:
    old, new = urlsplit(url), urlsplit(target)
    if old.hostname != new.hostname:
        return False
    return (old.scheme, old.port) == (new.scheme, new.port) or (old.scheme == "http" and new.scheme == "https")
