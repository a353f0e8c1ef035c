"""Where keys, addresses and other settings of providers come from.

A source answers ``get(provider, key)`` with text or None. Keys are ``"api_key"``, ``"base_url"``, ``"default_model"``
and whatever a provider's spec names in its `settings`. No source shows a value in its `repr`, and nothing is read
before it is asked for.
"""

from __future__ import annotations

import os
import re
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Protocol, overload, runtime_checkable

from exllm.errors import ConfigurationError

__all__ = ["Chain", "ConfigSource", "Env", "File", "Static", "lookup"]


TokenProvider = Callable[[], str | Awaitable[str]]
"""A function, plain or async, that gives a bearer token; asked for each request, so it should keep the token itself."""


@runtime_checkable
class ConfigSource(Protocol):
    """Anything with ``get(provider, key) -> str | None``."""

    def get(self, provider: str, key: str) -> str | TokenProvider | None:
        """The value of `key` for `provider`, or None where this source does not know it.

        For ``api_key`` it may be a `TokenProvider`: tokens of Microsoft Entra, of a vault, of your own.
        """


class Env:
    """The environment: ``<PROVIDER>_<KEY>``, e.g. ``GROQ_API_KEY``, and the variables that a provider's spec names.

    `os.environ` is read at every lookup, so a change counts from the next call on. An empty variable is not set.
    """

    def get(self, provider: str, key: str) -> str | None:
        return os.environ.get(_NOT_IN_NAMES.sub("_", f"{provider}_{key}").upper())

    def __repr__(self) -> str:
        return "Env()"


class Static:
    """Fixed values: ``Static({"openai": {"api_key": "...", "base_url": "https://..."}})``.

    An ``api_key`` may be a function that gives bearer tokens, plain or async: ``Static({"azure": {"api_key": token}})``
    with azure-identity's ``token = get_bearer_token_provider(credential, scope)``.

    Pickling takes the values along, because workers on other machines need them; `repr` and errors hide them.

    Raises: ConfigurationError for anything but text inside dicts.
    """

    def __init__(self, values: Mapping[str, Mapping[str, str | TokenProvider | None]]) -> None:
        self._values = _checked(values, "Static")

    def get(self, provider: str, key: str) -> str | TokenProvider | None:
        return self._values.get(provider, _NOTHING).get(key)

    def __repr__(self) -> str:
        return f"Static({_masked(self._values)})"


class File:
    """A YAML file of providers and their keys, read once, at the first lookup.

    ::

        openai:
          api_key: sk-...
        lmstudio:
          base_url: http://192.168.1.20:1234/v1

    Pickling takes only the path along. Every scalar is text, so a value like ``2024-10-21`` stays what is written.

    Raises (from ``get``): ConfigurationError when the file is missing, unreadable or not of this form.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path).expanduser()
        self._values: _Values | None = None

    def get(self, provider: str, key: str) -> str | TokenProvider | None:
        if self._values is None:
            self._values = _read(self.path)
        return self._values.get(provider, _NOTHING).get(key)

    def __getstate__(self) -> dict[str, Any]:
        return {"path": self.path, "_values": None}

    def __repr__(self) -> str:
        read = "" if self._values is None else f": {_masked(self._values)}"
        return f"File({str(self.path)!r}{read})"


class Chain:
    """Several sources; the first that knows a value gives it: ``Chain(Static({...}), Env())``."""

    def __init__(self, *sources: ConfigSource) -> None:
        for source in sources:
            require_source(source)
        self.sources = sources

    def get(self, provider: str, key: str) -> str | TokenProvider | None:
        return lookup(self, provider, key)

    def __repr__(self) -> str:
        # A foreign source may show anything in its repr, so only its type is named.
        ours = (Env, Static, File, Chain)
        shown = (repr(one) if type(one) in ours else f"<{type(one).__name__}>" for one in self.sources)
        return f"Chain({', '.join(shown)})"


@overload
def lookup(  # type: ignore[overload-overlap]  # only a key may be a function
    source: ConfigSource, provider: str | tuple[str, ...], key: Literal["api_key"], variables: Sequence[str] = ()
) -> str | TokenProvider | None: ...
@overload
def lookup(
    source: ConfigSource, provider: str | tuple[str, ...], key: str, variables: Sequence[str] = ()
) -> str | None: ...
def lookup(
    source: ConfigSource, provider: str | tuple[str, ...], key: str, variables: Sequence[str] = ()
) -> str | TokenProvider | None:
    """The value of `key` for `provider`, or None; for ``api_key`` it may be a `TokenProvider`.

    With several names of a provider each source is asked for all of them, the first name first.

    `variables` are environment variables that the provider's spec names: an `Env`, also one inside a `Chain`, tries
    them before its own ``<PROVIDER>_<KEY>``. Surrounding white space is cut, and an empty value counts as unknown: both
    come from shells and files, and no header may hold a line end.

    Raises: ConfigurationError when a source gives something that is not text.
    """
    for one in in_order(source) if isinstance(source, Chain) else (source,):
        if isinstance(one, Env):
            for variable in variables:
                value = os.environ.get(variable, "").strip()
                if value:
                    return value
        found = one.get(provider, key) if isinstance(provider, str) else _first(one, provider, key)
        if found is None:
            continue
        if not isinstance(found, str):
            if key == "api_key" and callable(found):
                return found
            raise ConfigurationError(
                f"{type(one).__name__}.get({provider!r}, {key!r}) gave {type(found).__name__}, expected str or None"
            )
        if value := found.strip():
            return value
    return None


_Values = dict[str, dict[str, str | TokenProvider]]


def _first(source: ConfigSource, providers: tuple[str, ...], key: str) -> str | TokenProvider | None:
    return next((found for name in providers if (found := source.get(name, key)) not in (None, "")), None)


_NOTHING: dict[str, str | TokenProvider] = {}
_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9]+")


def in_order(source: ConfigSource) -> Iterator[ConfigSource]:
    """`source`, or for a `Chain` what it is made of, the first to be asked first."""
    if isinstance(source, Chain):
        for one in source.sources:
            yield from in_order(one)
    else:
        yield source


def require_source(source: object) -> None:
    """Raises `ConfigurationError` for what is no config source, a plain dict above all."""
    # A dict has a `get` too, but answers with the default instead of the key: the mistake would go unseen.
    name = source.__name__ if isinstance(source, type) else type(source).__name__
    if isinstance(source, Mapping | type) or not isinstance(source, ConfigSource):
        raise ConfigurationError(
            f"{name} is not a config source: use Env(), Static({{...}}), File(path) or an object with "
            f"get(provider, key)"
        )


def _checked(values: Any, where: str) -> _Values:
    """The values as plain dicts of text. The messages never hold a value: it may be a key."""
    if not isinstance(values, Mapping):
        raise ConfigurationError(f"{where}: expected {{provider: {{key: value}}}}, got {type(values).__name__}")
    checked: _Values = {}
    for provider, entries in values.items():
        if not isinstance(provider, str):
            raise ConfigurationError(f"{where}: a provider's name must be text, got {type(provider).__name__}")
        if not isinstance(entries, Mapping):
            raise ConfigurationError(
                f"{where}: {provider!r} holds {type(entries).__name__}, expected a mapping such as api_key: ..."
            )
        checked[provider] = {}
        for key, value in entries.items():
            if value is None:
                continue
            if not isinstance(key, str) or not (isinstance(value, str) or (key == "api_key" and callable(value))):
                raise ConfigurationError(f"{where}: {provider!r} / {key!r} holds {type(value).__name__}, expected text")
            checked[provider][key] = value
    return checked


def _masked(values: _Values) -> str:
    return ", ".join(f"{provider}: {{{', '.join(f'{key}: ***' for key in keys)}}}" for provider, keys in values.items())


def _read(path: Path) -> _Values:
    import yaml

    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ConfigurationError(f"no config file at {path}") from None
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise ConfigurationError(f"cannot read the config file {path}: {reason}") from None
    try:
        # BaseLoader: every scalar is text.
        values = yaml.load(text, Loader=yaml.BaseLoader)
    except yaml.YAMLError as error:
        # PyYAML's own message quotes the line, which may hold a key.
        mark = getattr(error, "problem_mark", None)
        place = f", line {mark.line + 1}, column {mark.column + 1}" if mark is not None else ""
        raise ConfigurationError(f"the config file {path} is not valid YAML{place}") from None
    return {} if not values else _checked(values, f"config file {path}")
