"""A model as its provider lists it."""

from __future__ import annotations

from typing import Any

import msgspec


class ModelEntry(msgspec.Struct, frozen=True, omit_defaults=True):
    """One row of a provider's model list.

    `id` is what goes behind the slash of a model string, `raw` the provider's own object.
    """

    provider: str
    id: str
    name: str | None = None
    created: int | None = None
    owned_by: str | None = None
    context_window: int | None = None
    raw: dict[str, Any] = {}
