"""Which AWS credentials a call has, and the signer that uses them."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from exllm.config import ConfigSource, Env, in_order, lookup
from exllm.credentials import aws_chain
from exllm.credentials.aws_region import profile_region
from exllm.credentials.sigv4 import AwsKeys, Scope, derived_key, sign
from exllm.errors import ConfigurationError, MissingExtra
from exllm.transport.exact_url import exact_url

if TYPE_CHECKING:
    from exllm.providers.spec import ProviderSpec

_REGION = re.compile(r"[a-z0-9-]+")
_REGION_IN_HOST = re.compile(r"\.([a-z]{2}(?:-[a-z]+)+-\d+)\..*(?:amazonaws\.com(?:\.cn)?|api\.aws)$")


def find_signer(spec: ProviderSpec, source: ConfigSource) -> AwsSigner | None:
    """See `signer_for`.

    Each source is asked in its turn for a bearer key, for the name of a profile, and for plain keys, all parts of which
    are its own. The rest of the chain is tried where the environment is one of the sources.
    """
    for one in in_order(source):
        if lookup(one, spec.config_names, "api_key", spec.api_key_env):
            return None
        profile = lookup(one, spec.config_names, "aws_profile")
        keys = None if profile else _plain_keys(spec, one)
        if profile or keys:
            return _signer(spec, source, keys, profile)
    if _reads_environment(source):
        return _signer(spec, source, None, None)
    raise ConfigurationError(_how_to_give_keys(spec), provider=spec.name)


def _signer(spec: ProviderSpec, source: ConfigSource, keys: AwsKeys | None, profile: str | None) -> AwsSigner:
    if keys is None and not aws_chain.is_installed():
        raise MissingExtra(_how_to_give_keys(spec), provider=spec.name)
    region = lookup(source, spec.config_names, "region", spec.variables_of("region"))
    if region is None and (profile is not None or _reads_environment(source)):
        region = profile_region(profile)
    region = region or spec.setting_defaults.get("region")
    if region is not None and not _REGION.fullmatch(region):  # it becomes a part of the host's name
        raise ConfigurationError(f"a region is written like us-east-1, got {region!r}", provider=spec.name)
    return AwsSigner(spec, region, keys, aws_chain.chain_of(profile) if keys is None else None)


class AwsSigner:
    """Signs with `keys`, or with those that `chain` finds. See `Signer`."""

    fills: frozenset[str] = frozenset()

    def __init__(
        self, spec: ProviderSpec, region: str | None, keys: AwsKeys | None, chain: aws_chain.AwsChain | None
    ) -> None:
        self._spec = spec
        self._region = region
        self._keys = keys
        self._chain = chain
        self.is_steady = keys is not None
        self._derived: tuple[str, bytes] = ("", b"")  # what signs today, and for which scope
        self.settings = {} if region is None else {"region": region}
        self.secrets: tuple[str, ...] = ()

    async def sign(self, method: str, url: str, headers: Mapping[str, str], body: bytes) -> tuple[str, dict[str, str]]:
        """See `Signer.sign`."""
        keys = self._keys
        if keys is None:
            assert self._chain is not None
            try:
                keys = await self._chain.keys.get()
            except aws_chain.NothingFound:
                raise ConfigurationError(_how_to_give_keys(self._spec), provider=self._spec.name) from None
        if keys.secret_access_key not in self.secrets:  # another attempt, or one beside it, may have had others
            self.secrets += (keys.secret_access_key, *filter(None, [keys.session_token]))
        region = _named_region(url) or self._own_region()
        target, host, path, query = _target(url)
        signed = [("host", host)]
        signed += [(name, value) for name, value in headers.items() if _is_signed(name)]
        scope = Scope(datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ"), region, self._spec.auth.service)
        signing_key = self._signing_key(keys, scope) if self.is_steady else None
        added = sign(method, path, query, signed, body, keys, scope, signing_key)
        return target, {**headers, **added}

    def _signing_key(self, keys: AwsKeys, scope: Scope) -> bytes:
        """The key of the day, which is the same for all calls of it."""
        if self._derived[0] != str(scope):
            self._derived = (str(scope), derived_key(keys.secret_access_key, scope))
        return self._derived[1]

    def lacks(self, unfilled: Collection[str]) -> list[str]:
        """See `Signer.lacks`. A region is needed in any case, for the signature."""
        lacking = [] if self._chain is None or self._chain.is_likely() else ["credentials"]
        return lacking if self._region is not None else [*lacking, "region"]

    def _own_region(self) -> str:
        region = self._region
        if region is None:
            raise ConfigurationError(
                f"{self._spec.label} needs a region, to sign for: set {' or '.join(self._spec.variables_of('region'))}",
                provider=self._spec.name,
            )
        return region


@lru_cache(256)
def _named_region(url: str) -> str | None:
    """The region that the host's name tells."""
    named = _REGION_IN_HOST.search(urlsplit(url).hostname or "")
    return named[1] if named else None


@lru_cache(256)
def _target(url: str) -> tuple[str, str, str, str]:
    """`url` as it goes out, and its host, path and query as they stand there."""
    target = exact_url(url)
    return str(target), target.host_port_subcomponent or "", target.raw_path, target.raw_query_string


def _how_to_give_keys(spec: ProviderSpec) -> str:
    """What to set, in words."""
    bearer = f"{spec.api_key_env[0]}, or " if spec.api_key_env else ""
    key = "pass api_key=, " if spec.api_key_env else ""  # a service without bearer keys has none to pass
    rest = "" if aws_chain.is_installed() else ': pip install "exllm[bedrock]"'
    return (
        f"no credentials for {spec.label}: set {bearer}AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, {key}or "
        f"build the client with config=exllm.config.Static({{{spec.name!r}: {{'aws_access_key_id': ..., "
        f"'aws_secret_access_key': ..., 'region': ...}}}}). Profiles ('aws_profile' in the config, AWS_PROFILE), SSO, "
        f"roles and the credentials of containers and instances are found with botocore{rest}"
    )


def _plain_keys(spec: ProviderSpec, source: ConfigSource) -> AwsKeys | None:
    key_id = lookup(source, spec.config_names, "aws_access_key_id", ("AWS_ACCESS_KEY_ID",))
    secret = lookup(source, spec.config_names, "aws_secret_access_key", ("AWS_SECRET_ACCESS_KEY",))
    if key_id and secret:
        return AwsKeys(key_id, secret, lookup(source, spec.config_names, "aws_session_token", ("AWS_SESSION_TOKEN",)))
    if key_id or secret:
        given, missing = ("access_key_id", "secret_access_key")[:: 1 if key_id else -1]
        raise ConfigurationError(
            f"half of the credentials for {spec.label}: there is aws_{given} but no aws_{missing} "
            f"(AWS_{missing.upper()} in the environment)",
            provider=spec.name,
        )
    return None


def _reads_environment(source: ConfigSource) -> bool:
    return any(isinstance(one, Env) for one in in_order(source))


def _is_signed(header: str) -> bool:
    """What must be signed, and what Bedrock's own headers say; the rest may be changed by proxies on the way."""
    name = header.lower()
    return name == "content-type" or name.startswith("x-amz")
