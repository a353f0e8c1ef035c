"""``local/...``: GGUF models in this process, by llama-cpp-python."""

from __future__ import annotations

import contextlib

import msgspec

from exllm.local.answer import LocalStream
from exllm.local.embedding import embed_locally
from exllm.local.loader import Loader
from exllm.local.places import BUNDLED_MODEL
from exllm.local.process_loader import default_loader
from exllm.local.tokens import count_tokens
from exllm.streaming.accumulator import Accumulator
from exllm.types.embedding import EmbeddingRequest, EmbeddingResponse
from exllm.types.model import ModelEntry
from exllm.types.options import Timeouts
from exllm.types.request import Request
from exllm.types.response import Response

_NO_LIMIT = float("inf")


class LocalProvider:
    """A `Provider` whose models are files on this machine.

    The second half of the model string is the bundled model's name, a path, or a name in the model folders
    (`exllm.local.places`). ``extra={...}`` takes the fields of `LoadOptions` and `CallExtras`.

    Calls for one model are answered one after the other, in their order; those for different models at the same time.

    Args:
        loader: whose models these are; by default the one that all of `exllm.local` shares.
    """

    name = "local"
    label = "In process (llama-cpp-python)"
    default_model = BUNDLED_MODEL
    local = True
    prefills = True  # a last message of the assistant is gone on with
    writes_by_grammar = True  # a schema as `response_format` holds the tokens themselves
    timeouts = Timeouts(first_chunk=_NO_LIMIT, idle=_NO_LIMIT)
    options = frozenset({
        "temperature", "max_tokens", "top_p", "top_k", "min_p", "stop", "seed", "frequency_penalty",
        "presence_penalty", "logit_bias", "logprobs", "top_logprobs", "tools", "tool_choice", "parallel_tool_calls",
        "response_format",
    })  # fmt: skip
    embedding_options = frozenset({"encoding_format"})

    def __init__(self, loader: Loader | None = None) -> None:
        self._loader = loader

    @property
    def loader(self) -> Loader:
        """The loader, made at the first need."""
        if self._loader is None:
            self._loader = default_loader()
        return self._loader

    def stream(self, request: Request) -> LocalStream:
        """The answer in chunks; nothing happens before the first is asked for."""
        return LocalStream(self.loader, request)

    async def chat(self, request: Request) -> Response:
        """The whole answer: the same chunks, folded."""
        accumulator = Accumulator(request.provider, request.model)
        async with contextlib.aclosing(self.stream(request)) as chunks:
            async for chunk in chunks:
                accumulator.add((chunk,))
        return msgspec.structs.replace(accumulator.response(), warnings=chunks.warnings)

    async def embed(self, request: EmbeddingRequest) -> EmbeddingResponse:
        """The vectors of texts, of the length 1 unless ``extra={"normalize": False}``; the model is loaded for it.

        A model that was made to chat embeds as well: the mean over the text, which is no good for searching.

        Raises: UnsupportedOption; ContextLengthExceeded; what `Loader.load` raises.
        """
        return await embed_locally(self.loader, request)

    async def count_tokens(self, request: Request) -> int:
        """The ``usage.input_tokens`` that the call would have; the model is not loaded for it, but its vocabulary is.

        Raises: what `exllm.local.count_tokens` raises.
        """
        return await count_tokens(
            request.model, request.messages, tools=request.options.tools or (), loader=self.loader,
            chat_template=request.extra.get("chat_template"), chat_format=request.extra.get("chat_format"),
        )  # fmt: skip

    async def list_models(self) -> list[ModelEntry]:
        """The bundled model and those in the model folders."""
        entries: dict[str, ModelEntry] = {}
        for model in await self.loader.list_models():  # those in memory first, and perhaps twice, with other options
            raw = {"path": model.path, "bytes": model.bytes, "loaded": model.loaded}
            entry = ModelEntry(self.name, model.name, context_window=model.context_tokens, raw=raw)
            entries.setdefault(model.name, entry)
        return list(entries.values())
