"""Fetch what is at a public address: for media that a provider cannot, or should not, fetch itself.

An address often comes from somebody else: from a user of an application, or from a model. What is fetched may then be
meant to reach into the private network, so that every host that is connected to, redirects included, must be public:
names are resolved here, and every address is looked at when its socket is made, however it was written.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import zlib
from typing import Any

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

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
    at = _parsed(url)
    connector = aiohttp.TCPConnector(
        resolver=_PublicResolver(), socket_factory=_public_socket, use_dns_cache=False, force_close=True
    )
    try:
        async with (
            asyncio.timeout(timeout),
            aiohttp.ClientSession(
                connector=connector,
                cookie_jar=aiohttp.DummyCookieJar(),
                headers={"user-agent": USER_AGENT, "accept-encoding": "gzip"},
                timeout=aiohttp.ClientTimeout(),
                auto_decompress=False,  # it may make gigabytes of one small piece; see `_body`
            ) as session,
        ):
            for _ in range(MOST_REDIRECTS + 1):
                async with session.get(at, allow_redirects=False) as answer:
                    target = answer.headers.get("location")
                    if answer.status not in _REDIRECTS or target is None:
                        return await _body(answer, at, max_bytes)
                    at = _parsed(target, at)
        raise InvalidRequest(f"{_shown(at)} redirects more than {MOST_REDIRECTS} times")
    except TimeoutError as error:
        raise TotalTimeout(f"{_shown(at)} was not there within {timeout:g} s") from error
    except aiohttp.InvalidURL:  # a host such as 127.1, which some resolvers take for an address
        raise InvalidRequest(f"{_shown(at)} is no address that can be fetched") from None
    except aiohttp.ClientConnectorError as error:
        if isinstance(error.os_error, _NotPublicError):
            raise InvalidRequest(str(error.os_error)) from None
        if isinstance(error, aiohttp.ClientConnectorDNSError):
            raise ConnectionFailed(f"{_shown(at)}: no such host") from error
        raise ConnectionFailed(f"{_shown(at)} cannot be fetched: {type(error).__name__}") from error
    except (aiohttp.ClientError, OSError, ValueError, zlib.error) as error:
        raise ConnectionFailed(f"{_shown(at)} cannot be fetched: {type(error).__name__}") from error


async def _body(answer: aiohttp.ClientResponse, at: URL, max_bytes: int) -> tuple[bytes, str | None]:
    if answer.status >= 500:
        raise ServerError(f"{_shown(at)} answered with status {answer.status}", status=answer.status)
    if answer.status != 200:
        raise NotFound(f"{_shown(at)} answered with status {answer.status}", status=answer.status)
    packing = answer.headers.get("content-encoding", "identity").strip().lower()
    if packing not in ("identity", "gzip", "x-gzip"):
        raise ConnectionFailed(f"{_shown(at)} came packed as {packing[:20]!r}, which was not asked for")
    unpacker = None if packing == "identity" else zlib.decompressobj(wbits=31)  # 31: gzip
    pieces: list[bytes] = []
    size = 0
    async for piece in answer.content.iter_any():
        if unpacker is not None:
            piece = unpacker.decompress(piece, max_bytes + 1 - size)
        size += len(piece)
        if size > max_bytes:
            raise InvalidRequest(f"{_shown(at)} has more than max_bytes={max_bytes:,}")
        pieces.append(piece)
        if unpacker is not None and unpacker.eof:
            break  # what follows is nothing of it
    if unpacker is not None and not unpacker.eof:
        raise ConnectionFailed(f"{_shown(at)} ended too early")
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


def _public_socket(address: Any) -> socket.socket:
    """Makes the sockets of all connections: a host may be an address in disguise, which no resolver is asked about."""
    family, kind, protocol, _name, where = address
    if not is_public(str(where[0])):
        raise _NotPublicError(f"{where[0]} is not a public address")
    return socket.socket(family, kind, protocol)


def _parsed(url: str, base: URL | None = None) -> URL:
    """The address as aiohttp understands it: what reads it in another way may see another host."""
    try:
        at = URL(url) if base is None else base.join(URL(url))
    except (ValueError, TypeError):
        at = URL()
    if at.scheme not in ("http", "https") or not at.host:
        raise InvalidRequest(f"{_shown(at)} is no http:// or https:// address")
    if at.user is not None or at.password is not None:
        raise InvalidRequest(f"{_shown(at)} holds a name or a password; they are not sent")
    return at


def is_public(address: str) -> bool:
    """Whether an IP address is one of the public internet, also where IPv6 wraps an IPv4 address."""
    ip: Any = ipaddress.ip_address(address.partition("%")[0])
    if ip.version == 6:
        wrapped = ip.ipv4_mapped or ip.sixtofour
        if wrapped is None and ip in _NAT64:
            wrapped = ipaddress.ip_address(int(ip) & 0xFFFF_FFFF)
        if wrapped is not None:
            return is_public(str(wrapped))
    return bool(ip.is_global and not ip.is_multicast and not ip.is_reserved and not any(ip in net for net in _SPECIAL))


_SPECIAL = tuple(
    map(
        ipaddress.ip_network,
        (
            "168.63.129.16/32",  # services of Azure's hosts: learn.microsoft.com, "What is IP address 168.63.129.16?"
            "192.0.0.0/24",  # IETF protocol assignments; Oracle's clouds have metadata in it
            "192.88.99.0/24",  # RFC 7526: 6to4 relays, deprecated
            "2001::/32",  # RFC 4380: Teredo, which leads to the IPv4 address of anybody
            "3fff::/20",  # RFC 9637: documentation; Python knows it from 3.14 on
            "fec0::/10",  # RFC 3879: site-local, deprecated
        ),
    )
)
_NAT64 = ipaddress.ip_network("64:ff9b::/96")


def _shown(at: URL) -> str:
    """The address without what may be secret in it: paths hold tokens as well."""
    return f"{at.scheme}://{at.host}"[:200] if at.host else "what was given"
