"""Which Google credentials a call has, and the signer that uses them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING

from exllm.config import ConfigSource, Env, in_order, lookup
from exllm.credentials import google_tokens
from exllm.errors import ConfigurationError, MissingExtra

if TYPE_CHECKING:
    from exllm.providers.spec import ProviderSpec


def find_signer(spec: ProviderSpec, source: ConfigSource) -> GoogleSigner | None:
    """See `signer_for`.

    Each source is asked in its turn for a plain key (or access token), and for credentials: the path of a file, or its
    JSON. Where the environment is one of the sources, its application default credentials are the last resort.
    """
    for one in in_order(source):
        if lookup(one, spec.config_names, "api_key", spec.api_key_env):
            return None
        given = lookup(one, spec.config_names, "credentials")
        if given:
            return _signer(spec, given)
    if any(isinstance(one, Env) for one in in_order(source)):
        return _signer(spec, None)
    raise ConfigurationError(_how_to_give_credentials(spec), provider=spec.name)


def _signer(spec: ProviderSpec, given: str | None) -> GoogleSigner:
    if not google_tokens.is_installed():
        raise MissingExtra(_how_to_give_credentials(spec), provider=spec.name)
    return GoogleSigner(spec, google_tokens.tokens_of(given))


class GoogleSigner:
    """Adds an access token, and fills in the project that the credentials belong to. See `Signer`."""

    settings: Mapping[str, str] = {}
    fills = frozenset({"project"})

    def __init__(self, spec: ProviderSpec, tokens: google_tokens.GoogleTokens) -> None:
        self._spec = spec
        self._tokens = tokens
        self.secrets: tuple[str, ...] = ()

    async def sign(self, method: str, url: str, headers: Mapping[str, str], body: bytes) -> tuple[str, dict[str, str]]:
        """See `Signer.sign`."""
        granted = await self._tokens.lease.get()
        if granted.token not in self.secrets:
            self.secrets += (granted.token,)
        if "{project}" in url:
            if not granted.project:
                raise ConfigurationError(
                    f"{self._spec.label} needs a project, and the credentials name none: set "
                    f"{' or '.join(self._spec.variables_of('project'))}",
                    provider=self._spec.name,
                )
            url = url.replace("{project}", granted.project)
        signed = {**headers, "authorization": f"Bearer {granted.token}"}
        if granted.quota_project:
            signed.setdefault("x-goog-user-project", granted.quota_project)
        return url, signed

    def lacks(self, unfilled: Collection[str]) -> list[str]:
        """See `Signer.lacks`."""
        if not self._tokens.is_likely():
            return ["credentials"]
        return ["project"] if "project" in unfilled and not self._tokens.has_project() else []


def _how_to_give_credentials(spec: ProviderSpec) -> str:
    bearer = f"set {' or '.join(spec.api_key_env)}, pass api_key=, or " if spec.api_key_env else "pass api_key=, or "
    rest = "" if google_tokens.is_installed() else ', and install google-auth: pip install "exllm[google]"'
    return (
        f"no credentials for {spec.label}: {bearer}give application default credentials (`gcloud auth "
        f"application-default login`, or GOOGLE_APPLICATION_CREDENTIALS with the path of a service account's key, or "
        f"config=exllm.config.Static({{{spec.name!r}: {{'credentials': path or JSON}}}})){rest}"
    )
