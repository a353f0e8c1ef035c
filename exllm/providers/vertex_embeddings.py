"""Embeddings of Vertex AI: ``predict`` for its text-embedding models, ``embedContent`` for the Gemini ones.

Sources: https://cloud.google.com/vertex-ai/generative-ai/docs/model-reference/text-embeddings-api and, for
``embedContent``, Google's Python SDK.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from exllm.errors import ProtocolError
from exllm.providers.embedding_wire import Embedded, body_path, encode_body, pack, reported_tokens, unreadable
from exllm.providers.spec import ProviderSpec
from exllm.providers.wire import HttpRequest
from exllm.types.embedding import EmbeddingRequest

# The parameters of `predict` that are not part of an instance.
_PARAMETERS = frozenset({"autoTruncate", "outputDimensionality"})


class _Vector(msgspec.Struct):
    values: list[float]
    statistics: Any = None


class _Prediction(msgspec.Struct):
    embeddings: _Vector


class _Answer(msgspec.Struct):
    predictions: list[_Prediction] | None = None
    embedding: _Vector | None = None
    usage: Any = msgspec.field(name="usageMetadata", default=None)


_DECODER = msgspec.json.Decoder(_Answer)


class VertexEmbeddings:
    """Implements `exllm.providers.embedding_wire.EmbeddingWire`."""

    name = "vertex"

    def build(self, request: EmbeddingRequest, inputs: Sequence[str], spec: ProviderSpec) -> HttpRequest:
        """See `EmbeddingWire.build`. ``request.extra`` holds fields such as ``autoTruncate`` and ``title``."""
        task_type = request.task_type or spec.embeddings.task_type
        task_name = spec.embeddings.task_types[task_type] if task_type is not None else None
        build = _embed_content if _embeds_content(request.model) else _predict
        method, body = build(request, inputs, task_name)
        path = f"{body_path(spec.paths.embeddings, request.model)}:{method}"
        return HttpRequest(path, encode_body(body, spec))

    def decode(
        self, body: bytes, headers: Mapping[str, str], request: EmbeddingRequest, spec: ProviderSpec
    ) -> Embedded:
        """See `EmbeddingWire.decode`."""
        try:
            answer = _DECODER.decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise unreadable(spec, error) from None
        if answer.predictions is not None:
            vectors = [prediction.embeddings for prediction in answer.predictions]
        elif answer.embedding is not None:
            vectors = [answer.embedding]
        else:
            raise ProtocolError(f"{spec.label} sent no embeddings", provider=spec.name)
        usage = answer.usage if isinstance(answer.usage, dict) else {}
        tokens = usage.get("promptTokenCount", _counted(vectors))
        return Embedded(
            pack([vector.values for vector in vectors], request.encoding_format, spec),
            reported_tokens(tokens, usage.get("totalTokenCount")),
        )


def _embeds_content(model: str) -> bool:
    # As the SDK tells them apart.
    name = model.rpartition("/")[2]
    return "gemini" in name or "maas" in name


def _predict(request: EmbeddingRequest, inputs: Sequence[str], task_name: str | None) -> tuple[str, dict[str, Any]]:
    parameters = {name: value for name, value in request.extra.items() if name in _PARAMETERS}
    of_instance = {name: value for name, value in request.extra.items() if name not in _PARAMETERS}
    if task_name is not None:
        of_instance.setdefault("task_type", task_name)
    if request.dimensions is not None:
        parameters.setdefault("outputDimensionality", request.dimensions)
    body: dict[str, Any] = {"instances": [{"content": text, **of_instance} for text in inputs]}
    if parameters:
        body["parameters"] = parameters
    return "predict", body


def _embed_content(
    request: EmbeddingRequest, inputs: Sequence[str], task_name: str | None
) -> tuple[str, dict[str, Any]]:
    (text,) = inputs  # the spec's rules say so
    config: dict[str, Any] = {}
    if task_name is not None:
        config["taskType"] = task_name
    if request.dimensions is not None:
        config["outputDimensionality"] = request.dimensions
    config.update(request.extra)
    body: dict[str, Any] = {"content": {"role": "user", "parts": [{"text": text}]}}
    if config:
        body["embedContentConfig"] = config
    return "embedContent", body


def _counted(vectors: Sequence[_Vector]) -> int | None:
    """The tokens of all inputs, where each tells its own."""
    counts = [vector.statistics.get("token_count") for vector in vectors if isinstance(vector.statistics, dict)]
    told = [int(count) for count in counts if isinstance(count, int | float) and not isinstance(count, bool)]
    return sum(told) if len(told) == len(vectors) else None


WIRE = VertexEmbeddings()
