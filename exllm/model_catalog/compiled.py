"""The catalog in one small file: what the wheel carries, and what `update` writes for a user.

``magic, length of the head (4 bytes), head, blobs``: the head is msgpack and says where each provider's blob lies; a
blob is a `ProviderModels` as msgpack, deflated. A provider is read without touching the others.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from pathlib import Path

import msgspec

from exllm.errors import ConfigurationError
from exllm.model_catalog.schema import ProviderModels

MAGIC = b"exllm-catalog-1\n"
_SIZE_BYTES = 4


class Head(msgspec.Struct, frozen=True):
    """What a compiled catalog holds: the newest date of its sources, and per provider the blob's offset and length."""

    as_of: str
    providers: dict[str, tuple[int, int]]


_HEAD = msgspec.msgpack.Decoder(Head)
_PROVIDER = msgspec.msgpack.Decoder(ProviderModels)


def write(path: Path, providers: Iterable[ProviderModels]) -> None:
    """Write `providers` into one file, replacing it whole or not at all."""
    blobs: list[bytes] = []
    places: dict[str, tuple[int, int]] = {}
    newest, offset = "", 0
    for provider in sorted(providers, key=lambda provider: provider.provider):
        blob = zlib.compress(msgspec.msgpack.encode(with_names(provider)), 9)
        places[provider.provider] = (offset, len(blob))
        blobs.append(blob)
        offset += len(blob)
        newest = max(newest, *(source.as_of for source in provider.sources.values()), "")
    head = msgspec.msgpack.encode(Head(newest, places))
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(path.name + ".new")
    unfinished.write_bytes(MAGIC + len(head).to_bytes(_SIZE_BYTES, "big") + head + b"".join(blobs))
    unfinished.replace(path)


def with_names(provider: ProviderModels) -> ProviderModels:
    """The same models, each with its provider and id, which the YAML files have as keys only."""
    models = {
        id: msgspec.structs.replace(model, provider=provider.provider, id=id) for id, model in provider.models.items()
    }
    return msgspec.structs.replace(provider, models=models)


class CompiledCatalog:
    """A compiled file, opened; `read` decodes one provider.

    Raises: ConfigurationError for a file that is not one, or is cut short.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            with path.open("rb") as file:
                start = file.read(len(MAGIC) + _SIZE_BYTES)
                if not start.startswith(MAGIC):
                    raise ConfigurationError(f"{path} is not a catalog of this version of exllm")
                size = int.from_bytes(start[len(MAGIC) :], "big")
                self.head = _HEAD.decode(file.read(size))
        except OSError as error:
            raise ConfigurationError(f"cannot read the model catalog {path}: {error.strerror}") from None
        except msgspec.DecodeError as error:
            raise ConfigurationError(f"the model catalog {path} is damaged: {error}") from None
        self._blobs_at = len(MAGIC) + _SIZE_BYTES + size

    def read(self, provider: str) -> ProviderModels | None:
        """The provider's models; None where the catalog does not have it."""
        place = self.head.providers.get(provider)
        if place is None:
            return None
        try:
            with self.path.open("rb") as file:
                file.seek(self._blobs_at + place[0])
                return _PROVIDER.decode(zlib.decompress(file.read(place[1])))
        except (OSError, zlib.error, msgspec.DecodeError) as error:
            raise ConfigurationError(f"the model catalog {self.path} is damaged: {error}") from None
