"""The catalog in memory: each provider is read when it is first asked for. Blocking reads of small files.

Three layers, each over the one before:

1. the catalog that comes with exllm (``catalog.bin``), or the user's own copy when that is newer
   (``exllm/catalog.bin`` in the folder for application data, written by `exllm.model_catalog.update`);
2. ``exllm/models/*.yml`` in the user's configuration folder;
3. the files and folders that the environment variable ``EXLLM_CATALOG`` names, separated as in PATH.

The YAML files have the form of the catalog's own (see `exllm.model_catalog.schema`): a model that is there already gets
the fields that are given, a new one is added. ``models: {gpt-4.1: {prices: [{input: 1.5, output: 6}]}}`` is enough to
put in what your contract says.
"""

from __future__ import annotations

import os
import re
import sys
import threading
import warnings
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import msgspec

from exllm.errors import ConfigurationError
from exllm.model_catalog.compiled import CompiledCatalog, with_names
from exllm.model_catalog.schema import ModelInfo, ProviderModels, Source

PACKAGED = Path(__file__).parent / "catalog.bin"
VARIABLE = "EXLLM_CATALOG"

_DATED = re.compile(r"^(.+?)[-@:](?:20\d\d-?[01]\d-?[0-3]\d|latest|preview-\d\d-20\d\d)$")
# What tells a second way to a service from the first: another protocol, another kind of key.
_PROTOCOL = re.compile(
    r"-(?:responses|completions|fim|generate|v1|invoke|converse|openai|anthropic|live|realtime|deployments|entra|mantle"
    r"|agent|express|interactions)$"
)
_MOST_GUESSES = 4096  # ids that are not in the catalog, remembered so that they cost nothing the second time


class ProviderCatalog:
    """The models of one provider."""

    def __init__(self, data: ProviderModels) -> None:
        self.name = data.provider
        self.sources: dict[str, Source] = data.sources
        self.models = data.models
        names: dict[str, ModelInfo] = {}
        for model in data.models.values():
            for alias in (*model.aliases, *model.regional_ids):
                names[alias] = model
        names.update(data.models)
        self._names = names
        self._lower: dict[str, ModelInfo] | None = None
        self._guessed: dict[str, ModelInfo | None] = {}

    def find(self, id: str) -> ModelInfo | None:
        """The model that `id` means; None where the catalog does not know it.

        Beside ids and aliases: any case; a dated or ``-latest`` form of a model without date; the form without date of
        a model that has only one; a fine-tuned model (``ft:<base>:...``); ``models/`` or the provider before the id;
        the id without its maker, where only one fits; Bedrock's short names (``nova-lite`` is its profile in the US).
        """
        found = self._names.get(id)
        if found is None and id not in self._guessed:
            if len(self._guessed) >= _MOST_GUESSES:
                self._guessed.clear()
            self._guessed[id] = self._guess(id)
        return found or self._guessed.get(id)

    def _guess(self, id: str) -> ModelInfo | None:
        if self._lower is None:
            self._lower = {
                **_short_forms((model.id.lower().rpartition("/")[2], model) for model in self.models.values()),
                **_short_forms(
                    (match[1], model) for model in self.models.values() if (match := _DATED.match(model.id.lower()))
                ),
                **{name.lower(): model for name, model in self._names.items()},
            }
        for form in _forms(id.lower(), self.name):
            if form in self._lower:
                return self._lower[form]
        return None


def _short_forms(forms: Iterable[tuple[str, ModelInfo]]) -> dict[str, ModelInfo]:
    """Those that only one model has: of two nobody can say which is meant."""
    found: dict[str, list[ModelInfo]] = {}
    for form, model in forms:
        found.setdefault(form, []).append(model)
    return {form: models[0] for form, models in found.items() if len(models) == 1}


def _forms(id: str, provider: str) -> Iterator[str]:
    yield id
    for prefix in ("models/", f"{provider}/", "publishers/google/models/"):
        if id.startswith(prefix):
            yield id[len(prefix) :]
    if id.startswith("ft:"):
        yield ":".join(id.split(":")[:2])
    if match := _DATED.match(id):
        yield match[1]
    if provider == "bedrock":
        from exllm.providers.bedrock_models import ALIASES

        if alias := ALIASES.get(id):
            yield f"us.{alias.model}" if "us" in alias.profiles else alias.model
            yield alias.model


class Catalog:
    """All providers, over a compiled file and the user's YAML files."""

    def __init__(self, compiled: CompiledCatalog, overlays: Iterable[Path] = ()) -> None:
        self._compiled = compiled
        self._overlay: dict[str, list[tuple[Path, dict[str, Any]]]] = {}
        for path in overlays:
            data = _read_overlay(path)
            self._overlay.setdefault(data["provider"], []).append((path, data))
        self._loaded: dict[str, ProviderCatalog | None] = {}
        self._loading = threading.Lock()

    @property
    def path(self) -> Path:
        """The compiled file that is read."""
        return self._compiled.path

    @property
    def as_of(self) -> str:
        """The newest date of the figures, YYYY-MM or YYYY-MM-DD."""
        return self._compiled.head.as_of

    @property
    def names(self) -> list[str]:
        """The providers that have models here."""
        return sorted({*self._compiled.head.providers, *self._overlay})

    def provider(self, name: str) -> ProviderCatalog | None:
        """The models of a provider; None for one that the catalog has none of.

        ``openai-responses`` and its like have the models of their service; so have the aliases of a provider.
        """
        try:
            return self._loaded[name]
        except KeyError:
            with self._loading:
                if name not in self._loaded:
                    self._loaded[name] = self._load(name)
                return self._loaded[name]

    def _load(self, name: str) -> ProviderCatalog | None:
        own = self.name_of(name)
        if own is None:
            return None
        data = self._compiled.read(own) or ProviderModels(own)
        for path, overlay in self._overlay.get(own, ()):
            data = _laid_over(data, overlay, path)
        return ProviderCatalog(data)

    def name_of(self, name: str) -> str | None:
        """The name that the catalog has a provider under: that of its service, for a second protocol or an alias."""
        known = {*self._compiled.head.providers, *self._overlay}
        for form in (name, _PROTOCOL.sub("", name)):
            if form in known:
                return form
        from exllm.providers import registry

        try:
            named = registry.parse_model(name)[0]
        except ConfigurationError:
            return None
        return next((form for form in (named, _PROTOCOL.sub("", named)) if form in known), None)


# -- the one catalog of the process


opened: Catalog | None = None
"""The catalog in use; None until it is asked for and after `reload`. Ask `current`."""
_opening = threading.Lock()


def current() -> Catalog:
    """The catalog, opened when first asked for. Raises `ConfigurationError` for a user's file that is wrong."""
    global opened
    catalog = opened
    if catalog is None:
        with _opening:
            catalog = opened
            if catalog is None:
                catalog = opened = Catalog(_newest(), overlay_paths())
    return catalog


def reload() -> None:
    """Forget what was read: the next question reads the files and the environment anew."""
    global opened
    opened = None


def data_file() -> Path:
    """Where `exllm.model_catalog.update` writes the user's copy of the catalog."""
    return _user_folder("XDG_DATA_HOME", ".local/share") / "exllm" / "catalog.bin"


def overlay_paths() -> list[Path]:
    """The user's YAML files, in the order in which they are laid over."""
    paths = sorted((_user_folder("XDG_CONFIG_HOME", ".config") / "exllm" / "models").glob("*.y*ml"))
    for entry in os.environ.get(VARIABLE, "").split(os.pathsep):
        if entry.strip():
            path = Path(entry.strip()).expanduser()
            paths += sorted(path.glob("*.y*ml")) if path.is_dir() else [path]
    return paths


def _newest() -> CompiledCatalog:
    packaged = CompiledCatalog(PACKAGED)
    path = data_file()
    if path.is_file():
        try:
            own = CompiledCatalog(path)
        except ConfigurationError as error:
            warnings.warn(f"{error}; exllm's own catalog is used", stacklevel=2)
        else:
            if own.head.as_of >= packaged.head.as_of:
                return own
    return packaged


def _user_folder(variable: str, below_home: str) -> Path:
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support"
    return Path(os.environ.get(variable) or Path.home() / below_home)


def _read_overlay(path: Path) -> dict[str, Any]:
    from exllm.model_catalog.yaml_files import read_yaml

    data = read_yaml(path)
    if not isinstance(data, dict) or not isinstance(data.get("provider"), str):
        raise ConfigurationError(f"{path}: a catalog file is a mapping with `provider` and `models`")
    unknown = data.keys() - {"provider", "sources", "models"}
    if unknown or not isinstance(data.get("models", {}), dict):
        raise ConfigurationError(f"{path}: a catalog file has provider, sources and models, not {sorted(unknown)}")
    return data


def _laid_over(data: ProviderModels, overlay: dict[str, Any], path: Path) -> ProviderModels:
    models = dict(data.models)
    sources = dict(data.sources)
    try:
        sources.update(msgspec.convert(overlay.get("sources") or {}, dict[str, Source]))
        for id, given in (overlay.get("models") or {}).items():
            before = msgspec.to_builtins(models[id]) if id in models else {}
            origin = {**before.get("from", {}), **dict.fromkeys(given, str(path)), **given.get("from", {})}
            models[id] = msgspec.convert({**before, **given, "from": origin}, ModelInfo)
    except (msgspec.ValidationError, AttributeError, TypeError) as error:
        raise ConfigurationError(f"{path}: {error}") from None
    return with_names(ProviderModels(data.provider, sources, models))
