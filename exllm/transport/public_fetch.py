"""Fetch what is at a public address: for media that a provider cannot, or should not, fetch itself.

An address often comes from somebody else: from a user of an application, or from a model. What is fetched may then be
meant to reach into the private network, so that every host that is connected to, redirects included, must be public:
names are resolved here, and the connection goes to the very address that was looked at.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from typing import Any
from urllib.parse import urljoin, urlsplit

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

from exllm.errors import ConnectionFailed, InvalidRequest, NotFound, ServerError, TotalTimeout
from exllm.transport.http import USER_AGENT

DEFAULT_MAX_BYTES = 20 * 1024 * 1024
DEFAULT_TIMEOUT_S = 30.0
MOST_REDIRECTS = 5

_REDIRECTS = frozenset({301, 302, 303, 307, 308})


async def fetch(
    url: str, *, max_bytes: int = DEFAULT_MAX_BYTES, timeout: float = DEFAULT_TIMEOUT_S
) -> tuple[bytes, str | None]:
    """What is at `url`, and the media type that its server names, without parameters.

    Only ``http`` and ``https``, only public addresses, at most five redirects; no cookies, no credentials, no proxy.

    Args:
        max_bytes: the most that is read, after decompression.
        timeout: total seconds.

    Raises:
        InvalidRequest: an address that is no public one, or more than `max_bytes`.
        NotFound, ServerError, ConnectionFailed, TotalTimeout: it cannot be had; the last three may pass.
    """
    connector = aiohttp.TCPConnector(resolver=_PublicResolver(), use_dns_cache=False, force_close=True)
    try:
        async with (
            asyncio.timeout(timeout),
            aiohttp.ClientSession(
                connector=connector, cookie_jar=aiohttp.DummyCookieJar(), headers={"user-agent": USER_AGENT}
            ) as session,
        ):
            for _ in range(MOST_REDIRECTS + 1):
                _check(url)
                async with session.get(url, allow_redirects=False) as answer:
                    target = answer.headers.get("location")
                    if answer.status not in _REDIRECTS or target is None:
                        return await _body(answer, url, max_bytes)
                    url = urljoin(url, target)
        raise InvalidRequest(f"{_shown(url)} redirects more than {MOST_REDIRECTS} times")
    except TimeoutError as error:
        raise TotalTimeout(f"{_shown(url)} was not there within {timeout:g} s") from error
    except aiohttp.InvalidURL:  # a host such as 127.1, which some resolvers take for an address
        raise InvalidRequest(f"{_shown(url)} is no address that can be fetched") from None
    except aiohttp.ClientConnectorDNSError as error:
        if isinstance(error.os_error, _NotPublicError):
            raise InvalidRequest(str(error.os_error)) from None
        raise ConnectionFailed(f"{_shown(url)}: no such host") from error
    except (aiohttp.ClientError, OSError, ValueError) as error:
        raise ConnectionFailed(f"{_shown(url)} cannot be fetched: {type(error).__name__}") from error


async def _body(answer: aiohttp.ClientResponse, url: str, max_bytes: int) -> tuple[bytes, str | None]:
    if answer.status >= 500:
        raise ServerError(f"{_shown(url)} answered with status {answer.status}", status=answer.status)
    if answer.status != 200:
        raise NotFound(f"{_shown(url)} answered with status {answer.status}", status=answer.status)
    pieces: list[bytes] = []
    size = 0
    async for piece in answer.content.iter_any():
        size += len(piece)
        if size > max_bytes:
            raise InvalidRequest(f"{_shown(url)} has more than max_bytes={max_bytes:,}")
        pieces.append(piece)
    return b"".join(pieces), answer.headers.get("content-type", "").partition(";")[0].strip().lower() or None


class _NotPublicError(OSError):
    """A name that leads into a private network."""


class _PublicResolver(AbstractResolver):
    """Resolves names, and refuses those of which any address is not public."""

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM, family=family)
        results: list[ResolveResult] = []
        for kind, _type, protocol, _name, address in found:
            if not is_public(str(address[0])):
                raise _NotPublicError(f"{host} is at {address[0]}, which is not a public address")
            results.append(
                ResolveResult(
                    hostname=host,
                    host=str(address[0]),
                    port=port,
                    family=kind,
                    proto=protocol,
                    flags=socket.AI_NUMERICHOST,
                )
            )
        return results

    async def close(self) -> None:
        return


def _check(url: str) -> None:
    """Refuse what aiohttp would not ask the resolver about."""
    parts = _split(url)
    if parts is None or parts.scheme not in ("http", "https") or not parts.hostname:
        raise InvalidRequest(f"{_shown(url)} is no http:// or https:// address")
    if parts.username is not None or parts.password is not None:
        raise InvalidRequest(f"{_shown(url)} holds a name or a password; they are not sent")
    try:
        ipaddress.ip_address(parts.hostname)
    except ValueError:
        return  # a name: the resolver looks at it
    if not is_public(parts.hostname):
        raise InvalidRequest(f"{parts.hostname} is not a public address")


def is_public(address: str) -> bool:
    """Whether an IP address is one of the public internet, also where IPv6 wraps an IPv4 address."""
    ip: Any = ipaddress.ip_address(address.partition("%")[0])
    if ip.version == 6:
        wrapped = ip.ipv4_mapped or ip.sixtofour or (ip.teredo[1] if ip.teredo else None)
        if wrapped is None and ip in _NAT64:
            wrapped = ipaddress.ip_address(int(ip) & 0xFFFF_FFFF)
        if wrapped is not None:
            return is_public(str(wrapped))
    return bool(ip.is_global and not ip.is_multicast and not ip.is_reserved)


_NAT64 = ipaddress.ip_network("64:ff9b::/96")


def _split(url: str) -> Any:
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return None
    return parts


def _shown(url: str) -> str:
    """The address without what may be secret in it."""
    parts = _split(url)
    return "the address" if parts is None else f"{parts.scheme}://{parts.hostname}{parts.path}"[:200]
