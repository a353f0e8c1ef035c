"""The seam between a provider's way to embed texts and everything else: pure functions, as in `exllm.providers.wire`.

An embedding wire is one module-level object with two functions: build the request for some of the inputs, decode its
answer. Errors are read by the provider's chat wire: no service is known that words them differently here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any, Protocol
from urllib.parse import quote

import msgspec

from exllm.errors import ConfigurationError, InvalidRequest, ProtocolError
from exllm.providers.embedding_spec import EmbeddingSpec
from exllm.providers.spec import ProviderSpec, near
from exllm.providers.wire import HttpRequest
from exllm.types.embedding import EmbeddingRequest, EncodingFormat
from exllm.types.usage import Usage
from exllm.types.vectors import NumberKind, Vectors


class Embedded(msgspec.Struct, frozen=True):
    """The answer to one request. `model` is the provider's own name for who answered, where it gives one."""

    vectors: Vectors
    usage: Usage = Usage()
    model: str | None = None


class EmbeddingWire(Protocol):
    """One provider protocol for embeddings."""

    name: str

    def build(self, request: EmbeddingRequest, inputs: Sequence[str], spec: ProviderSpec) -> HttpRequest:
        """The HTTP request for `inputs`, some of those of `request`. Its options are known to be supported."""

    def decode(
        self, body: bytes, headers: Mapping[str, str], request: EmbeddingRequest, spec: ProviderSpec
    ) -> Embedded:
        """The vectors in `body`, in the order of the inputs; `headers` keys are lower-case.

        Raises: ProtocolError for what cannot be read; another `ExLLMError` where the body tells of an error.
        """


_WIRES: dict[str, str] = {
    "openai": "exllm.providers.openai_embeddings",
    "gemini": "exllm.providers.gemini_embeddings",
    "vertex": "exllm.providers.vertex_embeddings",
    "cohere": "exllm.providers.cohere_embeddings",
    "ollama": "exllm.providers.ollama_embeddings",
    "bedrock": "exllm.providers.bedrock_embeddings",
}
EMBEDDING_WIRES = frozenset(_WIRES)


def embedding_wire(name: str) -> EmbeddingWire:
    """The embedding wire called `name`. Raises `ConfigurationError` for an unknown one."""
    if name not in _WIRES:
        raise ConfigurationError(
            f"unknown embedding wire {name!r}{near(name, _WIRES)}; there are {', '.join(sorted(_WIRES))}"
        )
    found: EmbeddingWire = import_module(_WIRES[name]).WIRE
    return found


# -- what the wires share


_KINDS: dict[EncodingFormat, NumberKind] = {
    "float": "d",
    "base64": "d",
    "int8": "b",
    "uint8": "B",
    "binary": "b",
    "ubinary": "B",
}


def format_of(request: EmbeddingRequest, embeddings: EmbeddingSpec) -> EncodingFormat | None:
    """The encoding format to ask for; None for the provider's own default."""
    return request.encoding_format or embeddings.format


def pack(rows: Sequence[Sequence[float]], wanted: EncodingFormat | None, spec: ProviderSpec) -> Vectors:
    """Vectors of numbers that came as JSON. Raises ProtocolError when they are not of one length, or not in range."""
    try:
        return Vectors.of(rows, _KINDS[wanted or "float"])
    except ValueError as error:
        raise ProtocolError(f"{spec.label} sent vectors that cannot be used: {error}", provider=spec.name) from None


def pack_base64(rows: Sequence[bytes], wanted: EncodingFormat | None, spec: ProviderSpec) -> Vectors:
    """Vectors that came as base64: float32 unless quantised ones were asked for. Raises ProtocolError as `pack`."""
    kind = _KINDS[wanted or "float"]
    try:
        return Vectors.packed(rows, "f" if kind == "d" else kind)
    except ValueError as error:
        raise ProtocolError(f"{spec.label} sent vectors that cannot be used: {error}", provider=spec.name) from None


def body_path(path: str | None, model: str) -> str:
    """`path` with the model's name in the place of ``{model}``, percent-encoded."""
    assert path is not None, "a provider without embeddings is refused before"
    return path.replace("{model}", quote(model, safe="@"))


def encode_body(body: Mapping[str, Any], spec: ProviderSpec) -> bytes:
    """`body` as JSON. Raises InvalidRequest for half a surrogate pair; TypeError for what JSON cannot say."""
    try:
        return msgspec.json.encode(body)
    except UnicodeEncodeError as error:
        raise InvalidRequest(f"the request holds half of a surrogate pair: {error}", provider=spec.name) from None


def unreadable(spec: ProviderSpec, error: Exception) -> ProtocolError:
    """The error for an answer that is not of the expected shape."""
    return ProtocolError(
        f"{spec.label} sent embeddings that cannot be read: {error}; is the base URL right?", provider=spec.name
    )


def reported_tokens(count: object, total: object = None, cost_usd: object = None) -> Usage:
    """The usage that a provider reported, tolerant of what is no number."""
    tokens, all_tokens = _count(count), _count(total)
    if tokens is None:
        tokens = all_tokens
    if tokens is None:
        return Usage()
    cost = float(cost_usd) if isinstance(cost_usd, int | float) and not isinstance(cost_usd, bool) else None
    return Usage(
        input_tokens=tokens,
        total_tokens=tokens if all_tokens is None else all_tokens,
        reported_cost_usd=cost,
        provenance="reported",
    )


def _count(value: object) -> int | None:
    return int(value) if isinstance(value, int | float) and not isinstance(value, bool) and value >= 0 else None
