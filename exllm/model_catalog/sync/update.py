"""New models without a new exllm: the public price lists, merged into the user's own copy of the catalog."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import msgspec

from exllm.model_catalog import compiled, store
from exllm.model_catalog.sync import overrides
from exllm.model_catalog.sync.build import PUBLIC, build
from exllm.model_catalog.sync.fetch import fetch


class Updated(msgspec.Struct, frozen=True):
    """What `update` wrote.

    Attributes:
        path: the file.
        models, providers: how many it holds.
        as_of: the newest date of its figures.
        new: model strings that the catalog in use before did not have.
        gone: model strings that it had and that the new one has not.
    """

    path: Path
    models: int
    providers: int
    as_of: str
    new: tuple[str, ...]
    gone: tuple[str, ...]


def update(path: Path | None = None, sources: Mapping[str, str] | None = None) -> Updated:
    """Fetch the public price lists, merge them as the catalog of a release is merged, and use the result from now on.

    Blocking, some seconds; in an asynchronous program call it with ``asyncio.to_thread``. Nothing is written unless all
    could be read.

    Args:
        path: the file to write; `exllm.model_catalog.store.data_file` by default, where it is found again.
        sources: name to path or address, for other places than the public ones.

    Raises: ConnectionFailed when an address gives nothing; ConfigurationError for data of another form.
    """
    places = {**PUBLIC, **(sources or {})}
    texts = {name: fetch(place) for name, place in places.items()}
    built = build(texts, overrides.read())
    before = {f"{name}/{id}" for name in store.current().names for id in _ids(name)}
    path = path or store.data_file()
    compiled.write(path, built.providers.values())
    store.reload()
    now = {f"{name}/{id}" for name, provider in built.providers.items() for id in provider.models}
    as_of = max(source.as_of for source in built.sources.values())
    return Updated(
        path, len(now), len(built.providers), as_of, tuple(sorted(now - before)), tuple(sorted(before - now))
    )


def _ids(provider: str) -> list[str]:
    models = store.current().provider(provider)
    return list(models.models) if models is not None else []
