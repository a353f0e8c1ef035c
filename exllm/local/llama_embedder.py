"""A model that embeds texts, by the low-level interface of llama-cpp-python."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from exllm.errors import InvalidRequest, ServerError
from exllm.local.engine import Aborted
from exllm.local.llama_engine import LlamaEngine
from exllm.local.llama_library import llama_errors
from exllm.local.settings import DEFAULT_EMBEDDING_TOKENS, LoadOptions

_POOLING = {"mean": 1, "cls": 2, "last": 3}  # enum llama_pooling_type
_NO_POOLING, _RANKING = 0, 4
_ABORTED = 2  # what llama_decode and llama_encode return


class LlamaEmbedder(LlamaEngine):
    """An `EmbeddingEngine`. Models made for it, and those made to chat; of the latter the mean is taken."""

    def _make_context(self, path: Path, options: LoadOptions) -> None:
        llama = self._llama
        if llama.llama_model_has_encoder(self._model) and llama.llama_model_has_decoder(self._model):
            self.close()
            raise InvalidRequest(f"{path} translates one text into another, so it cannot embed", provider="local")
        settings = self._context_settings(options, DEFAULT_EMBEDDING_TOKENS)
        settings.embeddings = True
        settings.n_batch = settings.n_ubatch = settings.n_ctx  # pooling needs a text as a whole
        if options.pooling_type is not None:
            settings.pooling_type = _POOLING[options.pooling_type]
        self._context = self._new_context(path, settings)
        pooling = llama.llama_pooling_type(self._context)
        if pooling == _NO_POOLING:  # a model that was made to chat
            llama.llama_free(self._context)
            settings.pooling_type = _POOLING["mean"]
            self._context = self._new_context(path, settings)
        elif pooling == _RANKING:
            self.close()
            raise InvalidRequest(f"{path} ranks texts, so it cannot embed", provider="local")
        self._memory = llama.llama_get_memory(self._context)  # none where there is only an encoder
        self._dimensions = llama.llama_model_n_embd_out(self._model)

    def embed(self, tokens: Sequence[int]) -> list[float]:
        """See `EmbeddingEngine.embed`."""
        llama = self._llama
        if self._flag:
            raise Aborted
        array = (llama.llama_token * len(tokens))(*tokens)  # the batch only points at it
        batch = llama.llama_batch_get_one(array, len(tokens))
        with llama_errors() as errors:
            if self._memory is None:
                code = llama.llama_encode(self._context, batch)
            else:
                llama.llama_memory_clear(self._memory, True)
                code = llama.llama_decode(self._context, batch)
        if code == _ABORTED:
            raise Aborted
        vector = llama.llama_get_embeddings_seq(self._context, 0) if code == 0 else None
        if not vector:
            reason = errors[-1] if errors else "it gives no reason"
            raise ServerError(f"llama.cpp failed to embed: {reason} ({code})", provider="local", retryable=False)
        return list(vector[: self._dimensions])
