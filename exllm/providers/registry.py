"""Which providers and wires there are: built in, and registered by the user.

Built-in specs are YAML files beside this module, each read when it is first asked for. Registering is for the process:
do it once, at start-up. All functions may be called from any thread.
"""

from __future__ import annotations

import functools
import os
import threading
from collections.abc import Iterable, Iterator, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

import msgspec

from exllm.config import ConfigSource, Env, lookup
from exllm.credentials import signer_for
from exllm.errors import ConfigurationError
from exllm.providers.provider import Provider
from exllm.providers.spec import ProviderSpec, check_name, check_quirks, check_spec, near, parse_spec
from exllm.providers.wire import Wire

SPECS_DIRECTORY = Path(__file__).parent / "specs"

_WIRES: dict[str, str] = {
    "openai_chat": "exllm.providers.openai_chat:WIRE",
    "openai_completions": "exllm.providers.openai_completions:WIRE",
    "openai_responses": "exllm.providers.openai_responses:WIRE",
    "anthropic_messages": "exllm.providers.anthropic_messages:WIRE",
    "ollama_chat": "exllm.providers.ollama_chat:WIRE",
    "ollama_generate": "exllm.providers.ollama_generate:WIRE",
    "cohere_chat": "exllm.providers.cohere_chat:WIRE",
    "cohere_v1": "exllm.providers.cohere_v1:WIRE",
    "bedrock_converse": "exllm.providers.bedrock_converse:WIRE",
    "bedrock_invoke": "exllm.providers.bedrock_invoke:WIRE",
    "gemini_generate": "exllm.providers.gemini_generate:WIRE",
    "replicate_predictions": "exllm.providers.replicate_predictions:WIRE",
    "lmstudio_chat": "exllm.providers.lmstudio_chat:WIRE",
    "watsonx_chat": "exllm.providers.watsonx_chat:WIRE",
    "sagemaker_invoke": "exllm.providers.sagemaker_invoke:WIRE",
    "gemini_interactions": "exllm.providers.gemini_interactions:WIRE",
}
_QUIRKS: dict[str, str] = {
    "openai_chat": "exllm.providers.openai_chat_quirks:QUIRKS",
    "openai_completions": "exllm.providers.openai_completions:QUIRKS",
    "openai_responses": "exllm.providers.openai_responses_quirks:QUIRKS",
    "anthropic_messages": "exllm.providers.anthropic_messages:QUIRKS",
    "ollama_chat": "exllm.providers.ollama_chat:QUIRKS",
    "ollama_generate": "exllm.providers.ollama_generate:QUIRKS",
    "cohere_chat": "exllm.providers.cohere_chat:QUIRKS",
    "cohere_v1": "exllm.providers.cohere_v1:QUIRKS",
    "bedrock_converse": "exllm.providers.bedrock_converse:QUIRKS",
    "bedrock_invoke": "exllm.providers.bedrock_invoke_families:QUIRKS",
    "gemini_generate": "exllm.providers.gemini_generate:QUIRKS",
    "replicate_predictions": "exllm.providers.replicate_predictions:QUIRKS",
    "lmstudio_chat": "exllm.providers.lmstudio_chat:QUIRKS",
    "watsonx_chat": "exllm.providers.watsonx_chat:QUIRKS",
    "sagemaker_invoke": "exllm.providers.sagemaker_invoke:QUIRKS",
    "gemini_interactions": "exllm.providers.gemini_interactions:QUIRKS",
}
_BACKENDS: dict[str, str] = {
    "local": "exllm.local.provider:LocalProvider",
    "mock": "exllm.providers.mock:MockProvider",
}
_BACKEND_INFO: dict[str, tuple[str, str | None]] = {  # label, default model; so that listing imports neither
    "local": ("In process (llama-cpp-python)", "exllm-tiny"),
    "mock": ("Mock", "mock"),
}

_CREDENTIALS = {"key": (), "aws": ("AWS credentials",), "google": ("Google credentials",), "ibm": ()}

_registered: dict[str, ProviderSpec | Provider] = {}
_registered_aliases: dict[str, str] = {}
_registered_wires: dict[str, tuple[Wire, frozenset[str]]] = {}
_loaded: dict[str, ProviderSpec | Provider] = {}
_loaded_wires: dict[str, Wire] = {}
_changing = threading.RLock()  # held to change these; reading one entry needs no lock. Re-entrant: listing loads specs


class ProviderInfo(msgspec.Struct, frozen=True):
    """What `list_providers` tells of a provider.

    Attributes:
        name, label: for the model string, and for people.
        wire: the protocol it speaks; None for a backend that is no HTTP service.
        default_model: used when only the provider is named.
        requires_key: whether calls need a key.
        api_key_env: environment variables that the key is taken from.
        local: runs on the user's machine.
        docs: the provider's own page.
        aliases: other names.
    """

    name: str
    label: str
    wire: str | None = None
    default_model: str | None = None
    requires_key: bool = False
    api_key_env: tuple[str, ...] = ()
    local: bool = False
    docs: str = ""
    aliases: tuple[str, ...] = ()


def parse_model(model: str) -> tuple[str, str | None]:
    """Split ``"provider/model"`` once at the first slash; a bare provider has no model.

    The provider's name is given back as the registry has it, so that an alias and its provider are one.

    Raises: ConfigurationError for an unknown provider, with near matches; TypeError for anything but a string.
    """
    if not isinstance(model, str):
        raise TypeError(f"a model is written 'provider/model', got {type(model).__name__}")
    provider, slash, name = model.partition("/")
    found = _find(provider)
    if found is None:
        raise _unknown(model, provider)
    if slash and not name:
        raise ConfigurationError(f"{model!r} names no model after the slash; write {provider!r} for its default model")
    return found, name or None


def get(name: str) -> ProviderSpec | Provider:
    """The provider called `name`, or with that alias.

    Raises: ConfigurationError for an unknown name, with near matches; MissingExtra when its package is not installed.
    """
    found = _find(name)
    if found is None:
        raise _unknown(name, name)
    provider = _registered.get(found)
    return _load(found) if provider is None else provider


def register(
    provider: ProviderSpec | Provider | Mapping[str, Any] | str | os.PathLike[str], *, replace: bool = False
) -> ProviderSpec | Provider:
    """Add a provider for this process.

    Args:
        provider: a dict of the fields of `ProviderSpec`, the path of a YAML file of them, YAML text, a `ProviderSpec`,
            or an object that implements the `Provider` protocol.
        replace: allow a name that is taken, built-in ones included.

    Raises: ConfigurationError that names the file and the field, or for a name that is taken.
    """
    added, where = _accept(provider)
    aliases: tuple[str, ...] = ()
    if isinstance(added, ProviderSpec):
        check_quirks(added, _known_quirks(added.wire), where)
        if added.live.wire:
            from exllm.providers.live_wire import check_live

            check_live(added, where)
        aliases = added.aliases
    with _changing:
        for name in () if replace else (added.name, *aliases):
            owner = _find(name)
            if owner is not None:
                raise ConfigurationError(
                    f"{where}: {name!r} is taken by the provider {owner!r}; pass replace=True to override it"
                )
        unregister(added.name)
        _registered[added.name] = added
        _registered_aliases.update(dict.fromkeys(aliases, added.name))
    return added


def registered(name: str) -> ProviderSpec | Provider | None:
    """What `register` added under `name`; None for a built-in provider and for an unknown one."""
    return _registered.get(name)


def unregister(name: str) -> None:
    """Take back what `register` added; a built-in provider of that name is visible again. Unknown names are fine."""
    with _changing:
        if _registered.pop(name, None) is not None:
            for alias in [alias for alias, owner in _registered_aliases.items() if owner == name]:
                del _registered_aliases[alias]


def list_providers() -> list[ProviderInfo]:
    """All providers, by name. Imports no backend and reads no key."""
    infos = {name: _backend_info(name) for name in _BACKENDS}
    infos |= {spec.name: _info(spec) for spec in _built_in_specs()}
    infos |= {name: _info(provider) for name, provider in dict(_registered).items()}  # a copy: others may register
    return [infos[name] for name in sorted(infos)]


def live_providers() -> list[str]:
    """Names of the providers that have realtime sessions, sorted."""
    specs = (*_built_in_specs(), *dict(_registered).values())
    return sorted({spec.name for spec in specs if isinstance(spec, ProviderSpec) and spec.live.wire})


def configured(name: str, source: ConfigSource | None = None) -> bool:
    """Whether `source` (the environment by default) holds all that a call to the provider needs."""
    return not missing(name, source)


def missing(name: str, source: ConfigSource | None = None) -> tuple[str, ...]:
    """What `source` (the environment by default) lacks for calls to the provider, in words: mostly variables to set."""
    provider = get(name)
    if not isinstance(provider, ProviderSpec):
        return ()
    source = source or Env()
    needed = (
        () if lookup(source, provider.address_names, "base_url", provider.base_url_env) else tuple(provider.settings)
    )
    unfilled = [setting for setting in needed if not _is_set(provider, source, setting)]
    if provider.auth.kind != "key":
        try:
            signer = signer_for(provider, source)
        except ConfigurationError:
            unfilled.insert(0, "credentials")
        else:
            if signer is not None:
                unfilled = [setting for setting in unfilled if setting not in signer.settings]
                lacking = signer.lacks(unfilled)
                unfilled = lacking + [setting for setting in unfilled if setting not in (*signer.fills, *lacking)]
    elif provider.auth.required and lookup(source, provider.config_names, "api_key", provider.api_key_env) is None:
        unfilled.insert(0, "credentials")
    return tuple(_how_to_set(provider, setting) for setting in unfilled)


def wire(name: str) -> Wire:
    """The wire called `name`. Raises `ConfigurationError` for an unknown one."""
    if name in _registered_wires:
        return _registered_wires[name][0]
    found = _loaded_wires.get(name)
    if found is None:
        if name not in _WIRES:
            known = _wire_names()
            raise ConfigurationError(f"unknown wire {name!r}{near(name, known)}; there are {', '.join(known)}")
        found = _loaded_wires[name] = _resolve(_WIRES[name])
    return found


def register_wire(wire: Wire, *, quirks: Iterable[str] = (), replace: bool = False) -> None:
    """Add a protocol for this process: specs may then name it, with these quirks.

    Raises: ConfigurationError for a name that is taken.
    """
    with _changing:
        if not replace and wire.name in _wire_names():
            raise ConfigurationError(f"there is a wire {wire.name!r} already; pass replace=True to override it")
        _registered_wires[wire.name] = (wire, frozenset(quirks))


# -- finding


def _how_to_set(spec: ProviderSpec, setting: str) -> str:
    if setting != "credentials":
        return next(iter(spec.variables_of(setting)), setting)
    return " or ".join([*spec.api_key_env[:1], *_CREDENTIALS[spec.auth.kind]]) or "a key"


def _is_set(spec: ProviderSpec, source: ConfigSource, setting: str) -> bool:
    return (
        setting in spec.setting_defaults
        or lookup(source, spec.config_names, setting, spec.variables_of(setting)) is not None
    )


def _find(name: str) -> str | None:
    """The provider's own name for a name or alias, without loading it if that can be helped."""
    if name in _registered:
        return name
    if name in _registered_aliases:  # before the built-in names, which an alias may replace
        return _registered_aliases[name]
    if name in _BACKENDS or name in _built_in_names():
        return name
    return _built_in_aliases().get(name)


def _unknown(given: str, name: str) -> ConfigurationError:
    known = {*_registered, *_registered_aliases, *_BACKENDS, *_built_in_names(), *_built_in_aliases()}
    hint = near(name.lower(), known)
    if not hint and given == name:
        hint = "; a model is written 'provider/model', such as 'openai/gpt-4.1-mini'"
    return ConfigurationError(f"unknown provider {name!r}{hint} (exllm.providers.list_providers() lists all)")


@functools.cache
def _built_in_names() -> frozenset[str]:
    return frozenset(entry[:-5] for entry in os.listdir(SPECS_DIRECTORY) if entry.endswith(".yaml"))


@functools.cache
def _built_in_aliases() -> dict[str, str]:
    return {alias: spec.name for spec in _built_in_specs() for alias in spec.aliases}


def _built_in_specs() -> Iterator[ProviderSpec]:
    for name in sorted(_built_in_names()):
        spec = _load(name)
        assert isinstance(spec, ProviderSpec)
        yield spec


def _wire_names() -> list[str]:
    return sorted({*_WIRES, *_registered_wires})


# -- reading


def _load(name: str) -> ProviderSpec | Provider:
    """A built-in provider, made once: of a backend there must not be two, each with its own models in memory."""
    provider = _loaded.get(name)
    if provider is None:
        with _changing:
            provider = _loaded.get(name)
            if provider is None:
                provider = _resolve(_BACKENDS[name])() if name in _BACKENDS else _read_built_in(name)
                _loaded[name] = provider
    return provider


def _read_built_in(name: str) -> ProviderSpec:
    # Their quirks are checked by the tests, not here: that would import wires that nobody asked for.
    path = SPECS_DIRECTORY / f"{name}.yaml"
    return parse_spec(_parse_yaml(path.read_text(encoding="utf-8"), path.name), path.name)


def _accept(provider: object) -> tuple[ProviderSpec | Provider, str]:
    if isinstance(provider, ProviderSpec):
        where = f"provider {provider.name!r}"
        check_spec(provider, where)
        return provider, where
    if isinstance(provider, Mapping):
        where = f"provider {provider.get('name', '(without a name)')!r}"
        return parse_spec(provider, where), where
    if isinstance(provider, str) and "\n" in provider:
        return parse_spec(_parse_yaml(provider, "YAML text"), "YAML text"), "YAML text"
    if isinstance(provider, str | os.PathLike):
        path = Path(provider).expanduser()
        try:
            text = path.read_text(encoding="utf-8")
        except OSError as error:
            raise ConfigurationError(f"cannot read the provider spec {path}: {error.strerror}") from None
        return parse_spec(_parse_yaml(text, str(path)), str(path)), str(path)
    if isinstance(provider, Provider) and not isinstance(provider, type):
        check_name(provider.name, type(provider).__name__)
        return provider, f"provider {provider.name!r}"
    raise ConfigurationError(
        f"cannot register {provider!r}: expected a dict, the path of a YAML file, a ProviderSpec, or an instance with "
        f"name, chat(request) and stream(request)"
    )


def _parse_yaml(text: str, where: str) -> Any:
    import yaml

    try:
        return yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except yaml.YAMLError as error:
        raise ConfigurationError(f"{where} is not valid YAML: {error}") from None


def _known_quirks(wire_name: str) -> Iterable[str]:
    if wire_name in _registered_wires:
        return _registered_wires[wire_name][1]
    if wire_name not in _QUIRKS:
        wire(wire_name)  # raises, with near matches
        return ()
    quirks: dict[str, str] = _resolve(_QUIRKS[wire_name])
    return quirks


def _resolve(target: str) -> Any:
    module, _, attribute = target.partition(":")
    return getattr(import_module(module), attribute)


def _info(provider: ProviderSpec | Provider) -> ProviderInfo:
    if isinstance(provider, ProviderSpec):
        return ProviderInfo(
            provider.name, provider.label, provider.wire, provider.default_model,
            provider.auth.required, provider.api_key_env, provider.local, provider.docs, provider.aliases,
        )  # fmt: skip
    return ProviderInfo(
        provider.name,
        getattr(provider, "label", provider.name),
        default_model=getattr(provider, "default_model", None),
        local=getattr(provider, "local", False),
    )


def _backend_info(name: str) -> ProviderInfo:
    if name in _loaded:
        return _info(_loaded[name])
    label, default_model = _BACKEND_INFO[name]
    return ProviderInfo(name, label, default_model=default_model, local=True)
