"""Values as plain data: what msgspec encodes, and what it leaves to a hook."""

from __future__ import annotations

from typing import Any

import msgspec


def plain(value: Any) -> Any:
    """`value` as JSON-like data. Raises TypeError for what cannot be."""
    return msgspec.to_builtins(value, str_keys=True, enc_hook=foreign)


def foreign(value: Any) -> Any:
    """The ``enc_hook`` for pydantic's models, and NumPy's numbers and arrays. Raises TypeError for all else."""
    if not isinstance(value, type):
        if (dump := getattr(value, "model_dump", None)) is not None:
            return dump(mode="json")
        if callable(as_list := getattr(value, "tolist", None)):
            return as_list()
    raise TypeError(f"a {type(value).__name__} cannot be encoded as JSON")
