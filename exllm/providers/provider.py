"""The protocol of a whole foreign backend: for what is no HTTP service that speaks a known wire."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Protocol, runtime_checkable

from exllm.types.chunks import Chunk
from exllm.types.embedding import EmbeddingRequest, EmbeddingResponse
from exllm.types.model import ModelEntry
from exllm.types.request import Request
from exllm.types.response import Response


@runtime_checkable
class Provider(Protocol):
    """Anything that answers requests; pass an instance to `exllm.providers.register`.

    Optional attributes, read when present: ``label: str``, ``default_model: str | None``, ``local: bool`` (costs
    nothing), ``options: frozenset[str]`` (the options it takes; all when absent), ``timeouts: Timeouts``,
    ``writes_by_grammar: bool`` (a schema as ``response_format`` becomes a grammar of the tokens).
    """

    name: str
    """The first half of the model string: lower-case letters, digits, ``-``, ``_`` and ``.``."""

    async def chat(self, request: Request) -> Response:
        """The whole answer. Raises `ExLLMError` subclasses."""

    def stream(self, request: Request) -> AsyncIterator[Chunk]:
        """The answer in chunks: usually an async generator. It is closed when the consumer leaves early.

        An answer that is whole ends with a `Finish` for each choice. Without one ``finish_reason`` is None: only the
        backend itself can tell whether something is missing, and raises `StreamInterrupted` if so.

        What is given may have ``warnings: tuple[str, ...]`` for the response: what was not done as asked.
        """


@runtime_checkable
class ListsModels(Protocol):
    """A foreign backend that knows its models, for `Client.list_models`."""

    async def list_models(self) -> list[ModelEntry]:
        """The models, sorted by id. Raises `ExLLMError` subclasses."""


@runtime_checkable
class Embeds(Protocol):
    """A foreign backend that turns texts into vectors, for `Client.embed`.

    Optional attributes: ``default_embedding_model: str | None``, used before `default_model` when only the provider is
    named; ``embedding_options: frozenset[str]``, those of ``dimensions``, ``encoding_format`` and ``task_type`` that it
    takes (all when absent).
    """

    async def embed(self, request: EmbeddingRequest) -> EmbeddingResponse:
        """One vector for each of ``request.inputs``, in their order, or an `ExLLMError`: never some of them.

        Raises `UnsupportedOption` for what of `request` it cannot take.
        """


@runtime_checkable
class CountsTokens(Protocol):
    """A foreign backend that knows its models' vocabularies, for `Client.count_tokens`."""

    async def count_tokens(self, request: Request) -> int:
        """The input tokens that `request` would have. Raises `ExLLMError` subclasses."""
