"""The vectors of texts, by a local model."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import cast

from exllm.cost import cost_of
from exllm.errors import ContextLengthExceeded, InvalidRequest, UnsupportedOption
from exllm.local.at_work import start_worker
from exllm.local.engine import EmbeddingEngine, Engine
from exllm.local.loaded import LoadedModel
from exllm.local.loader import Loader
from exllm.local.settings import split_embedding_extra
from exllm.types.embedding import EmbeddingRequest, EmbeddingResponse
from exllm.types.usage import Usage
from exllm.types.vectors import Vectors

_FORMATS = (None, "float", "base64")  # all that they say is how floats travel


async def embed_locally(loader: Loader, request: EmbeddingRequest) -> EmbeddingResponse:
    """See `LocalProvider.embed`."""
    if request.encoding_format not in _FORMATS:
        raise UnsupportedOption(
            f"a local model takes encoding_format = float | base64, got {request.encoding_format!r}", provider="local"
        )
    options, extras = split_embedding_extra(request.extra)
    tokens = 0
    name = request.model

    def write(model: LoadedModel, engine: Engine, emit: Callable[[Sequence[list[float]]], None]) -> None:
        nonlocal tokens, name
        name = model.name
        embedder = cast("EmbeddingEngine", engine)
        texts = [embedder.tokenize(text, add_bos=True) for text in request.inputs]
        _check_lengths(texts, embedder.context_tokens)
        tokens = sum(map(len, texts))
        for text in texts:
            vector = embedder.embed(text)
            emit((_unit(vector) if extras.normalize else vector,))

    worker = await start_worker(loader, request.model, options, write)
    vectors: list[list[float]] = []
    try:
        while len(vectors) < len(request.inputs):
            vectors.append(await worker.items.get())
    finally:
        await worker.aclose()
    usage = Usage(input_tokens=tokens, total_tokens=tokens, provenance="reported")
    return EmbeddingResponse(Vectors.of(vectors, "f"), request.provider, name, usage, cost_of(usage, local=True))


def _check_lengths(texts: Sequence[Sequence[int]], context_tokens: int) -> None:
    for position, text in enumerate(texts):
        if not text:
            raise InvalidRequest(f"inputs[{position}] holds nothing to embed", provider="local")
        if len(text) > context_tokens:
            raise ContextLengthExceeded(
                f"inputs[{position}] is {len(text)} tokens and the context is {context_tokens}; send less, or load the "
                f"model with a larger n_ctx",
                provider="local",
            )


def _unit(vector: list[float]) -> list[float]:
    length = math.sqrt(math.fsum(number * number for number in vector))
    return [number / length for number in vector] if length else vector
