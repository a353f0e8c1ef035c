"""Embeddings on Amazon Bedrock, by InvokeModel: Amazon's Titan, one text at a time, and Cohere's.

Sources: https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-titan-embed-text.html,
https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-embed.html
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from exllm.errors import InvalidRequest, ProtocolError, UnsupportedOption
from exllm.providers.cohere_embeddings import cohere_fields, read_cohere
from exllm.providers.embedding_wire import Embedded, body_path, encode_body, pack, reported_tokens, unreadable
from exllm.providers.spec import ProviderSpec
from exllm.providers.wire import HttpRequest
from exllm.types.embedding import EmbeddingRequest
from exllm.types.vectors import Vectors

_TOKENS_HEADER = "x-amzn-bedrock-input-token-count"
_TITAN_FORMATS = ("float", "binary")


class _TitanAnswer(msgspec.Struct):
    embedding: list[float] | None = None
    by_type: dict[str, list[float] | None] = msgspec.field(name="embeddingsByType", default_factory=dict)
    input_tokens: Any = msgspec.field(name="inputTextTokenCount", default=None)


_TITAN_DECODER = msgspec.json.Decoder(_TitanAnswer)


class BedrockEmbeddings:
    """Implements `exllm.providers.embedding_wire.EmbeddingWire`."""

    name = "bedrock"

    def build(self, request: EmbeddingRequest, inputs: Sequence[str], spec: ProviderSpec) -> HttpRequest:
        """See `EmbeddingWire.build`. ``request.extra`` is merged last.

        Raises: InvalidRequest for a model that does not embed; UnsupportedOption for an encoding that it has not.
        """
        if _is_titan(request.model):
            body = _titan_body(request, inputs, spec)
        elif _is_cohere(request.model):
            body = cohere_fields(request, inputs, spec)
        else:
            raise InvalidRequest(
                f"{request.model} is no embedding model that exllm knows on Bedrock; there are amazon.titan-embed-... "
                f"and cohere.embed-...",
                provider=spec.name,
            )
        headers = {"accept": "application/json"}
        return HttpRequest(body_path(spec.paths.embeddings, request.model), encode_body(body, spec), headers)

    def decode(
        self, body: bytes, headers: Mapping[str, str], request: EmbeddingRequest, spec: ProviderSpec
    ) -> Embedded:
        """See `EmbeddingWire.decode`."""
        header = headers.get(_TOKENS_HEADER, "")
        tokens: Any = int(header) if header.isdecimal() else None
        if _is_titan(request.model):
            vectors, counted = _read_titan(body, request, spec)
            return Embedded(vectors, reported_tokens(counted if tokens is None else tokens))
        vectors, _meta = read_cohere(body, request, spec)
        return Embedded(vectors, reported_tokens(tokens))


def _is_titan(model: str) -> bool:
    return "titan-embed" in model


def _is_cohere(model: str) -> bool:
    return "cohere.embed" in model


def _titan_body(request: EmbeddingRequest, inputs: Sequence[str], spec: ProviderSpec) -> dict[str, Any]:
    (text,) = inputs  # the spec's rules say so
    body: dict[str, Any] = {"inputText": text}
    if request.dimensions is not None:
        body["dimensions"] = request.dimensions
    if request.encoding_format is not None:
        if request.encoding_format not in _TITAN_FORMATS:
            raise UnsupportedOption(
                f"{request.model} takes encoding_format = {' | '.join(_TITAN_FORMATS)}, "
                f"got {request.encoding_format!r}",
                provider=spec.name,
                model=request.model,
            )
        body["embeddingTypes"] = [request.encoding_format]
    body.update(request.extra)
    return body


def _read_titan(body: bytes, request: EmbeddingRequest, spec: ProviderSpec) -> tuple[Vectors, Any]:
    try:
        answer = _TITAN_DECODER.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise unreadable(spec, error) from None
    wanted = request.encoding_format or "float"
    row = answer.by_type.get(wanted)
    if row is None and wanted == "float":
        row = answer.embedding
    if row is None:
        raise ProtocolError(f"{spec.label} sent no embedding of the type {wanted}", provider=spec.name)
    return pack([row], wanted, spec), answer.input_tokens


WIRE = BedrockEmbeddings()
