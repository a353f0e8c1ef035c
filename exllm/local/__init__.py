"""Models on this machine, in this process, by llama-cpp-python (``pip install "exllm[local]"``).

``client.chat("local")`` answers with the small model that comes with exllm, ``client.chat("local/~/models/x.gguf")``
with any GGUF file. This module is for what a call does not say: loading ahead, unloading, memory, token counts and
acceleration. Importing it imports no llama-cpp-python.

Models stay in memory until `unload`, until the memory budget needs their place, or until the process ends. They belong
to the process's `Loader`, not to a client: closing a client ends its answers, and leaves the models.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from exllm.local.hardware import Acceleration, Device, acceleration
    from exllm.local.loaded import LocalModel
    from exllm.local.loader import Loader
    from exllm.local.process_loader import default_loader, list_models, load, unload
    from exllm.local.provider import LocalProvider
    from exllm.local.settings import LoadOptions
    from exllm.local.tokens import count_tokens

_LAZY = {
    "Acceleration": "exllm.local.hardware",
    "Device": "exllm.local.hardware",
    "LoadOptions": "exllm.local.settings",
    "Loader": "exllm.local.loader",
    "LocalModel": "exllm.local.loaded",
    "LocalProvider": "exllm.local.provider",
    "acceleration": "exllm.local.hardware",
    "count_tokens": "exllm.local.tokens",
    "default_loader": "exllm.local.process_loader",
    "list_models": "exllm.local.process_loader",
    "load": "exllm.local.process_loader",
    "unload": "exllm.local.process_loader",
}

__all__ = [
    "Acceleration",
    "Device",
    "LoadOptions",
    "Loader",
    "LocalModel",
    "LocalProvider",
    "acceleration",
    "count_tokens",
    "default_loader",
    "list_models",
    "load",
    "unload",
]


def __getattr__(name: str) -> Any:
    import importlib

    if name in _LAZY:
        value = getattr(importlib.import_module(_LAZY[name]), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module 'exllm.local' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
