"""Hand-made corrections, ``exllm/model_catalog/overrides.yml``: the last word on a figure, each with its reason."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from exllm.errors import ConfigurationError
from exllm.model_catalog.schema import ModelInfo
from exllm.model_catalog.yaml_files import read_yaml

PATH = Path(__file__).parent.parent / "overrides.yml"
NAME = "override"


class Override(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Fields that replace those of the merged models; a model that no source has is added.

    Attributes:
        provider, models: which models, by id.
        set: fields of `ModelInfo`; lists replace lists as a whole.
        why: the reason, for those who read the file.
        url: where the figure is from.
        as_of: YYYY-MM-DD, the day it was looked up.
    """

    provider: str
    models: tuple[str, ...]
    set: dict[str, Any]
    why: str
    url: str
    as_of: str


def read(path: Path = PATH) -> list[Override]:
    """The overrides in `path`. Raises `ConfigurationError` for a file that is not of the form."""
    try:
        overrides = msgspec.convert(read_yaml(path) or [], list[Override])
    except msgspec.ValidationError as error:
        raise ConfigurationError(f"{path}: {error}") from None
    for override in overrides:
        for field in override.set:
            if field not in ModelInfo.__struct_fields__ or field in ("provider", "id", "origin"):
                raise ConfigurationError(f"{path}: {override.provider}: {field!r} is not a field of a model")
    return overrides


def apply(models: dict[str, dict[str, ModelInfo]], overrides: list[Override]) -> None:
    """Lay them over the merged models, in place."""
    for override in overrides:
        of_provider = models.setdefault(override.provider, {})
        for id in override.models:
            given = msgspec.to_builtins(of_provider.get(id, ModelInfo(override.provider, id)))
            given["from"] = {**given.get("from", {}), **dict.fromkeys(override.set, NAME)}
            of_provider[id] = msgspec.convert(given | override.set, ModelInfo)
