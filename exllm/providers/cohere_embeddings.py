"""Embeddings of Cohere, version 2: https://docs.cohere.com/reference/embed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from exllm.errors import ProtocolError
from exllm.providers.embedding_wire import (
    Embedded,
    body_path,
    encode_body,
    format_of,
    pack,
    reported_tokens,
    unreadable,
)
from exllm.providers.spec import ProviderSpec
from exllm.providers.wire import HttpRequest
from exllm.types.embedding import EmbeddingRequest
from exllm.types.vectors import Vectors


class _Answer(msgspec.Struct):
    # A list is what version 1 sent, and what Bedrock sends where no type was asked for.
    embeddings: dict[str, list[list[float]] | None] | list[list[float]]
    meta: Any = None


_DECODER = msgspec.json.Decoder(_Answer)


class CohereEmbeddings:
    """Implements `exllm.providers.embedding_wire.EmbeddingWire`."""

    name = "cohere"

    def build(self, request: EmbeddingRequest, inputs: Sequence[str], spec: ProviderSpec) -> HttpRequest:
        """See `EmbeddingWire.build`. ``request.extra`` is merged last."""
        body = {"model": request.model, **cohere_fields(request, inputs, spec)}
        return HttpRequest(body_path(spec.paths.embeddings, request.model), encode_body(body, spec))

    def decode(
        self, body: bytes, headers: Mapping[str, str], request: EmbeddingRequest, spec: ProviderSpec
    ) -> Embedded:
        """See `EmbeddingWire.decode`."""
        vectors, meta = read_cohere(body, request, spec)
        billed = meta.get("billed_units") if isinstance(meta, dict) else None
        return Embedded(vectors, reported_tokens(billed.get("input_tokens") if isinstance(billed, dict) else None))


def cohere_fields(request: EmbeddingRequest, inputs: Sequence[str], spec: ProviderSpec) -> dict[str, Any]:
    """The body's fields but for the model, which Bedrock has in the path."""
    embeddings = spec.embeddings
    body: dict[str, Any] = {"texts": inputs, "embedding_types": [format_of(request, embeddings) or "float"]}
    task_type = request.task_type or embeddings.task_type
    if task_type is not None:
        body["input_type"] = embeddings.task_types[task_type]
    if request.dimensions is not None:
        body["output_dimension"] = request.dimensions
    body.update(request.extra)
    return body


def read_cohere(body: bytes, request: EmbeddingRequest, spec: ProviderSpec) -> tuple[Vectors, Any]:
    """The vectors, and ``meta`` as it came. Raises ProtocolError."""
    try:
        answer = _DECODER.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise unreadable(spec, error) from None
    wanted = format_of(request, spec.embeddings) or "float"
    rows = answer.embeddings.get(wanted) if isinstance(answer.embeddings, dict) else answer.embeddings
    if rows is None:
        raise ProtocolError(f"{spec.label} sent no embeddings of the type {wanted}", provider=spec.name)
    return pack(rows, wanted, spec), answer.meta


WIRE = CohereEmbeddings()
