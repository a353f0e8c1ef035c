"""From the arguments of `chat` and `stream` to a checked request and the way to its provider. No I/O."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

import msgspec

from exllm import config as configuration
from exllm.config import ConfigSource, Static
from exllm.credentials import signer_for
from exllm.credentials.signer import Signer
from exllm.credentials.token import TokenSigner
from exllm.errors import ConfigurationError, UnsupportedOption
from exllm.policies.budget import Budget
from exllm.policies.retry import RetryPolicy
from exllm.providers import registry
from exllm.providers.provider import Provider
from exllm.providers.spec import ProviderSpec
from exllm.providers.wire import Wire, supported_options
from exllm.types.message import Message
from exllm.types.normalise import Messages, has_paths, normalise_messages
from exllm.types.options import DEFAULT_CHAT_TOTAL_S, DEFAULT_TIMEOUTS, NO_OPTIONS, Options, Timeouts, check_options
from exllm.types.request import Request

Timeout = float | Timeouts | None
_NO_LIMITS = Timeouts()


class CallSettings(msgspec.Struct, frozen=True):
    """What holds for every call of a client unless the call says otherwise."""

    config: ConfigSource
    timeouts: Timeouts = Timeouts()
    retry: RetryPolicy | None = None
    drop_unsupported: bool = False


class Call(msgspec.Struct, frozen=True):
    """A call that may be made: everything was checked, nothing was sent.

    `backend` is the spec of an HTTP provider, with its `wire`, or a foreign `Provider` (`wire` is then None).
    """

    request: Request
    backend: ProviderSpec | Provider
    wire: Wire | None
    retry: RetryPolicy
    warnings: tuple[str, ...]
    has_paths: bool  # media to be read from files before the request can be built
    budgets: tuple[Budget, ...] = ()


def prepare(
    settings: CallSettings,
    model: str,
    messages: Messages,
    options: Mapping[str, Any],
    *,
    stream: bool,
    timeout: Timeout,
    extra: Mapping[str, Any] | None,
    include_raw: bool,
) -> Call:
    """Check everything that can be checked without I/O.

    Raises: ConfigurationError, UnsupportedOption, InvalidRequest; TypeError and ValueError for wrong arguments.
    """
    name, model_id = registry.parse_model(model)
    backend = registry.get(name)
    checked = check_options(options)
    warnings: tuple[str, ...] = ()
    if isinstance(backend, ProviderSpec):
        name = backend.name
        wire: Wire | None = registry.wire(backend.wire)
        assert wire is not None
        if checked is not NO_OPTIONS:
            supported = supported_options(wire, backend)
            checked, warnings = _only_supported(checked, options, supported, backend.label, name, settings)
        defaults, retry = backend.timeouts, settings.retry or backend.retry
    else:
        wire = None
        taken = getattr(backend, "options", None)
        if taken is not None:
            checked, warnings = _only_supported(checked, options, taken, name, name, settings)
        defaults, retry = getattr(backend, "timeouts", Timeouts()), settings.retry or RetryPolicy()
    if model_id is None:
        model_id = configuration.lookup(settings.config, name, "default_model") or getattr(
            backend, "default_model", None
        )
        if not model_id:
            raise ConfigurationError(f"{name!r} has no default model; write '{name}/<model>'", provider=name)
    if not isinstance(extra, Mapping | None):
        raise TypeError(f"extra must be a dict of the provider's own fields, got {type(extra).__name__}")
    normal: tuple[Message, ...] = normalise_messages(messages)
    request = Request(
        name,
        model_id,
        normal,
        checked,
        dict(extra) if extra else {},
        stream,
        _limits(timeouts_of(timeout), settings.timeouts, defaults, stream=stream),
        include_raw,
    )
    return Call(request, backend, wire, retry, warnings, has_paths(normal))


def _only_supported(
    options: Options,
    arguments: Mapping[str, Any],
    supported: frozenset[str],
    label: str,
    name: str,
    settings: CallSettings,
) -> tuple[Options, tuple[str, ...]]:
    refused = [option for option in arguments if option not in supported and arguments[option] is not None]
    if not refused:
        return options, ()
    if not settings.drop_unsupported:
        raise UnsupportedOption(
            f"{label} cannot take {', '.join(refused)}. Leave it out, pass the provider's own field in extra={{...}}, "
            f"or build the client with drop_unsupported=True.",
            provider=name,
        )
    kept = Options(**{option: value for option, value in options.given().items() if option in supported})
    return kept, tuple(f"{label} cannot take {option}; it was dropped" for option in refused)


def timeouts_of(timeout: Timeout) -> Timeouts:
    """The limits that a `timeout` argument sets. Raises TypeError and ValueError for what is no time."""
    if timeout is None:
        return _NO_LIMITS
    limits = timeout if isinstance(timeout, Timeouts) else Timeouts(total=timeout)
    for name in Timeouts.__struct_fields__:
        limit = getattr(limits, name)
        if limit is None:
            continue
        if isinstance(limit, bool) or not isinstance(limit, int | float):
            raise TypeError(f"timeout must be seconds or exllm.Timeouts, got {timeout!r}")
        if not limit > 0:
            raise ValueError(f"timeout {name} must be above 0 seconds, got {limit!r}")
    return limits


@lru_cache(256)
def _limits(call: Timeouts, client: Timeouts, provider: Timeouts, *, stream: bool) -> Timeouts:
    """The call's limits over the client's, over the provider's, over the defaults; all set, `inf` for none."""
    limits = call.over(client).over(provider).over(DEFAULT_TIMEOUTS)
    if limits.total is None:
        limits = msgspec.structs.replace(limits, total=math.inf if stream else DEFAULT_CHAT_TOTAL_S)
    for name in Timeouts.__struct_fields__:
        if not getattr(limits, name) > 0:
            raise ValueError(f"timeout {name} must be above 0 seconds, got {getattr(limits, name)!r}")
    return limits


class Access(msgspec.Struct, frozen=True):
    """Where a provider is and how to get in. Its repr hides the key."""

    base_url: str
    headers: dict[str, str]
    secret: str | None
    signer: Signer | None = None

    def __repr__(self) -> str:
        return f"Access({self.base_url})"


def access(spec: ProviderSpec, source: ConfigSource, api_key: str | None, base_url: str | None) -> Access:
    """Resolve address and key: the call's own, else the config's. Raises `ConfigurationError` for what is missing."""
    for argument, given in (("api_key", api_key), ("base_url", base_url)):
        if not isinstance(given, str | None):  # not shown: it may be a key
            raise TypeError(f"{argument} must be text, got {type(given).__name__}")
    is_fixed = api_key is None and base_url is None and type(source) is Static  # which never changes
    known = _fixed.get((id(spec), id(source))) if is_fixed else None
    if known is not None and known[0] is spec and known[1] is source:
        return known[2]
    signer = None if spec.auth.kind == "key" or api_key else signer_for(spec, source)
    address = (
        base_url or configuration.lookup(source, spec.address_names, "base_url", spec.base_url_env) or spec.base_url
    )
    if "{" in address:
        address = _fill(address, spec, source, signer)
    if spec.local and "://" not in address:
        address = _whole_address(address, spec.base_url)
    key = api_key or (None if signer else configuration.lookup(source, spec.config_names, "api_key", spec.api_key_env))
    if key is not None and not isinstance(key, str):
        signer, key = TokenSigner(key, spec.name, spec.label), None
    further = tuple(
        configuration.lookup(source, spec.config_names, header, (variable,))
        for header, variable in spec.header_env.items()
    )
    if signer is not None:
        return _access(spec, address, key, further, signer)
    inputs = (id(spec), address, key, further)
    made = _made.get(inputs)
    if made is None or made[0] is not spec:
        if len(_made) >= _MOST_MADE:
            _made.clear()
        made = _made[inputs] = (spec, _access(spec, address, key, further, None))
    if is_fixed:
        if len(_fixed) >= _MOST_MADE:
            _fixed.clear()
        _fixed[id(spec), id(source)] = (spec, source, made[1])
    return made[1]


# What `access` makes of the same facts is the same; looking them up anew is all that a call needs.
_made: dict[tuple[int, str, str | None, tuple[str | None, ...]], tuple[ProviderSpec, Access]] = {}
_fixed: dict[tuple[int, int], tuple[ProviderSpec, ConfigSource, Access]] = {}
_MOST_MADE = 256


def _access(
    spec: ProviderSpec, address: str, key: str | None, further: tuple[str | None, ...], signer: Signer | None
) -> Access:
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
    headers.update((header, value) for header, value in zip(spec.header_env, further, strict=True) if value)
    if key:
        key = key.strip()
        if not (key.isascii() and key.isprintable() and " " not in key):
            raise ConfigurationError(f"the key for {spec.label} holds characters that no key has", provider=spec.name)
        headers[spec.auth.header] = spec.auth.prefix + key
    elif spec.auth.required and signer is None:
        raise ConfigurationError(_how_to_give_a_key(spec), provider=spec.name)
    return Access(address.rstrip("/"), headers, key, signer)


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


def _fill(address: str, spec: ProviderSpec, source: ConfigSource, signer: Signer | None) -> str:
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
