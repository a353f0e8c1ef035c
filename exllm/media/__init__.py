"""Images, audio and documents: getting them, knowing what they are, and making them fit what a provider takes.

    photo = await exllm.media.load("photo.heic")                   # a path, an address, bytes, a file object
    photo = await exllm.media.fit(photo, "anthropic")              # smaller, another format, where that is needed
    page = await exllm.media.load("https://example.org/a.pdf", fetch=True)   # fetched here, not by the provider
    reply = await client.chat("anthropic", [exllm.Message("user", [exllm.Text("What is this?"), photo])])

Nothing is fetched unless asked for, and never from a private address.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from exllm.media.fitting import fit
    from exllm.media.limits import MediaLimits, check, limits_of
    from exllm.media.loading import load
    from exllm.transport.public_fetch import fetch
    from exllm.types.image_header import image_size
    from exllm.types.media import media_type_of

__all__ = ["MediaLimits", "check", "fetch", "fit", "image_size", "limits_of", "load", "media_type_of"]

_LAZY = {
    "MediaLimits": "exllm.media.limits",
    "check": "exllm.media.limits",
    "fetch": "exllm.transport.public_fetch",
    "fit": "exllm.media.fitting",
    "image_size": "exllm.types.image_header",
    "limits_of": "exllm.media.limits",
    "load": "exllm.media.loading",
    "media_type_of": "exllm.types.media",
}


def __getattr__(name: str) -> Any:
    from importlib import import_module

    if name in _LAZY:
        value = getattr(import_module(_LAZY[name]), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module 'exllm.media' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
