"""Read the header of a GGUF file: what a model is, without loading it and without llama.cpp.

Format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
"""

from __future__ import annotations

import mmap
import struct
from pathlib import Path

import msgspec

from exllm.errors import InvalidRequest

Value = int | float | bool | str | tuple[int | float | bool, ...]

_SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
_STRING = 8
_ARRAY = 9
_MAX_ARRAY_KEPT = 512  # a number per layer is kept; the vocabulary's scores are not
_KV_CACHE_BYTES_PER_NUMBER = {"f32": 4.0, "f16": 2.0, "bf16": 2.0, "q8_0": 34 / 32, "q4_0": 18 / 32}


class GGUFHeader(msgspec.Struct, frozen=True):
    """The metadata of a model file; lists of strings and very long lists are left out."""

    version: int
    tensor_count: int
    metadata: dict[str, Value]

    @property
    def architecture(self) -> str:
        """Such as ``llama`` or ``qwen3``; ``""`` where the file does not say."""
        return str(self.metadata.get("general.architecture", ""))

    @property
    def context_length(self) -> int | None:
        """Tokens of context that the model was trained with."""
        return self._whole("context_length")

    def kv_cache_bytes(self, context_tokens: int, type_k: str = "f16", type_v: str = "f16") -> int:
        """How much memory the attention cache takes for so many tokens; 0 for a model without attention."""
        layers, width, heads = self._whole("block_count"), self._whole("embedding_length"), self._total("head_count")
        if not layers or not width or not heads:
            return 0
        # Each is one number for all layers, or one per layer.
        heads_per_layer = max(1, heads // layers) if self._is_list("head_count") else heads
        kv_heads = self._total("head_count_kv")
        if kv_heads is None:
            kv_heads = heads_per_layer * layers
        elif not self._is_list("head_count_kv"):
            kv_heads *= layers
        key_width = self._whole("attention.key_length") or width // heads_per_layer
        value_width = self._whole("attention.value_length") or width // heads_per_layer
        key_bytes = key_width * _KV_CACHE_BYTES_PER_NUMBER[type_k]
        value_bytes = value_width * _KV_CACHE_BYTES_PER_NUMBER[type_v]
        return int(kv_heads * context_tokens * (key_bytes + value_bytes))

    def _value(self, key: str) -> Value | None:
        return self.metadata.get(f"{self.architecture}.{key}")

    def _whole(self, key: str) -> int | None:
        value = self._value(key)
        return value if isinstance(value, int) else None

    def _is_list(self, key: str) -> bool:
        return isinstance(self._value(f"attention.{key}"), tuple)

    def _total(self, key: str) -> int | None:
        value = self._value(f"attention.{key}")
        if isinstance(value, tuple):
            return int(sum(value))
        return value if isinstance(value, int) else None


def read_header(path: Path) -> GGUFHeader:
    """The header of the file at `path`. Blocking I/O.

    Raises: InvalidRequest when it cannot be read, or is no GGUF file, or ends too early.
    """
    try:
        with path.open("rb") as file:
            if file.read(4) != b"GGUF":
                raise InvalidRequest(
                    f"{path} is not a GGUF file; llama.cpp's convert_hf_to_gguf.py makes one", provider="local"
                )
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
                return _Reader(data).header()
    except OSError as error:
        raise InvalidRequest(f"cannot read the model file {path}: {error.strerror}", provider="local") from None
    except (struct.error, UnicodeDecodeError, KeyError, ValueError):
        raise InvalidRequest(f"{path} is a damaged or unfinished GGUF file", provider="local") from None


class _Reader:
    def __init__(self, data: mmap.mmap) -> None:
        self._data = data
        self._at = 4

    def header(self) -> GGUFHeader:
        version = self._scalar("I")
        if version not in (2, 3):
            raise ValueError(version)
        tensor_count, entries = self._scalar("Q"), self._scalar("Q")
        metadata: dict[str, Value] = {}
        for _ in range(int(entries)):
            key = self._string()
            value = self._value(int(self._scalar("I")))
            if value is not None:
                metadata[key] = value
        return GGUFHeader(int(version), int(tensor_count), metadata)

    def _value(self, kind: int) -> Value | None:
        if kind == _STRING:
            return self._string()
        if kind == _ARRAY:
            return self._array()
        return self._scalar(_SCALARS[kind])

    def _array(self) -> Value | None:
        kind, count = int(self._scalar("I")), int(self._scalar("Q"))
        if kind == _STRING:
            for _ in range(count):
                self._skip(int(self._scalar("Q")))
            return None
        if kind == _ARRAY:
            for _ in range(count):
                self._array()
            return None
        form = struct.Struct(f"<{_SCALARS[kind]}")
        if count > _MAX_ARRAY_KEPT:
            self._skip(form.size * count)
            return None
        return tuple(self._scalar(_SCALARS[kind]) for _ in range(count))

    def _scalar(self, form: str) -> int | float | bool:
        (value,) = struct.unpack_from("<" + form, self._data, self._at)
        self._at += struct.calcsize("<" + form)
        return value  # type: ignore[no-any-return]

    def _string(self) -> str:
        length = int(self._scalar("Q"))
        start = self._at
        self._skip(length)
        return self._data[start : self._at].decode("utf-8")

    def _skip(self, length: int) -> None:
        if self._at + length > len(self._data):
            raise ValueError("the file ends within its header")
        self._at += length
