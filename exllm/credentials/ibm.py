"""IBM Cloud: an API key is exchanged for an access token, which is good for an hour.

Source: https://cloud.ibm.com/apidocs/iam-identity-token-api#gettoken-apikey
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from functools import lru_cache
from http.client import HTTPException
from time import time as unix_time
from typing import TYPE_CHECKING, Any
from urllib.error import HTTPError
from urllib.parse import urlencode, urlsplit
from urllib.request import Request, urlopen

import msgspec

from exllm.config import ConfigSource, lookup
from exllm.credentials.lease import Granted, Lease
from exllm.errors import (
    AuthenticationError,
    ConfigurationError,
    ConnectionFailed,
    ExLLMError,
    ProtocolError,
    RateLimited,
    ServerError,
)
from exllm.version import __version__

if TYPE_CHECKING:
    from exllm.providers.spec import ProviderSpec

IAM_URL = "https://iam.cloud.ibm.com"
GRANT_TYPE = "urn:ibm:params:oauth:grant-type:apikey"
EXCHANGE_S = 30.0
"""Time limit of the exchange."""
_MOST_BYTES = 1 << 20
_TOKEN = re.compile(r"[\w-]+\.[\w-]+\.[\w-]*")  # a JSON Web Token; an API key has no dots


def find_signer(spec: ProviderSpec, source: ConfigSource) -> IbmSigner | None:
    """See `signer_for`. None where what is given as the key is a token already, or a function that gives one."""
    key = lookup(source, spec.config_names, "api_key", spec.api_key_env)
    if not key:
        raise ConfigurationError(_how_to_give_a_key(spec), provider=spec.name)
    if not isinstance(key, str) or _TOKEN.fullmatch(key.strip()):
        return None
    key = key.strip()
    if not (key.isascii() and key.isprintable() and " " not in key):
        raise ConfigurationError(f"the key for {spec.label} holds characters that no key has", provider=spec.name)
    url = lookup(source, spec.config_names, "iam_url", ("IBMCLOUD_IAM_API_ENDPOINT",)) or IAM_URL
    if urlsplit(url).scheme != "https" and urlsplit(url).hostname not in ("localhost", "127.0.0.1", "::1"):
        raise ConfigurationError(f"iam_url for {spec.label} must begin with https://", provider=spec.name)
    return IbmSigner(_exchange(key, url.rstrip("/")))


class IbmSigner:
    """Adds an access token. See `Signer`."""

    settings: Mapping[str, str] = {}
    fills: frozenset[str] = frozenset()

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self.secrets: tuple[str, ...] = (exchange.key,)

    async def sign(self, method: str, url: str, headers: Mapping[str, str], body: bytes) -> tuple[str, dict[str, str]]:
        """See `Signer.sign`."""
        token = await self._exchange.tokens.get()
        if token not in self.secrets:
            self.secrets += (token,)
        return url, {**headers, "authorization": f"Bearer {token}"}

    def lacks(self, unfilled: Collection[str]) -> list[str]:
        """See `Signer.lacks`."""
        return []


class Exchange:
    """The tokens that one API key is exchanged for. Its repr hides the key."""

    def __init__(self, key: str, iam_url: str) -> None:
        self.key = key
        self.tokens = Lease(self._fetch)
        self._url = f"{iam_url}/identity/token"

    def _fetch(self) -> Granted[str]:
        form = urlencode({"grant_type": GRANT_TYPE, "apikey": self.key}).encode()
        headers = {
            "content-type": "application/x-www-form-urlencoded",
            "accept": "application/json",
            "user-agent": f"exllm/{__version__}",
        }
        asked_at = unix_time()
        try:
            with urlopen(Request(self._url, form, headers), timeout=EXCHANGE_S) as response:  # https, as was seen to
                body = response.read(_MOST_BYTES)
        except HTTPError as error:
            with error:
                raise self._refused(error.code, error.read(_MOST_BYTES)) from None
        except (OSError, HTTPException) as error:
            reason = getattr(error, "reason", None) or error
            raise ConnectionFailed(f"IBM's token service cannot be reached: {reason}") from error
        facts = _object(body)
        token, lifetime_s = facts.get("access_token"), facts.get("expires_in")
        if not isinstance(token, str) or not token.isascii() or not token.isprintable() or not token:
            raise ProtocolError("IBM's token service answered without an access token")
        if isinstance(lifetime_s, bool) or not isinstance(lifetime_s, int | float):
            return Granted(token)
        return Granted(token, asked_at + lifetime_s)  # by our own clock, as it was before the exchange

    def _refused(self, status: int, body: bytes) -> ExLLMError:
        facts = _object(body)
        words = str(facts.get("errorMessage") or "no reason is given").replace(self.key, "***")
        code = facts.get("errorCode")
        kind = AuthenticationError if status in (400, 401, 403) else RateLimited if status == 429 else ServerError
        return kind(
            f"IBM Cloud gave no access token for the API key: {words}",
            status=status,
            code=code if isinstance(code, str) else None,
        )


@lru_cache(1024)
def _exchange(key: str, iam_url: str) -> Exchange:
    """The exchange of this process for a key: one for all calls."""
    return Exchange(key, iam_url)


def _object(body: bytes) -> dict[str, Any]:
    try:
        facts = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return {}
    return facts if isinstance(facts, dict) else {}


def _how_to_give_a_key(spec: ProviderSpec) -> str:
    variable = f"set {spec.api_key_env[0]} to an API key of IBM Cloud or an access token, " if spec.api_key_env else ""
    return (
        f"no key for {spec.label}: {variable}pass api_key=, or build the client with "
        f"config=exllm.config.Static({{{spec.name!r}: {{'api_key': ...}}}})"
    )
