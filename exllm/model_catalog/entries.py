"""The catalog's models as rows of a model list, and a provider's own rows filled in from the catalog."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from exllm.model_catalog import store
from exllm.model_catalog.models import base_rates, is_local, list_all
from exllm.model_catalog.schema import ModelInfo
from exllm.providers.model_kinds import capabilities_told, kinds_told
from exllm.types.model import ModelEntry


def entry_of(info: ModelInfo, provider: str, id: str) -> ModelEntry:
    """What the catalog knows of a model, as a row of the list of `provider`, under one of the model's ids."""
    return ModelEntry(provider, id, source="catalog", raw=msgspec.to_builtins(info), **_facts(info, provider))


def filled(entries: Iterable[ModelEntry], provider: str) -> list[ModelEntry]:
    """The provider's own rows, each with what the catalog knows and the provider does not tell.

    `ModelEntry.from_catalog` names the fields that were filled. A model that the catalog does not know stays as it is.

    Raises: ConfigurationError for a user's catalog file that is wrong.
    """
    models = store.current().provider(provider)
    return [_filled(entry, None if models is None else models.find(entry.id)) for entry in entries]


def _filled(entry: ModelEntry, info: ModelInfo | None) -> ModelEntry:
    if info is not None:
        known = _facts(info, entry.provider)
    else:
        known = dict.fromkeys(_PRICES, 0.0) if is_local(entry.provider) else {}
    new = {name: fact for name, fact in known.items() if fact not in _NOTHING and getattr(entry, name) in _NOTHING}
    if (kinds := known.get("kinds")) and not kinds_told(entry.raw):  # what was read from the name was a guess
        new["kinds"] = kinds
    told = capabilities_told(entry.raw)
    if more := [word for word in known.get("capabilities", ()) if word not in told]:
        new["capabilities"] = tuple(sorted({*entry.capabilities, *more}))
    else:
        new.pop("capabilities", None)
    return msgspec.structs.replace(entry, from_catalog=tuple(sorted(new)), **new) if new else entry


_NOTHING = (None, ())
_PRICES = ("input_usd_per_mtok", "output_usd_per_mtok")


def _facts(info: ModelInfo, provider: str) -> dict[str, Any]:
    """Field of `ModelEntry` to what the catalog says."""
    rates = dict.fromkeys(("input", "output"), 0.0) if is_local(provider) else base_rates(info)
    return {
        "name": info.name,
        "context_window": info.context_window or info.max_input_tokens,
        "max_output_tokens": info.max_output_tokens,
        "kinds": info.modes,
        "input_modalities": info.input,
        "output_modalities": info.output,
        "input_usd_per_mtok": rates.get("input"),
        "output_usd_per_mtok": rates.get("output"),
        "capabilities": info.capabilities,
        "knowledge_cutoff": info.knowledge_cutoff,
        "released": info.released,
        "status": info.status,
        "deprecation_date": info.deprecation_date,
        "successor": info.successor,
    }


def list_entries(providers: Iterable[str]) -> list[ModelEntry]:
    """The catalog's models of `providers`, each once, under its id; sorted by provider and id.

    Raises: ConfigurationError for an unknown provider.
    """
    return [entry_of(info, name, info.id) for name in sorted(set(providers)) for info in list_all(name)]
