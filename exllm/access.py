"""Where a provider is and how to get in: addresses and keys, from a config. No I/O."""

from __future__ import annotations

from functools import lru_cache
from urllib.parse import urlsplit

import msgspec

from exllm import config as configuration
from exllm.config import Chain, ConfigSource, Static
from exllm.credentials import signer_for
from exllm.credentials.signer import Signer
from exllm.credentials.token import TokenSigner
from exllm.errors import ConfigurationError
from exllm.providers.spec import ProviderSpec


class Access(msgspec.Struct, frozen=True):
    """Where a provider is and how to get in. Its repr hides the key.

    `spec` is the provider's, its address filled in: a wire may need that, as the region decides what a short name of a
    model means. `fields` are those of the config that go into the body of every chat.
    """

    base_url: str
    headers: dict[str, str]
    secret: str | None
    signer: Signer | None
    spec: ProviderSpec
    fields: dict[str, str] = {}

    def __repr__(self) -> str:
        return f"Access({self.base_url})"


class _Facts(msgspec.Struct, frozen=True):
    """What a config says of a provider: all that an `Access` is made of. Its repr hides the key."""

    address: str
    key: str | None
    further: tuple[str | None, ...]
    signer: Signer | None

    def __repr__(self) -> str:
        return f"_Facts({self.address})"


def access(spec: ProviderSpec, source: ConfigSource, api_key: str | None, base_url: str | None) -> Access:
    """Resolve address and key: the call's own, else the config's. Raises `ConfigurationError` for what is missing."""
    facts = _facts(spec, source, api_key, base_url)
    return _access(spec, facts, _placed(spec, facts.address))


class Ways:
    """The ways to providers that one client has found, so that they need not be found again.

    They hold keys, and go with the client. The config is asked for every call, unless it cannot change.
    """

    def __init__(self, source: ConfigSource) -> None:
        self._source = source
        self._is_fixed = type(source) is Static
        self._fixed: dict[int, tuple[ProviderSpec, Access]] = {}
        self._made: dict[tuple[int, str, str | None, tuple[str | None, ...]], tuple[ProviderSpec, Access]] = {}
        self._placed: dict[tuple[int, str], tuple[ProviderSpec, ProviderSpec]] = {}

    def __len__(self) -> int:
        return len(self._made)

    def to(self, spec: ProviderSpec, api_key: str | None = None, base_url: str | None = None) -> Access:
        """What `access` gives."""
        known = self._fixed.get(id(spec)) if self._is_fixed and api_key is None and base_url is None else None
        if known is not None and known[0] is spec:
            return known[1]
        is_fixed = self._is_fixed and api_key is None and base_url is None
        facts = _facts(spec, self._source, api_key, base_url)
        if facts.signer is not None:  # a call's own, but for those that never change
            way = _access(spec, facts, self._spec_at(spec, facts.address))
            if is_fixed and getattr(facts.signer, "is_steady", False):
                self._fixed[id(spec)] = (spec, way)
            return way
        inputs = (id(spec), facts.address, facts.key, facts.further)
        made = self._made.get(inputs)
        if made is None or made[0] is not spec:
            if len(self._made) >= _MOST:
                self.forget()
            made = self._made[inputs] = (spec, _access(spec, facts, self._spec_at(spec, facts.address)))
        if is_fixed:
            self._fixed[id(spec)] = made
        return made[1]

    def forget(self) -> None:
        """Find all ways anew."""
        self._fixed.clear()
        self._made.clear()
        self._placed.clear()

    def _spec_at(self, spec: ProviderSpec, address: str) -> ProviderSpec:
        """The same object for the same address, so that others can remember it too."""
        known = self._placed.get((id(spec), address))
        if known is None or known[0] is not spec:
            if len(self._placed) >= _MOST:
                self.forget()
            known = self._placed[id(spec), address] = (spec, _placed(spec, address))
        return known[1]


_MOST = 256
"""Keys and addresses that a client remembers: many calls may bring their own."""


def _facts(spec: ProviderSpec, source: ConfigSource, api_key: str | None, base_url: str | None) -> _Facts:
    for argument, given in (("api_key", api_key), ("base_url", base_url)):
        if not isinstance(given, str | None):  # not shown: it may be a key
            raise TypeError(f"{argument} must be text, got {type(given).__name__}")
    if api_key and spec.auth.kind == "ibm":  # which is no token, but what one is had for
        signer = signer_for(spec, Chain(Static({spec.name: {"api_key": api_key}}), source))
    else:
        signer = None if spec.auth.kind == "key" or api_key else signer_for(spec, source)
    address = (
        base_url or configuration.lookup(source, spec.address_names, "base_url", spec.base_url_env) or spec.base_url
    )
    if "{" in address:
        address = fill(address, spec, source, signer)
    if spec.local and "://" not in address:
        address = _whole_address(address, spec.base_url)
    key = None
    if signer is None:
        key = api_key or configuration.lookup(source, spec.config_names, "api_key", spec.api_key_env)
    if key is not None and not isinstance(key, str):
        signer, key = TokenSigner(key, spec.name, spec.label), None
    further = tuple(
        configuration.lookup(source, spec.config_names, name, (variable,))
        for name, variable in (*spec.header_env.items(), *spec.body_env.items())
    )
    return _Facts(address, key, further, signer)


def _placed(spec: ProviderSpec, address: str) -> ProviderSpec:
    return msgspec.structs.replace(spec, base_url=address.rstrip("/")) if "{" in spec.base_url else spec


def _access(spec: ProviderSpec, facts: _Facts, placed: ProviderSpec) -> Access:
    address, key, signer = facts.address, facts.key, facts.signer
    if not _is_usable(address):
        raise ConfigurationError(
            f"the base URL for {spec.label} must look like {spec.base_url}: http:// or https://, a host, perhaps a "
            f"port and a path, and nothing after it",
            provider=spec.name,
        )
    if address.rstrip("/").endswith(spec.paths.chat):
        raise ConfigurationError(
            f"the base URL for {spec.label} must end before {spec.paths.chat}, which is added to it", provider=spec.name
        )
    headers = dict(spec.headers)
    headers.update((header, value) for header, value in zip(spec.header_env, facts.further, strict=False) if value)
    if key:
        key = key.strip()
        if not (key.isascii() and key.isprintable() and " " not in key):
            raise ConfigurationError(f"the key for {spec.label} holds characters that no key has", provider=spec.name)
        headers[spec.auth.header] = spec.auth.prefix + key
    elif spec.auth.required and signer is None:
        raise ConfigurationError(_how_to_give_a_key(spec), provider=spec.name)
    in_body = zip(spec.body_env, facts.further[len(spec.header_env) :], strict=True)
    return Access(address.rstrip("/"), headers, key, signer, placed, {name: value for name, value in in_body if value})


@lru_cache(256)
def _is_usable(address: str) -> bool:
    try:
        parts = urlsplit(address)
        is_bare = not (parts.query or parts.fragment)  # a path is added to its end
        is_one_word = address.isprintable() and " " not in address
        return (
            parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0 and is_bare and is_one_word
        )
    except ValueError:  # the port, or brackets without an IPv6 address
        return False


def _whole_address(host: str, example: str) -> str:
    """What a server on this machine is told to listen on, as an address: OLLAMA_HOST is often ``0.0.0.0`` or a port."""
    usual = urlsplit(example)
    parts = urlsplit(f"{usual.scheme}://{host}")
    try:
        name = parts.netloc.removesuffix(f":{parts.port}")
    except ValueError:  # the port is none; it is told where all addresses are looked at
        return f"{usual.scheme}://{host}"
    if name in ("", ":", "0.0.0.0", "[::]"):  # all addresses: this machine's own is one of them
        name = usual.hostname or "localhost"
    return f"{usual.scheme}://{name}:{parts.port or usual.port}{parts.path or usual.path}"


def fill(address: str, spec: ProviderSpec, source: ConfigSource, signer: Signer | None) -> str:
    """`address` with its placeholders filled, but for those that `signer` fills. Raises `ConfigurationError`."""
    for name in spec.settings:
        value = configuration.lookup(source, spec.config_names, name, spec.variables_of(name))
        if value is None and signer is not None:
            value = signer.settings.get(name)
        value = value or spec.setting_defaults.get(name)
        if value is None and "{" + name + "}" in address:
            if signer is not None and name in signer.fills:
                continue
            raise ConfigurationError(
                f"{spec.label} needs {name!r}: set {' or '.join(spec.variables_of(name))}, or pass base_url=",
                provider=spec.name,
            )
        address = address.replace("{" + name + "}", value or "")
    for pattern, host in spec.hosts.items():
        address = address.replace(f"//{pattern}/", f"//{host}/")
    return address


def _how_to_give_a_key(spec: ProviderSpec) -> str:
    variable = spec.api_key_env[0] if spec.api_key_env else f"{spec.name.upper()}_API_KEY"
    return (
        f"no key for {spec.label}: set {variable}, pass api_key=, or build the client with "
        f"config=exllm.config.Static({{{spec.name!r}: {{'api_key': ...}}}})"
    )
