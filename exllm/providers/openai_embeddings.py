"""Embeddings as OpenAI has them, and the many services that speak the same.

Sources: platform.openai.com/docs/api-reference/embeddings; docs.mistral.ai/api/endpoint/embeddings;
docs.perplexity.ai/api-reference/embeddings-post; docs.voyageai.com/reference/embeddings-api; what a service names
differently is in its spec.
"""

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
    pack_base64,
    reported_tokens,
    unreadable,
)
from exllm.providers.error_mapping import error_in_stream
from exllm.providers.spec import ProviderSpec
from exllm.providers.wire import HttpRequest
from exllm.types.embedding import EmbeddingRequest, EncodingFormat
from exllm.types.usage import Usage
from exllm.types.vectors import Vectors


class _Row(msgspec.Struct, gc=False):
    embedding: list[float] | bytes  # bytes are base64: whoever was asked for it may still send numbers
    index: int | None = None


class _Answer(msgspec.Struct):
    data: list[_Row] | None = None
    model: str | None = None
    usage: Any = None
    error: Any = None


_DECODER = msgspec.json.Decoder(_Answer)


class OpenAIEmbeddings:
    """Implements `exllm.providers.embedding_wire.EmbeddingWire`."""

    name = "openai"

    def build(self, request: EmbeddingRequest, inputs: Sequence[str], spec: ProviderSpec) -> HttpRequest:
        """See `EmbeddingWire.build`. ``request.extra`` is merged last."""
        embeddings = spec.embeddings
        body: dict[str, Any] = {"model": request.model, "input": inputs}
        if request.dimensions is not None:
            body[embeddings.dimensions_field] = request.dimensions
        wanted = format_of(request, embeddings)
        if wanted is not None:
            body[embeddings.format_field] = embeddings.formats[wanted]
        task_type = request.task_type or embeddings.task_type
        if task_type is not None:
            body[embeddings.task_type_field] = embeddings.task_types[task_type]
        body.update(request.extra)
        return HttpRequest(body_path(spec.paths.embeddings, request.model), encode_body(body, spec))

    def decode(
        self, body: bytes, headers: Mapping[str, str], request: EmbeddingRequest, spec: ProviderSpec
    ) -> Embedded:
        """See `EmbeddingWire.decode`."""
        try:
            answer = _DECODER.decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise unreadable(spec, error) from None
        if answer.data is None:
            if answer.error is not None:  # OpenRouter tells of a failed upstream with status 200
                raise error_in_stream({"error": answer.error}, provider=spec.name, model=request.model)
            raise ProtocolError(f"{spec.label} sent no embeddings", provider=spec.name)
        rows = [row.embedding for row in _in_order(answer.data)]
        return Embedded(_vectors(rows, format_of(request, spec.embeddings), spec), _usage(answer.usage), answer.model)


def _in_order(rows: list[_Row]) -> list[_Row]:
    """By index where that makes sense; some services leave it out, or say 0 each time."""
    indices = [row.index for row in rows]
    if indices != list(range(len(rows))) and sorted(index for index in indices if index is not None) == list(
        range(len(rows))
    ):
        return sorted(rows, key=lambda row: row.index or 0)
    return rows


def _vectors(rows: Sequence[list[float] | bytes], wanted: EncodingFormat | None, spec: ProviderSpec) -> Vectors:
    packed = [row for row in rows if isinstance(row, bytes)]
    if not packed:
        return pack([row for row in rows if not isinstance(row, bytes)], wanted, spec)
    if len(packed) < len(rows):
        raise ProtocolError(f"{spec.label} sent some vectors as base64 and some as numbers", provider=spec.name)
    return pack_base64(packed, wanted, spec)


def _usage(usage: Any) -> Usage:
    if not isinstance(usage, dict):
        return Usage()
    cost = usage.get("cost")  # OpenRouter: a number; Perplexity: an object
    if isinstance(cost, dict):
        cost = cost.get("total_cost") if cost.get("currency", "USD") == "USD" else None
    return reported_tokens(usage.get("prompt_tokens"), usage.get("total_tokens"), cost)


WIRE = OpenAIEmbeddings()
