"""The model lists that a client has fetched, and what stands in for one that there is not."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Collection

from exllm.transport.http import HttpCall
from exllm.types.model import ModelEntry

MODEL_LIST_TTL_S = 3600.0
DEFAULT_KINDS = ("chat", "embedding")


class ModelLists:
    """Lists that were fetched, each for an hour. What a list depends on besides the address is the key."""

    def __init__(self) -> None:
        self._lists: dict[tuple[str, str, bytes], tuple[float, list[ModelEntry]]] = {}

    def get(self, provider: str, call: HttpCall) -> list[ModelEntry] | None:
        """The list that an earlier call like this one gave, if it is not too old."""
        key = _key(provider, call)
        kept = self._lists.get(key)
        if kept is None or time.monotonic() >= kept[0]:
            self._lists.pop(key, None)
            return None
        return kept[1]

    def put(self, provider: str, call: HttpCall, entries: list[ModelEntry]) -> None:
        self._lists[_key(provider, call)] = time.monotonic() + MODEL_LIST_TTL_S, entries


def _key(provider: str, call: HttpCall) -> tuple[str, str, bytes]:
    headers = "\n".join(f"{name}:{value}" for name, value in sorted(call.headers.items()))
    return provider, call.url, hashlib.blake2b(headers.encode("utf-8", "replace")).digest()  # the key is not kept


def of_kinds(entries: Collection[ModelEntry], kinds: Collection[str] | None) -> list[ModelEntry]:
    """Those of one of `kinds`, and those whose kind nobody told; all when it is None."""
    if kinds is None:
        return list(entries)
    if isinstance(kinds, str):
        kinds = (kinds,)
    return [entry for entry in entries if not entry.kinds or not set(kinds).isdisjoint(entry.kinds)]


def with_catalog(entries: list[ModelEntry], provider: str) -> list[ModelEntry]:
    """The provider's rows, filled in by the catalog, which is read here for the first time if nobody asked before."""
    from exllm.model_catalog.entries import filled

    return filled(entries, provider) if entries else entries


def catalog_models(provider: str) -> list[ModelEntry]:
    """What the catalog knows of the provider's models, under each of their names, sorted; none where it knows none."""
    from exllm.errors import ConfigurationError
    from exllm.model_catalog import list_all
    from exllm.model_catalog.entries import entry_of

    try:
        infos = list_all(provider)
    except ConfigurationError:  # a provider that the user registered
        return []
    entries: dict[str, ModelEntry] = {}
    for info in infos:
        for name in info.aliases:
            entries.setdefault(name, entry_of(info, provider, name))
    entries |= {info.id: entry_of(info, provider, info.id) for info in infos}
    return [entries[name] for name in sorted(entries)]
