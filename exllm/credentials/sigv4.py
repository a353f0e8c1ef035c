"""AWS Signature Version 4, in headers. Pure: the caller brings keys and time.

Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html. For every service
but S3: the path is normalised, and quoted again although it is quoted already.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable
from functools import lru_cache
from hashlib import sha256
from urllib.parse import quote, unquote_to_bytes

import msgspec

ALGORITHM = "AWS4-HMAC-SHA256"


class AwsKeys(msgspec.Struct, frozen=True, gc=False):
    """An access key, permanent or, with `session_token`, temporary. Its repr shows nothing."""

    access_key_id: str
    secret_access_key: str
    session_token: str | None = None

    def __repr__(self) -> str:
        return "AwsKeys(***)"


class Scope(msgspec.Struct, frozen=True, gc=False):
    """What a signature is good for. `time` is UTC, written ``20150830T123600Z``."""

    time: str
    region: str
    service: str

    def __str__(self) -> str:
        return f"{self.time[:8]}/{self.region}/{self.service}/aws4_request"


def sign(
    method: str,
    path: str,
    query: str,
    headers: Iterable[tuple[str, str]],
    body: bytes,
    keys: AwsKeys,
    scope: Scope,
    signing_key: bytes | None = None,
) -> dict[str, str]:
    """The headers that sign a request: ``authorization``, ``x-amz-date``, ``x-amz-security-token``.

    Args:
        method, path, query: as they go on the wire, quoted.
        headers: those to be signed, ``host`` among them; the others may be changed on the way.
        body: the whole body.
        signing_key: `derived_key` of the two, where it is known.
    """
    added = {"x-amz-date": scope.time}
    if keys.session_token:
        added["x-amz-security-token"] = keys.session_token
    given = ((name, value) for name, value in headers if name.lower() not in added)
    block, names = canonical_headers([*given, *added.items()])
    request = canonical_request(method, canonical_path(path), canonical_query(query), block, names, hash_of(body))
    proof = signature(string_to_sign(request, scope), signing_key or derived_key(keys.secret_access_key, scope))
    credential = f"{keys.access_key_id}/{scope}"
    added["authorization"] = f"{ALGORITHM} Credential={credential}, SignedHeaders={names}, Signature={proof}"
    return added


def canonical_request(method: str, path: str, query: str, headers: str, names: str, body_hash: str) -> str:
    return f"{method}\n{path}\n{query}\n{headers}\n{names}\n{body_hash}"


def string_to_sign(request: str, scope: Scope) -> str:
    return f"{ALGORITHM}\n{scope.time}\n{scope}\n{hash_of(request.encode())}"


def signature(text: str, signing_key: bytes) -> str:
    return hmac.digest(signing_key, text.encode(), "sha256").hex()


def derived_key(secret_access_key: str, scope: Scope) -> bytes:
    """What signs for one day, one region and one service."""
    key = b"AWS4" + secret_access_key.encode()
    for part in str(scope).split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    return key


@lru_cache(256)
def canonical_path(path: str) -> str:
    """The path without dot segments and empty ones, quoted once more."""
    kept: list[str] = []
    for segment in path.split("/"):
        if segment == "..":
            del kept[-1:]
        elif segment not in ("", "."):
            kept.append(segment)
    return quote(f"/{'/'.join(kept)}{'/' if kept and path.endswith('/') else ''}", safe="/~")


def canonical_query(query: str) -> str:
    """Names and values strictly quoted, sorted by both."""
    if not query:
        return ""
    pairs = (pair.partition("=") for pair in query.split("&"))
    return "&".join(f"{name}={value}" for name, value in sorted((_quoted(one), _quoted(two)) for one, _, two in pairs))


def canonical_headers(headers: Iterable[tuple[str, str]]) -> tuple[str, str]:
    """The header block, one line each, and the list of names."""
    values: dict[str, list[str]] = {}
    for name, value in headers:
        values.setdefault(name.lower(), []).append(" ".join(value.split()))
    names = sorted(values)
    return "".join(f"{name}:{','.join(values[name])}\n" for name in names), ";".join(names)


def hash_of(data: bytes) -> str:
    return sha256(data).hexdigest()


def _quoted(text: str) -> str:
    return quote(unquote_to_bytes(text), safe="~")
