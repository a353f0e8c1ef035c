"""The loader that a process shares, and the functions of `exllm.local` over it."""

from __future__ import annotations

import threading
from typing import Any

from exllm.local.loaded import LocalModel
from exllm.local.loader import Loader

_default: Loader | None = None
_guard = threading.Lock()  # event loops of several threads may ask first


def default_loader() -> Loader:
    """The loader that `exllm.local` and the provider ``local`` share in this process."""
    global _default
    with _guard:
        if _default is None:
            _default = Loader()
        return _default


async def load(model: str, **options: Any) -> LocalModel:
    """`Loader.load` of the default loader."""
    return await default_loader().load(model, **options)


async def unload(model: str) -> bool:
    """`Loader.unload` of the default loader."""
    return await default_loader().unload(model)


async def list_models() -> list[LocalModel]:
    """`Loader.list_models` of the default loader."""
    return await default_loader().list_models()
