"""Embeddings of Ollama: https://docs.ollama.com/api/embed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from exllm.providers.embedding_wire import Embedded, body_path, encode_body, pack, reported_tokens, unreadable
from exllm.providers.spec import ProviderSpec
from exllm.providers.wire import HttpRequest
from exllm.types.embedding import EmbeddingRequest


class _Answer(msgspec.Struct):
    embeddings: list[list[float]]
    model: str | None = None
    prompt_eval_count: Any = None


_DECODER = msgspec.json.Decoder(_Answer)


class OllamaEmbeddings:
    """Implements `exllm.providers.embedding_wire.EmbeddingWire`."""

    name = "ollama"

    def build(self, request: EmbeddingRequest, inputs: Sequence[str], spec: ProviderSpec) -> HttpRequest:
        """See `EmbeddingWire.build`. ``request.extra`` holds ``truncate``, ``options``, ``keep_alive``."""
        body: dict[str, Any] = {"model": request.model, "input": inputs}
        if request.dimensions is not None:
            body["dimensions"] = request.dimensions
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
        vectors = pack(answer.embeddings, request.encoding_format, spec)
        return Embedded(vectors, reported_tokens(answer.prompt_eval_count), answer.model)


WIRE = OllamaEmbeddings()
