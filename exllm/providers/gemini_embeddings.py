"""Embeddings of the Gemini API.

Always ``batchEmbedContents``, also for a single text, as Google's own SDK does it.
Sources: https://ai.google.dev/api/embeddings, https://ai.google.dev/gemini-api/docs/embeddings
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from exllm.providers.embedding_wire import Embedded, body_path, encode_body, pack, reported_tokens, unreadable
from exllm.providers.spec import ProviderSpec
from exllm.providers.wire import HttpRequest
from exllm.types.embedding import EmbeddingRequest


class _Vector(msgspec.Struct, gc=False):
    values: list[float]


class _Answer(msgspec.Struct):
    embeddings: list[_Vector]
    usage: Any = msgspec.field(name="usageMetadata", default=None)


_DECODER = msgspec.json.Decoder(_Answer)


class GeminiEmbeddings:
    """Implements `exllm.providers.embedding_wire.EmbeddingWire`."""

    name = "gemini"

    def build(self, request: EmbeddingRequest, inputs: Sequence[str], spec: ProviderSpec) -> HttpRequest:
        """See `EmbeddingWire.build`. ``request.extra`` (such as ``title``) goes to each text."""
        model = request.model.removeprefix("models/")
        options: dict[str, Any] = {}
        task_type = request.task_type or spec.embeddings.task_type
        if task_type is not None:
            options["taskType"] = spec.embeddings.task_types[task_type]
        if request.dimensions is not None:
            options["outputDimensionality"] = request.dimensions
        options.update(request.extra)
        body = {
            "requests": [
                {"model": f"models/{model}", "content": {"parts": [{"text": text}]}, **options} for text in inputs
            ]
        }
        return HttpRequest(body_path(spec.paths.embeddings, model), encode_body(body, spec))

    def decode(
        self, body: bytes, headers: Mapping[str, str], request: EmbeddingRequest, spec: ProviderSpec
    ) -> Embedded:
        """See `EmbeddingWire.decode`."""
        try:
            answer = _DECODER.decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise unreadable(spec, error) from None
        usage = answer.usage if isinstance(answer.usage, dict) else {}
        return Embedded(
            pack([vector.values for vector in answer.embeddings], request.encoding_format, spec),
            reported_tokens(usage.get("promptTokenCount"), usage.get("totalTokenCount")),
        )


WIRE = GeminiEmbeddings()
