"""Reads the vector files. ``{"pieces": ["ab", ["c", 3]]}`` in them stands for the string ``"abccc"``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def load(name: str) -> list[dict[str, Any]]:
    """Return the cases of ``<name>.json``."""
    text = (Path(__file__).parent / f"{name}.json").read_text(encoding="utf-8")
    cases: list[dict[str, Any]] = json.loads(text, object_hook=_expand)["cases"]
    return cases


def _expand(found: dict[str, Any]) -> Any:
    if found.keys() != {"pieces"}:
        return found
    return "".join(piece if isinstance(piece, str) else piece[0] * piece[1] for piece in found["pieces"])
