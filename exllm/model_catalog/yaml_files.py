"""YAML files of the catalog's form, read with dates left as the words they are."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

from exllm.errors import ConfigurationError


def read_yaml(path: Path) -> Any:
    """What the file holds. Raises `ConfigurationError` that names the file, for what cannot be read."""
    import yaml

    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(f"cannot read {path}: {error.strerror}") from None
    try:
        return _plain(yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)))
    except yaml.YAMLError as error:
        raise ConfigurationError(f"{path} is not valid YAML: {error}") from None


def _plain(value: Any) -> Any:
    """YAML reads 2025-09-29 as a date; the catalog keeps dates as text, since some are only a month."""
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_plain(inner) for inner in value]
    return value.isoformat() if isinstance(value, datetime.date) else value
